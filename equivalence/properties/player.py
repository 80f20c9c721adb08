"""A property on the reference: what happened in each step of a trace, and whether it was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from nfverify.equivalence.properties.watch import Watch
from nfverify.equivalence.simulate import Arrival
from nfverify.packet.packet import Packet
from nfverify.semantics.engine import Context, Key, Values
from nfverify.semantics.machine import Emission, Machine
from nfverify.semantics.operators import Function
from nfverify.semantics.walk import Moment, moments
from nfverify.smat import ir

LIMITS = ("resubmit_limit", "loop_limit")
NO_PORT = 0xFFFF
Rows = Mapping[Key, Values]


@dataclass(frozen=True, slots=True)
class Happening:
    """One step: the packet, the rows of the program's variables before and after, what came out,
    and whether it, or a timer just before it, reached a limit. `start` is the stamp of the first
    packet, ns."""

    arrival: Arrival
    packet: Packet
    now: int
    start: int
    before: tuple[Rows, ...]
    after: tuple[Rows, ...]
    out: tuple[Emission, ...]
    out_of_bounds: bool
    timer_out_of_bounds: bool


@dataclass(slots=True)
class Player:
    """A machine that tells what happens; `variables` are those that the property reads."""

    machine: Machine
    variables: tuple[ir.StateVar, ...]
    reads: frozenset[str]
    start: int | None = None

    def step(self, arrival: Arrival) -> Happening:
        """One more packet."""
        machine = self.machine
        first = self._limits()
        if self.start is None:
            self.start = arrival.time
        machine.wait(arrival.time, start=True)
        before, limits = self._rows(), self._limits()
        out = tuple(machine.emit(arrival.packet, arrival.time, arrival.port))
        packet = arrival.packet.copy()
        packet.iface = arrival.port
        reached = self._limits() != limits
        now = machine.now or 0
        return Happening(
            arrival, packet, now, self.start, before, self._rows(), out, reached, limits != first
        )

    def _limits(self) -> tuple[int, ...]:
        return tuple(self.machine.counters[name] for name in LIMITS)

    def _rows(self) -> tuple[Rows, ...]:
        return tuple(
            dict(self.machine.live(v.name)[0]) if v.name in self.reads else {}
            for v in self.variables
        )


@dataclass(slots=True)
class Judge:
    """Decides whether happenings keep a property."""

    watch: Watch
    variables: tuple[ir.StateVar, ...]
    ports: int
    operators: Mapping[str, Function]
    _at: Callable[..., Moment] = field(init=False)
    _names: Mapping[str, int] = field(init=False)
    _depends: dict[int, bool] = field(default_factory=dict)  # by the id of an expression
    _leaves: dict[int, tuple[str, ...]] = field(default_factory=dict)
    of_state: bool = field(init=False)

    def __post_init__(self) -> None:
        watch = self.watch
        self.of_state = watch.of_state
        parts: list[ir.Expr] = [watch.expr]
        for leaf in watch.leaves.values():
            parts += [c for c in ir.children(leaf) if isinstance(c, ir.Expr)]
        self._at = moments(self.variables, parts, Context(self.ports, {}, self.operators))
        self._names = {v.name: i for i, v in enumerate(self.variables)}

    def depends(self, expr: ir.Expr) -> bool:
        """Does a part of the property depend on which packet came out? Remembered."""
        if id(expr) not in self._depends:
            self._depends[id(expr)] = self.watch.depends(expr)
        return self._depends[id(expr)]

    def leaves(self, expr: ir.Expr) -> tuple[str, ...]:
        """The locals that stand for leaves in a part of the property. Remembered."""
        if id(expr) not in self._leaves:
            names = (n.name for n in ir.walk((expr,)) if isinstance(n, ir.Local))
            mine = (name for name in names if name in self.watch.leaves)
            self._leaves[id(expr)] = tuple(dict.fromkeys(mine))
        return self._leaves[id(expr)]

    def watcher(self, values: Mapping[str, ir.Value]) -> Watcher:
        """One that begins to look, for these values of the property's variables."""
        kept: dict[str, ir.Value] = {p.name: ir.zero(p.node.type) for p in self.watch.pasts}
        return Watcher(self, dict(values), kept)


