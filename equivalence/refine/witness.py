"""What B takes where it may choose, said in terms of what A has just done.

A strategy gives a witness for each `choose` of B. Over terms it makes the step that a proof is
about; on the reference semantics it drives simulations. Only the first must be right: a witness
that doesn't fit fails its obligation, whatever simulations showed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import assert_never

from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.state import State
from nfverify.equivalence.symbolic import Choice, Chosen, Emission
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.packet import Packet
from nfverify.smat import ir

SMALL_RANGE = 8
MAX_MATCHING = 24

Place = tuple[str, str]
"""An instance and the local that its `choose` binds."""


@dataclass(frozen=True, slots=True)
class OfChoice:
    """What A chose last at a place, in this event."""

    place: Place
    type: ir.Bits


@dataclass(frozen=True, slots=True)
class OfWrite:
    """What A assigned last, in this event: a part of (keys + values) of a map."""

    var: str
    position: int
    type: ir.Bits


@dataclass(frozen=True, slots=True)
class OfPlain:
    """A plain variable of either side, before the event or (of A) after."""

    var: str
    index: int
    type: ir.Bits
    after: bool = False


@dataclass(frozen=True, slots=True)
class OfOutput:
    """A field of the first packet that A sent in this event."""

    name: str


@dataclass(frozen=True, slots=True)
class OfArrival:
    """A field of the packet as it arrived."""

    name: str


@dataclass(frozen=True, slots=True)
class Bound:
    """The least or the greatest value of B's range."""

    high: bool


@dataclass(frozen=True, slots=True)
class Exactly:
    value: int


Plain = OfChoice | OfWrite | OfPlain | OfOutput | OfArrival | Bound | Exactly


@dataclass(frozen=True, slots=True)
class Else:
    """The first of two that fits."""

    first: Plain
    second: Plain


@dataclass(frozen=True, slots=True)
class Listed:
    """These values at the first packets of a trace, then another witness; for search only."""

    values: tuple[int, ...]
    then: Plain | Else | Matching


@dataclass(frozen=True, slots=True)
class Matching:
    """The first of these values with which B sends what A sent."""

    values: tuple[int, ...]


Witness = Plain | Else | Listed | Matching


@dataclass(frozen=True, slots=True)
class Strategy:
    """A witness for each place of B."""

    witnesses: tuple[tuple[Place, Witness], ...]

    def at(self, place: Place) -> Witness:
        return dict(self.witnesses)[place]


def said(witness: Witness) -> str:
    """In words."""
    match witness:
        case OfChoice(place=(instance, name)):
            return f"a's choice of {name} in {instance}"
        case OfWrite(var=var, position=position):
            return f"part {position + 1} of what a assigned to {var}"
        case OfPlain(var=var, after=after):
            return f"{var} {'after' if after else 'before'} the event"
        case OfOutput(name=name):
            return f"{name} of what a sends"
        case OfArrival(name=name):
            return f"{name} of the packet that arrives"
        case Bound(high=high):
            return "the greatest value" if high else "the least value"
        case Exactly(value=value):
            return str(value)
        case Else(first=one, second=other):
            return f"{said(one)}, or else {said(other)}"
        case Listed(values=values, then=then):
            return f"{', '.join(map(str, values))}, then {said(then)}"
        case Matching(values=values):
            return f"the first of {values[0]}..{values[-1]} by which it sends what a does"
        case _:
            assert_never(witness)


# Which there are --------------------------------------------------------------------------


def places(network: ir.Network) -> dict[Place, ir.Choose]:
    """Where a network chooses."""
    return {
        (instance.name, node.name): node
        for instance in network.instances
        for node in ir.walk(instance.program.body)
        if isinstance(node, ir.Choose)
    }


def matchings(strategy: Strategy) -> list[dict[Place, int]]:
    """The values that are tried together at all places that match; [] if there is none."""
    found = [(place, w.values) for place, w in strategy.witnesses if isinstance(w, Matching)]
    combinations = islice(product(*(values for _, values in found)), MAX_MATCHING)
    return [dict(zip((p for p, _ in found), c, strict=True)) for c in combinations if found]


def bits_of(type_: ir.Type) -> ir.Bits:
    assert isinstance(type_, ir.Bits)
    return type_


# Over terms -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What A did in an event, when B's turn comes."""

    before: State
    after: State
    chosen: Sequence[Chosen]
    sent: Sequence[Emission]
    packet: SymbolicPacket | None  # as it arrived; None in a firing of timers
    number: int | None = None  # of the packet in a trace from the start, from 0
    matching: Mapping[Place, Term] = field(default_factory=dict)


