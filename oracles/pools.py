"""What generated traffic is picked from: packets, changes of a field, and gaps in time that are
worth sending to a network, the plainest first, so that smaller picks are plainer packets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nfverify.oracles.aim import OTHER_SIDE, Aim, Point, aim_at, neighbours
from nfverify.oracles.wire import NO_L4, NON_IP, PLAIN, Values, merged, wire
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import FLAG_VALUES
from nfverify.smat import ir

Tweak = tuple[str, int | bytes]

SECOND = 1_000_000_000  # ns
MAX_BASES = 4096
MAX_OF_FIELD = 64  # values of one field
MAX_COUNT = 1100  # packets of one burst
VARIANTS = 3  # of a point
HOSTS = (0x0A000001, 0x0A000002, 0x0A000003, 0xC0A80101, 0x08080808)
HOSTS6 = (0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 2, 0x20010DB8 << 96 | 3)
PORTS = (80, 53, 443, 1024, 1025, 40000, 65535, 0)
STARTS = (0, SECOND, 1_700_000_000 * SECOND)
GAPS = (0, 1_000_000, 1, 1000, 20_000_000, SECOND)
COUNTS = (*range(2, 17), 20, 24, 32, 48, 64, 100, 150, 200, 300, 500, 700, 1000)
_BASES: tuple[Values, ...] = (
    {},
    {"proto": 17, "dport": 53},
    {"proto": 1},
    {"sip": HOSTS[2]},
    {"flag_ack": 1},
    {"dip": HOSTS[4]},
    {"sip6": HOSTS6[0]},
    {"sip6": HOSTS6[0], "proto": 17, "dport": 53},
    {"flag_syn": 1, "flag_ack": 1, "sport": 80, "dport": 1024},
    {"sip6": HOSTS6[0], "proto": 58},
    {"sip": 0xC0A80101, "dip": HOSTS[4], "dport": 443},
    {"flag_rst": 1},
    {"flag_fin": 1, "flag_ack": 1},
)
_PLAIN: Mapping[str, tuple[int, ...]] = {
    "sip": HOSTS,
    "dip": HOSTS,
    "sip6": HOSTS6,
    "dip6": HOSTS6,
    "sport": PORTS,
    "dport": PORTS,
    "proto": (6, 17, 1, NO_L4),
    **dict.fromkeys(FLAG_VALUES, (1, 0)),
    "ttl": (1, 0, 255),
    "smac": (PLAIN["smac"], PLAIN["smac"] + 7),
    "dmac": (PLAIN["dmac"], (1 << 48) - 1),
    "icmp_type": (8, 0, 3),
    "icmp_id": (0, 1),
    "tos": (0, 0xB8),
    "size": (40, 64, 576, 1500),
    "vlan": (1, 0),
    "seq": (0, 1, 0xFFFFFFFF),
    "ack_no": (0, 1),
    "FRAG": (1,),
    "L4": (0,),
    "ethertype": (NON_IP,),
}
_PAYLOADS = (b"", b"x", b"GET / HTTP/1.1\r\n")


@dataclass(frozen=True, slots=True)
class Pools:
    """`bases` are whole packets, `tweaks` changes of a field, `counts` lengths of bursts; times in
    ns: `starts` of traces, `gaps` between packets, `spans` around timers and timeouts."""

    ports: int
    bases: tuple[Values, ...]
    tweaks: tuple[Tweak, ...]
    starts: tuple[int, ...]
    gaps: tuple[int, ...]
    spans: tuple[int, ...]
    counts: tuple[int, ...]


def pools_for(network: ir.Network | None) -> Pools:
    """Aimed at a network; without one, plain traffic of every kind between two ports."""
    if network is None:
        return pools_of(Aim(), 2)
    return pools_of(aim_at(network), max(2, len(network.ports)))


def pools_of(aim: Aim, ports: int) -> Pools:
    """What is worth sending to a network of so many ports that looks at `aim`."""
    bases = tuple(_unique([*_BASES, *_aimed_bases(aim)]))
    networks = aim.values.get("vni", (7,))
    bases += tuple(_packed(bases[: MAX_BASES // 8], aim.headers, networks))
    tweaks: list[Tweak] = []
    for name in FIELDS:
        if name == "payload":
            tweaks += [(name, payload) for payload in _payloads(aim.patterns)]
        elif name != "iface":
            tweaks += [(name, value) for value in _values(aim, name)]
    longest = _patience(aim)
    spans = [max(0, span + near) for span in aim.spans for near in (0, -1, 1)]
    spans += [part for span in aim.spans for part in (span // 2, span // 3)]
    constants = {
        n + near for found in aim.numbers.values() for n in found for near in (-1, 0, 1, 2)
    }
    counts = {n for n in constants if 1 < n <= MAX_COUNT} - set(COUNTS)
    return Pools(
        ports,
        bases[:MAX_BASES],
        tuple(tweaks),
        # A state from one trace and events from another shall not lie a million firings apart.
        (0, longest) if aim.ticks else STARTS,
        tuple(gap for gap in GAPS if gap <= longest),
        thinned(tuple(dict.fromkeys(span for span in spans if span <= longest)), MAX_OF_FIELD),
        tuple(sorted({*COUNTS, *counts})),
    )


def thinned(values: Sequence[int], most: int) -> tuple[int, ...]:
    """At most so many of the values, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return tuple(values)
    last = len(values) - 1
    return tuple(values[at * last // (most - 1)] for at in range(most))


def _patience(aim: Aim) -> int:
    """The longest gap, ns: each firing of a timer in between costs the judge."""
    if not aim.ticks:
        return 1 << 58
    return aim.ticks * (20 if aim.waits else 200)


def _values(aim: Aim, name: str) -> tuple[int, ...]:
    """Of a field: what it or its other side is compared with, what lies beside that, constants of
    its width, plain ones, and the ends of its range."""
    width = FIELDS[name].width
    limit = (1 << width) - 1
    constants = [*aim.values.get(name, ()), *aim.values.get(OTHER_SIDE.get(name, ""), ())]
    found = thinned(sorted(dict.fromkeys(constants)), MAX_OF_FIELD // 3)
    near = [v for v in neighbours(found, width) if v not in found]
    if name in aim.fields and width > 8:
        wide = [n for n in aim.numbers.get(width, ()) if n > 0xFFFF or width <= 16]
        near += thinned(wide, MAX_OF_FIELD // 8)
    ends = (0, limit) if name in aim.fields else ()
    return tuple(dict.fromkeys([*found, *near, *_PLAIN.get(name, ()), *ends]))


def _payloads(patterns: Iterable[bytes]) -> tuple[bytes, ...]:
    """The patterns alone, inside others, cut, and after a false start."""
    found = list(_PAYLOADS)
    for pattern in list(patterns)[:32]:
        found += [pattern, b"--" + pattern + b"--", pattern[:-1], pattern[:1] + pattern]
    return tuple(dict.fromkeys(found))


def _aimed_bases(aim: Aim) -> Iterable[Values]:
    for point in aim.points:
        for variant in range(VARIANTS):
            yield _base(point, variant)


def _base(point: Point, variant: int) -> dict[str, int | bytes]:
    """One packet of a point: of each field the first value, the second, or the third."""
    chosen: list[Tweak] = []
    for name, values in point.items():
        distinct = list(dict.fromkeys(values))
        chosen.append((name, distinct[variant % len(distinct)] & (1 << FIELDS[name].width) - 1))
    # `proto` last: what it says wins over the header that a field stands for.
    return merged({}, sorted(chosen, key=lambda tweak: tweak[0] == "proto"))


def _packed(
    bases: Iterable[Values], headers: Iterable[ir.HeaderKind], networks: Iterable[int]
) -> Iterable[Values]:
    """Each base in each header."""
    for values in bases:
        for kind in headers:
            match kind:
                case "vlan":
                    yield {**values, "vlan": 5}
                case "ipip":
                    six = "sip6" in values or "dip6" in values
                    inner = {name: value for name, value in values.items() if name != "vlan"}
                    yield {"proto": 41 if six else 4, "payload": wire(inner)[14:]}
                case "vxlan":
                    for vni in networks:
                        yield {"vni": vni, "payload": wire(values)}


def _unique(bases: Iterable[Values]) -> Iterable[Values]:
    seen = set()
    for base in bases:
        if (key := tuple(sorted(base.items()))) not in seen:
            seen.add(key)
            yield base
