"""Captures of Ethernet frames: pcap and pcapng in, pcap out, one packet at a time.

Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. No record makes more than 1 MiB be
read at once, and nothing seeks, so that pipes work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, NamedTuple, Self

MAX_CAPTURED = 262_144  # bytes of one packet; the MAXIMUM_SNAPLEN of libpcap
TIME_LIMIT = 1 << 62  # ns; decision 23
_MAX_BLOCK = 1 << 20
_MAX_INTERFACES = 65_536
_CHUNK = 1 << 16
_ETHERNET = 1  # a link type
_LINK_TYPES = {
    0: "BSD loopback",
    9: "PPP",
    12: "raw IP",
    101: "raw IP",
    105: "IEEE 802.11",
    113: "Linux cooked",
    127: "radiotap",
    276: "Linux cooked v2",
}

# magic of a pcap file -> (byte order, nanoseconds)
_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", False),
    b"\xa1\xb2\xc3\xd4": (">", False),
    b"\x4d\x3c\xb2\xa1": ("<", True),
    b"\xa1\xb2\x3c\x4d": (">", True),
}
_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
_OTHER_MAGIC = (
    (b"\x1f\x8b", "gzip data: decompress it first"),
    (b"\x28\xb5\x2f\xfd", "zstd data: decompress it first"),
    (b"\x34\xcd\xb2\xa1", "a modified pcap of old Linux systems: convert it, e.g. with editcap"),
    (b"\xa1\xb2\xcd\x34", "a modified pcap of old Linux systems: convert it, e.g. with editcap"),
)
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_END_OF_OPTIONS, _IF_TSRESOL, _IF_TSOFFSET = 0, 9, 14


class Record(NamedTuple):
    """One captured frame: its time in ns since 1970, its bytes, and its length on the wire."""

    time_ns: int
    frame: bytes
    original_length: int


class CutFrame(bytes):
    """A frame of which not all was captured; every packet keeps the frame that it came as."""

    original_length: int


class CaptureError(Exception):
    """A file that is no capture, or stops being one at the byte `offset`."""

    def __init__(self, name: str, offset: int, reason: str) -> None:
        super().__init__(name, offset, reason)
        self.name = name
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}: byte {self.offset}: {self.reason}"


class _Input:
    """A stream read by exact lengths, that knows how far it is."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.stream = stream
        self.name = name
        self.offset = 0

    def error(self, offset: int, reason: str) -> CaptureError:
        return CaptureError(self.name, offset, reason)

    def up_to(self, length: int) -> bytes:
        """`length` bytes, fewer only at the end of the stream."""
        data: bytes | None = self.stream.read(length)
        if data is None:
            raise self.error(self.offset, "the stream is non-blocking and has no data yet")
        while len(data) < length:  # unbuffered streams return what they have
            more = self.stream.read(length - len(data))
            if not more:
                break
            data += more
        self.offset += len(data)
        return data

    def exactly(self, length: int, what: str) -> bytes:
        data = self.up_to(length)
        if len(data) < length:
            raise self.error(
                self.offset, f"the file ends inside {what}: {len(data)} of {length} bytes"
            )
        return data

    def skip(self, length: int, what: str) -> None:
        while length:
            length -= len(self.exactly(min(length, _CHUNK), what))


