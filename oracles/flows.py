"""Conversations: TCP sessions with handshake and end, UDP requests and responses, ICMP echoes.

With `through`, which says what a network under test sends, the server answers what reached it, so
that sessions also go through networks that rewrite addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from nfverify.oracles.trace import Event, Trace
from nfverify.oracles.wire import ECHO, Values, answered, merged, wire

Through = Callable[[Event], Sequence[tuple[int, Values]]]  # ports and values of what comes out
End = Literal["fin", "rst", "none"]
Step = tuple[bool, Mapping[str, int | bytes]]  # does the client send, and what beside the endpoints

PLAINEST: Values = MappingProxyType({})
GAP = 1_000_000  # ns between two packets
ENDPOINTS = (
    *("sip", "dip", "sip6", "dip6", "sport", "dport"),
    *("smac", "dmac", "vlan", "proto", "icmp_id"),
)
_FLAGS = {"S": "flag_syn", "A": "flag_ack", "F": "flag_fin", "P": "flag_psh", "R": "flag_rst"}


def tcp_session(
    client: Values = PLAINEST,
    data: Sequence[bytes] = (b"request", b"response"),
    *,
    end: End = "fin",
    start: int = 0,
    gap: int = GAP,
    ports: tuple[int, int] = (0, 1),
    through: Through | None = None,
) -> Trace:
    """Handshake, `data` from client and server in turn, and its end. `client` names the endpoints
    as the client sees them; times in ns; `ports` are those of client and server."""
    steps = tcp_steps(data, end)
    return exchange(merged(client, [("proto", 6)]), steps, start, gap, ports, through)


def udp_exchange(
    client: Values = PLAINEST,
    data: Sequence[bytes] = (b"request", b"response"),
    *,
    start: int = 0,
    gap: int = GAP,
    ports: tuple[int, int] = (0, 1),
    through: Through | None = None,
) -> Trace:
    """`data` from client and server in turn. Parameters as those of `tcp_session`."""
    steps: list[Step] = [(not at % 2, {"payload": part}) for at, part in enumerate(data)]
    return exchange(merged(client, [("proto", 17)]), steps, start, gap, ports, through)


def icmp_echo(
    client: Values = PLAINEST,
    count: int = 1,
    *,
    start: int = 0,
    gap: int = GAP,
    ports: tuple[int, int] = (0, 1),
    through: Through | None = None,
) -> Trace:
    """`count` echo requests, each with its reply. Parameters as those of `tcp_session`."""
    proto = 58 if "sip6" in client or "dip6" in client else 1
    request, reply = ECHO[proto]
    steps: list[Step] = []
    for number in range(count):
        steps += [
            (True, {"icmp_type": request, "icmp_seq": number}),
            (False, {"icmp_type": reply, "icmp_seq": number}),
        ]
    return exchange(merged(client, [("proto", proto)]), steps, start, gap, ports, through)


def tcp_steps(data: Sequence[bytes], end: End = "fin") -> list[Step]:
    """Who sends what in a TCP session whose initial sequence numbers are 0."""
    plan: list[tuple[bool, str, bytes]] = [(True, "S", b""), (False, "SA", b""), (True, "A", b"")]
    plan += [(not at % 2, "PA", part) for at, part in enumerate(data)]
    if end == "fin":
        plan += [(True, "FA", b""), (False, "FA", b""), (True, "A", b"")]
    elif end == "rst":
        plan.append((True, "R", b""))
    sent = {True: 0, False: 0}  # next sequence number of client and server
    steps: list[Step] = []
    for client, flags, payload in plan:
        values: dict[str, int | bytes] = {_FLAGS[flag]: 1 for flag in flags}
        values["seq"] = sent[client]
        if "A" in flags:
            values["ack_no"] = sent[not client]
        if payload:
            values["payload"] = payload
        sent[client] = (sent[client] + len(payload) + ("S" in flags or "F" in flags)) & 0xFFFFFFFF
        steps.append((client, values))
    return steps


def exchange(
    client: Values,
    steps: Iterable[Step],
    start: int = 0,
    gap: int = GAP,
    ports: tuple[int, int] = (0, 1),
    through: Through | None = None,
) -> Trace:
    """The events of a conversation between `client` and whoever gets its packets."""
    return tuple(_events(client, steps, start, gap, ports, through))


def _events(
    client: Values,
    steps: Iterable[Step],
    time: int,
    gap: int,
    ports: tuple[int, int],
    through: Through | None,
) -> Iterator[Event]:
    client = _ends(client)
    server, back = _ends(answered(client)), ports[1]
    for sends, values in steps:
        frame = wire({**(client if sends else server), **values})
        event = Event(time, ports[0] if sends else back, frame)
        yield event
        out = () if through is None else through(event)
        if sends and out:
            back, reached = out[0]
            server = _ends(answered(reached))
        time += gap


def _ends(values: Values) -> dict[str, int | bytes]:
    return {name: values[name] for name in ENDPOINTS if name in values}
