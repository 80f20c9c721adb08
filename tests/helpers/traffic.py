"""Traffic aimed at a network: its constants and their neighbours, the boxes of its rulesets, few
hosts and ports so that keys meet, answers to what was sent and to what came out, its patterns in
payloads, and times around its timers, with stamps that run backwards.

traffic = Traffic(network, Random(seed)); event = traffic.event(); traffic.saw(outputs)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from frames import Frames, answer

from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

SECOND = 1_000_000_000
LATEST = (1 << 62) - 1
HOSTS4 = (0x0A000001, 0x0A000002, 0xC0A80101, 0x5DB8D822, 0)
HOSTS6 = (0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 2, 0)
PORTS = (80, 53, 1024, 40000, 0)
MEMORY = 64  # frames that may come again or be answered
MAX_POINTS = 4000


class Event(NamedTuple):
    """A frame that arrives."""

    time: int
    port: int
    frame: bytes


Point = Mapping[str, tuple[int, ...]]  # values that go together, by field


@dataclass(slots=True)
class Aim:
    """What a network looks at."""

    values: dict[str, set[int]] = field(default_factory=dict)  # by field
    points: list[Point] = field(default_factory=list)
    patterns: set[bytes] = field(default_factory=set)
    spans: set[int] = field(default_factory=set)  # ns
    numbers: dict[int, set[int]] = field(default_factory=dict)  # constants by their type's width
    ticks: int = 0  # ns of the shortest timer, 0: none
    waits: bool = False  # are packets held by timers, so that they may be many?


def aim_at(network: ir.Network, rng: Random) -> Aim:
    """Read from the network's programs; of long rulesets a sample of rows."""
    aim = Aim()
    for program in {id(i.program): i.program for i in network.instances}.values():
        for variable in program.state:
            if variable.timeout is not None:
                aim.spans.add(variable.timeout)
            for key, _ in variable.entries[:50]:
                for value, type_ in zip(key, variable.keys, strict=True):
                    _constant(aim, value, type_)
        periods = [timer.delay for timer in program.timers]
        for node in ir.walk(program.init + program.body):
            match node:
                case ir.Const(value=value, type=type_):
                    _constant(aim, value, type_)
                case ir.Compare(left=left, right=right):
                    _comparison(aim, left, right)
                    _comparison(aim, right, left)
                case ir.Match(ruleset=ruleset, args=args):
                    names = [_field(arg) for arg in args]
                    rows = ruleset.rows
                    for row in rng.sample(rows, min(len(rows), 400)):
                        aim.points.append(_box(zip(names, row.bounds, strict=True)))
                case ir.Entry():
                    aim.points.append(_guard(node))
                case ir.SetOutput(output=ir.Delay(delay=delay)):
                    known = isinstance(delay, ir.Const) and isinstance(delay.value, int)
                    periods.append(delay.value if known else 20)
        aim.waits |= len(periods) > 2 * len(program.timers)
        if periods:
            aim.spans.update(periods)
            least = max(1, min(periods))
            aim.ticks = min(aim.ticks or least, least)
    if len(aim.points) > MAX_POINTS:
        aim.points = rng.sample(aim.points, MAX_POINTS)
    aim.points = [point for point in aim.points if point]
    return aim


def _constant(aim: Aim, value: ir.Value, type_: ir.Type) -> None:
    if isinstance(value, bytes):
        if value:
            aim.patterns.add(value)
    elif isinstance(type_, ir.Bits):
        aim.numbers.setdefault(type_.width, set()).add(value & (1 << type_.width) - 1)
        if type_ == ir.TIME:
            aim.spans.add(value)


def _field(node: ir.Expr) -> str | None:
    """The field that an expression reads, casts aside."""
    while isinstance(node, ir.Cast):
        node = node.operand
    return node.name if isinstance(node, ir.Field) and node.name != "payload" else None


def _comparison(aim: Aim, left: ir.Expr, right: ir.Expr) -> None:
    if isinstance(right, ir.Const) and isinstance(right.value, int):
        for node in ir.walk((left,)):
            if (name := _field(node)) is not None and isinstance(node, ir.Field):  # type: ignore[arg-type]
                aim.values.setdefault(name, set()).add(right.value)


def _box(bounds: Iterable[tuple[str | None, tuple[int, int]]]) -> Point:
    """Corners of a rule's box and what lies beside them, in the columns that it constrains."""
    point = {}
    for name, (low, high) in bounds:
        if name is not None and (low, high) != (0, (1 << FIELDS[name].width) - 1):
            middle = low + (high - low) // 3
            point[name] = (low, low, high, high, middle, middle, low - 1, high + 1)
    return point


def _guard(entry: ir.Entry) -> Point:
    """The equalities of an entry's guard."""
    point: dict[str, tuple[int, ...]] = {}
    for node in ir.walk(entry.match_flow + entry.match_state):
        if isinstance(node, ir.Compare):
            for left, right in ((node.left, node.right), (node.right, node.left)):
                name = _field(left)
                if name and isinstance(right, ir.Const) and isinstance(right.value, int):
                    near = (right.value,) * 6 + (right.value - 1, right.value + 1)
                    point[name] = (*point.get(name, ()), *near)
    return point


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
        self.patterns = sorted(self.aim.patterns)
        self.spans = sorted(self.aim.spans)
        self.pools = {name: self._pool(name) for name in FIELDS if name != "payload"}
        self.recent: list[tuple[int, bytes]] = []  # (port by which it may come, frame)

    def _pool(self, name: str) -> tuple[int, ...]:
        """A few values of a field that are worth sending."""
        rng, width = self.rng, FIELDS[name].width
        found = sorted(self.aim.values.get(name, ()))
        if name in ("sip", "dip"):
            found += HOSTS4
        elif name in ("sip6", "dip6"):
            found += HOSTS6
        elif name in ("sport", "dport"):
            found += PORTS
        near = [v + d for v in found for d in (-1, 1)]
        constants = sorted(self.aim.numbers.get(width, ()))
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
            want = self.wanted()
            port = want.pop("iface", port) % self.ports
            frame = self.frames.frame(want, self.payload())
        self._remember(1 - port if port < 2 else port, frame)
        return Event(time, port, frame)

    def saw(self, outputs: Iterable[tuple[int, int, bytes]]) -> None:
        """What the network sent: it may be answered by the same port."""
        for _, port, frame in list(outputs)[:4]:
            self._remember(port, frame)

    def _remember(self, port: int, frame: bytes) -> None:
        if len(self.recent) < MEMORY:
            self.recent.append((port, frame))
        else:
            self.recent[self.rng.randrange(MEMORY)] = (port, frame)

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
        for name in ("proto", "ttl", "tos", "vlan", "seq", "icmp_type", "icmp_id", "smac"):
            if name not in want and name in self.aim.values and rng.random() < 0.4:
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
