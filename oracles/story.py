"""What happens on a trace on which two executions part: the entries taken, the outputs, and what
differs in the end, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from nfverify.equivalence.replay import rules_of
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.differential import Contest, Divergence
from nfverify.oracles.engines.base import UNTOLD, Setting
from nfverify.oracles.trace import Event, port_names
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import FRAG, ICMP, IP4, IP6, TCP, UDP
from nfverify.semantics.machine import Machine, Output, RunawayError
from nfverify.semantics.shown import show
from nfverify.semantics.state import SavedState
from nfverify.semantics.tracing import Visit
from nfverify.smat.ir import Network, field_type

MAX_RANGES = 4  # of bytes that differ
MAX_SHOWN = 16  # bytes of a value


@dataclass(frozen=True, slots=True)
class Chapter:
    """One event as the reference sees it."""

    event: Event
    outputs: tuple[Output, ...]
    entries: tuple[str, ...]
    rules: tuple[tuple[str, int], ...] = ()  # that decided: file and line


@dataclass(frozen=True, slots=True)
class Story:
    """A divergence told event by event. `entries` are those that the other side takes at the last
    one, if it tells its state (None: it doesn't); `differences` are what is then different."""

    divergence: Divergence
    chapters: tuple[Chapter, ...]
    entries: tuple[str, ...] | None
    differences: tuple[str, ...]


def tell(contest: Contest, divergence: Divergence) -> Story:
    """The story of a divergence that the contest shows."""
    network, trace, setting = contest.network, divergence.trace, contest.setting
    machine = Machine(network, operators=setting.operators, non_ip=setting.non_ip)
    chapters = tuple(_chapter(machine, event) for event in trace)
    other = next((e for e in contest.others if e.name == divergence.right), None)
    entries = None
    if other is not None and len(trace) > 1:
        before = other.run(trace[:-1]).state
        if before is not None:
            entries = _entries(network, setting, before, trace[-1])
    found = tuple(_differences(divergence, contest.comparison, port_names(network)))
    return Story(divergence, chapters, entries, found)


def _chapter(machine: Machine, event: Event) -> Chapter:
    visits: list[Visit] = []
    machine.trace = visits.append
    try:
        out = tuple(machine.step(*event))
    except RunawayError:  # what the difference is about, then
        out = ()
    return Chapter(event, out, _taken(visits), rules_of(visits))


def _entries(
    network: Network, setting: Setting, before: SavedState, event: Event
) -> tuple[str, ...]:
    """What the reference takes in another's state."""
    machine = Machine(network, operators=setting.operators, non_ip=setting.non_ip, state=before)
    return _chapter(machine, event).entries


def _taken(visits: Sequence[Visit]) -> tuple[str, ...]:
    return tuple(
        f"{visit.instance}: {entry}"
        for visit in visits
        if not visit.dummy
        for entry in visit.entries or ("no entry",)
    )


# What differs -----------------------------------------------------------------------------


def _differences(
    divergence: Divergence, comparison: Comparison, ports: Sequence[str]
) -> Iterator[str]:
    left, right = divergence.left, divergence.right
    if divergence.what:
        said_of_both = divergence.kind in ("state", "not allowed")
        yield divergence.what if said_of_both else f"{right}: {divergence.what}"
        return
    ours, theirs = divergence.left_out, divergence.right_out
    if len(ours) != len(theirs):
        yield f"{left} sends {_packets(len(ours))}, {right} {_packets(len(theirs))}"
    for number, (one, other) in enumerate(zip_longest(ours, theirs), 1):
        if one is None or other is None:
            return
        which = f"output {number}: " if max(len(ours), len(theirs)) > 1 else ""
        if not comparison.alike(one, other):
            for line in _unlike(one, other, (left, right), ports, comparison):
                yield which + line


def _unlike(
    one: Output,
    other: Output,
    names: tuple[str, str],
    ports: Sequence[str],
    comparison: Comparison,
) -> Iterator[str]:
    left, right = names
    if one.time != other.time and other.time != UNTOLD:
        yield f"time: {left} {one.time} ns, {right} {other.time} ns"
    if one.port != other.port and other.port != UNTOLD:
        yield f"port: {left} {ports[one.port]}, {right} {_port(ports, other.port)}"
    if comparison.view(one.frame) == comparison.view(other.frame):
        return
    p, q = parse(one.frame), parse(other.frame)
    if not isinstance(p, Malformed) and not isinstance(q, Malformed):
        for name, info in FIELDS.items():
            if info.on_wire and name not in comparison.ignore:
                a, b = getattr(p, name), getattr(q, name)
                if a != b:
                    yield f"{name}: {left} {_shown(name, a)}, {right} {_shown(name, b)}"
    elif isinstance(q, Malformed):
        yield f"{right} sends a malformed frame: {q.reason}"
    yield from _bytes(one.frame, other.frame, names, p)


def _bytes(
    one: bytes, other: bytes, names: tuple[str, str], packet: Packet | Malformed
) -> Iterator[str]:
    """Where the bytes differ, and what stands there if it is a checksum."""
    left, right = names
    if len(one) != len(other):
        yield f"length: {left} {len(one)} bytes, {right} {len(other)}"
    ranges: list[tuple[int, int]] = []
    for at in range(min(len(one), len(other))):
        if one[at] != other[at]:
            if ranges and ranges[-1][1] == at:
                ranges[-1] = ranges[-1][0], at + 1
            else:
                ranges.append((at, at + 1))
    for low, high in ranges[:MAX_RANGES]:
        where = f"byte {low}" if high == low + 1 else f"bytes {low} to {high - 1}"
        what = _place(packet, low)
        values = f"{left} {_hex(one[low:high])}, {right} {_hex(other[low:high])}"
        yield f"{where}{what}: {values}"
    if len(ranges) > MAX_RANGES:
        yield f"and in {len(ranges) - MAX_RANGES} more places"


def _place(packet: Packet | Malformed, at: int) -> str:
    """The checksum that stands there, in brackets."""
    if isinstance(packet, Malformed):
        return ""
    if packet.bits & IP4 and at - packet.ip_at in (10, 11):
        return " (IPv4 checksum)"
    if packet.bits & (IP4 | IP6):
        for bit, offset, name in ((TCP, 16, "TCP"), (UDP, 6, "UDP"), (ICMP, 2, "ICMP")):
            if packet.bits & bit and at - packet.l4_at in (offset, offset + 1):
                return f" ({name} checksum)"
        if packet.bits & FRAG and at >= packet.l4_at:
            return " (of a fragment)"
    return ""


def _shown(name: str, value: int | bytes) -> str:
    if isinstance(value, bytes):
        return _hex(value)
    return show(value, field_type(name))


def _hex(data: bytes) -> str:
    tail = f"… ({len(data)} bytes)" if len(data) > MAX_SHOWN else ""
    return data[:MAX_SHOWN].hex() + tail or "empty"


def _port(ports: Sequence[str], number: int) -> str:
    return ports[number] if number < len(ports) else str(number)


def _packets(count: int) -> str:
    return "nothing" if not count else "1 packet" if count == 1 else f"{count} packets"
