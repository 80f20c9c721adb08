"""Traces made plainer: the same events at round times, by the first port, in frames without
oddities, with few and short names. Each step offers traces, the most promising first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nfverify.oracles.trace import Event, Trace
from nfverify.packet.checksum import internet_checksum
from nfverify.packet.codec import Malformed, build, deparse, parse
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import IP4, IP6, TCP, UDP

Step = Callable[[Trace], Iterator[Trace]]
Change = Callable[[bytes], bytes]  # of a frame
START = 1_000_000_000  # ns: of a plain trace
_UNITS = (10**9, 10**8, 10**6, 10**3)  # ns, for gaps
_LINK: Mapping[str, int] = {"smac": 0x020000000001, "dmac": 0x020000000002, "vlan": 0}
_IP: Mapping[str, int] = {"tos": 0, "ip_id": 0, "ttl": 64}
_L4: Mapping[str, int] = {
    name: 0
    for name in FIELDS
    if name in ("seq", "ack_no", "window") or name.startswith(("flag_", "icmp_"))
}
_GROUPS = (_LINK, _IP, _L4)
Kind = tuple[int, tuple[int, ...], tuple[str, ...]]
_NAMES: tuple[Kind, ...] = (  # headers, plain names, fields
    (IP4, tuple(0x0A000001 + n for n in range(8)), ("sip", "dip")),
    (IP6, tuple((0x20010DB8 << 96) + 1 + n for n in range(8)), ("sip6", "dip6")),
    (TCP | UDP, tuple(range(1000, 1008)), ("sport", "dport")),
)
MAX_SINGLE = 24  # events in traces whose events are also changed one by one


@dataclass(frozen=True, slots=True)
class Plainer:
    """`addresses` and `ports` are those that the model names: they are as plain as any."""

    addresses: frozenset[int] = frozenset()
    ports: frozenset[int] = frozenset()

    def whole(self) -> tuple[Step, ...]:
        """Steps that change all events alike."""
        return (self._everything, _paces, _all_frames, self._all_names, _all_ports)

    def single(self) -> tuple[Step, ...]:
        """Steps that change one event, field or name."""
        return (_gaps, _one_port, _one_field, self._one_name, _one_frame)

    # Everything at once -------------------------------------------------------------------

    def _everything(self, trace: Trace) -> Iterator[Trace]:
        tidy = _frames(_paced(trace, _spans(trace)), _tidy)
        yield self._names(tidy, _NAMES)
        yield tidy

    def _all_names(self, trace: Trace) -> Iterator[Trace]:
        yield self._names(trace, _NAMES)
        for kind in _NAMES:
            yield self._names(trace, (kind,))

    def _names(self, trace: Trace, kinds: tuple[Kind, ...]) -> Trace:
        """All names that aren't plain, by those plain ones that no packet has."""
        for header, plain, fields in kinds:
            used = _used(trace, header, fields)
            free = [name for name in plain if name not in used]
            for name in used:
                if name not in plain and not self._known(name, header) and free:
                    trace = _frames(trace, _renaming(header, fields, name, free.pop(0)))
        return trace

    def _one_name(self, trace: Trace) -> Iterator[Trace]:
        """A name replaced everywhere by the plainest that is free, or in one place by any."""
        for header, plain, fields in _NAMES:
            used = _used(trace, header, fields)
            for name in used:
                rank = plain.index(name) if name in plain else len(plain)
                free = [other for other in plain[:rank] if other not in used]
                if free and not self._known(name, header):
                    yield _frames(trace, _renaming(header, fields, name, free[0]))
            for n, event in _singles(trace):
                for field in fields:
                    value = _get(event.frame, field)
                    if value is None or value in plain or self._known(value, header):
                        continue
                    for other in plain[:2]:
                        yield _one(trace, n, _renaming(header, (field,), None, other))

    def _known(self, name: int, header: int) -> bool:
        return name in (self.ports if header & (TCP | UDP) else self.addresses)


# Times ------------------------------------------------------------------------------------


def _spans(trace: Trace) -> list[int]:
    """The ns before each event; 0 where stamps run back."""
    latest, spans = trace[0].time, [0]
    for event in trace[1:]:
        spans.append(max(0, event.time - latest))
        latest = max(latest, event.time)
    return spans


def _paced(trace: Trace, spans: list[int]) -> Trace:
    time, found = START, []
    for event, span in zip(trace, spans, strict=True):
        time += span
        found.append(event._replace(time=time))
    return tuple(found)


def _paces(trace: Trace) -> Iterator[Trace]:
    yield _paced(trace, [0] * len(trace))
    spans = _spans(trace)
    yield _paced(trace, spans)
    yield _paced(trace, [_rounded(span) for span in spans])


