"""Tiny models that choose: pairs of them decided by exhaustive exploration of all choices (the
subset construction), and by `refines`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tiny_explore import WIRE, Arriving, TooLarge
from tiny_ir import rewrite, rewrite_one, rewrite_program
from tiny_programs import BIT2, network, random_programs, random_world
from tiny_rewrites import MUTATIONS, REWRITES, apply_some
from tiny_worlds import Agreement, Outcome, Pair, judge

from nfverify.equivalence.problem import Options
from nfverify.equivalence.question import Question
from nfverify.equivalence.refine.prove import refines
from nfverify.equivalence.verdict import Verdict
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

SECONDS = 6.0
MAX_STATES = 1200
MOST = 4  # values that one choice has


class _Branch(Exception):
    def __init__(self, values: list[int | None]) -> None:
        super().__init__()
        self.values = values


@dataclass(slots=True)
class _Script:
    values: tuple[int | None, ...] = ()
    used: int = 0

    def __call__(
        self, instance: str, node: ir.Choose, candidates: range, fits: Callable[[int], bool]
    ) -> int | None:
        if self.used == len(self.values):
            raise _Branch([v for v in candidates if fits(v)] or [None])
        self.used += 1
        return self.values[self.used - 1]


@dataclass(slots=True)
class Chooser:
    """All that a network can do with the events of a world, made as it is asked for."""

    network: ir.Network
    events: Sequence[Arriving]
    machines: list[Machine] = field(default_factory=list)
    numbers: dict[object, int] = field(default_factory=dict)
    edges: dict[tuple[int, int], frozenset[tuple[int, object]]] = field(default_factory=dict)
    script: _Script = field(default_factory=_Script)

    def __post_init__(self) -> None:
        self.number(Machine(self.network, chooser=self.choose))

    def choose(self, *args: Any) -> int | None:
        return self.script(*args)

    def number(self, machine: Machine) -> int:
        variables = tuple(
            (instance, name, tuple(sorted(content.items())))
            for instance, found in machine.snapshot().items()
            for name, content in sorted(found.items())
        )
        timers = tuple((t.due, t.instance, tuple(t.tags)) for t in machine.timers)
        key = (machine.now, timers, variables)
        if key not in self.numbers:
            if len(self.machines) >= MAX_STATES:
                raise TooLarge
            self.numbers[key] = len(self.machines)
            self.machines.append(machine)
        return self.numbers[key]

    def step(self, state: int, event: int) -> frozenset[tuple[int, object]]:
        """The states after an event, each with what came out."""
        if (state, event) not in self.edges:
            found = set()
            scripts: list[tuple[int | None, ...]] = [()]
            arriving = self.events[event]
            while scripts:
                values = scripts.pop()
                machine = self.machines[state].clone()
                self.script = _Script(values)
                try:
                    out = machine.process(arriving.packet, arriving.time, arriving.port)
                except _Branch as branch:
                    scripts += [(*values, v) for v in branch.values]
                    continue
                seen = tuple((port, WIRE(packet)) for port, packet in out)
                found.add((self.number(machine), seen))
            self.edges[state, event] = frozenset(found)
        return self.edges[state, event]


def included(a: ir.Network, b: ir.Network, events: Sequence[Arriving]) -> int | None:
    """None if B can send all that A can, for every trace; else the length of the shortest for which
    it can't. TooLarge."""
    left, right = Chooser(a, events), Chooser(b, events)
    level: list[tuple[int, frozenset[int]]] = [(0, frozenset({0}))]
    seen = set(level)
    depth = 0
    while level:
        depth += 1
        following = []
        for x, ys in level:
            now = left.machines[x].now
            for event, arriving in enumerate(events):
                if now is not None and arriving.time < now:
                    continue
                theirs = [one for y in ys for one in right.step(y, event)]
                for p, out in sorted(left.step(x, event), key=repr):
                    matching = frozenset(q for q, other in theirs if other == out)
                    if not matching:
                        return depth
                    if (p, matching) not in seen:
                        if len(seen) >= MAX_STATES:
                            raise TooLarge
                        seen.add((p, matching))
                        following.append((p, matching))
        level = following
    return None


