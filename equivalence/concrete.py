"""From a solver's model to real frames, and back: what the uninterpreted operators really say.

A counterexample with an uninterpreted operator in it is only a suspicion. The operator's real
values at the points that were used become lemmas, and the search goes on (decision 12).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from nfverify.equivalence.frames import frame_of
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.simulate import Arrival
from nfverify.equivalence.solver import Solver
from nfverify.equivalence.terms import Term, Terms, signed, subterms
from nfverify.packet.codec import Malformed, parse
from nfverify.semantics.operators import Function, aes_ctr, murmur3
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset


class NotRealisable(Exception):
    """No frame has the values that the solver chose."""


@dataclass(slots=True)
class Strings:
    """The byte strings behind the numbers of a model."""

    known: dict[int, bytes]

    def payload(self, number: int, length: int, wanted: Sequence[bytes]) -> bytes:
        """A payload of this length for a number: a literal if it is one, else one that holds the
        wanted patterns and tells its number from others."""
        if number in self.known:
            # A shorter one makes a frame that was cut by the snap length.
            if len(self.known[number]) > length:
                raise NotRealisable
            return self.known[number]
        data = b"".join(wanted)
        if len(data) > length:
            raise NotRealisable
        room = min(4, length - len(data))
        mark = (number & ((1 << 8 * room) - 1)).to_bytes(room, "big")
        data = (data + mark).ljust(length, b"\0")
        if data in self.known.values():
            raise NotRealisable
        self.known[number] = data
        return data

    def number(self, data: bytes) -> int:
        """The number of a byte string; a new one gets one that no model has used yet."""
        for number, known in self.known.items():
            if known == data:
                return number
        number = 0xF000_0000
        while number in self.known:
            number += 1
        self.known[number] = data
        return number

    def value(self, raw: int | bool, kind: str) -> ir.Value | None:
        """A term's value as one of `symbolic.signature`'s kinds; None for an unknown string."""
        match kind[0], kind:
            case _, "bool":
                return bool(raw)
            case _, "bytes":
                return self.known.get(int(raw))
            case "s", _:
                return signed(int(raw), int(kind[1:]))
            case _:
                return int(raw)

    def raw(self, value: ir.Value, kind: str) -> int | bool:
        """The other way round."""
        if isinstance(value, bytes):
            return self.number(value)
        if kind == "bool":
            return bool(value)
        return int(value) & ((1 << int(kind[1:])) - 1)


def concretise(
    terms: Terms,
    solver: Solver,
    packet: SymbolicPacket,
    now: Term,
    strings: Strings,
    used: set[str],
) -> Arrival:
    """The frame that a model describes; NotRealisable if there is none."""

    def payload(inside: SymbolicPacket, length: int) -> bytes | None:
        if "payload" not in used:
            return None
        number = int(solver.value(inside.fields["payload"]))
        wanted = [
            bytes.fromhex(t.data.split(" ", 1)[1])
            for t in _contains(terms, inside.fields["payload"])
            if solver.value(t)
        ]
        return strings.payload(number, length, wanted)

    try:
        parsed = parse(frame_of(terms, packet, solver.value, payload))
    except ValueError:
        raise NotRealisable from None
    if isinstance(parsed, Malformed):
        raise NotRealisable
    return Arrival(int(solver.value(now)), int(solver.value(packet.fields["iface"])), parsed)


def _contains(terms: Terms, payload: Term) -> list[Term]:
    return [
        t for t in terms.applications() if t.data.startswith("contains ") and t.args[0] is payload
    ]


@dataclass(frozen=True, slots=True)
class Reality:
    """The real meaning of uninterpreted functions, by the names that the encoding gives them; what
    has no function in `operators` stays unknown."""

    rulesets: Mapping[str, Ruleset]
    operators: Mapping[str, Function]

    def value(self, term: Term, args: tuple[Any, ...], strings: Strings) -> int | bool | None:
        """What the function really gives at these arguments; None if nobody knows."""
        name: str = term.data
        if name.startswith("hash") and name[4:].isdigit():
            return murmur3(b"".join(int(a).to_bytes(4, "big") for a in args))
        if name.startswith("ruleset "):
            return self.rulesets[name[8:]].accepts([int(a) for a in args])
        if name.startswith("contains "):
            data = strings.known.get(int(args[0]))
            return None if data is None else bytes.fromhex(name[9:]) in data
        if name == "length":
            data = strings.known.get(int(args[0]))
            return None if data is None else len(data)
        kind, *rest = name.split(" ")
        match kind, rest:
            case ("Encrypt" | "Decrypt", [kinds]):
                function: Function | None = aes_ctr
                result = "bytes"
            case ("op", [operator, kinds, result]):
                function = self.operators.get(operator)
            case _:
                return None
        values = [strings.value(a, k) for a, k in zip(args, kinds.split(","), strict=True)]
        if function is None or None in values:
            return None
        return strings.raw(function(*values), result)


def signatures_of(networks: Iterable[ir.Network]) -> dict[str, ir.Operator]:
    """The user's operators that the programs of some networks declare."""
    return {
        operator.name: operator
        for network in networks
        for instance in network.instances
        for operator in instance.program.operators
    }


def stand_in(operator: ir.Operator) -> Function:
    """Some pure function of this type, for simulation only: what holds for every function holds
    for this one, but what it shows is no counterexample."""

    def function(*args: ir.Value) -> ir.Value:
        number = crc32(repr((operator.name, args)).encode())
        match operator.result:
            case ir.Bool():
                return bool(number & 1)
            case ir.Bits() as type_:
                return ir.wrap(number % 5 if number & 1 else number, type_)
            case ir.Bytes():
                return number.to_bytes(4, "big")

    return function


def lemmas(
    terms: Terms,
    solver: Solver,
    roots: Sequence[Term],
    reality: Reality,
    strings: Strings,
) -> list[Term]:
    """What the last model got wrong: for each uninterpreted application whose real value differs,
    its arguments imply that value."""
    found: list[Term] = []
    for term in subterms(list(roots)):
        if term.op != "uf":
            continue
        args = tuple(solver.value(a) for a in term.args)
        real = reality.value(term, args, strings)
        if real is None or real == solver.value(term):
            continue
        same = terms.all(
            terms.eq(a, terms.const(int(v), a.width) if a.width else terms.boolean(bool(v)))
            for a, v in zip(term.args, args, strict=True)
        )
        value = terms.const(int(real), term.width) if term.width else terms.boolean(bool(real))
        found.append(terms.implies(same, terms.eq(term, value)))
    return found
