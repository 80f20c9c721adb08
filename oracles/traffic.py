"""Traffic aimed at a network: its constants and their neighbours, the boxes of its rulesets, few
hosts and ports so that keys meet, answers to what was sent and to what came out, its patterns in
payloads, and times around its timers, with stamps that run backwards.

traffic = Traffic(network, Random(seed)); event = traffic.event(); traffic.saw(outputs)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from random import Random

from nfverify.oracles.aim import aim_at
from nfverify.oracles.frames import Frames, answer
from nfverify.oracles.packed import pack
from nfverify.oracles.trace import Event
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

SECOND = 1_000_000_000
LATEST = (1 << 62) - 1
HOSTS4 = (0x0A000001, 0x0A000002, 0xC0A80101, 0x5DB8D822, 0)
HOSTS6 = (0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 2, 0)
PORTS = (80, 53, 1024, 40000, 0)
MEMORY = 64  # frames that may come again or be answered


class Traffic:
    """An endless trace; the same for the same seed and the same outputs reported."""

    def __init__(
        self, network: ir.Network, rng: Random, plain: float = 0.5, many: float = 0.0
    ) -> None:
        """`plain` is the share of frames without oddities, `many` that of ends never seen before,
        so that tables grow."""
        self.rng, self.frames, self.many = rng, Frames(rng, plain), many
        self.aim = aim_at(network, rng)
        self.ports = max(2, len(network.ports))
        self.now = rng.choice((0, 1, 7 * SECOND, 1_700_000_000 * SECOND))
        self.patterns, self.spans = self.aim.patterns, self.aim.spans
        idle = {"payload"} if "vni" in self.aim.fields else {"payload", "vni"}
        self.pools = {name: self._pool(name) for name in FIELDS if name not in idle}
        flow = ("sip", "dip", "sip6", "dip6", "sport", "dport", "iface", "payload")
        self.others = tuple(n for n in FIELDS if n in self.aim.values and n not in flow)
        self.recent: list[tuple[int, bytes]] = []  # (port by which it may come, frame)
        self.wants: list[dict[str, int]] = []  # field values of frames sent

    def _pool(self, name: str) -> tuple[int, ...]:
        """A few values of a field that are worth sending."""
        rng, width = self.rng, FIELDS[name].width
        found = list(self.aim.values.get(name, ()))
        if name in ("sip", "dip"):
            found += HOSTS4
        elif name in ("sip6", "dip6"):
            found += HOSTS6
        elif name in ("sport", "dport"):
            found += PORTS
        near = [v + d for v in found for d in (-1, 1)]
        constants = self.aim.numbers.get(width, ())
        found += rng.sample(near, min(len(near), 6))
        found += rng.sample(constants, min(len(constants), 6))
        found += [rng.getrandbits(width), (1 << width) - 1]
        return tuple(v & (1 << width) - 1 for v in found)

    # Events -------------------------------------------------------------------------------

    def events(self) -> Iterator[Event]:
        while True:
            yield self.event()

    def event(self) -> Event:
        rng = self.rng
        time = self.time()
        port = rng.randrange(self.ports)
        if self.recent and rng.random() < 0.3:
            came, frame = rng.choice(self.recent)
            roll = rng.random()
            if roll < 0.55:
                port, frame = came, answer(frame)
            elif roll < 0.65:
                frame = self.frames.spoil(frame)
        else:
            want = self._cousin() if self.wants and rng.random() < 0.12 else self.wanted()
            self._keep(want)
            port = want.pop("iface", port) % self.ports
            frame = self.frames.frame(want, self.payload())
            if self.aim.headers and rng.random() < 0.5:
                frame = self._packed(frame)
        self._remember(1 - port if port < 2 else port, frame)
        return Event(time, port, frame)

    def _packed(self, frame: bytes) -> bytes:
        """In one or two headers of kinds that the network pushes or pops."""
        rng = self.rng
        for _ in range(rng.choice((1, 1, 2))):
            want = {name: rng.choice(self.pools[name]) for name in ("sip", "dip", "vlan")}
            want |= {"vni": rng.choice(self.pools["vni"])} if "vni" in self.pools else {}
            frame = pack(rng, frame, rng.choice(self.aim.headers), want)
        return frame

    def saw(self, outputs: Iterable[tuple[int, int, bytes]]) -> None:
        """What the network sent: it may be answered by the same port."""
        for _, port, frame in list(outputs)[:4]:
            self._remember(port, frame)

    def _remember(self, port: int, frame: bytes) -> None:
        if len(self.recent) < MEMORY:
            self.recent.append((port, frame))
        else:
            self.recent[self.rng.randrange(MEMORY)] = (port, frame)

    def _keep(self, want: dict[str, int]) -> None:
        if len(self.wants) < MEMORY:
            self.wants.append(want.copy())
        else:
            self.wants[self.rng.randrange(MEMORY)] = want.copy()

    def _cousin(self) -> dict[str, int]:
        """As an earlier packet in one key of a map, or in all but a field of it."""
        rng = self.rng
        want = rng.choice(self.wants).copy()
        key = rng.choice(self.aim.keys) if self.aim.keys else ("sip", "dip")
        if rng.random() < 0.5:
            changed = [name for name in want if name not in key]
        else:
            changed = [name for name in want if name in key]
            changed = [rng.choice(changed)] if changed else []
        for name in changed:
            want[name] = rng.choice(self.pools[name])
        return want

    def wanted(self) -> dict[str, int]:
        """Field values for a frame: of one point together, or of the pools."""
        rng, pools = self.rng, self.pools
        want: dict[str, int] = {}
        if self.aim.points and rng.random() < 0.5:
            point = rng.choice(self.aim.points)
            for name, values in point.items():
                want[name] = rng.choice(values) & (1 << FIELDS[name].width) - 1
            for name in ("proto", "icmp_type"):
                if rng.random() < 0.5:  # else few frames would have ports
                    want.pop(name, None)
        if "sip6" in want or "dip6" in want or (not _ip4(want) and rng.random() < 0.2):
            names: tuple[str, ...] = ("sip6", "dip6")
        else:
            names = ("sip", "dip")
        if rng.random() < self.many:
            want.setdefault(names[0], pools[names[0]][0] & ~0xFFFF | rng.getrandbits(16))
            want.setdefault("sport", rng.getrandbits(16))
        for name in (*names, "sport", "dport"):
            if name not in want:
                want[name] = rng.choice(pools[name])
        for name in self.others:
            if name not in want and rng.random() < 0.4:
                want[name] = rng.choice(pools[name])
        return want

    def payload(self) -> bytes:
        rng = self.rng
        roll = rng.random()
        if roll < 0.25:
            return b""
        if self.patterns and roll < 0.55:
            pattern = rng.choice(self.patterns)
            if rng.random() < 0.3:
                return pattern
            if rng.random() < 0.3:
                pattern = pattern[: rng.randrange(len(pattern) + 1)] + rng.choice(self.patterns)
            return rng.randbytes(rng.randrange(9)) + pattern + rng.randbytes(rng.randrange(9))
        if roll < 0.99:
            return rng.randbytes(rng.choice((1, 2, 5, 16, 17, 31, 64, 100)))
        return rng.randbytes(rng.choice((1400, 1472, 1500, 4000, 9000)))

    def patience(self) -> int:
        """The longest step: each firing costs the judge. What it does when it jumps over many that
        are alike, it does at 2,000."""
        ticks = self.aim.ticks or LATEST
        if self.aim.waits:
            return ticks * (200 if self.rng.random() < 0.02 else 3)
        return ticks * (2000 if self.rng.random() < 0.01 else 20)

    def time(self) -> int:
        """Of the next event: the same, a little later, around a timer's, or earlier."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.35:
            return self.now
        if roll < 0.42:
            return max(0, self.now - rng.choice((1, 1000, SECOND)))
        if self.spans and roll < 0.7:
            span = rng.choice(self.spans)
            step = max(0, rng.choice((span - 1, span, span + 1, span // 2, span // 3)))
        elif roll < 0.99:
            step = rng.choice((1, 50, 1000, 1_000_000, 20_000_000))
        else:
            step = rng.choice((SECOND, 60 * SECOND, 3600 * SECOND))
        if self.aim.ticks:
            step = min(step, self.patience())
        self.now = min(self.now + min(step, 1 << 58), LATEST)
        return self.now


def _ip4(want: Mapping[str, int]) -> bool:
    return "sip" in want or "dip" in want
