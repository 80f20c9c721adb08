"""The mutation score of a suite: how many of the mutants that differ at all it notices."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nfverify.equivalence.prove import same_model
from nfverify.equivalence.question import Question
from nfverify.equivalence.supervise import supervise
from nfverify.equivalence.verdict import Counterexample, Different, Equivalent, Unknown, Verdict
from nfverify.lang.source import ModelError
from nfverify.oracles.mutation.constancy import reduced
from nfverify.oracles.mutation.killing import Kill, Suite
from nfverify.oracles.mutation.mutants import Mutant, mutants
from nfverify.oracles.mutation.projection import observable
from nfverify.oracles.trace import Event, Trace, port_names
from nfverify.semantics.operators import Function
from nfverify.smat import ir

Fate = Literal["killed", "equivalent", "different", "undecided"]
LONG = 5000  # packets: such a trace is run when a quick proof has failed
QUICK = 2.0  # seconds for that proof
DEPTH = 4
"""So long are the traces among which the prover searches for a difference, packets."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant. `equivalent`, `different`: it survived, and the prover decided;
    `trace` is then the test that was missing. `undecided`: it survived, for all one knows."""

    mutant: Mutant
    fate: Fate
    kill: Kill | None = None
    why: str = ""
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class Grade:
    """What a suite is worth. Undecided mutants count as noticed by nobody."""

    network: ir.Network
    outcomes: tuple[Outcome, ...]
    traces: int
    packets: int
    seconds: float

    def count(self, fate: Fate) -> int:
        return sum(outcome.fate == fate for outcome in self.outcomes)

    @property
    def score(self) -> float:
        """Killed mutants as a share of those not proved equivalent; 1 if there is none."""
        rest = len(self.outcomes) - self.count("equivalent")
        return self.count("killed") / rest if rest else 1.0

    def by_operator(self) -> Mapping[str, Counter[Fate]]:
        """How many mutants of each operator came to which end."""
        found: dict[str, Counter[Fate]] = {}
        for outcome in self.outcomes:
            found.setdefault(outcome.mutant.operator, Counter())[outcome.fate] += 1
        return found


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the prover tries: seconds for one mutant (0: not at all)."""

    seconds: float = 10.0
    depth: int = DEPTH


def grade(
    network: ir.Network,
    traces: Sequence[Trace],
    *,
    operators: Mapping[str, Function] | None = None,
    chosen: Iterable[Mutant] | None = None,
    effort: Effort = Effort(),  # frozen
    notify: Callable[[int, Outcome], None] = lambda count, outcome: None,
) -> Grade:
    """Every mutant (or the `chosen`) held against the traces; survivors go to the prover.

    A counterexample of the prover is replayed on both before it counts. ModelError, ValueError.
    """
    started = time.monotonic()
    work = _Grading(network, tuple(traces), dict(operators or {}), effort)
    outcomes = []
    for mutant in chosen or mutants(network):
        outcomes.append(work.outcome(mutant))
        notify(len(outcomes), outcomes[-1])
    seconds = time.monotonic() - started
    packets = sum(map(len, traces))
    return Grade(network, tuple(outcomes), len(traces), packets, seconds)


@dataclass(slots=True)
class _Grading:
    """One network's mutants being judged, by what costs least first."""

    network: ir.Network
    traces: tuple[Trace, ...]
    operators: Mapping[str, Function]
    effort: Effort
    core: ir.Network = field(init=False)
    short: _Part = field(init=False)
    deep: _Part = field(init=False)
    found: list[Suite] = field(default_factory=list)
    """Counterexamples so far: one often serves several mutants."""

    def __post_init__(self) -> None:
        self.core = _core(self.network)
        short, deep = (
            [n for n, trace in enumerate(self.traces) if (len(trace) > LONG) is long]
            for long in (False, True)
        )
        self.short, self.deep = self._part(short), self._part(deep)

    def _part(self, numbers: list[int]) -> _Part:
        suite = Suite(self.network, [self.traces[n] for n in numbers], self.operators)
        return _Part(tuple(numbers), suite)

    def outcome(self, mutant: Mutant) -> Outcome:
        core = _core(mutant.network)
        if same_model(self.core, core):
            return Outcome(mutant, "equivalent", why="nothing differs that outputs depend on")
        kill = self.short.kill(mutant)
        if kill is None and self.deep.numbers:
            quick = self.decided(mutant, core, min(QUICK, self.effort.seconds))
            if quick.fate == "equivalent":
                return quick
            kill = self.deep.kill(mutant)
        if kill is not None:
            return Outcome(mutant, "killed", kill)
        return self.decided(mutant, core, self.effort.seconds)

    def decided(self, mutant: Mutant, core: ir.Network, seconds: float) -> Outcome:
        """What the prover says of a survivor."""
        for known in self.found:
            if known.kill(mutant.network) is not None:
                return Outcome(mutant, "different", trace=known.traces[0])
        if not seconds:
            return Outcome(mutant, "undecided", why="the prover was not asked")
        verdict: Verdict | None = None
        # What is certain may hide what is equal: without it, too.
        for pair in ((self.core, core), (self.network, mutant.network)):
            question = Question(
                operators=self.operators or None, time_limit=seconds, depth=self.effort.depth
            )
            try:
                verdict = supervise(*pair, question)
            except ModelError as error:
                return Outcome(mutant, "undecided", why=error.diagnostics[0].message)
            if not isinstance(verdict, Unknown):
                break
        assert verdict is not None
        match verdict:
            case Equivalent(proof=proof):
                return Outcome(mutant, "equivalent", why=proof.method)
            case Unknown(reason=reason):
                return Outcome(mutant, "undecided", why=reason)
            case Different(counterexample=example):
                return self.replayed(mutant, example)

    def replayed(self, mutant: Mutant, example: Counterexample) -> Outcome:
        """A difference that the prover found, on the reference."""
        names = port_names(self.network)
        trace = tuple(Event(e.time, names.index(e.port), e.frame) for e in example.events)
        test = Suite(self.network, (trace,), self.operators)
        if test.kill(mutant.network) is None:
            return Outcome(mutant, "undecided", why="its counterexample does not replay")
        self.found.append(test)
        return Outcome(mutant, "different", trace=trace)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some traces of a suite, and their numbers in it."""

    numbers: tuple[int, ...]
    suite: Suite

    def kill(self, mutant: Mutant) -> Kill | None:
        found = self.suite.kill(mutant.network) if self.numbers else None
        return None if found is None else found._replace(trace=self.numbers[found.trace])


def _core(network: ir.Network) -> ir.Network:
    """What outputs depend on."""
    return observable(reduced(network))
