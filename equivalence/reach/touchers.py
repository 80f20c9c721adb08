"""What the ghost of a pair says of the state: candidates for the relation.

Whoever touched a key last left it in some state: present or not, a counter at its limit, a key that
its entry's guard lets through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

from nfverify.equivalence.components import (
    Component,
    at_most,
    implies,
    is_number,
    kindred,
    locals_of,
    negate,
    number,
)
from nfverify.equivalence.constants import HOLE, Constants, constant_folded, replace_leaf
from nfverify.equivalence.problem import Side
from nfverify.equivalence.reach.loops import reads
from nfverify.equivalence.reach.target import GHOST
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.templates import fit, plain_field, substitute_fields
from nfverify.smat import ir

MAX_ASKED = 12
MAX_LIMITS = 8
MAX_SPANS = 4


def is_ghost(component: Component) -> bool:
    """Does it belong to goals?"""
    return component.variable.name.startswith(GHOST)


def asked(network: ir.Network) -> dict[tuple[str, str], set[int]]:
    """What the ghosts of each instance are compared with."""
    found: dict[tuple[str, str], set[int]] = {}
    for instance in network.instances:
        body = instance.program.body
        lets = {n.name: n.value for n in ir.walk(body) if isinstance(n, ir.Let)}
        for node in ir.walk(body):
            if isinstance(node, ir.Compare):
                value = constant_folded(node.right)
                for name in reads(node.left, lets):
                    if name.startswith(GHOST) and value is not None:
                        found.setdefault((instance.name, name), set()).add(value)
    return found


def ghost_constants(network: ir.Network, constants: Constants) -> None:
    """Ghosts are held against what goals ask for only, not against all that is assigned."""
    wanted = asked(network)
    for instance in network.instances:
        for variable in instance.program.state:
            if variable.name.startswith(GHOST):
                values = wanted.get((instance.name, variable.name), set())
                constants.variables[f"a.{instance.name}", variable.name] = values


def touchers(
    side: Side, constants: Constants, components: Sequence[Component]
) -> Iterator[Candidate]:
    """`last[k] == unit` implies this or that of other variables at k, and of k itself."""
    spans = _spans(side)
    for ghost in components:
        if not is_ghost(ghost) or ghost.index is None:
            continue
        ks = locals_of(ghost.keys)
        value = ghost.at(ks)
        tests: list[ir.Expr] = [
            ir.Compare("==", value, number(v, ghost.type))
            for v in (*sorted(v for v in ghost.constants if v)[:MAX_ASKED], 0)
        ]
        claims = list(claims_of(side, constants, components, ghost))
        for test in (negate(tests[-1]), *tests[:-1]):
            for claim in claims:
                yield Candidate("toucher", ghost.keys, implies(test, claim))
        for claim in _claims(ghost, ks, components, spans):
            yield Candidate("toucher", ghost.keys, implies(tests[-1], claim))


def claims_of(
    side: Side, constants: Constants, components: Sequence[Component], ghost: Component
) -> Iterator[ir.Expr]:
    """What may be said of a key that the ghost is asked about, and of what stands under it."""
    ks = locals_of(ghost.keys)
    yield from _claims(ghost, ks, components, _spans(side))
    yield from _of_keys(ks, constants)
    for other in components:
        if not other.keys and is_number(other.type) and not is_ghost(other):
            for k in ks:
                if kindred(k.type, other.type):
                    yield at_most(k, other.at(()), strictly=True)
    guards = _guards(side)
    for mapping in _fields(side, ghost):
        names = {f: ks[i] for f, i in mapping.items()}
        for guard in guards:
            test = substitute_fields(guard, names)
            if test is not None:
                yield from (test, negate(test))


def _claims(
    ghost: Component,
    ks: tuple[ir.Expr, ...],
    components: Sequence[Component],
    spans: Sequence[ir.Const],
) -> Iterator[ir.Expr]:
    others = [c for c in components if not is_ghost(c) and c.keys == ghost.keys]
    yield from _orders(ks, others, spans)
    for other in others:
        value = other.at(ks)
        if other.type == ir.BOOL:
            yield from (value, negate(value))
        if not is_number(other.type) or other.index is None:
            continue
        assert isinstance(other.type, ir.Bits)
        default = other.variable.default[other.index]
        limits = {0, int(default) if isinstance(default, int) else 0, *other.constants}
        for limit in sorted(limits)[:MAX_LIMITS]:
            if ir.wrap(limit, other.type) == limit:
                bound = number(limit, other.type)
                yield ir.Compare("==", value, bound)
                yield ir.Compare("!=", value, bound)
                yield ir.Compare("<=", bound, value)
                yield ir.Compare("<", value, bound)
                yield ir.Compare("<=", value, bound)


def _spans(side: Side) -> list[ir.Const]:
    """The times that stand in the programs."""
    found = {
        node.value: node
        for instance in side.network.instances
        for node in ir.walk(instance.program.body)
        if isinstance(node, ir.Const) and node.type == ir.TIME and node.value
    }
    return [found[value] for value in sorted(found, key=repr)][:MAX_SPANS]


def _orders(
    ks: tuple[ir.Expr, ...], others: Sequence[Component], spans: Sequence[ir.Const]
) -> Iterator[ir.Expr]:
    """How numbers of one kind under the same key compare, times also by how much."""
    for x, y in permutations([c for c in others if is_number(c.type)], 2):
        if x.type == y.type and kindred(x.type, y.type):
            a, b = x.at(ks), y.at(ks)
            yield ir.Compare("<=", a, b)
            if x.type == ir.TIME:
                gap = ir.Arithmetic("-", b, a, ir.TIME)
                for span in spans:
                    yield ir.And((ir.Compare("<=", a, b), ir.Compare("<=", span, gap)))


def _of_keys(ks: tuple[ir.Expr, ...], constants: Constants) -> Iterator[ir.Expr]:
    for k in ks:
        if not isinstance(k.type, ir.Bits):
            continue
        for predicate in constants.predicates:
            same = predicate.type.width == k.type.width and predicate.type.shown == k.type.shown
            if same or 8 <= predicate.type.width < k.type.width:
                hole = ir.Local(HOLE, predicate.type)
                test = replace_leaf(predicate.expr, hole, fit(k, predicate.type))
                yield from (test, negate(test))


def _guards(side: Side) -> list[ir.Expr]:
    """The parts of guards that are of the packet alone."""
    found: dict[ir.Expr, None] = {}
    for instance in side.network.instances:
        for node in ir.walk(instance.program.body):
            if isinstance(node, ir.Entry) and node.match_flow:
                found[ir.And(node.match_flow)] = None
                found.update(dict.fromkeys(node.match_flow))
    return list(found)


def _fields(side: Side, ghost: Component) -> list[Mapping[str, int]]:
    """Which fields stand at which positions of the ghost's keys, in each way it is written."""
    found: list[Mapping[str, int]] = []
    for instance in side.network.instances:
        for node in ir.walk(instance.program.body):
            if (
                isinstance(node, ir.Write)
                and side.qualify(instance.name, node.var) == ghost.var
                and len(node.keys) == len(ghost.keys)
            ):
                lets = {
                    n.name: n.value for n in ir.walk(instance.program.body) if isinstance(n, ir.Let)
                }
                mapping = {}
                for i, key in enumerate(node.keys):
                    name = plain_field(_named(key, lets))
                    if name is not None:
                        mapping[name] = i
                if mapping and mapping not in found:
                    found.append(mapping)
    return found


def _named(expr: ir.Expr, lets: Mapping[str, ir.Expr]) -> ir.Expr:
    for _ in range(4):
        while isinstance(expr, ir.Cast):
            expr = expr.operand
        if isinstance(expr, ir.Local) and expr.name in lets:
            expr = lets[expr.name]
    return expr