class Capture(Iterator[Record]):
    """The records of a capture, read as they are asked for; closes a file that it opened itself."""

    def __init__(self, stream: BinaryIO, name: str, *, owned: bool) -> None:
        self._stream = stream
        self._owned = owned
        self._nanosecond = False
        self._pending: Record | CaptureError | None = None
        self._peeked = False
        self._records = self._closing(self._open(_Input(stream, name)))

    @property
    def nanosecond(self) -> bool:
        """Whether stamps are finer than µs: of pcapng, by the interfaces before the first packet.

        Reads up to that packet; an error there is raised when the packet is asked for.
        """
        if not self._peeked:
            self._peeked = True
            try:
                self._pending = next(self._records, None)
            except CaptureError as e:
                self._pending = e
        return self._nanosecond

    def __next__(self) -> Record:
        self._peeked = True
        pending, self._pending = self._pending, None
        if pending is None:
            return next(self._records)
        if isinstance(pending, CaptureError):
            raise pending
        return pending

    def close(self) -> None:
        if self._owned:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _closing(self, records: Iterator[Record]) -> Iterator[Record]:
        try:
            yield from records
        finally:
            self.close()

    def _open(self, source: _Input) -> Iterator[Record]:
        magic = source.up_to(4)
        if magic in _PCAP_MAGIC:
            order, self._nanosecond = _PCAP_MAGIC[magic]
            _check_pcap_header(source, order)
            return _pcap_records(source, order, 1 if self._nanosecond else 1_000)
        if magic == _PCAPNG_MAGIC:
            return self._pcapng_records(source, _section_header(source, 0))
        for other, what in _OTHER_MAGIC:
            if magic.startswith(other):
                raise source.error(0, what)
        found = f"it starts with {magic.hex(' ')}" if magic else "it is empty"
        raise source.error(0, f"not a capture (pcap or pcapng): {found}")

    def _pcapng_records(self, source: _Input, order: str) -> Iterator[Record]:
        """Blocks until the end; each section has its own byte order and interfaces."""
        interfaces: list[_Interface] = []
        latest = 0  # a simple packet block has no stamp
        while True:
            start = source.offset
            head = source.up_to(8)
            if not head:
                return
            if len(head) < 8:
                raise source.error(source.offset, "the file ends inside a block header")
            if head[:4] == _PCAPNG_MAGIC:
                order = _section_header(source, start, head[4:])
                interfaces = []
                continue
            kind, length = Struct(order + "II").unpack(head)
            if kind not in _KNOWN_BLOCKS:
                _check_block_length(source, start, length)
                source.skip(length - 12, "a block")
                _check_block_end(source, start, order, length)
                continue
            body = _block_body(source, start, order, length)
            if kind == _INTERFACE:
                if len(interfaces) == _MAX_INTERFACES:
                    raise source.error(start, f"more than {_MAX_INTERFACES} interfaces")
                interface = _interface(source, start, order, body)
                self._nanosecond |= interface.finer_than_us
                interfaces.append(interface)
                continue
            if kind == _SIMPLE_PACKET:
                record = _simple_packet(source, start, order, body, interfaces, latest)
            else:
                record = _packet(source, start, order, body, interfaces, kind)
            latest = max(latest, record.time_ns)
            yield record


def read(source: str | os.PathLike[str] | BinaryIO) -> Capture:
    """The records of a pcap or pcapng file (`-`: standard input) or binary stream.

    CaptureError at once if it is no capture of Ethernet, else where it breaks, after the packets
    before it. OSError as of `open`.
    """
    if not isinstance(source, str | os.PathLike):
        return Capture(source, str(getattr(source, "name", "<stream>")), owned=False)
    name = os.fspath(source)
    if name == "-":
        return Capture(sys.stdin.buffer, "<stdin>", owned=False)
    stream = open(name, "rb")  # noqa: SIM115 - Capture closes it
    try:
        return Capture(stream, name, owned=True)
    except BaseException:
        stream.close()
        raise


