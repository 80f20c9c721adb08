"""Traces made plainer: the same events at round times, by the first port, in frames without
oddities, with few and short names. Each step offers traces, plainest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nfverify.oracles.trace import Event, Trace
from nfverify.packet.codec import Malformed, Packet, build, deparse, parse
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import IP4, IP6, TCP, UDP

Step = Callable[[Trace], Iterator[Trace]]
START = 1_000_000_000  # ns: of a plain trace
SECOND = 1_000_000_000
_ROUND = (1, 1000, 1_000_000, 100_000_000, SECOND, 60 * SECOND, 3600 * SECOND)
_DEFAULTS: tuple[tuple[str, int | bytes], ...] = (
    ("payload", b""),
    ("smac", 0x020000000001),
    ("dmac", 0x020000000002),
    ("vlan", 0),
    ("tos", 0),
    ("ip_id", 0),
    ("ttl", 64),
    ("seq", 0),
    ("ack_no", 0),
    ("window", 0),
    *((flag, 0) for flag in FIELDS if flag.startswith("flag_")),
    *((name, 0) for name in FIELDS if name.startswith("icmp_")),
)
_HOSTS4 = tuple(0x0A000001 + n for n in range(8))
_HOSTS6 = tuple((0x20010DB8 << 96) + 1 + n for n in range(8))
_PORTS = (*range(1000, 1008), 80)
_MAX_SINGLE = 24  # events that are also tried one by one


def plainer() -> tuple[Step, ...]:
    """The steps in the order in which they are worth trying."""
    return (_times, _frames, _ports, _fields, _addresses, _numbers)


def _times(trace: Trace) -> Iterator[Trace]:
    yield tuple(event._replace(time=START) for event in trace)
    yield _paced(trace, [0] + [1000] * (len(trace) - 1))
    latest, gaps = trace[0].time, [0]
    for event in trace[1:]:
        gaps.append(max(0, event.time - latest))
        latest = max(latest, event.time)
    yield _paced(trace, gaps)
    for n in range(1, len(trace)):
        if len(trace) > _MAX_SINGLE and gaps[n] == gaps[n - 1]:
            continue
        for gap in (0, *(g for g in _ROUND if g > gaps[n]), *_rounded(gaps[n])):
            if gap != gaps[n] and (gap == 0 or gap in _rounded(gaps[n]) or gaps[n] not in _ROUND):
                yield _paced(trace, [*gaps[:n], gap, *gaps[n + 1 :]])


def _rounded(gap: int) -> tuple[int, ...]:
    """The gap in whole units, downwards."""
    return tuple(gap // unit * unit for unit in reversed(_ROUND) if unit < gap)


def _paced(trace: Trace, gaps: list[int]) -> Trace:
    time, found = START, []
    for event, gap in zip(trace, gaps, strict=True):
        time += gap
        found.append(event._replace(time=time))
    return tuple(found)


def _each(trace: Trace, change: Callable[[Event], Event]) -> Iterator[Trace]:
    """All events changed, then one at a time."""
    changed = tuple(map(change, trace))
    yield changed
    if len(trace) <= _MAX_SINGLE:
        for n, event in enumerate(trace):
            if changed[n] != event:
                yield (*trace[:n], changed[n], *trace[n + 1 :])


def _frames(trace: Trace) -> Iterator[Trace]:
    yield from _each(trace, lambda event: event._replace(frame=rebuilt(event.frame, False)))
    yield from _each(trace, lambda event: event._replace(frame=rebuilt(event.frame, True)))


def rebuilt(frame: bytes, keep_tag: bool) -> bytes:
    """A well-formed frame with the same fields: no options, padding or second tag, right lengths
    and checksums; the frame itself if that can't be."""
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return frame
    present = packet.present
    if not keep_tag:
        present &= ~Header.VLAN
    given = {"iplen", "size"} | ({"ethertype"} if packet.bits & (IP4 | IP6) else set())
    values: dict[str, int | bytes] = {
        name: getattr(packet, name)
        for name, info in FIELDS.items()
        if info.on_wire and name not in given and info.headers & present
    }
    try:
        return build(present, values)
    except ValueError:
        return frame


