"""What is to be proved of a model: its own properties and invariants, and others given as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nfverify.lang import ast
from nfverify.lang.files import DISK, Files
from nfverify.lang.parser import parse
from nfverify.lang.source import NOWHERE, Diagnostic, ModelError, Source, Span
from nfverify.smat import ir
from nfverify.smat.load import Module, choose, open_target
from nfverify.smat.network import build
from nfverify.smat.program import lower
from nfverify.smat.ready import READY
from nfverify.smat.rebuild import mapped_expr
from nfverify.smat.report import Report, did_you_mean
from nfverify.smat.ruleset import PROTOCOLS

GIVEN = "--property"
MAX_TEXT = 10_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A property and the network whose steps it is about: the model, or of a chain an NF of it
    alone, named by `owner`."""

    network: ir.Network
    promise: ir.Property
    owner: str = ""

    @property
    def title(self) -> str:
        """What people call it."""
        name = self.promise.title or self.promise.name
        return f"{self.owner}.{name}" if self.owner else name


def load_claims(
    target: str, texts: Sequence[str] = (), *, files: Files = DISK
) -> tuple[ir.Network, tuple[Claim, ...]]:
    """The model of a target, and what is to be proved of it: all that it states, or, with `texts`,
    these: names of its own, ready-made ones, or `NAME: condition`. Raises ModelError."""
    report = Report()
    module, name = open_target(report, target, files=files)
    item, home = choose(report, module, name)
    network, _ = build(report, item, home)
    report.stop()
    stated = tuple(_stated(network, item, home))
    if not texts:
        return network, stated
    found: list[Claim] = []
    for text in texts:
        own = [c for c in stated if _plain(text) in _names(c)]
        found += own or [_given(network, item, home, text, stated)]
    return network, tuple(dict.fromkeys(found))


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _names(claim: Claim) -> set[str]:
    """All that a stated property may be called by: of a chain with and without its NF."""
    prop = claim.promise
    short = {prop.name, _plain(prop.title)} - {""}
    return short | {f"{claim.owner}.{n}" for n in short if claim.owner}


def _stated(network: ir.Network, item: ast.Program | ast.Chain, home: Module) -> Iterator[Claim]:
    """What the text states: of each NF by itself, and of a chain what stands beside it."""
    single = isinstance(item, ast.Program)
    beside = [i for i in home.file.items if isinstance(i, ast.Property | ast.ReadyMade)]
    around = [i.span for i in beside]  # of the chain, and not of the NFs in its file
    seen: list[ir.Program] = []
    for instance in network.instances:
        program = instance.program
        if any(program is p for p in seen):
            continue
        seen.append(program)
        alone = network
        if not single:
            alone = ir.Network(program.name, network.ports, (instance,), ())
        for claim in (*program.properties, *invariants(program)):
            if single or claim.span not in around:
                yield Claim(alone, claim, "" if single else instance.name)
    if not single and beside:
        report = Report()
        yield from _of_chain(report, network, home, beside)
        report.stop()


def invariants(program: ir.Program) -> Iterator[ir.Property]:
    """The invariants of a program as properties; the fields in them stand for all values."""
    for number, invariant in enumerate(program.invariants, 1):
        fields: dict[str, ir.Type] = {}

        def change(node: ir.Expr, into: dict[str, ir.Type] = fields) -> ir.Expr:
            if isinstance(node, ir.Field):
                into[node.name] = node.type
                return ir.Local(f"f_{node.name}", node.type)
            return node

        expr = mapped_expr(invariant.expr, change)
        variables = tuple((f"f_{name}", type_) for name, type_ in fields.items())
        span = invariant.span
        title = " ".join(span.source.text[span.start : span.end].split()).rstrip(";")
        yield ir.Property(f"invariant_{number}", expr, variables, title, span=span)


# Given as text ----------------------------------------------------------------------------