class Writer:
    """Writes Ethernet frames as little-endian pcap to a binary stream, which it never seeks."""

    def __init__(self, stream: BinaryIO, nanosecond: bool) -> None:
        self._stream = stream
        self._unit = 1 if nanosecond else 1_000
        magic = 0xA1B23C4D if nanosecond else 0xA1B2C3D4
        stream.write(_FILE_HEADER["<"].pack(magic, 2, 4, 0, 0, MAX_CAPTURED, _ETHERNET))

    def write(self, time_ns: int, frame: bytes, original_length: int | None = None) -> None:
        """One packet; µs files cut the stamp. ValueError for what the format can't hold."""
        seconds, fraction = divmod(time_ns, 1_000_000_000)
        if not 0 <= seconds < 1 << 32:
            raise ValueError(f"a pcap file can't hold the time {time_ns} ns")
        if len(frame) > MAX_CAPTURED:
            raise ValueError(f"a frame of {len(frame)} bytes exceeds {MAX_CAPTURED}")
        length = len(frame)
        on_wire = length if original_length is None else original_length
        header = _PCAP_RECORD["<"].pack(seconds, fraction // self._unit, length, on_wire)
        self._stream.write(header + frame)


_FILE_HEADER = {order: Struct(order + "IHHiIII") for order in "<>"}
_PCAP_RECORD = {order: Struct(order + "IIII") for order in "<>"}


def _link_type(source: _Input, offset: int, number: int) -> None:
    if number != _ETHERNET:
        name = _LINK_TYPES.get(number, "unknown here")
        raise source.error(offset, f"link type {number} ({name}), not Ethernet (1)")


def _check_pcap_header(source: _Input, order: str) -> None:
    header = source.exactly(20, "the file header")
    _, major, minor, *_, link = _FILE_HEADER[order].unpack(b"\0\0\0\0" + header)
    if (major, minor) != (2, 4):
        raise source.error(4, f"pcap version {major}.{minor}, not 2.4")
    _link_type(source, 20, link & 0x03FFFFFF)  # the upper bits tell of an FCS


def _pcap_records(source: _Input, order: str, unit: int) -> Iterator[Record]:
    unpack = _PCAP_RECORD[order].unpack
    units = 1_000_000_000 // unit
    while header := source.up_to(16):
        start = source.offset - len(header)
        if len(header) < 16:
            raise source.error(source.offset, "the file ends inside a record header")
        seconds, fraction, length, original = unpack(header)
        if fraction >= units:
            raise source.error(start + 4, f"fraction of a second {fraction} is not below {units}")
        _check_captured(source, start + 8, length)
        frame = source.exactly(length, "a packet")
        yield Record(seconds * 1_000_000_000 + fraction * unit, frame, original)


def _check_captured(source: _Input, offset: int, length: int) -> None:
    if length > MAX_CAPTURED:
        raise source.error(
            offset, f"a packet of {length} captured bytes; at most {MAX_CAPTURED} are read"
        )


# pcapng


_KNOWN_BLOCKS = (_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET)


@dataclass(frozen=True, slots=True)
class _Interface:
    """Link type, snap length (0: none), ticks in a second (10**n or 2**n), seconds to add."""

    link: int
    snap: int
    ticks: int
    offset: int

    @property
    def finer_than_us(self) -> bool:
        return self.ticks > 1_000_000


def _check_block_length(source: _Input, start: int, length: int) -> None:
    if length < 12 or length % 4:
        raise source.error(start + 4, f"block length {length} is not a multiple of 4 from 12 up")


def _check_block_end(source: _Input, start: int, order: str, length: int) -> None:
    end = source.offset
    (repeated,) = Struct(order + "I").unpack(source.exactly(4, "a block"))
    if repeated != length:
        raise source.error(end, f"block length {length} is repeated as {repeated} at its end")


def _block_body(source: _Input, start: int, order: str, length: int) -> bytes:
    _check_block_length(source, start, length)
    if length > _MAX_BLOCK:
        raise source.error(start + 4, f"a block of {length} bytes; at most {_MAX_BLOCK} are read")
    body = source.exactly(length - 12, "a block")
    _check_block_end(source, start, order, length)
    return body


def _section_header(source: _Input, start: int, length_bytes: bytes | None = None) -> str:
    """Reads a section header block whose type (and length) was read; returns its byte order."""
    raw_length = length_bytes or source.exactly(4, "the section header")
    magic = source.exactly(4, "the section header")
    order = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}.get(magic)
    if order is None:
        raise source.error(start + 8, f"no pcapng byte-order magic: {magic.hex(' ')}")
    (length,) = Struct(order + "I").unpack(raw_length)
    _check_block_length(source, start, length)
    if length < 28:
        raise source.error(start + 4, f"a section header of {length} bytes, not at least 28")
    major, minor = Struct(order + "HH").unpack(source.exactly(4, "the section header"))
    if (major, minor) not in ((1, 0), (1, 2)):
        raise source.error(start + 12, f"pcapng version {major}.{minor}, not 1.0")
    source.skip(length - 20, "the section header")
    _check_block_end(source, start, order, length)
    return order