def witness_term(terms: Terms, witness: Witness, seen: Seen, choice: Choice) -> Term:
    """The witness as a value of the choice's type."""
    size = choice.low.width

    def fitted(value: Term, type_: ir.Bits) -> Term:
        return terms.resize(value, size, type_.signed)

    match witness:
        case OfChoice(place=place, type=type_):
            value = choice.low
            for one in seen.chosen:
                if (one.choice.instance, one.choice.node.name) == place:
                    taken = terms.ite(one.none, one.choice.low, one.value)
                    value = terms.ite(one.choice.guard, fitted(taken, type_), value)
            return value
        case OfWrite(var=var, position=position, type=type_):
            value = choice.low
            known = len(seen.before.logs.get(var, ()))
            for entry in seen.after.logs.get(var, ())[known:]:
                parts = (*entry.keys, *(entry.values or ()))
                if position < len(parts):
                    value = terms.ite(entry.guard, fitted(parts[position], type_), value)
            return value
        case OfPlain(var=var, index=index, type=type_, after=after):
            state = seen.after if after else seen.before
            return fitted(state.plain[var][index], type_)
        case OfOutput(name=name):
            value = choice.low
            for emission in reversed(seen.sent):
                field_ = terms.resize(emission.packet.fields[name], size, False)
                value = terms.ite(emission.guard, field_, value)
            return value
        case OfArrival(name=name):
            if seen.packet is None:
                return choice.low
            return terms.resize(seen.packet.fields[name], size, False)
        case Bound(high=high):
            return choice.high if high else choice.low
        case Exactly(value=number):
            return terms.const(number, size)
        case Else(first=one, second=other):
            value = witness_term(terms, one, seen, choice)
            instead = witness_term(terms, other, seen, choice)
            return terms.ite(choice.fits(value), value, instead)
        case Listed(values=values, then=then):
            if seen.number is None or seen.number >= len(values):
                return witness_term(terms, then, seen, choice)
            return terms.const(values[seen.number], size)
        case Matching():
            return seen.matching.get((choice.instance, choice.node.name), choice.low)
        case _:
            assert_never(witness)


# On the reference -------------------------------------------------------------------------


@dataclass(slots=True)
class Did:
    """The same of one event on the reference semantics. Plain variables by name, before and after;
    of each map the parts that were assigned last."""

    chosen: dict[Place, int] = field(default_factory=dict)
    before: Mapping[str, tuple[ir.Value, ...]] = field(default_factory=dict)
    after: Mapping[str, tuple[ir.Value, ...]] = field(default_factory=dict)
    written: dict[str, tuple[ir.Value, ...]] = field(default_factory=dict)
    sent: Packet | None = None
    packet: Packet | None = None
    number: int = 0
    matching: Mapping[Place, int] = field(default_factory=dict)


def witness_value(
    witness: Witness,
    place: Place,
    did: Did,
    candidates: range,
    type_: ir.Type,
    fits: Callable[[int], bool],
) -> int:
    """The witness as a number of the choice's type."""
    low = candidates.start
    value: ir.Value
    match witness:
        case OfChoice(place=of_a):
            value = did.chosen.get(of_a, low)
        case OfWrite(var=var, position=position):
            parts = did.written.get(var, ())
            value = parts[position] if position < len(parts) else low
        case OfPlain(var=var, index=index, after=after):
            values = (did.after if after else did.before).get(var, (low,) * (index + 1))
            value = values[index]
        case OfOutput(name=name):
            value = low if did.sent is None else getattr(did.sent, name)
        case OfArrival(name=name):
            value = low if did.packet is None else getattr(did.packet, name)
        case Bound(high=high):
            value = candidates[-1] if high and candidates else low
        case Exactly(value=number):
            value = number
        case Else(first=one, second=other):
            value = witness_value(one, place, did, candidates, type_, fits)
            if value not in candidates or not fits(value):
                value = witness_value(other, place, did, candidates, type_, fits)
        case Listed(values=values, then=then):
            if did.number < len(values):
                value = values[did.number]
            else:
                value = witness_value(then, place, did, candidates, type_, fits)
        case Matching():
            value = did.matching.get(place, low)
        case _:
            assert_never(witness)
    assert isinstance(value, int)
    return ir.wrap(value, bits_of(type_))