def _given(
    network: ir.Network,
    item: ast.Program | ast.Chain,
    home: Module,
    text: str,
    stated: Sequence[Claim],
) -> Claim:
    report = Report()
    node = _parsed(text, stated)
    if isinstance(item, ast.Program):
        kept = tuple(i for i in item.items if not isinstance(i, ast.Property | ast.ReadyMade))
        whole, _ = build(report, replace(item, items=(*kept, node)), home)
        report.stop()
        found = whole.instances[0].program.properties[-1]
    else:
        claims = list(_of_chain(report, network, home, [node]))
        report.stop()
        found = claims[-1].promise
    return Claim(network, replace(found, title=" ".join(text.split()).rstrip(";")))


def _parsed(text: str, stated: Sequence[Claim]) -> ast.Property | ast.ReadyMade:
    """A property out of `ready(args)`, `NAME: condition` or a mere condition."""
    shown = Source(GIVEN, text)
    whole = Span(shown, 0, len(text))
    if len(text) > MAX_TEXT:
        raise ModelError(Diagnostic("error", "property", "the property is too long", NOWHERE))
    body = text.strip().rstrip(";")
    name = re.match(r"\w+", body)
    if re.fullmatch(r"\w+", body) and body not in READY:
        known = [n for c in stated for n in sorted(_names(c))]
        message = f"the model states no property `{body}`{did_you_mean(body, [*known, *READY])}"
        hint = f"ready-made ones: {', '.join(READY)}"
        if known:
            hint = f"it states {', '.join(dict.fromkeys(c.title for c in stated))}; {hint}"
        raise ModelError(Diagnostic("error", "property", message, whole, hint))
    ready = name is not None and name.group() in READY
    headed = ready or re.match(r"\w+\s*(\([^()]*\)\s*)?:(?!:)", body) is not None
    prefix = "property " if headed else "property given: "
    file = parse(Source(GIVEN, f"{prefix}{body};"))
    found = [i for i in file.items if isinstance(i, ast.Property | ast.ReadyMade)]
    if len(file.items) != 1 or len(found) != 1:
        raise ModelError(Diagnostic("error", "property", "one property is wanted", whole))
    return found[0]


def _of_chain(
    report: Report,
    network: ir.Network,
    home: Module,
    nodes: Sequence[ast.Property | ast.ReadyMade],
) -> Iterator[Claim]:
    """Properties of a whole chain: they may use its ports, and rules of its NFs that have one
    meaning there; its state is its NFs' own."""
    around: list[ast.Declaration] = [*_rules(network, home), *nodes]
    if any(not port.isdigit() for port in network.ports):
        around.insert(0, ast.Interfaces(network.ports))
    program = ast.Program(network.name, tuple(around), span=network.instances[0].program.span)
    numbers = {name: number for number, name in enumerate(network.ports)}
    scope = home.scope()
    beside = tuple(d for d in scope.declarations if not isinstance(d, ast.Property | ast.ReadyMade))
    lowered = lower(report, program, replace(scope, declarations=beside), numbers, {})
    for claim in lowered.program.properties:
        yield Claim(network, claim)


def _rules(network: ir.Network, home: Module) -> Iterator[ast.Rule | ast.Ruleset]:
    """Rules and rulesets of a chain's NFs, without those that depend on an NF's configuration."""
    items: dict[str, list[ast.Rule | ast.Ruleset]] = {}
    taken = {name for d in home.declarations() if (name := getattr(d, "name", None))}
    for program in {i.program.name: i.program for i in network.instances}.values():
        found = home.find(program.name)
        if found is not None and isinstance(found[0], ast.Program):
            for item in found[0].items:
                if isinstance(item, ast.Rule | ast.Ruleset):
                    items.setdefault(item.name, []).append(item)
    fine: set[str] = set()
    for name, same in items.items():
        one = same[0]
        if name in taken or len(same) > 1:
            continue
        if isinstance(one, ast.Rule) and all(map(_constant, one.value.fields)):
            fine.add(name)
            yield one
    for name, same in items.items():
        one = same[0]
        if name not in taken and len(same) == 1 and isinstance(one, ast.Ruleset):
            rules = one.rules or ()
            if all(
                r.name in fine if isinstance(r, ast.Name) else all(map(_constant, r.fields))
                for r in rules
            ):
                yield one


def _constant(field: ast.RuleField) -> bool:
    value = field.value
    return not isinstance(value, ast.Name) or value.name.lower() in PROTOCOLS
