"""Traffic for refinement: what plain equivalence uses, wider, and floods of new flows.

A pool that fills is what NFs with choices are about; candidates that hold only while it is nearly
empty are to be ruled out before the solver sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nfverify.equivalence.constants import Constants
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.refine.pair import RefinePair
from nfverify.equivalence.simulate import (
    START,
    Arrival,
    Simulation,
    Snapshot,
    Traffic,
    make_packet,
)
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import Packet

FLOWS = 1300
STEP = 37  # between two ports: coprime to all powers of two
SEEN = (1, 40, 400, FLOWS - 1)
_SHAPES = {6: Header.LINK | Header.IP4 | Header.TCP, 17: Header.LINK | Header.IP4 | Header.UDP}


def wide_traffic(problem: Problem, constants: Constants) -> Traffic:
    """Also with values in the middle and at the end of each field's range."""
    traffic = Traffic(problem, constants)
    for name, pool in traffic.pools.items():
        most = (1 << FIELDS[name].width) - 1
        if most > 255:
            pool += [v for v in (most * 2 // 3, most - 1) if v not in pool]
    return traffic


def flood(
    pair: RefinePair,
    traffic: Traffic,
    allowed: Callable[[Arrival], bool],
    out_of_time: Callable[[], bool],
) -> Simulation:
    """One host after the other, or one port after the other, starts a flow."""
    run = pair.clone()
    snapshots: list[Snapshot] = []
    events: list[Arrival] = []
    origin = traffic.problem.options.origin
    time = START if origin is None else origin
    for number, packet in enumerate(_flows(traffic)):
        if out_of_time():
            break
        arrival = Arrival(time + number, number % traffic.problem.port_count, packet)
        if not allowed(arrival):
            continue
        events.append(arrival)
        if run.step(arrival)[0]:
            return Simulation(snapshots, [], tuple(events))
        if number in SEEN:
            snapshots.append(run.snapshot())
    return Simulation(snapshots, [], None)


def _flows(traffic: Traffic) -> Iterator[Packet]:
    sources = traffic.pools.get("sip", [0x0A000001])
    targets = traffic.pools.get("dip", [0x08080808])
    for number in range(FLOWS):
        proto = 17 if number % 3 == 0 else 6
        values = {
            "sip": sources[number % len(sources)] + (number & 0x7F),
            "dip": targets[number // len(sources) % len(targets)],
            "sport": (1024 + number * STEP) & 0xFFFF,
            "dport": (80, 53, 443)[number % 3],
            "proto": proto,
            "ttl": 64,
        }
        values["sip"] &= 0xFFFFFFFF
        packet = make_packet(_SHAPES[proto], values)
        if packet is not None:
            yield packet
