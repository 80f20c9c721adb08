"""The traffic of a simulation: frames of every kind, and hammers, which reach thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from nfverify.oracles.coverage.rows import MAX_EDGED, MAX_ROWS, edges
from nfverify.oracles.frames import Frames
from nfverify.oracles.trace import Event
from nfverify.oracles.traffic import Traffic
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import full

START = 1_000_000_000  # ns: the stamp of the first packet
PLAIN = 0.85  # share of frames without oddities
HAMMER = 300  # packets
MAX_RULESETS = 4
PLAIN_ENDS = {"sip": 0x0A000001, "dip": 0x0A000002, "sport": 1000, "dport": 2000, "proto": 6}
AFTER = 20  # of every kind, after a hammer
GAPS = (0, 1000, 1_000_000)  # ns between the packets of a hammer
# What counts up from packet to packet, the protocol, and the SYN flag.
HAMMERED = (
    ((), 17, 0),
    (("sport",), 6, 1),
    (("dip",), 6, 1),
    (("sip",), 17, 0),
    (("dport",), 6, 1),
    (("sport",), 17, 0),
    ((), 6, 0),
    (("sport", "sip"), 6, 1),
)


@dataclass(slots=True)
class Crowd:
    """Aimed at a network; `seen` is told what came out of it."""

    traffic: Traffic
    frames: Frames
    seen: list[tuple[int, int, bytes]] = field(default_factory=list)

    @staticmethod
    def of(network: ir.Network, rng: Random) -> Crowd:
        return Crowd(Traffic(network, rng, PLAIN), Frames(rng, 1.0))

    def at_rows(self, network: ir.Network) -> Iterator[Event]:
        """Packets at the ends of the rules that are goals, and beside them: each a trace."""
        tests = {
            node.ruleset.digest: node
            for instance in network.instances
            for node in ir.walk(instance.program.body)
            if isinstance(node, ir.Match)
        }
        for test in islice(tests.values(), MAX_RULESETS):
            for want in at_rows(test):
                self.traffic.now = START
                port = want.pop("iface", 0) % self.traffic.ports
                yield Event(START, port, self.frames.frame(PLAIN_ENDS | want, b""))

    def mixed(self, count: int) -> Iterator[Event]:
        """Frames of every kind, and answers to what came out: a new trace."""
        traffic = self.traffic
        traffic.recent.clear()
        traffic.wants.clear()
        traffic.now = START
        for _ in range(count):
            yield traffic.event()
            traffic.saw(self.seen)

    def hammer(self, varied: Sequence[str], proto: int, syn: int) -> Iterator[Event]:
        """One packet again and again, but for fields that count up: what reaches thresholds. It has
        no RST and no FIN, which would undo the loop. Then a little of everything."""
        traffic, rng = self.traffic, self.traffic.rng
        want = {"proto": proto} | traffic.wanted()
        want |= {"flag_rst": 0, "flag_fin": 0, "flag_ack": 0, "flag_syn": syn}
        want |= {"tos": 0, "ttl": 64, "seq": 1, "ack_no": 0, "window": 1024}
        port, gap = (
            want.pop("iface", rng.randrange(traffic.ports)) % traffic.ports,
            rng.choice(GAPS),
        )
        payload = traffic.payload()
        time = START
        for step in range(HAMMER):
            for name in varied:
                name6 = name + "6"
                want[name6 if name6 in want else name] = want.get(name6, want.get(name, 0)) + 1
            yield Event(time, port, self.frames.frame(masked(want), payload))
            if step % 50 == 49:
                traffic.saw(self.seen)
            time += gap
        traffic.now = time
        for _ in range(AFTER):
            yield traffic.event()
            traffic.saw(self.seen)


def at_rows(test: ir.Match) -> Iterator[dict[str, int]]:
    """Field values for each of the first rules; where its columns are not plain fields, others."""
    names = [arg.name if isinstance(arg, ir.Field) else "" for arg in test.args]
    for number, row in enumerate(test.ruleset.rows[:MAX_ROWS]):
        least, most = (
            {
                name: bounds[end]
                for name, bounds, column in zip(
                    names, row.bounds, test.ruleset.columns, strict=True
                )
                if name and bounds != full(column)
            }
            for end in (0, 1)
        )
        yield least
        yield most
        for name, bounds, column in zip(names, row.bounds, test.ruleset.columns, strict=True):
            if name and number < MAX_EDGED:
                for _, value in edges(column, bounds):
                    yield least | {name: value}


def masked(want: Mapping[str, int]) -> dict[str, int]:
    """Field values within their widths."""
    return {
        name: value & (1 << FIELDS[name].width) - 1 if name in FIELDS else value
        for name, value in want.items()
    }