def _interface(source: _Input, start: int, order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        raise source.error(start, f"an interface block of {len(body) + 12} bytes, not at least 20")
    link, _, snap = Struct(order + "HHI").unpack_from(body)
    ticks, offset = 1_000_000, 0
    for at, code, value in _options(source, start, order, body, 8):
        if code == _IF_TSRESOL:
            if len(value) != 1:
                raise source.error(at, f"if_tsresol of {len(value)} bytes, not 1")
            ticks = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
        elif code == _IF_TSOFFSET:
            if len(value) != 8:
                raise source.error(at, f"if_tsoffset of {len(value)} bytes, not 8")
            (offset,) = Struct(order + "q").unpack(value)
    return _Interface(link, snap, ticks, offset)


def _options(
    source: _Input, start: int, order: str, body: bytes, at: int
) -> Iterator[tuple[int, int, bytes]]:
    """(file offset, code, value) of each option from body[at] on."""
    head = Struct(order + "HH")
    while at + 4 <= len(body):
        code, length = head.unpack_from(body, at)
        if code == _END_OF_OPTIONS:
            return
        if at + 4 + length > len(body):
            raise source.error(start + 8 + at, f"an option of {length} bytes leaves its block")
        yield start + 8 + at, code, body[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4


def _find_interface(
    source: _Input, start: int, interfaces: list[_Interface], number: int
) -> _Interface:
    if number >= len(interfaces):
        raise source.error(
            start + 8, f"a packet of interface {number}; {len(interfaces)} are described"
        )
    interface = interfaces[number]
    _link_type(source, start, interface.link)
    return interface


def _packet(
    source: _Input,
    start: int,
    order: str,
    body: bytes,
    interfaces: list[_Interface],
    kind: int,
) -> Record:
    """An enhanced packet block, or the packet block that came before it."""
    if len(body) < 20:
        raise source.error(start, f"a packet block of {len(body) + 12} bytes, not at least 32")
    number, high, low, length, original = Struct(order + "IIIII").unpack_from(body)
    if kind == _OLD_PACKET:  # two 16-bit numbers: the interface and a count of drops
        (number,) = Struct(order + "H").unpack_from(body)
    interface = _find_interface(source, start, interfaces, number)
    _check_captured(source, start + 20, length)
    if 20 + length > len(body):
        raise source.error(start + 20, f"a packet of {length} bytes leaves its block")
    time_ns = (high << 32 | low) * 1_000_000_000 // interface.ticks
    time_ns += interface.offset * 1_000_000_000
    if not 0 <= time_ns < TIME_LIMIT:
        raise source.error(start + 12, f"the time {time_ns} ns is not in 0 to 2**62 - 1")
    return Record(time_ns, body[20 : 20 + length], original)


def _simple_packet(
    source: _Input,
    start: int,
    order: str,
    body: bytes,
    interfaces: list[_Interface],
    time_ns: int,
) -> Record:
    """A simple packet block; it has no stamp, and takes the latest one seen."""
    if len(body) < 4:
        raise source.error(start, f"a simple packet block of {len(body) + 12} bytes")
    interface = _find_interface(source, start, interfaces, 0)
    (original,) = Struct(order + "I").unpack_from(body)
    length = min(original, interface.snap or original)
    _check_captured(source, start + 8, length)
    if 4 + length > len(body):
        raise source.error(start + 8, f"a packet of {length} bytes leaves its block")
    return Record(time_ns, body[4 : 4 + length], original)
