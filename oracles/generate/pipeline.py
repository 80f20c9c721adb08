"""From a model to a suite that reaches its goals: simulation first, the solver for the rest.

Nothing depends on the clock but the time limit, after which what is open stays unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from nfverify.equivalence.reach.outcome import Open, Reached, Unreachable
from nfverify.equivalence.reach.runner import Runner
from nfverify.equivalence.reach.script import Script
from nfverify.equivalence.reach.settle import Settling
from nfverify.equivalence.reach.target import Target
from nfverify.oracles.coverage.goals import Coverage
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.coverage.simulate import simulate
from nfverify.oracles.generate.cover import Candidate
from nfverify.oracles.generate.outcome import Fate, Generated, Hit
from nfverify.oracles.generate.suite import PLAIN, STRONG, build
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.smat import ir

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` is for emergencies: what is open then stays unknown. Without `prove`, what is not
    reached isn't proved unreachable either."""

    seconds: float = 3600.0
    prove: bool = True


@dataclass(slots=True)
class _Watch:
    """How long the stages took, of the processor."""

    notify: Notify
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.process_time()
        self.notify(name)
        yield
        self.seconds[name] = time.process_time() - started


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
    runner = Runner(target)
    watch = _Watch(notify)
    candidates: list[Candidate] = []
    fates: dict[int, Fate] = {}

    def take(script: Script, method: str) -> None:
        candidates.append(Candidate(script, runner.reached(script), method))

    def out_of_time() -> bool:
        return time.monotonic() >= deadline

    with watch.stage("simulation"):
        found = simulate(instrumented, Random(seed), operators=given, out_of_time=out_of_time)
        for trace in dict.fromkeys(found.traces.values()):
            take(trace, "simulation")
    with watch.stage("solver"):
        wanted = {goal.number for goal in instrumented.goals}
        wanted -= {goal for candidate in candidates for goal in candidate.goals}
        seeds: list[Script] = [*found.seeds]
        settling = Settling(target, wanted, seeds, prove=limits.prove, runner=runner)
        for outcome in settling.run():
            match outcome:
                case Reached(script=script, method=method):
                    take(script, method)
                case Unreachable(goal=goal) | Open(goal=goal):
                    fates[goal] = outcome
    with watch.stage("suite"):
        items = build(
            network,
            candidates,
            runner.reached,
            STRONG if coverage == "full" else PLAIN,
            Machine(network, operators=given),
        )
    for item in items:
        for goal in item.goals:
            fates[goal] = Hit(goal, item.name)
    return Generated(instrumented, coverage, seed, items, fates, watch.seconds)
