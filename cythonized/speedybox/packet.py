"""Packet descriptors as NFs written in Python see them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nfverify.cythonized.speedybox.library import Field, Header, Headers, loaded

if TYPE_CHECKING:
    from nfverify.cythonized.speedybox.box import Box


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet on its way, good until the call that it was given to ends.

    Fields are numbers. While a record serves the packet, reading tells what the NF would have seen,
    and all writing but to the payload is ignored.
    """

    box: Box
    pointer: int

    def get(self, field: Field) -> int:
        """A field as it is now; 0 if its header is absent."""
        return int(loaded().nf_packet_get(self.pointer, field))

    def set(self, field: Field, value: int) -> None:
        """Writes a field, which is ignored if its header is absent. ValueError: it is read-only."""
        if field > Field.DMAC:
            raise ValueError(f"{field.name} can't be written")
        loaded().nf_packet_set(self.pointer, field, value)

    def drop(self) -> None:
        """The NF drops it."""
        loaded().nf_packet_drop(self.pointer)

    @property
    def headers(self) -> Headers:
        """The headers that it has now."""
        return Headers(loaded().nf_packet_headers(self.pointer))

    @property
    def payload(self) -> bytes:
        """What follows the L4 header."""
        length = ctypes.c_uint64()
        data = loaded().nf_packet_payload(self.pointer, ctypes.byref(length))
        return ctypes.string_at(data, length.value) if length.value else b""

    def write_payload(self, payload: bytes) -> None:
        """Other bytes, as many. ValueError if they are more or fewer."""
        if not loaded().nf_packet_write(self.pointer, payload, len(payload)):
            raise ValueError(f"a payload of {len(payload)} bytes; it keeps its length")

    def encap(self, header: Header, a: int, b: int = 0, c: int = 0) -> None:
        """Puts a header in front."""
        loaded().nf_packet_encap(self.pointer, header, a, b, c)

    def decap(self, header: Header) -> None:
        """Takes a header off; ignored if it isn't there."""
        loaded().nf_packet_decap(self.pointer, header)

    @property
    def time(self) -> int:
        """When it came in, in ns."""
        return int(loaded().nf_packet_time(self.pointer))

    @property
    def port(self) -> int:
        """Where it came in."""
        return int(loaded().nf_packet_port(self.pointer))
