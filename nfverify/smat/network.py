"""Chains and graphs of programs to networks: mentions become instances, paths become wires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from nfverify.lang import ast
from nfverify.lang.source import Span
from nfverify.smat import ir
from nfverify.smat.program import Lowered, Scope, lower, port_names
from nfverify.smat.report import Report, did_you_mean
from nfverify.smat.values import Value

MAX_INSTANCES = 256
MAX_NESTING = 32  # of chains in chains
DEFAULT_PORTS = ("0", "1")


class Names(Protocol):
    """Where programs and chains are found, and what stands around them."""

    def find(self, name: str) -> tuple[ast.Program | ast.Chain, Names] | None: ...

    def known(self) -> list[str]: ...

    def scope(self) -> Scope: ...

    def constant(self, report: Report, node: ast.Expr) -> Value: ...


@dataclass(slots=True)
class _Node:
    """An instance to be."""

    name: str
    program: ast.Program
    scope: Scope
    overrides: Mapping[str, tuple[ast.Expr, Value]]
    span: Span


@dataclass(frozen=True, slots=True)
class _Part:
    """What a mention stands for: one instance, or those of a chain, the ingress first."""

    nodes: tuple[int, ...]


@dataclass(slots=True)
class _Graph:
    report: Report
    nodes: list[_Node] = field(default_factory=list)
    wires: dict[tuple[int, str | None], tuple[int, Span]] = field(default_factory=dict)

    def fresh(self, name: str) -> str:
        taken = {node.name for node in self.nodes}
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name}_{count}"
        return unique


def build(
    report: Report,
    item: ast.Program | ast.Chain,
    names: Names,
    numbering: Sequence[str] = (),
) -> tuple[ir.Network, list[Lowered]]:
    """The network of a program or chain; errors are in the report.

    If its ports are those of `numbering`, they are numbered in that order.
    """
    graph = _Graph(report)
    if isinstance(item, ast.Program):
        graph.nodes.append(_Node(item.name, item, names.scope(), {}, item.span))
    else:
        _chain(graph, item, names, (), "")
    report.stop()
    order = _topological(graph, item)
    position = {old: new for new, old in enumerate(order)}
    ports = _ports(graph, order)
    if sorted(ports) == sorted(numbering):
        ports = tuple(numbering)
    numbers = {name: number for number, name in enumerate(ports)}
    instances: list[ir.Instance] = []
    lowered: list[Lowered] = []
    done: dict[tuple[int, tuple[tuple[str, Value], ...]], Lowered] = {}
    for index in order:
        node = graph.nodes[index]
        key = (id(node.program), tuple([(name, v) for name, (_, v) in node.overrides.items()]))
        if key not in done:
            done[key] = lower(report, node.program, node.scope, numbers, node.overrides)
            lowered.append(done[key])
        instances.append(ir.Instance(node.name, done[key].program))
    wires = [
        ir.Wire(position[source], None if port is None else numbers[port], position[target])
        for (source, port), (target, _) in graph.wires.items()
    ]
    wires.sort(key=lambda w: (w.source, w.port is None, w.port or 0))
    network = ir.Network(item.name, ports, tuple(instances), tuple(wires))
    return network, lowered


def _chain(
    graph: _Graph, chain: ast.Chain, names: Names, outer: tuple[str, ...], prefix: str
) -> _Part:
    """Adds the instances and wires of a chain."""
    report = graph.report
    if chain.name in outer:
        cycle = " -> ".join((*outer[outer.index(chain.name) :], chain.name))
        report.error(chain.span, "chain-cycle", f"the chain contains itself: {cycle}")
        report.stop()
    within = (*outer, chain.name)
    if len(within) > MAX_NESTING:
        message = f"chains are nested more than {MAX_NESTING} deep"
        report.error(chain.span, "too-large", message)
        report.stop()
    first = len(graph.nodes)
    mentioned: dict[str, _Part] = {}
    for path in chain.paths:
        earlier = dict(mentioned)
        before: tuple[_Part, ast.ChainNode] | None = None
        for mention in path:
            part = earlier.get(mention.name) if mention.alias is None else None
            if part is None:
                part = _mention(graph, mention, names, within, prefix, mentioned)
            elif mention.overrides:
                hint = "configure it where it is first mentioned, or add `as NAME`"
                message = f"`{mention.name}` has been mentioned already"
                report.error(mention.span, "override", message, hint)
            if before is not None:
                _wire(graph, before[0], before[1], part, mention.span)
            elif len(path) == 1 and mention.port is not None:
                report.error(mention.span, "chain", "a port that leads nowhere")
            before = part, mention
        if before is not None and len(path) > 1 and before[1].port is not None:
            message = "the port of the last NF leads nowhere"
            report.error(before[1].span, "chain", message, "write `a.port -> b`")
    return _Part(tuple(range(first, len(graph.nodes))))


def _mention(
    graph: _Graph,
    mention: ast.ChainNode,
    names: Names,
    outer: tuple[str, ...],
    prefix: str,
    mentioned: dict[str, _Part],
) -> _Part:
    """A new instance of an NF, or new instances of all NFs of a chain."""
    report = graph.report
    found = names.find(mention.name)
    if found is None:
        hint = did_you_mean(mention.name, names.known())
        message = f"unknown NF or chain `{mention.name}`{hint}"
        report.error(mention.span, "unknown-name", message)
        report.stop()
    assert found is not None
    item, place = found
    alias = mention.alias or ""
    if alias in mentioned:
        report.error(mention.span, "duplicate", f"`{alias}` is an instance already")
        report.stop()
    if len(graph.nodes) >= MAX_INSTANCES:
        message = f"the chain has more than {MAX_INSTANCES} instances"
        report.error(mention.span, "too-large", message)
        report.stop()
    if isinstance(item, ast.Chain):
        if mention.overrides:
            hint = "configure the NFs where the chain is declared"
            report.error(mention.span, "override", f"`{item.name}` is a chain", hint)
        part = _chain(graph, item, place, outer, f"{prefix}{alias}_" if alias else prefix)
        mentioned.setdefault(alias or mention.name, part)
        return part
    overrides: dict[str, tuple[ast.Expr, Value]] = {}
    for name, expr in mention.overrides:
        if name in overrides:
            report.error(expr.span, "duplicate", f"`{name}` is set twice")
        overrides[name] = (expr, names.constant(report, expr))
    name = graph.fresh(prefix + (alias or mention.name))
    graph.nodes.append(_Node(name, item, place.scope(), overrides, mention.span))
    part = _Part((len(graph.nodes) - 1,))
    mentioned.setdefault(alias or mention.name, part)
    mentioned.setdefault(name, part)
    return part


def _wire(graph: _Graph, source: _Part, mention: ast.ChainNode, target: _Part, span: Span) -> None:
    """What leaves `source` (by a port, or whatever is not wired otherwise) goes to `target`."""
    report = graph.report
    port = mention.port
    leaving = [n for n in source.nodes if len(source.nodes) == 1 or (n, None) not in graph.wires]
    if port is not None:
        declared = {n: _declared(graph.nodes[n]) for n in leaving}
        leaving = [n for n in leaving if port in declared[n]]
        if not leaving:
            known = sorted({name for names in declared.values() for name in names})
            message = f"`{mention.name}` has no port `{port}`{did_you_mean(port, known)}"
            report.error(mention.span, "port", message, f"its ports: {', '.join(known)}")
    for node in leaving:
        if (node, port) in graph.wires:
            if graph.wires[node, port][0] == target.nodes[0]:
                continue
            what = f"port `{port}` of " if port else ""
            message = f"{what}`{mention.name}` is wired already"
            hint = "wire ports one by one: `a.out1 -> b, a.out2 -> c`"
            report.error(span, "chain", message, hint)
        graph.wires[node, port] = (target.nodes[0], span)


def _declared(node: _Node) -> tuple[str, ...]:
    return tuple(port_names(node.scope, node.program)) or DEFAULT_PORTS


def _topological(graph: _Graph, item: ast.Program | ast.Chain) -> list[int]:
    """The instances so that wires lead forward, the ingress first; a cycle is an error, and so is
    an instance that nothing leads to."""
    count = len(graph.nodes)
    incoming = [0] * count
    for target, _ in graph.wires.values():
        incoming[target] += 1
    for index in range(1, count):
        if incoming[index] == 0:
            node = graph.nodes[index]
            message = f"no packet can reach `{node.name}`: nothing is wired to it"
            graph.report.error(node.span, "chain", message)
    if incoming[0] and count:
        _cycle(graph, item)
    order: list[int] = []
    ready = [index for index in range(count) if incoming[index] == 0]
    while ready:
        index = ready.pop(0)
        order.append(index)
        for (source, _), (target, _) in graph.wires.items():
            if source == index:
                incoming[target] -= 1
                if incoming[target] == 0:
                    ready.append(target)
        ready.sort()
    if len(order) < count:
        _cycle(graph, item)
    graph.report.stop()
    return order


def _cycle(graph: _Graph, item: ast.Program | ast.Chain) -> NoReturn:
    """Names the instances of a cycle."""
    for start in range(len(graph.nodes)):
        seen = [start]
        frontier: list[tuple[int, tuple[int, ...]]] = [(start, (start,))]
        while frontier:
            index, path = frontier.pop()
            for (source, _), (target, span) in graph.wires.items():
                if source != index:
                    continue
                if target == start:
                    names = " -> ".join(graph.nodes[n].name for n in (*path, start))
                    message = f"the chain has a cycle: {names}"
                    hint = "a packet goes through each NF once; `r -> r` is two instances"
                    graph.report.error(span, "chain-cycle", message, hint)
                    graph.report.stop()
                if target not in seen:
                    seen.append(target)
                    frontier.append((target, (*path, target)))
    graph.report.error(item.span, "chain-cycle", "the chain has a cycle")
    graph.report.stop()
    raise AssertionError("unreachable")


def _ports(graph: _Graph, order: list[int]) -> tuple[str, ...]:
    """The union of the declared ports in order of the instances; "0" and "1" if there are none."""
    found: dict[str, None] = {}
    for index in order:
        node = graph.nodes[index]
        found.update(dict.fromkeys(port_names(node.scope, node.program)))
    return tuple(found) or DEFAULT_PORTS
