"""What a model looks at: the values, boxes, payloads, keys and times that are worth sending it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import Bounds, Ruleset

MAX_POINTS = 4000
MAX_ROWS = 400  # of one ruleset
MAX_INITIAL = 50  # entries of one variable
MAX_DEPTH = 8  # lets of lets
OTHER_SIDE = {
    "sip": "dip",
    "dip": "sip",
    "sip6": "dip6",
    "dip6": "sip6",
    "sport": "dport",
    "dport": "sport",
    "smac": "dmac",
    "dmac": "smac",
}
UNKNOWN_DELAY = 20  # ns: a timer whose delay is computed

Point = Mapping[str, tuple[int, ...]]  # values that go together, by field
Lets = Mapping[str, ir.Expr]
Entries = tuple[tuple[tuple[ir.Value, ...], tuple[ir.Value, ...]], ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """Sorted everywhere, so that it is the same from run to run.

    `points` are boxes of rules and equalities of guards; `keys` the header fields that one access
    to a map is filed under; `spans` the delays and timeouts in ns.
    """

    values: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # by field
    points: tuple[Point, ...] = ()
    patterns: tuple[bytes, ...] = ()
    spans: tuple[int, ...] = ()
    numbers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)  # constants by width
    keys: tuple[tuple[str, ...], ...] = ()
    fields: tuple[str, ...] = ()  # that are read
    ticks: int = 0  # ns of the shortest timer, 0: none
    waits: bool = False  # are packets held by timers, so that they may be many?
    headers: tuple[ir.HeaderKind, ...] = ()  # that are popped, or pushed, or read


def aim_at(network: ir.Network, rng: Random | None = None) -> Aim:
    """Read from the network's programs; of long rulesets a sample of rows that `rng` chooses."""
    found = _Finding(rng or Random(0))
    for program in {id(i.program): i.program for i in network.instances}.values():
        found.program(program)
    return found.aim()


def neighbours(values: Iterable[int], width: int) -> tuple[int, ...]:
    """The values and what lies beside each, modulo the width, sorted."""
    mask = (1 << width) - 1
    return tuple(sorted({(value + near) & mask for value in values for near in (-1, 0, 1)}))


@dataclass(slots=True)
class _Finding:
    rng: Random
    values: dict[str, set[int]] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    patterns: set[bytes] = field(default_factory=set)
    spans: set[int] = field(default_factory=set)
    numbers: dict[int, set[int]] = field(default_factory=dict)
    keys: set[tuple[str, ...]] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    periods: list[int] = field(default_factory=list)
    waits: bool = False
    headers: set[ir.HeaderKind] = field(default_factory=set)

    def aim(self) -> Aim:
        points = [point for point in self.points if point]
        if len(points) > MAX_POINTS:
            points = self.rng.sample(points, MAX_POINTS)
        return Aim(
            {name: tuple(sorted(self.values[name])) for name in sorted(self.values)},
            tuple(points),
            tuple(sorted(self.patterns)),
            tuple(sorted({*self.spans, *self.periods})),
            {width: tuple(sorted(self.numbers[width])) for width in sorted(self.numbers)},
            tuple(sorted(self.keys)),
            tuple(name for name in FIELDS if name in self.fields),
            max(1, min(self.periods)) if self.periods else 0,
            self.waits,
            tuple(sorted(self.headers)),
        )

    def program(self, program: ir.Program) -> None:
        for variable in program.state:
            if variable.timeout is not None:
                self.spans.add(variable.timeout)
            for key, _ in variable.entries[:MAX_INITIAL]:
                for value, type_ in zip(key, variable.keys, strict=True):
                    self._constant(value, type_)
        before = len(self.periods)
        self.periods += [timer.delay for timer in program.timers]
        lets = lets_of(program)
        initial = {v.name: v.entries[:MAX_INITIAL] for v in program.state if v.entries}
        for node in ir.walk(program.init + program.body):
            self._node(node, lets)
            if isinstance(node, ir.Read | ir.Has) and node.var in initial:
                self._looked_up(node, initial[node.var], lets)
        # A dummy that arms its timer again is always one.
        self.waits |= len(self.periods) - before > 2 * len(program.timers)

    def _node(self, node: ir.Expr | ir.Stmt | ir.Entry, lets: Lets) -> None:
        match node:
            case ir.Const(value=value, type=type_):
                self._constant(value, type_)
            case ir.Field(name=name):
                self.fields.add(name)
                if name == "vni":
                    self.headers.add("vxlan")
            case ir.Push(kind=kind) | ir.Pop(kind=kind):
                self.headers.add(kind)
            case ir.Compare(left=left, right=right):
                self._comparison(left, right, lets)
                self._comparison(right, left, lets)
            case ir.Match(ruleset=ruleset, args=args):
                self._ruleset(ruleset, [field_of(arg, lets) for arg in args])
            case ir.Entry():
                self.points.append(_guard(node, lets))
            case ir.SetField(name=name, value=value):
                # A rewritten address is where the answer goes to.
                other, number = OTHER_SIDE.get(name), _number(value)
                if other is not None and number is not None:
                    self._value(other, number)
            case ir.SetOutput(output=ir.Delay(delay=delay)):
                known = isinstance(delay, ir.Const) and isinstance(delay.value, int)
                self.periods.append(int(delay.value) if known else UNKNOWN_DELAY)  # type: ignore[union-attr]
            case ir.Read() | ir.Has() | ir.Write() | ir.Delete() | ir.Touch():
                names = tuple(n for key in node.keys if (n := field_of(key, lets)) is not None)
                if names:
                    self.keys.add(names)
            case _:
                pass

    def _constant(self, value: ir.Value, type_: ir.Type) -> None:
        if isinstance(value, bytes):
            if value:
                self.patterns.add(value)
        elif isinstance(type_, ir.Bits):
            self.numbers.setdefault(type_.width, set()).add(value & (1 << type_.width) - 1)
            if type_ == ir.TIME:
                self.spans.add(value)

    def _comparison(self, left: ir.Expr, right: ir.Expr, lets: Lets) -> None:
        constant = _number(right)
        if constant is None:
            return
        for node in _reached(left, lets):
            if isinstance(node, ir.Field):
                self._value(node.name, constant)
            elif isinstance(node, ir.Arithmetic) and node.op == "&":
                # (x & mask) == c: the last value that passes, too.
                for part, other in ((node.left, node.right), (node.right, node.left)):
                    name, mask = field_of(part, lets), _number(other)
                    if name is not None and mask is not None:
                        self._value(name, constant | ~mask)

    def _value(self, name: str, value: int) -> None:
        if name != "payload":
            self.values.setdefault(name, set()).add(value & (1 << FIELDS[name].width) - 1)

    def _looked_up(self, node: ir.Read | ir.Has, entries: Entries, lets: Lets) -> None:
        """The keys that a map begins with, as fields of the packets that find them."""
        names = [field_of(key, lets) for key in node.keys]
        for keys, _ in entries:
            found = {
                name: (int(value),)
                for name, value in zip(names, keys, strict=True)
                if name is not None and not isinstance(value, bytes)
            }
            self.points.append(found)
            for name, (value,) in found.items():
                self._value(name, value)

    def _ruleset(self, ruleset: Ruleset, names: list[str | None]) -> None:
        rows = ruleset.rows
        for row in self.rng.sample(rows, min(len(rows), MAX_ROWS)):
            point = _box(zip(names, row.bounds, strict=True))
            self.points.append(point)
            for name, values in point.items():
                for value in values[:4]:
                    self._value(name, value)


