"""Which strategies there are for B, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product

from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.refine.witness import (
    SMALL_RANGE,
    Bound,
    Else,
    Exactly,
    Matching,
    OfArrival,
    OfChoice,
    OfOutput,
    OfPlain,
    OfWrite,
    Place,
    Plain,
    Strategy,
    Witness,
    bits_of,
    places,
)
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

MAX_STRATEGIES = 600
LIKELY = 4
FALLBACKS = 4


def strategies(problem: Problem) -> list[Strategy]:
    """Combinations of witnesses, the likeliest first."""
    options = [
        [(place, witness) for witness in dict.fromkeys(_witnesses(problem, place, node))]
        for place, node in places(problem.b.network).items()
    ]
    combinations = islice(product(*options), 50 * MAX_STRATEGIES)
    ranked = sorted(
        combinations,
        key=lambda c: sum(o.index(w) for o, w in zip(options, c, strict=True)),
    )
    return [Strategy(combination) for combination in ranked[:MAX_STRATEGIES]]


def _witnesses(problem: Problem, place: Place, node: ir.Choose) -> Iterator[Witness]:
    theirs = places(problem.a.network)
    alike = [p for p in theirs if p[1] == place[1]]
    for place_of_a in (*alike, *theirs):
        yield OfChoice(place_of_a, bits_of(theirs[place_of_a].type))
    written = _writes(problem.a)
    plain = list(_plain(problem.a))
    same = _shown(node.type)
    sent = problem.a.written_fields()
    fields = [n for n, info in FIELDS.items() if info.on_wire and info.width and n != "iplen"]
    likely: list[Plain] = []
    for suits in (True, False):
        likely += [w for w in written if (w.type.shown == same) is suits]
        likely += [w for w in plain if (w.type.shown == same) is suits and not w.after]
        if suits:
            likely += [OfOutput(n) for n in fields if n in sent]
    yield from likely
    fixed: list[Plain] = [Bound(False), Bound(True)]
    match node.low, node.high:
        case ir.Const(value=int(low)), ir.Const(value=int(high)) if high - low < SMALL_RANGE:
            fixed += [Exactly(value) for value in range(low + 1, high)]
            yield Matching(tuple(range(low, high + 1)))
        case _:
            pass
    yield from fixed
    asked = [n.value for n in ir.walk((node.where,)) if isinstance(n, ir.Const)]
    yield from (Exactly(int(v)) for v in asked if isinstance(v, int))
    for one in [*(OfChoice(p, bits_of(theirs[p].type)) for p in (*alike, *theirs)), *likely][
        :LIKELY
    ]:
        yield from (Else(one, other) for other in fixed[:FALLBACKS])
    yield from (w for w in plain if w.after)
    mentioned = {
        n.name
        for side in problem.sides
        for instance in side.network.instances
        for n in ir.walk(instance.program.body)
        if isinstance(n, ir.Field | ir.SetField)
    }
    yield from (OfArrival(n) for n in fields if n in mentioned)
    yield from _plain(problem.b)


def _shown(type_: ir.Type) -> str:
    return bits_of(type_).shown


def _writes(side: Side) -> list[OfWrite]:
    return [
        OfWrite(side.qualify(instance.name, variable.name), position, type_)
        for instance in side.network.instances
        for variable in instance.program.state
        if variable.keys and not variable.constant
        for position, type_ in _values_first(variable)
        if isinstance(type_, ir.Bits)
    ]


def _values_first(variable: ir.StateVar) -> Iterator[tuple[int, ir.Type]]:
    count = len(variable.keys)
    yield from enumerate(variable.values, count)
    yield from enumerate(variable.keys)


def _plain(side: Side) -> Iterator[OfPlain]:
    for after in (False, True) if side.letter == "a" else (False,):
        for instance in side.network.instances:
            for variable in instance.program.state:
                if variable.keys or variable.constant:
                    continue
                name = side.qualify(instance.name, variable.name)
                for index, type_ in enumerate(variable.values):
                    if isinstance(type_, ir.Bits):
                        yield OfPlain(name, index, type_, after)