# Pairs ------------------------------------------------------------------------------------


def _is_number(node: Any) -> bool:
    return isinstance(node, ir.Const) and isinstance(node.type, ir.Bits) and node.type.width > 1


def with_choice(program: ir.Program, rng: Random, name: str) -> ir.Program | None:
    """A constant, or a test on the way, of one statement becomes a value that is chosen."""
    entries = [n for n in ir.walk(program.body) if isinstance(n, ir.Entry) and n.name != "tick"]
    chosen = rng.choice(entries)
    places = [
        k
        for k, s in enumerate(chosen.body)
        if isinstance(s, ir.Write | ir.SetField) and any(map(_is_number, ir.walk((s,))))
    ]
    if not places:
        return None
    at = rng.choice(places)
    numbers = [n for n in ir.walk((chosen.body[at],)) if _is_number(n)]
    old = rng.choice(numbers)
    assert isinstance(old, ir.Const)
    choice = _choice(program, rng, name, old)

    def swap(node: Any) -> Any:
        return ir.Local(name, old.type) if node == old else node

    statement = rewrite(chosen.body[at], swap)
    body = (*chosen.body[:at], choice, statement, *chosen.body[at + 1 :])

    def visit(node: Any) -> Any:
        return replace(node, body=body) if node == chosen else node

    return rewrite_program(program, visit)


def _choice(program: ir.Program, rng: Random, name: str, old: ir.Const) -> ir.Choose:
    """A range around a constant, now and then with a condition on what is stored."""
    type_ = old.type
    assert isinstance(type_, ir.Bits)
    value = int(old.value)
    low = max(value - rng.choice((0, 0, 1)), 0)
    high = min(low + rng.randrange(0, MOST), (1 << (type_.width - type_.signed)) - 1)
    where: ir.Expr = ir.TRUE
    local = ir.Local(name, type_)
    variables = [v for v in program.state if v.values and isinstance(v.values[0], ir.Bits)]
    plain = [v for v in variables if not v.keys]
    dice = rng.random()
    if plain and dice < 0.4:
        variable = rng.choice(plain)
        read = ir.Cast(ir.Read(variable.name, (), 0, variable.values[0]), type_)
        where = ir.Compare(rng.choice(("!=", "!=", "==", "<")), local, read)  # type: ignore[arg-type]  # a CompareOp
    elif dice < 0.5:
        where = ir.Compare("!=", local, ir.Const(rng.randrange(MOST), type_))
    sets = [v for v in program.state if v.keys == (BIT2,)]
    if sets and dice >= 0.5:
        where = ir.Not(ir.Has(rng.choice(sets).name, (ir.Cast(local, BIT2),)))
    return ir.Choose(name, type_, ir.Const(low, type_), ir.Const(high, type_), where)


def widened(program: ir.Program, rng: Random) -> ir.Program | None:
    """A bound of a choice moves by one."""

    def change(node: ir.Choose) -> ir.Choose:
        assert isinstance(node.low, ir.Const)
        assert isinstance(node.high, ir.Const)
        assert isinstance(node.type, ir.Bits)
        most = (1 << (node.type.width - node.type.signed)) - 1
        if rng.random() < 0.4:
            low = min(max(int(node.low.value) + rng.choice((-1, 1)), 0), most)
            return replace(node, low=ir.Const(low, node.type))
        high = min(max(int(node.high.value) + rng.choice((-1, 1)), 0), most)
        return replace(node, high=ir.Const(high, node.type))

    return rewrite_one(program, rng, lambda n: isinstance(n, ir.Choose), change)


def unconditional(program: ir.Program, rng: Random) -> ir.Program | None:
    """A choice loses its condition."""
    fits = lambda n: isinstance(n, ir.Choose) and n.where != ir.TRUE  # noqa: E731
    return rewrite_one(program, rng, fits, lambda n: replace(n, where=ir.TRUE))


