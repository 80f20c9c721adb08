"""One packet field by field: as it arrives, and as it comes out of each side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nfverify.packet.codec import Malformed, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.packet.tunnel import has_vni, inside
from nfverify.report.packets import PLAIN, clock
from nfverify.report.results import Step
from nfverify.semantics.shown import show
from nfverify.smat.ir import field_type

ABSENT = "–"
WAY = "way"  # the row that says by which port, and when
MAX_OUTPUTS = 8  # of one side that are shown
MAX_BYTES = 256  # of a frame
MAX_PAYLOAD = 24


class Cell(NamedTuple):
    """A value; `changed`: not as the packet arrived."""

    text: str
    changed: bool


class Row(NamedTuple):
    """A field in all columns; `differs`: the sides don't agree on it."""

    name: str
    cells: tuple[Cell, ...]
    differs: bool


class PacketTable(NamedTuple):
    """`columns`: what arrives, then each output of each side."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


class _Column(NamedTuple):
    who: str
    number: int  # of the output, from 0; -1: what arrives
    values: dict[str, str]

    @property
    def sent(self) -> bool:
        """Is there a packet?"""
        return len(self.values) > 1


def packet_table(step: Step) -> PacketTable:
    """What arrived and what came out, in rows of fields; plain ones are left out."""
    columns = list(_columns(step))
    titles = tuple(c.who if c.number < 1 else f"{c.who}, output {c.number + 1}" for c in columns)
    names = _ordered([list(column.values) for column in columns])
    rows = [_row(name, columns) for name in names]
    return PacketTable(titles, tuple(row for row in rows if row is not None))


def _columns(step: Step) -> Iterator[_Column]:
    head = {WAY: f"in by {step.port} at {clock(step.time)}"}
    yield _Column("arrives", -1, head | _fields(step.frame))
    for outcome in step.outcomes:
        if not outcome.outputs:
            yield _Column(outcome.who, 0, {WAY: "nothing comes out"})
        for number, out in enumerate(outcome.outputs[:MAX_OUTPUTS]):
            by = f" by {out.port}" if out.port else ""
            at = f" at {clock(out.time)}" if out.time != step.time else ""
            yield _Column(outcome.who, number, {WAY: f"out{by}{at}"} | _fields(out.frame))
        if len(outcome.outputs) > MAX_OUTPUTS:
            more = f"out: {len(outcome.outputs) - MAX_OUTPUTS} packets more"
            yield _Column(outcome.who, MAX_OUTPUTS, {WAY: more})


def _row(name: str, columns: Sequence[_Column]) -> Row | None:
    values = [column.values.get(name) for column in columns]
    if all(value is None or value in _plain(name) for value in values):
        return None
    cells = tuple(
        Cell(
            ABSENT if value is None else value,
            name != WAY and column.number >= 0 and column.sent and value != values[0],
        )
        for column, value in zip(columns, values, strict=True)
    )
    return Row(name, cells, _differs(name, columns))


def _differs(name: str, columns: Sequence[_Column]) -> bool:
    """Do the outputs with the same number have several values? A side that sends nothing differs
    in that alone."""
    for number in {column.number for column in columns if column.number >= 0}:
        told = [column for column in columns if column.number == number]
        values = [column.values.get(name) for column in told if name == WAY or column.sent]
        if len(set(values)) > 1:
            return True
    return False


def _plain(name: str) -> tuple[str, ...]:
    field = name.removeprefix("inner ")
    if field not in FIELDS:
        return ()
    if FIELDS[field].shown == "bytes":
        return ("empty",)
    return tuple(_shown(field, value) for value in PLAIN.get(field, (0,)))


def _fields(frame: bytes) -> dict[str, str]:
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return {"malformed": packet.reason, "bytes": f"{len(frame)}: {_hex(frame)}"}
    found: dict[str, str] = {}
    prefix = ""
    inner: Packet | None = packet
    while inner is not None:  # as many as the codec can push
        found |= {prefix + name: value for name, value in _values(inner)}
        inner, prefix = inside(inner), f"{prefix}inner "
    return found


def _values(packet: Packet) -> Iterator[tuple[str, str]]:
    for name, info in FIELDS.items():
        if info.on_wire and packet.bits & info.headers.value:
            yield name, _shown(name, getattr(packet, name))
    if has_vni(packet):
        yield "vni", str(packet.vni)


def _shown(name: str, value: int | bytes) -> str:
    if isinstance(value, bytes):
        return _hex(value)
    return f"{value:#06x}" if name == "ethertype" else show(value, field_type(name))


def _hex(data: bytes) -> str:
    tail = f"… ({len(data)} bytes)" if len(data) > MAX_PAYLOAD else ""
    return data[:MAX_PAYLOAD].hex(" ") + tail or "empty"


def _ordered(names: Sequence[Sequence[str]]) -> list[str]:
    """All names, in an order in which each list keeps its own as far as possible."""
    order = [WAY, "malformed", *FIELDS, "bytes"]
    seen = dict.fromkeys(name for some in names for name in some)

    def place(name: str) -> tuple[int, int]:
        depth = name.count("inner ")
        return depth, order.index(name.replace("inner ", ""))

    return sorted(seen, key=place)


# Bytes ------------------------------------------------------------------------------------


class Byte(NamedTuple):
    """A byte in hexadecimal; `differs`: from the same byte of the other frame."""

    text: str
    differs: bool


class HexLine(NamedTuple):
    """Sixteen bytes of a frame."""

    offset: int
    bytes: tuple[Byte, ...]


def hex_lines(frame: bytes, other: bytes) -> tuple[HexLine, ...]:
    """The start of a frame; marked is what `other` has otherwise."""
    shown = frame[:MAX_BYTES]
    marked = [
        Byte(f"{byte:02x}", at >= len(other) or other[at] != byte) for at, byte in enumerate(shown)
    ]
    return tuple(HexLine(at, tuple(marked[at : at + 16])) for at in range(0, len(marked), 16))