def lets_of(program: ir.Program) -> Lets:
    """What the locals of a program stand for."""
    return {n.name: n.value for n in ir.walk(program.body) if isinstance(n, ir.Let)}


def _number(node: ir.Expr) -> int | None:
    """The value of a constant, casts aside."""
    while isinstance(node, ir.Cast):
        node = node.operand
    if isinstance(node, ir.Const) and not isinstance(node.value, bytes):
        return int(node.value)
    return None


def field_of(node: ir.Expr, lets: Lets) -> str | None:
    """The field that an expression reads, casts and lets aside."""
    for _ in range(MAX_DEPTH):
        while isinstance(node, ir.Cast):
            node = node.operand
        if isinstance(node, ir.Local) and node.name in lets:
            node = lets[node.name]
    return node.name if isinstance(node, ir.Field) and node.name != "payload" else None


def _reached(expr: ir.Expr, lets: Lets) -> Iterator[ir.Expr]:
    """The parts of an expression, also of the lets that it reads."""
    waiting, seen = [expr], set[str]()
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ir.Local) and node.name in lets and node.name not in seen:
            seen.add(node.name)
            waiting.append(lets[node.name])
        waiting += [c for c in ir.children(node) if isinstance(c, ir.Expr)]


def _box(bounds: Iterable[tuple[str | None, Bounds]]) -> Point:
    """Corners of a rule's box and what lies beside them, in the columns that it constrains."""
    point = {}
    for name, (low, high) in bounds:
        if name is not None and (low, high) != (0, (1 << FIELDS[name].width) - 1):
            middle = low + (high - low) // 3
            point[name] = (low, low, high, high, middle, middle, low - 1, high + 1)
    return point


def _guard(entry: ir.Entry, lets: Lets) -> Point:
    """The equalities of an entry's guard."""
    point: dict[str, tuple[int, ...]] = {}
    for node in ir.walk(entry.match_flow + entry.match_state):
        if isinstance(node, ir.Compare):
            for left, right in ((node.left, node.right), (node.right, node.left)):
                name, value = field_of(left, lets), _number(right)
                if name is not None and value is not None:
                    near = (value,) * 6 + (value - 1, value + 1)
                    point[name] = (*point.get(name, ()), *near)
    return point