def _ports(trace: Trace) -> Iterator[Trace]:
    yield from _each(trace, lambda event: event._replace(port=0))


def _fields(trace: Trace) -> Iterator[Trace]:
    yield tuple(
        event._replace(frame=_with(event.frame, {n: v for n, v in _DEFAULTS if n != "payload"}))
        for event in trace
    )
    for name, value in _DEFAULTS:
        if any(name != "payload" and _get(event.frame, name) != value for event in trace):
            yield from _each(
                trace,
                lambda e, n=name, v=value: e._replace(frame=_with(e.frame, {n: v})),  # type: ignore[misc]
            )
    yield from _each(trace, lambda event: event._replace(frame=_without_payload(event.frame)))


def _get(frame: bytes, name: str) -> int | bytes | None:
    packet = parse(frame)
    if isinstance(packet, Malformed) or not packet.bits & FIELDS[name].headers.value:
        return None
    value: int | bytes = getattr(packet, name)
    return value


def _with(frame: bytes, values: dict[str, int | bytes]) -> bytes:
    packet = parse(frame)
    if isinstance(packet, Malformed):
        return frame
    for name, value in values.items():
        if packet.bits & FIELDS[name].headers.value:
            setattr(packet, name, value)
    return deparse(packet)


def _without_payload(frame: bytes) -> bytes:
    packet = parse(frame)
    if isinstance(packet, Malformed) or not packet.payload or not packet.bits & (IP4 | IP6):
        return frame
    packet.payload = b""
    given = {"iplen", "size", "ethertype"}
    values = {
        name: getattr(packet, name)
        for name, info in FIELDS.items()
        if info.on_wire and name not in given and info.headers & packet.present
    }
    try:
        return build(packet.present, values)
    except ValueError:
        return frame


# Names ------------------------------------------------------------------------------------


def _addresses(trace: Trace) -> Iterator[Trace]:
    for header, hosts, fields in (
        (IP4, _HOSTS4, ("sip", "dip")),
        (IP6, _HOSTS6, ("sip6", "dip6")),
    ):
        yield from _renamed(trace, header, hosts, fields)


def _numbers(trace: Trace) -> Iterator[Trace]:
    yield from _renamed(trace, TCP | UDP, _PORTS, ("sport", "dport"))


def _renamed(
    trace: Trace, header: int, plain: tuple[int, ...], fields: tuple[str, str]
) -> Iterator[Trace]:
    """Each name replaced everywhere by a plainer one that no packet has yet, then in one place."""
    packets = [parse(event.frame) for event in trace]
    used: dict[int, None] = {}
    for packet in packets:
        if not isinstance(packet, Malformed) and packet.bits & header:
            used.update(dict.fromkeys(getattr(packet, name) for name in fields))
    for name in used:
        rank = plain.index(name) if name in plain else len(plain)
        for other in plain[:rank]:
            if other not in used:
                yield tuple(map(_Renamer(header, fields, name, other), trace))
                break
    if len(trace) > _MAX_SINGLE:
        return
    for n, event in enumerate(trace):
        for field in fields:
            for other in plain[:3]:
                frame = _Renamer(header, (field,), None, other)(event)
                value = _get(event.frame, field)
                if frame != event and value not in plain:
                    yield (*trace[:n], frame, *trace[n + 1 :])


class _Renamer:
    """Replaces a value (None: any) of some fields."""

    def __init__(self, header: int, fields: tuple[str, ...], name: int | None, other: int) -> None:
        self.header, self.fields, self.name, self.other = header, fields, name, other

    def __call__(self, event: Event) -> Event:
        packet = parse(event.frame)
        if isinstance(packet, Malformed) or not packet.bits & self.header:
            return event
        for field in self.fields:
            if self.name is None or getattr(packet, field) == self.name:
                setattr(packet, field, self.other)
        return event._replace(frame=_deparsed(packet))


def _deparsed(packet: Packet) -> bytes:
    return deparse(packet)
