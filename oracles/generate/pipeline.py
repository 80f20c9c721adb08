"""From a model to a suite that reaches its goals: simulation first, the solver for the rest.

Each stage gets what the ones before left open. Nothing depends on the clock but `deadline`, after
which what is open stays unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.reach.accelerate import Accelerator
from nfverify.equivalence.reach.finders import Bounded, from_seeds
from nfverify.equivalence.reach.outcome import Open, Reached, Unreachable
from nfverify.equivalence.reach.proofs import Prover
from nfverify.equivalence.reach.runner import Runner
from nfverify.equivalence.reach.script import Script, length
from nfverify.equivalence.reach.target import Target, supported
from nfverify.equivalence.solver import OutOfTime
from nfverify.oracles.coverage.goals import Coverage
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.coverage.simulate import simulate
from nfverify.oracles.generate.cover import Candidate
from nfverify.oracles.generate.outcome import Fate, Generated, Hit
from nfverify.oracles.generate.suite import PLAIN, STRONG, build
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.smat import ir

DEPTH = 4  # packets of the bounded search
SEEDS = 30  # states from which one symbolic packet is tried
PREFIXES = 4  # traces after which loops are tried
MACHINES = 40  # states that a proof is held against

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` is a limit for emergencies: what is open then stays unknown."""

    seconds: float = 3600.0
    depth: int = DEPTH
    prove: bool = True


@dataclass(slots=True)
class _Work:
    """Goals on their way."""

    target: Target
    limits: Limits
    notify: Notify
    wanted: set[int]
    candidates: list[Candidate] = field(default_factory=list)
    proved: dict[int, Unreachable] = field(default_factory=dict)
    excluded: dict[int, int] = field(default_factory=dict)
    needs: dict[int, int] = field(default_factory=dict)
    ends: list[Script] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage by its name; one that finds no encoding, or no time, leaves the rest as it is."""
        started = time.monotonic()
        self.notify(f"{name}: {len(self.wanted)} goals are open")
        try:
            yield
        except Unsupported as error:
            self.reasons.update(dict.fromkeys(self.wanted, str(error)))
        except OutOfTime:
            self.reasons.update(dict.fromkeys(self.wanted, "time ran out"))
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def take(self, found: Iterable[Reached]) -> None:
        """Traces that a stage finds."""
        for reached in found:
            self.wanted -= reached.goals
            self.candidates.append(Candidate(reached.script, reached.goals, reached.method))

    def rule_out(self, found: Iterable[Unreachable]) -> None:
        for outcome in found:
            self.wanted.discard(outcome.goal)
            self.proved[outcome.goal] = outcome

    def scripts(self, count: int) -> list[Script]:
        """The shortest scripts found so far, each with goals of its own."""
        found = sorted(self.candidates, key=lambda c: length(c.script))
        return [c.script for c in found[:count]]


def generate(
    network: ir.Network,
    coverage: Coverage,
    *,
    seed: int = 0,
    operators: Mapping[str, Function] | None = None,
    limits: Limits = Limits(),  # frozen
    notify: Notify = lambda text: None,
) -> Generated:
    """A suite for a level of coverage, and what became of every goal. ModelError as `Machine`."""
    given = dict(operators or {})
    instrumented = instrument(network, coverage)
    deadline = time.monotonic() + limits.seconds
    target = Target(instrumented.network, given, deadline=deadline, notify=notify)
    work = _Work(target, limits, notify, {goal.number for goal in instrumented.goals})
    runner = Runner(target)
    seeds: list[Script] = []
    with work.stage("simulation"):
        found = simulate(instrumented, Random(seed), operators=given)
        for script in dict.fromkeys(found.traces.values()):
            work.candidates.append(Candidate(script, runner.reached(script), "simulation"))
        seeds += found.seeds[:SEEDS]
        work.wanted -= {goal for c in work.candidates for goal in c.goals}
    reason = supported(target)
    if reason:
        work.reasons = dict.fromkeys(work.wanted, reason)
    else:
        _solve(work, seeds)
    with work.stage("suite"):
        items = build(
            network,
            work.candidates,
            runner.reached,
            STRONG if coverage == "full" else PLAIN,
            Machine(network, operators=given),
        )
    fates: dict[int, Fate] = {}
    for item in items:
        for goal in item.goals:
            fates[goal] = Hit(goal, item.name)
    for number in range(len(instrumented.goals)):
        if number in work.proved:
            fates[number] = work.proved[number]
        elif number not in fates:
            fates[number] = _open(work, number)
    return Generated(instrumented, coverage, seed, items, fates, work.seconds)


def _solve(work: _Work, seeds: list[Script]) -> None:
    """The solver's stages, in the order of what they cost."""
    target, limits = work.target, work.limits
    if not work.wanted:
        return
    with work.stage("one packet"):
        work.take(from_seeds(target, work.wanted, seeds))
    if limits.prove and work.wanted:
        with work.stage("one step"):
            goals = frozenset(work.wanted)
            work.rule_out(Prover(target.focused(goals), goals).one_step())
    if work.wanted:
        with work.stage("bounded"):
            bounded = Bounded(target, work.wanted, limits.depth)
            try:
                work.take(bounded.run())
            finally:
                work.excluded.update(bounded.excluded)
    if work.wanted:
        with work.stage("acceleration"):
            accelerator = Accelerator(target, work.wanted)
            work.take(accelerator.run([(), *work.scripts(PREFIXES)]))
            work.ends = list(accelerator.ends)
            work.needs.update(accelerator.needs)
            work.take(from_seeds(target, work.wanted, work.ends, 2))
    if limits.prove and work.wanted:
        with work.stage("induction"):
            goals = frozenset(work.wanted)
            runner = Runner(target.focused(goals))
            scripts = [*work.scripts(MACHINES), *work.ends]
            machines = [runner.after(script) for script in scripts]
            work.rule_out(Prover(target.focused(goals), goals, machines).by_induction())


def _open(work: _Work, goal: int) -> Open:
    packets = work.needs.get(goal)
    reason = work.reasons.get(goal) or "neither reached nor proved unreachable"
    return Open(goal, work.excluded.get(goal, 0), reason, packets)
