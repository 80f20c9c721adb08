"""Traffic of few flows whose packets come again and again: what fast paths are tried with.

traffic = Returning(network, Random(seed)); event = traffic.event(); traffic.saw(outputs)
"""

from __future__ import annotations

from random import Random

from nfverify.oracles.frames import answer
from nfverify.oracles.trace import Event
from nfverify.oracles.traffic import Traffic
from nfverify.smat import ir

FLOWS = 10
_ENDS = ("sip", "dip", "sport", "dport", "proto")
_FLAGS: tuple[dict[str, int], ...] = (
    *({"flag_ack": 1, "flag_syn": 0, "flag_fin": 0, "flag_rst": 0},) * 5,
    *({"flag_syn": 1, "flag_fin": 0, "flag_rst": 0},) * 3,
    {"flag_fin": 1, "flag_syn": 0},
    {"flag_rst": 1, "flag_syn": 0},
    {},
)


class Returning(Traffic):
    """`flows` at a time, by the constants of the network, over TCP and UDP; each packet with flags,
    times to live and sizes of its own, some answered, some replaced, and some of any other kind."""

    def __init__(self, network: ir.Network, rng: Random, flows: int = FLOWS) -> None:
        super().__init__(network, rng, 0.9)
        varying = ("ttl", "tos", "ip_id", "size")
        self.varied = [n for n in self.aim.values if n not in _ENDS and n in self.pools]
        self.varied += [n for n in varying if n in self.aim.fields and n not in self.varied]
        self.flows = [self._flow() for _ in range(flows)]

    def _flow(self) -> dict[str, int]:
        """The ends of a new flow; half of them share some with another."""
        rng, want = self.rng, self.wanted()
        found = {name: want[name] for name in _ENDS if name in want}
        for name in _ENDS[:4]:
            found.setdefault(name, rng.choice(self.pools[name]))
        if found.get("proto") not in (6, 17):
            found["proto"] = rng.choice((6, 6, 17))
        if hasattr(self, "flows") and rng.random() < 0.5:
            other = rng.choice(self.flows)
            for name in rng.sample(_ENDS, rng.randrange(1, 5)):
                found[name] = other[name]
        return found

    def event(self) -> Event:
        rng = self.rng
        roll = rng.random()
        if roll < 0.05:
            return super().event()
        if roll < 0.07:
            self.flows[rng.randrange(len(self.flows))] = self._flow()
        time, port = self.time(), rng.choice((0, 0, 0, rng.randrange(self.ports)))
        if self.recent and roll > 0.85:
            port, frame = rng.choice(self.recent)
            return Event(time, port, answer(frame) if rng.random() < 0.8 else frame)
        want = rng.choice(self.flows) | rng.choice(_FLAGS)
        for name in self.varied:
            if rng.random() < 0.3:
                want[name] = rng.choice(self.pools[name])
        want.pop("iface", None)
        frame = self.frames.frame(want, self.payload())
        return Event(time, port, frame)
