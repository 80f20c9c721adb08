"""A trace that parts a chain from its fast path, made plain: what doesn't matter is as usual.

In a fixed order, each value is replaced by a default wherever it stands, then packet by packet,
if the replay still parts them at the last event (decision 29, by replay instead of a solver).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.canonical import DEFAULTS, PLAIN_HEADERS
from nfverify.equivalence.simulate import START, Arrival, Trace
from nfverify.packet.codec import Malformed, Packet, build, parse
from nfverify.packet.fields import FIELDS, IP, Header

Row = tuple[int, int, Header, dict[str, int], bytes]  # time, port, headers, fields, payload
_NAMES = ("sip", "dip", "sip6", "dip6", "sport", "dport")  # many values are as plain as one
ATTEMPTS = 600
TCP_SIZE = 40


@dataclass(slots=True)
class Plainer:
    """`parts` replays a trace; `used` are the fields that models read."""

    parts: Callable[[Trace], bool]
    used: frozenset[str]
    trace: Trace
    attempts: int = ATTEMPTS
    rows: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [_row(a) for a in self.trace]

    def run(self) -> Trace:
        """The plain trace."""
        for changes in (self._at_once(), self._times(), self._ports(), self._shapes()):
            for change in changes:
                self._try(change)
        for name in ("size", *FIELDS):
            self._field(name)
        for rows in self._each(_as_long_as_tcp):
            self._try(rows)
        return self.trace

    def _try(self, rows: Sequence[Row]) -> bool:
        if rows == self.rows or not self.attempts:
            return False
        self.attempts -= 1
        trace = _trace(rows)
        if trace is None or not self.parts(trace):
            return False
        self.rows, self.trace = [_row(a) for a in trace], trace
        return True

    def _each(self, change: Callable[[Row], Row]) -> Iterator[list[Row]]:
        """The change everywhere, then packet by packet (seen anew after each success)."""
        yield [change(row) for row in self.rows]
        for n in range(len(self.rows)):
            yield [change(row) if i == n else row for i, row in enumerate(self.rows)]

    def _at_once(self) -> Iterator[list[Row]]:
        def plain(names: frozenset[str]) -> Callable[[Row], Row]:
            def change(row: Row) -> Row:
                values = {n: _default(n) if n in names else v for n, v in row[3].items()}
                return (*row[:3], values, row[4])

            return change

        everything = frozenset(n for n, f in FIELDS.items() if f.on_wire) - {"proto", "ethertype"}
        yield from self._each(plain(everything - frozenset(_NAMES)))
        yield from self._each(plain(everything - self.used))

    def _times(self) -> Iterator[list[Row]]:
        yield from self._each(lambda row: (START, *row[1:]))
        shift = self.rows[0][0] - START
        yield [(row[0] - shift, *row[1:]) for row in self.rows]

    def _ports(self) -> Iterator[list[Row]]:
        yield from self._each(lambda row: (row[0], 0, *row[2:]))

    def _shapes(self) -> Iterator[list[Row]]:
        def untagged(row: Row) -> Row:
            return (*row[:2], row[2] & ~Header.VLAN, *row[3:])

        def bare(row: Row) -> Row:
            return (*row[:4], b"")

        def tcp(row: Row) -> Row:
            values = row[3] | {"proto": 6, "ethertype": 0x0800}
            return (*row[:2], Header.LINK | PLAIN_HEADERS, values, row[4])

        for change in (tcp, untagged, bare):
            yield from self._each(change)

    def _field(self, name: str) -> None:
        if name not in ("size", *(n for n, f in FIELDS.items() if f.on_wire and f.width)):
            return
        usual = _default(name)
        candidates = [usual, 0]
        if name in _NAMES:
            candidates = [usual, usual + 1, usual + 2, usual + 3]
        for value in dict.fromkeys(row[3].get(name, usual) for row in self.rows):
            for other in candidates:
                if value == other:
                    break

                def change(row: Row, value: int = value, other: int = other) -> Row:
                    if row[3].get(name) != value:
                        return row
                    return (*row[:3], row[3] | {name: other}, row[4])

                if any(self._try(rows) for rows in self._each(change)):
                    break


def _as_long_as_tcp(row: Row) -> Row:
    """Compiled records serve no shorter frames (real ones are never shorter)."""
    time, port, present, values, payload = row
    short = Header.IP4 in present and values["size"] < TCP_SIZE
    return (time, port, present, values | {"size": TCP_SIZE} if short else values, payload)


def _default(name: str) -> int:
    return DEFAULTS.get(name, 0)


def _row(arrival: Arrival) -> Row:
    packet = arrival.packet
    present = packet.present
    values = {
        n: getattr(packet, n)
        for n, f in FIELDS.items()
        if f.width and f.writable and f.headers & present and n != "iplen"
    }
    payload = packet.payload if any(packet.payload) else b""  # zeros: `size` says how many
    return arrival.time, arrival.port, present, values, payload


def _trace(rows: Sequence[Row]) -> Trace | None:
    """The events of rows; None if there are no such frames, or time runs back."""
    found: list[Arrival] = []
    for time, port, present, values, payload in rows:
        packet = _packet(present, values, payload)
        if packet is None or (found and time < found[-1].time):
            return None
        found.append(Arrival(time, port, packet))
    return tuple(found)


def _packet(present: Header, values: dict[str, int], payload: bytes) -> Packet | None:
    kept: dict[str, int | bytes] = {
        n: v for n, v in values.items() if FIELDS[n].headers & present and (n != "size" or v)
    }
    if present & IP:
        kept.pop("ethertype", None)
    if payload and present & IP:
        kept["payload"] = payload
    try:
        packet = parse(build(present, kept))
    except ValueError:
        return None
    return None if isinstance(packet, Malformed) else packet


def plainest(trace: Trace, parts: Callable[[Trace], bool], used: frozenset[str]) -> Trace:
    """The trace with everything as usual that doesn't matter."""
    return Plainer(parts, used, trace).run()