@dataclass(slots=True)
class Sight:
    """Expressions of a property in one step, with one of the packets that came out, or none."""

    judge: Judge
    happening: Happening
    values: Mapping[str, ir.Value]
    kept: Mapping[str, ir.Value]

    def value(self, expr: ir.Expr, out: Emission | None = None) -> ir.Value:
        return self._moment(expr, out).value(expr)

    def _moment(self, expr: ir.Expr, out: Emission | None) -> Moment:
        known = dict(self.values)
        for name in self.judge.leaves(expr):
            known[name] = self._leaf(self.judge.watch.leaves[name], out)
        seen = self.happening
        return self.judge._at(seen.packet, seen.now, list(seen.before), known)

    def _leaf(self, leaf: ir.Expr, out: Emission | None) -> ir.Value:
        seen, judge = self.happening, self.judge
        match leaf:
            case ir.Dropped():
                return not seen.out
            case ir.OutOfBounds():
                return seen.out_of_bounds
            case ir.OutputPort():
                return NO_PORT if out is None else out.port
            case ir.Since() | ir.Total():
                return self.kept[judge.watch.past_of(leaf).name]
            case ir.Post(operand=ir.Field(name=name)):
                value: ir.Value = getattr(seen.packet if out is None else out.packet, name)
                return value
            case ir.Post(operand=ir.Read(var=var, keys=keys, index=index)):
                rows, default = self._after(var)
                return rows.get(self._keys(keys, out), default)[index]
            case ir.Post(operand=ir.Has(var=var, keys=keys)):
                return self._keys(keys, out) in self._after(var)[0]
            case _:
                raise AssertionError(leaf)

    def _after(self, var: str) -> tuple[Rows, Values]:
        index = self.judge._names[var]
        return self.happening.after[index], self.judge.variables[index].default

    def _keys(self, keys: tuple[ir.Expr, ...], out: Emission | None) -> Key:
        return tuple(self.value(k, out) for k in keys)

    def in_state(self, after: bool) -> bool:
        """A property of the state alone, before or after the step."""
        seen = self.happening
        rows = seen.after if after else seen.before
        moment = self.judge._at(seen.packet, seen.now, list(rows), dict(self.values))
        return bool(moment.value(self.judge.watch.expr))

    def cases(self, expr: ir.Expr) -> Iterator[ir.Value]:
        """Its value for each packet that came out, or for none."""
        if not self.happening.out or not self.judge.depends(expr):
            yield self.value(expr)
        else:
            for out in self.happening.out:
                yield self.value(expr, out)


@dataclass(slots=True)
class Watcher:
    """Looks at one happening after the other."""

    judge: Judge
    values: dict[str, ir.Value]
    kept: dict[str, ir.Value]
    _interval: dict[str, int] = field(default_factory=dict)

    def see(self, happening: Happening) -> bool:
        """Was the property kept?"""
        watch = self.judge.watch
        old = dict(self.kept)
        sight = Sight(self.judge, happening, self.values, old)
        for past in watch.pasts:
            match past.node:
                case ir.Since(held=held, begun=begun):
                    lasts = old[past.name] and all(sight.cases(held))
                    self.kept[past.name] = bool(any(sight.cases(begun)) or lasts)
                case ir.Total(amount=amount, period=period):
                    number = (happening.now - happening.start) // period
                    if self._interval.get(past.name) != number:
                        self._interval[past.name] = number
                        old[past.name] = 0
                    total = int(old[past.name]) + sum(int(v) for v in sight.cases(amount))
                    self.kept[past.name] = old[past.name] = ir.wrap(total, ir.Bits(64))
        if self.judge.of_state:
            return sight.in_state(after=False) and sight.in_state(after=True)
        if watch.of_timers and happening.timer_out_of_bounds:
            return False
        return all(sight.cases(watch.expr))
