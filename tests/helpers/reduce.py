"""A failing network made small, and shown: statements, rows and parts of expressions are left out
as long as it still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset


def reduce(
    network: ir.Network, fails: Callable[[ir.Network], bool], attempts: int = 150
) -> ir.Network:
    """A smaller network that fails; each attempt costs a build."""
    best, tries = network, 0
    changed = True
    while changed and tries < attempts:
        changed = False
        for index in range(len(best.instances)):
            for smaller in _smaller(best.instances[index].program):
                candidate = _with(best, index, smaller)
                tries += 1
                if tries > attempts:
                    return best
                if fails(candidate):
                    best, changed = candidate, True
                    break
    return best


def _with(network: ir.Network, index: int, program: ir.Program) -> ir.Network:
    instances = list(network.instances)
    instances[index] = replace(instances[index], program=program)
    return replace(network, instances=tuple(instances))


def _smaller(program: ir.Program) -> Iterator[ir.Program]:
    """Big steps first. Variables that nothing names any more go with what named them."""
    if program.body or program.init or program.timers:
        yield _tidy(replace(program, body=(), init=(), timers=()))
    if program.timers:
        yield replace(program, timers=())
    if program.init:
        yield _tidy(replace(program, init=()))
    for body in _shorter(program.body):
        yield _tidy(replace(program, body=body))
    for number, variable in enumerate(program.state):
        for changes in ({"entries": ()}, {"timeout": None}, {"capacity": None}):
            if any(getattr(variable, name) != value for name, value in changes.items()):
                state = list(program.state)
                state[number] = replace(variable, **changes)
                yield replace(program, state=tuple(state))


def _tidy(program: ir.Program) -> ir.Program:
    named = {
        node.var
        for node in ir.walk(program.init + program.body)
        if isinstance(node, ir.Read | ir.Has | ir.Write | ir.Delete | ir.Touch)
    }
    return replace(program, state=tuple(v for v in program.state if v.name in named))


def _shorter(body: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Halves, then each part left out, then each made smaller. Locals stay where they are used."""
    used = {n.name for n in ir.walk(body) if isinstance(n, ir.Local)}
    if len(body) > 3:
        middle = len(body) // 2
        if not _binds(body[:middle], used):
            yield body[middle:]
        if not _binds(body[middle:], used):
            yield body[:middle]
    for number, part in enumerate(body):
        if not _binds((part,), used):
            yield body[:number] + body[number + 1 :]
    for number, part in enumerate(body):
        for other in _simpler(part):
            yield (*body[:number], other, *body[number + 1 :])


def _binds(parts: tuple[Any, ...], used: set[str]) -> bool:
    found = {n.name for n in ir.walk(parts) if isinstance(n, ir.Let | ir.Choose)}
    return bool(found & used)


def _simpler(node: Any) -> Iterator[Any]:
    """A statement, row or expression with less in it."""
    if _is_expression(node) and not isinstance(node, ir.Const | ir.Local):
        yield ir.Const(ir.zero(node.type), node.type)
        for child in ir.children(node):
            if child.type == node.type:
                yield child
    for name in (f.name for f in fields(node) if f.name not in ("span", "type")):
        value = getattr(node, name)
        if isinstance(value, tuple) and value and _is_node(value[0]):
            if name in ("body", "then", "otherwise", "entries", "match_flow", "match_state"):
                for shorter in _shorter(value):
                    if shorter or name != "entries":
                        yield replace(node, **{name: shorter})
            else:
                for number, part in enumerate(value):
                    for other in _simpler(part):
                        parts = (*value[:number], other, *value[number + 1 :])
                        yield replace(node, **{name: parts})
        elif _is_node(value):
            for other in _simpler(value):
                yield replace(node, **{name: other})


def _is_node(value: object) -> bool:
    return isinstance(value, ir.Node | ir.Ports | ir.Delay)


def _is_expression(node: object) -> bool:
    return isinstance(node, ir.Node) and hasattr(node, "type") and not isinstance(node, ir.Choose)


# Text -------------------------------------------------------------------------------------


def text(network: ir.Network) -> str:
    """The IR in short, of types that the language has no words for, too."""
    lines = [f"{network.name}: ports {network.ports}"]
    lines += [f"  {w.source}.{w.port} -> {w.target}" for w in network.wires]
    for number, instance in enumerate(network.instances):
        program = instance.program
        lines.append(f"{number} {instance.name}: {program.name}, ports {program.ports}")
        lines += [f"  {_short(v)}" for v in program.state]
        lines += [f"  timer {t.delay} {t.tags}" for t in program.timers]
        lines += [f"  init {_short(s)}" for s in program.init]
        lines += [f"  {_short(s)}" for s in program.body]
    return "\n".join(lines)


def _short(value: object) -> str:
    match value:
        case ir.Bits(width=width, signed=signed):
            return f"{'s' if signed else 'u'}{width}"
        case ir.Const(value=constant, type=type_):
            return f"{constant!r}:{_short(type_)}"
        case Ruleset(columns=columns, rows=rows):
            few = [(r.accept, r.bounds) for r in rows[:6]]
            return f"Ruleset({columns}, {few}{' …' if len(rows) > 6 else ''})"
        case tuple():
            return f"({', '.join(map(_short, value))})"
    if is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in fields(value) if f.name != "span"]
        return f"{type(value).__name__}({', '.join(_short(getattr(value, n)) for n in names)})"
    return repr(value)
