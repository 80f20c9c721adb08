"""The harness itself: two engines that agree pass; each planted fault is found, and shrunk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from struct import pack

import pytest
from agreement import (
    Reference,
    Runner,
    Step,
    check,
    describe,
    difference,
    record,
    reference,
    shrink,
)
from ir_flows import flow_chain
from ir_wide import FUNCTIONS, wide_network

from nfverify.oracles.frames import Frames, answer, checksum
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.trace import Event
from nfverify.oracles.traffic import Traffic
from nfverify.packet.codec import Malformed, parse
from nfverify.packet.packet import TCP, UDP, Packet
from nfverify.semantics.machine import Machine, Output
from nfverify.smat.load import load, load_text

CLOSURES = reference("closures")


@pytest.mark.parametrize("seed", range(4))
def test_engines_of_the_reference_agree(seed: int) -> None:
    rng = Random(seed)
    check(flow_chain(rng, 2), CLOSURES, rng, 300, many=0.3)
    check(wide_network(rng, Options(), 6), CLOSURES, rng, 150, operators=FUNCTIONS)


@dataclass(slots=True)
class Faulty(Reference):
    """`fault` is done to the machine and its outputs at each event."""

    fault: Callable[[Machine, Step], Step]

    def run(self, events: Sequence[Event]) -> list[Step]:
        return [self.fault(self.machine, self.machine.step(*event)) for event in events]


def late(machine: Machine, step: Step) -> Step:
    return [Output(o.time + 1, o.port, o.frame) for o in step]


def other_port(machine: Machine, step: Step) -> Step:
    return [Output(o.time, 1 - o.port, o.frame) for o in step]


def flipped(machine: Machine, step: Step) -> Step:
    """One bit, in the last byte of long frames."""
    return [
        Output(o.time, o.port, o.frame[:-1] + bytes((o.frame[-1] ^ 1,)))
        if len(o.frame) > 100
        else o
        for o in step
    ]


def forgetful(machine: Machine, step: Step) -> Step:
    for store in machine._stores:
        for values in store:
            if len(values) > 3:
                values.pop(next(iter(values)))
    return step


def miscounted(machine: Machine, step: Step) -> Step:
    machine.counters["malformed"] = 0
    return step


@pytest.mark.parametrize("fault", [late, other_port, flipped, forgetful, miscounted])
def test_faults_are_found(fault: Callable[[Machine, Step], Step]) -> None:
    network = load("lib:edge")

    def maker(*args: object) -> Runner:
        runner = CLOSURES(*args)  # type: ignore[arg-type]  # what Maker takes
        assert isinstance(runner, Reference)
        return Faulty(runner.machine, fault)

    trace = record(network, Random(1), 400)
    found = difference(trace, maker, Random(2))
    assert found is not None
    shrunk = shrink(found, maker)
    assert len(shrunk.trace.events) <= 6, "a fault of one event, or of a map that grew to 4 keys"
    assert "they part" in describe(shrunk)


def test_order_of_copies_is_compared() -> None:
    text = "program p { iface a, b; entry { action_flow { f[output] := {a, b}; } } }"

    def maker(*args: object) -> Runner:
        runner = CLOSURES(*args)  # type: ignore[arg-type]  # what Maker takes
        assert isinstance(runner, Reference)
        return Faulty(runner.machine, lambda machine, step: step[::-1])

    trace = record(load_text(text), Random(1), 20)
    assert difference(trace, maker, Random(2)) is not None


def kinds(target: str) -> set[str]:
    """What a thousand frames are, and why they are malformed."""
    traffic = Traffic(load(target), Random(3))
    found: set[str] = set()
    for _ in range(8000):
        packet = parse(traffic.event().frame)
        if isinstance(packet, Malformed):
            found.add(packet.reason)
        else:
            found.add("|".join(sorted(h.name or "" for h in packet.present)))
            found |= marks(packet)
    return found


def marks(packet: Packet) -> set[str]:
    found = set()
    if packet.bits and packet.type_at == 20:
        found.add("two tags")
    if packet.IP4 and packet.l4_at - packet.ip_at > 20:
        found.add("options")
    if packet.IP6 and packet.l4_at - packet.ip_at > 40:
        found.add("extension headers")
    if len(packet.frame) > 1514:
        found.add("jumbo")
    if packet.IP4 and len(packet.frame) > packet.ip_at + packet.iplen:
        found.add("padding")
    if packet.IP4 and len(packet.frame) < packet.ip_at + packet.iplen:
        found.add("cut")
    return found


def test_traffic_has_every_kind_of_frame() -> None:
    found = kinds("lib:napt")
    for wanted in (
        *("LINK", "LINK|VLAN", "IP4|LINK|TCP", "IP4|LINK|UDP", "ICMP|IP4|LINK", "FRAG|IP4|LINK"),
        *("IP6|LINK|TCP", "IP6|LINK|UDP", "ICMP|IP6|LINK", "FRAG|IP6|LINK", "FRAG|IP4|LINK|UDP"),
        *("two tags", "options", "extension headers", "jumbo", "padding", "cut"),
        *("shorter than an Ethernet header", "cut inside a VLAN tag", "IHL below 5"),
        *("cut inside the IPv4 header", "cut inside the IPv6 header", "TCP data offset below 5"),
        "IP version differs from the ethertype's",
        "IPv4 total length shorter than the header",
        "IPv6 extension header not inside capture and payload length",
        "TCP header not inside capture and IP length",
        "UDP header not inside capture and IP length",
        "ICMP header not inside capture and IP length",
    ):
        assert wanted in found


def test_traffic_takes_every_entry_of_the_edge() -> None:
    """What is aimed at a network gets into its corners; replies of its NAT come back."""
    network = load("lib:edge")
    trace = record(network, Random(1), 3000)
    machine = Machine(network)
    taken: set[str] = set()
    machine.trace = lambda pass_: taken.add(f"{pass_.instance} {pass_.entries}")
    for event in trace.events:
        machine.step(*event)
    text = " ".join(taken)
    for entry in ("out_known", "out_new", "in_known", "in_unknown", "untranslatable"):
        assert entry in text


def test_answers_keep_checksums() -> None:
    maker = Frames(Random(5), plain=1.0)
    for _ in range(200):
        frame = maker.frame({"sip": 1, "dip": 0xFFFFFFFE, "sport": 7, "dport": 9}, b"x")
        packet, back = parse(frame), parse(answer(frame))
        assert isinstance(packet, Packet)
        assert isinstance(back, Packet)
        assert (back.sip, back.dip) == (packet.dip, packet.sip)
        assert (back.sport, back.dport) == (packet.dport, packet.sport)
        if packet.bits & (TCP | UDP):
            segment = back.frame[back.l4_at : back.ip_at + back.iplen]
            pseudo = back.frame[back.ip_at + 12 : back.ip_at + 20] + bytes((0, back.proto))
            assert checksum(pseudo + pack("!H", len(segment)) + segment) == 0
