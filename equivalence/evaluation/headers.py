"""Headers pushed and popped where all is known: on the real packet, as the reference does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nfverify.equivalence.encapsulation import Changed
from nfverify.equivalence.evaluation.ground import GroundTerms
from nfverify.equivalence.packets import HEADERS, SymbolicPacket, width_of
from nfverify.equivalence.terms import Term
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics import headers
from nfverify.smat import ir


def ground_packet(terms: GroundTerms, packet: Packet, marks: dict[str, Term]) -> SymbolicPacket:
    """A packet as constants, with these tags of the chain."""
    present = {h: terms.boolean(bool(packet.bits & h.value)) for h in HEADERS}
    fields = {n: terms.raw(getattr(packet, n), width_of(n)) for n in FIELDS}
    return SymbolicPacket(present, fields, marks)


def write_fields(packet: Packet, symbolic: SymbolicPacket) -> None:
    """The values of a packet of constants, into a real one."""
    for name, value in symbolic.fields.items():
        if FIELDS[name].writable:
            setattr(packet, name, value.data)


@dataclass(frozen=True, slots=True)
class RealHeaders:
    """Changes `packet` itself: where every test is known, an executor goes one way only."""

    terms: GroundTerms
    packet: Packet

    def push(
        self, packet: SymbolicPacket, node: ir.Push, args: Sequence[Term], guard: Term
    ) -> Changed:
        write_fields(self.packet, packet)
        return self._changed(packet, headers.push(self.packet, node.kind, *(a.data for a in args)))

    def pop(self, packet: SymbolicPacket, node: ir.Pop, guard: Term) -> Changed:
        write_fields(self.packet, packet)
        return self._changed(packet, headers.pop(self.packet, node.kind))

    def _changed(self, packet: SymbolicPacket, failed: str | None) -> Changed:
        after = ground_packet(self.terms, self.packet, packet.tags)
        return Changed(after, ((self.terms.true, failed),) if failed is not None else ())
