"""A counterexample as the reference semantics sees it: frames in, frames out, entries taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nfverify.equivalence.layers import Tunnel
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.simulate import Pair, Trace, frame_without
from nfverify.equivalence.verdict import Emitted, Event, SideOfEvent
from nfverify.equivalence.wrapping import opened
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics.machine import Machine, Output
from nfverify.semantics.tracing import Visit
from nfverify.smat import ir

SHOWN = 4  # bytes that differ


class NotReproduced(AssertionError):
    """A trace that was about to be shown does not tell the networks apart: an internal error."""


def replay(problem: Problem, pair: Pair, trace: Trace) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """The events of a trace on both sides and what differs at the last, else NotReproduced."""
    run = pair.clone()
    events = []
    differences: list[str] = []
    for arrival in trace:
        frame = deparse(arrival.packet)
        sides = []
        outputs: list[list[Output]] = []
        for side, machine in zip(problem.sides, run.machines, strict=True):
            out, visits = watched(machine, arrival.time, arrival.port, frame)
            ports = side.network.ports
            emitted = tuple(Emitted(o.time, port_name(ports, o.port), o.frame) for o in out)
            sides.append(SideOfEvent(emitted, _taken(visits), rules_of(visits)))
            outputs.append(out)
        names = problem.a.network.ports
        events.append(
            Event(arrival.time, port_name(names, arrival.port), frame, sides[0], sides[1])
        )
        differences = list(differences_of(problem, outputs[0], outputs[1]))
        if problem.options.observe_state:
            differences += _state_differences(problem, run)
    if not differences:
        raise NotReproduced(f"{len(trace)} packets give the same on both sides")
    return tuple(events), tuple(differences)


def entries_taken(problem: Problem, pair: Pair, trace: Trace) -> set[tuple[str, str, str]]:
    """(side, instance, entry) for all that the packets of a trace take."""
    run = pair.clone()
    taken = set()
    for side, machine in zip(problem.sides, run.machines, strict=True):
        visits: list[Visit] = []
        machine.trace = visits.append
        for arrival in trace:
            machine.process(arrival.packet, arrival.time, arrival.port)
        taken |= {(side.letter, v.instance, e) for v in visits if not v.dummy for e in v.entries}
    return taken


def port_name(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else str(number)


def step_of(
    machine: Machine, time: int, port: int, frame: bytes
) -> tuple[list[Output], tuple[str, ...]]:
    """A step: what comes out, and the entries taken."""
    out, visits = watched(machine, time, port, frame)
    return out, _taken(visits)


def watched(
    machine: Machine, time: int, port: int, frame: bytes
) -> tuple[list[Output], list[Visit]]:
    """A step: what comes out, and the passes on the way."""
    visits: list[Visit] = []
    machine.trace = visits.append
    try:
        return machine.step(time, port, frame), visits
    finally:
        machine.trace = None


def _taken(visits: Sequence[Visit]) -> tuple[str, ...]:
    return tuple(
        f"{v.instance}: {e}" for v in visits if not v.dummy for e in v.entries or ("no entry",)
    )


def rules_of(visits: Sequence[Visit]) -> tuple[tuple[str, int], ...]:
    """The rules that decided: file and line, each once."""
    rules = (rule for visit in visits if not visit.dummy for rule in visit.rules)
    return tuple(dict.fromkeys((ruleset.file, ruleset.rows[row].line) for ruleset, row in rules))


def differences_of(problem: Problem, a: list[Output], b: list[Output]) -> Iterator[str]:
    if len(a) != len(b):
        yield f"a sends {_packets(len(a))}, b {_packets(len(b))}"
        return
    for n, (x, y) in enumerate(zip(a, b, strict=True), 1):
        which = f"output {n}: " if len(a) > 1 else ""
        if x.time != y.time:
            yield f"{which}time: a {x.time} ns, b {y.time} ns"
        if x.port != y.port:
            ports = (
                port_name(problem.a.network.ports, x.port),
                port_name(problem.b.network.ports, y.port),
            )
            yield f"{which}port: a {ports[0]}, b {ports[1]}"
        p, q = parse(x.frame), parse(y.frame)
        if isinstance(p, Malformed) or isinstance(q, Malformed):
            if x.frame != y.frame:
                yield f"{which}bytes"
            continue
        yield from _of_packets(p, q, problem.options.ignore, problem.tunnels, which)


def _of_packets(
    p: Packet, q: Packet, ignored: Sequence[str], tunnels: bool, which: str
) -> Iterator[str]:
    """With `tunnels`, of what is inside and of all other bytes, too."""
    kind = _tunnel(p) if tunnels and _tunnel(p) == _tunnel(q) else None
    found = False
    for name, info in FIELDS.items():
        left, right = getattr(p, name), getattr(q, name)
        if not info.on_wire or name in ignored or left == right:
            continue
        found = True
        if kind is None or name != "payload":
            yield f"{which}{name}: a {shown(name, left)}, b {shown(name, right)}"
    if kind is not None and "payload" not in ignored and p.payload != q.payload:
        found = True
        if p.vni != q.vni:
            yield f"{which}vni: a {p.vni}, b {q.vni}"
        inside = opened(p, kind), opened(q, kind)
        if inside[0] is not None and inside[1] is not None:
            yield from _of_packets(inside[0][0], inside[1][0], (), True, f"{which}inside: ")
        else:
            yield f"{which}inside: bytes"
    if tunnels and not found:
        a, b = frame_without(p, ignored), frame_without(q, ignored)
        if a != b:
            yield f"{which}bytes: a {_apart(a, b)}, b {_apart(b, a)}"


def _tunnel(packet: Packet) -> Tunnel | None:
    """The header around what a packet holds."""
    kinds: tuple[Tunnel, ...] = ("ipip", "vxlan")
    return next((k for k in kinds if opened(packet, k) is not None), None)


def _apart(frame: bytes, other: bytes) -> str:
    """The bytes from the first that differs."""
    at = next((i for i, (x, y) in enumerate(zip(frame, other, strict=False)) if x != y), len(other))
    shown_bytes = frame[at : at + SHOWN].hex() or "nothing"
    return f"{shown_bytes} at {at}"


def _packets(count: int) -> str:
    return "nothing" if not count else "1 packet" if count == 1 else f"{count} packets"


def shown(name: str, value: int | bytes) -> str:
    """A field's value as people write it."""
    if isinstance(value, bytes):
        return value[:24].hex() or "empty"
    type_ = ir.field_type(name)
    return value_text(value, type_)


def value_text(value: ir.Value, type_: ir.Type) -> str:
    """A value in the way of its type: dotted, with colons, …"""
    from ipaddress import IPv4Address, IPv6Address

    if isinstance(type_, ir.Bits) and not isinstance(value, bytes):
        match type_.shown:
            case "ip":
                return str(IPv4Address(value & 0xFFFFFFFF))
            case "ip6":
                return str(IPv6Address(value))
            case "mac":
                return value.to_bytes(6, "big").hex(":")
            case _:
                return str(int(value))
    return str(value)


def _state_differences(problem: Problem, run: Pair) -> Iterator[str]:
    snapshot = run.snapshot()
    for a, b in problem.state_pairs():
        left, right = snapshot.get(a, {}), snapshot.get(b, {})
        for key in sorted({*left, *right}, key=repr):
            if left.get(key) != right.get(key):
                at = f"[{', '.join(map(str, key))}]" if key else ""
                yield f"{a}{at}: a {left.get(key, 'absent')}, b {right.get(key, 'absent')}"