def settled(program: ir.Program, rng: Random) -> ir.Program | None:
    """A choice becomes its least value, whatever its condition says."""
    return rewrite_one(
        program, rng, lambda n: isinstance(n, ir.Choose), lambda n: ir.Let(n.name, n.low)
    )


def scoped(statements: Sequence[Any], bound: frozenset[str] = frozenset()) -> bool:
    """Is every local bound before it is read?"""
    for statement in statements:
        match statement:
            case ir.Table(entries=entries):
                if not all(scoped((ir.If(e.guard, e.body, ()),), bound) for e in entries):
                    return False
                continue
            case ir.If(condition=test, then=then, otherwise=otherwise):
                if not (scoped(then, bound) and scoped(otherwise, bound)):
                    return False
                read: tuple[Any, ...] = (test,)
            case ir.While(condition=test, body=body):
                if not scoped(body, bound):
                    return False
                read = (test,)
            case ir.Choose(name=name, low=low, high=high, where=where):
                if not scoped((ir.Let("", low), ir.Let("", high)), bound):
                    return False
                read = (where,)
                bound |= {name}
            case ir.Let(name=name, value=value):
                read = (value,)
            case _:
                read = (statement,)
        if any(isinstance(n, ir.Local) and n.name not in bound for n in ir.walk(read)):
            return False
        if isinstance(statement, ir.Let):
            bound |= {statement.name}
    return True


def make_pair(seed: str) -> Pair | None:
    """A pair by its seed; None if its world is too large, or nothing could be changed. `shortest`
    is that of a trace of A that B does not allow."""
    rng = Random(seed)
    timed = rng.random() < 0.06
    world = random_world(rng, timed)
    base = random_programs(rng, world, timed)
    first = with_choice(base[0], rng, "c0")
    if first is None:
        return None
    if rng.random() < 0.3:
        first = with_choice(first, rng, "c1") or first
    chosen = [first, *base[1:]]
    how: list[str] = []
    steps: dict[str, Any] = {
        "widened": widened, "unconditional": unconditional, "settled": settled,
    }  # fmt: skip
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(steps))
        changed = steps[name](chosen[0], rng)
        if changed is not None:
            chosen = [changed, *chosen[1:]]
            how.append(name)
    if rng.random() < 0.4:
        chosen, more = apply_some(chosen, rng, REWRITES, 1)
        how += more
    if rng.random() < 0.25:
        chosen, more = apply_some(chosen, rng, MUTATIONS, 1)
        how += more
    if not how:
        return None
    a, b = network(chosen), network([first, *base[1:]])
    if rng.random() < 0.35:
        a, b = b, a
        how.append("swapped")
    if not all(scoped(i.program.body) for side in (a, b) for i in side.instances):
        return None  # a mutation left a name without its choice
    try:
        shortest = included(a, b, world.events)
    except TooLarge:
        return None
    if rng.random() < {None: 0.7, 1: 0.6}.get(shortest, 0.0):
        return None
    return Pair(seed, world, a, b, tuple(how), "mutation", False, shortest)


def pairs(seed: str, count: int) -> Iterator[Pair]:
    """As many pairs as asked for, by one seed."""
    found = attempt = 0
    while found < count:
        pair = make_pair(f"{seed}.{attempt}")
        attempt += 1
        if pair is not None:
            found += 1
            yield pair


def prove(pair: Pair, seconds: float = SECONDS) -> Verdict:
    """What `refines` says of the pair, of packets of its world only."""
    options = Options(assume=pair.world.assumption)
    return refines(pair.a, pair.b, Question(options=options, time_limit=seconds, refine=True))


def decide(pair: Pair, seconds: float = SECONDS) -> Outcome:
    """Both decisions, held against each other."""
    started = time.monotonic()
    agreement: Agreement
    try:
        agreement, note = judge(pair, prove(pair, seconds))
    except Exception as error:  # whatever it is, it is this pair's result
        agreement, note = "wrong", f"{type(error).__name__}: {error}"
    return Outcome(pair, agreement, note, time.monotonic() - started)
