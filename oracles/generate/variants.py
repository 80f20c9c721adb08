"""Traces beside the ones that reach goals: what these leave unseen is often seen by a cousin.

The same over IPv6; each beginning of a trace with packets of other traces after it; a threshold
driven to its end after it. What a wrong key, a swapped field or a lost count changes is state, and
state shows only in what later packets do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nfverify.equivalence.reach.script import Loop, Script, expand
from nfverify.equivalence.simulate import Arrival, make_packet
from nfverify.oracles.aim import Aim
from nfverify.oracles.generate.packets import changed, values_of
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import IP4, IP6, Packet

NETWORKS = 3  # prefixes of the model that IPv6 twins are tried in
_DOCUMENTATION = 0x20010DB8 << 96
_FAMILY = ("sip", "dip", "sip6", "dip6", "proto", "icmp_type", "icmp_code")
_ICMP = {8: 128, 0: 129}


def twins(script: Script, aim: Aim) -> Iterator[Script]:
    """The trace over IPv6, hosts in one network or another that the model looks at."""
    if any(not _packet(part).bits & IP4 for part in script):
        return
    hosts = [_DOCUMENTATION]
    for name in ("sip6", "dip6"):
        hosts += aim.values.get(name, ())
        hosts += [value for point in aim.points for value in point.get(name, ())[:1]]
    bases = [host & ~0xFFFFFFFF & (1 << 128) - 1 for host in hosts]
    for base in list(dict.fromkeys(base for base in bases if base))[: NETWORKS + 1]:
        for far in dict.fromkeys((base, _DOCUMENTATION)):
            twin = _over_ip6(script, base, far)
            if twin is not None:
                yield twin


def _over_ip6(script: Script, near: int, far: int) -> Script | None:
    """The first packet's source stands in `near`, all other hosts in `far`."""
    first = _packet(script[0]).sip
    found: list[Arrival | Loop] = []
    for part in script:
        packet = _packet(part)
        values = {n: v for n, v in values_of(packet).items() if n not in _FAMILY and n != "ip_id"}
        for name in ("sip", "dip"):
            host = getattr(packet, name)
            values[name + "6"] = (near if host == first else far) | host
        values["proto"] = 58 if packet.present & Header.ICMP else packet.proto
        if packet.present & Header.ICMP:
            values["icmp_type"] = _ICMP.get(packet.icmp_type, packet.icmp_type)
        present = packet.present & ~Header.IP4 | Header.IP6
        twin = make_packet(present, values, packet.payload)
        if twin is None:
            return None
        found.append(_with(part, twin))
    return tuple(found)


def beginnings(script: Script) -> Iterator[Script]:
    """The trace without its last packet, without its last two, ...; not the empty one."""
    for count in range(len(script) - 1, 0, -1):
        yield script[:count]


def strangers(last: Arrival, others: Sequence[Packet], *, moved: bool) -> Iterator[Arrival]:
    """Packets of other traces, the last packet again after each; `moved`: as the last packet's
    host would send them."""
    seen = {_wire(last.packet)}
    for packet in others:
        other = _from_host_of(last.packet, packet) if moved else packet
        if other is not None and _wire(other) not in seen:
            seen.add(_wire(other))
            yield Arrival(last.time, last.port, other)
            yield last


def _from_host_of(mine: Packet, packet: Packet) -> Packet | None:
    if mine.present & (Header.IP4 | Header.IP6) != packet.present & (Header.IP4 | Header.IP6):
        return None
    values = {"sip": mine.sip} if mine.bits & IP4 else {"sip6": mine.sip6}
    if mine.present & packet.present & (Header.TCP | Header.UDP):
        values["sport"] = mine.sport
    return changed(packet, values)


def representatives(scripts: Mapping[int, Script]) -> tuple[Packet, ...]:
    """The last packet of each script, each kind once."""
    found: dict[object, Packet] = {}
    for _, script in sorted(scripts.items()):
        packet = list(expand(script))[-1].packet
        found.setdefault(
            (
                packet.present,
                packet.dip,
                packet.dip6,
                packet.dport,
                packet.proto,
                packet.flag_syn,
                packet.flag_ack,
                packet.flag_rst,
                packet.icmp_type,
                packet.payload,
                packet.size > 1500,
            ),
            packet,
        )
    return tuple(found.values())


def crowded(loop: Loop) -> Script:
    """The loop's packet, others that share all but one of its key's fields, then the loop, a little
    longer: a count that is kept for too many is disturbed by them."""
    first = loop.arrival
    near = [Arrival(first.time, first.port, packet) for packet in _near(first.packet)]
    return (first, first, *near, Loop(first, loop.vary, loop.count + 2, loop.gap))


def _near(packet: Packet) -> Iterator[Packet]:
    """With one bit of one end changed."""
    for name in ("sip", "dip", "sip6", "dip6", "sport", "dport"):
        if FIELDS[name].headers & packet.present:
            new = changed(packet, {name: getattr(packet, name) ^ 1})
            if new is not None:
                yield new


def timed(loop: Loop, spans: Sequence[int]) -> Iterator[Script]:
    """The loop from time 0 on; and cut in two, the second half just before a time that matters to
    the model has passed since the first, and just when it has."""
    packet, port = loop.arrival.packet, loop.arrival.port

    def part(time: int, count: int) -> Loop:
        return Loop(Arrival(time, port, packet), loop.vary, count, 0)

    yield (part(0, loop.count + 2),)
    start = loop.arrival.time
    for span in spans:
        yield (Arrival(span - 1, port, packet), part(span, loop.count + 2))
        for time in (start + span - 1, start + span):
            yield (part(start, loop.count // 2), part(time, loop.count - loop.count // 2 + 2))
        before = Arrival(start + span - 1, port, packet)
        neighbour = next(_near(packet), packet)
        yield (Arrival(start, port, neighbour), before, part(start + span, loop.count + 2))


def driven(script: Script, loop: Loop, extra: int = 2) -> Script | None:
    """The trace, and after it the loop from the hosts of its last packet, a little longer."""
    last = _last(script)
    packet = loop.arrival.packet
    if last.packet.bits & (IP4 | IP6) != packet.bits & (IP4 | IP6):
        return None
    names = ("sip", "dip") if packet.bits & IP4 else ("sip6", "dip6")
    values = {names[0]: getattr(last.packet, names[0])}
    if loop.vary not in ("dip",):
        values[names[1]] = getattr(last.packet, names[1])
    new = changed(packet, values)
    if new is None:
        return None
    arrival = Arrival(last.time + loop.gap, loop.arrival.port, new)
    return (*script, Loop(arrival, loop.vary, loop.count + extra, loop.gap))


def _last(script: Script) -> Arrival:
    part = script[-1]
    return part.repetition(part.count - 1) if isinstance(part, Loop) else part


def _packet(part: Arrival | Loop) -> Packet:
    return (part.arrival if isinstance(part, Loop) else part).packet


def _with(part: Arrival | Loop, packet: Packet) -> Arrival | Loop:
    if isinstance(part, Loop):
        arrival = Arrival(part.arrival.time, part.arrival.port, packet)
        return Loop(arrival, part.vary, part.count, part.gap)
    return Arrival(part.time, part.port, packet)


def _wire(packet: Packet) -> tuple[object, ...]:
    return tuple(getattr(packet, name) for name, info in FIELDS.items() if info.on_wire)