def _rounded(span: int) -> int:
    """In whole seconds, ms or µs, downwards; little gaps are none."""
    return next((span // unit * unit for unit in _UNITS if span >= unit), 0)


def _gaps(trace: Trace) -> Iterator[Trace]:
    spans = _spans(trace)
    for n in range(1, len(trace)):
        if len(trace) > MAX_SINGLE and n > 1 and spans[n] == spans[n - 1]:
            continue
        for span in (0, *(spans[n] // unit * unit for unit in _UNITS)):
            if span < spans[n]:
                yield _paced(trace, [*spans[:n], span, *spans[n + 1 :]])


# Frames and ports -------------------------------------------------------------------------


def _frames(trace: Trace, change: Change) -> Trace:
    return tuple(event._replace(frame=change(event.frame)) for event in trace)


def _one(trace: Trace, n: int, change: Change) -> Trace:
    return (*trace[:n], trace[n]._replace(frame=change(trace[n].frame)), *trace[n + 1 :])


def _singles(trace: Trace) -> Iterator[tuple[int, Event]]:
    if len(trace) <= MAX_SINGLE:
        yield from enumerate(trace)


def _all_ports(trace: Trace) -> Iterator[Trace]:
    yield tuple(event._replace(port=0) for event in trace)


def _one_port(trace: Trace) -> Iterator[Trace]:
    for n, event in _singles(trace):
        if event.port:
            yield (*trace[:n], event._replace(port=0), *trace[n + 1 :])


def _all_frames(trace: Trace) -> Iterator[Trace]:
    yield _frames(trace, _tidy)
    yield _frames(trace, _rebuilt)
    yield _frames(trace, lambda frame: _but_options(frame, {"payload": b""}))
    for values in _GROUPS:
        yield _frames(trace, lambda frame, v=values: _with(frame, v))  # type: ignore[misc]
    yield _frames(trace, _without_payload)


def _one_frame(trace: Trace) -> Iterator[Trace]:
    for n, _ in _singles(trace):
        yield _one(trace, n, _rebuilt)
        yield _one(trace, n, lambda frame: _but_options(frame, {"payload": b""}))
        yield _one(trace, n, lambda frame: _but_options(frame, {}))
        yield _one(trace, n, _without_payload)
        for values in _GROUPS:
            yield _one(trace, n, lambda frame, v=values: _with(frame, v))  # type: ignore[misc]


def _one_field(trace: Trace) -> Iterator[Trace]:
    for values in _GROUPS:
        for name, value in values.items():
            if any(_get(event.frame, name) not in (None, value) for event in trace):
                yield _frames(trace, lambda frame, n=name, v=value: _with(frame, {n: v}))  # type: ignore[misc]


def _tidy(frame: bytes) -> bytes:
    """Well-formed, all fields but the names plain, no tag and no payload."""
    return _built(frame, ~Header.VLAN, {**_LINK, **_IP, **_L4, "payload": b""})


def _rebuilt(frame: bytes) -> bytes:
    """A well-formed frame with the same fields: no options or padding, lengths and checksums are
    right."""
    return _built(frame, ~Header(0), {})


def _without_payload(frame: bytes) -> bytes:
    return _built(frame, ~Header(0), {"payload": b""})


def _but_options(frame: bytes, values: Mapping[str, int | bytes]) -> bytes:
    """As `_built`, but IPv4 options stay."""
    packet = parse(frame)
    if isinstance(packet, Malformed) or not packet.bits & IP4:
        return frame
    at, end = packet.ip_at, packet.ip_at + (frame[packet.ip_at] & 15) * 4
    out = bytearray(_built(frame, ~Header(0), values))
    if end == at + 20 or out == frame:
        return bytes(out)
    size = int.from_bytes(out[at + 2 : at + 4], "big") + end - at - 20
    if size > 0xFFFF:
        return frame
    head = bytearray(out[at : at + 20] + frame[at + 20 : end])
    head[0], head[2:4], head[10:12] = frame[at], size.to_bytes(2, "big"), bytes(2)
    head[10:12] = internet_checksum(bytes(head)).to_bytes(2, "big")
    return bytes(out[:at] + head + out[at + 20 :])


def _built(frame: bytes, mask: Header, values: Mapping[str, int | bytes]) -> bytes:
    """A frame of these headers of it, with its fields and some others; the frame itself if there
    is none."""
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return frame
    present = packet.present & mask
    given = {"iplen", "size"} | ({"ethertype"} if packet.bits & (IP4 | IP6) else set())
    found: dict[str, int | bytes] = {
        name: values.get(name, getattr(packet, name))
        for name, info in FIELDS.items()
        if info.on_wire and name not in given and info.headers & present
    }
    try:
        out = build(present, found)
    except ValueError:
        return frame
    if present & Header.VLAN:  # as they came: there may be two
        return frame[: packet.ip_at] + out[18:] if packet.bits & (IP4 | IP6) else frame
    return out


def _with(frame: bytes, values: Mapping[str, int]) -> bytes:
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return frame
    for name, value in values.items():
        if packet.bits & FIELDS[name].headers.value:
            setattr(packet, name, value)
    return deparse(packet)


def _get(frame: bytes, name: str) -> int | None:
    """A field of a frame that has it."""
    packet = parse(frame)
    if isinstance(packet, Malformed) or not packet.bits & FIELDS[name].headers.value:
        return None
    value: int = getattr(packet, name)
    return value


# Names ------------------------------------------------------------------------------------


def _used(trace: Trace, header: int, fields: tuple[str, ...]) -> list[int]:
    """The names of all packets with such a header, in order."""
    found: dict[int, None] = {}
    for event in trace:
        packet = parse(event.frame)
        if not isinstance(packet, Malformed) and packet.bits & header:
            found.update(dict.fromkeys(getattr(packet, name) for name in fields))
    return list(found)


def _renaming(header: int, fields: tuple[str, ...], name: int | None, other: int) -> Change:
    """Puts `other` in the place of a name (None: of any)."""

    def change(frame: bytes) -> bytes:
        packet = parse(frame)
        if isinstance(packet, Malformed) or not packet.bits & header:
            return frame
        for field in fields:
            if name is None or getattr(packet, field) == name:
                setattr(packet, field, other)
        return deparse(packet)

    return change
