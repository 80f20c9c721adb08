"""The mutation score of a suite: how many of the mutants that differ at all it notices."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.prove import same_model
from nfverify.equivalence.question import Question
from nfverify.equivalence.supervise import supervise
from nfverify.equivalence.verdict import Different, Equivalent, Unknown, Verdict
from nfverify.lang.source import ModelError
from nfverify.oracles.mutation.constancy import reduced
from nfverify.oracles.mutation.killing import Kill, Suite
from nfverify.oracles.mutation.mutants import Mutant, mutants
from nfverify.oracles.mutation.projection import observable
from nfverify.oracles.trace import Event, Trace, port_names
from nfverify.semantics.operators import Function
from nfverify.smat import ir

Fate = Literal["killed", "equivalent", "different", "undecided"]
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
    suite = Suite(network, traces, operators)
    outcomes = []
    found: list[Suite] = []  # counterexamples so far: one often serves several mutants
    for outcome in _outcomes(suite, chosen or mutants(network), operators, effort, found):
        outcomes.append(outcome)
        notify(len(outcomes), outcome)
    seconds = time.monotonic() - started
    return Grade(network, tuple(outcomes), len(traces), suite.packets, seconds)


def _outcomes(
    suite: Suite,
    chosen: Iterable[Mutant],
    operators: Mapping[str, Function] | None,
    effort: Effort,
    found: list[Suite],
) -> Iterator[Outcome]:
    original = _core(suite.network)
    for mutant in chosen:
        core = _core(mutant.network)
        if same_model(original, core):
            yield Outcome(mutant, "equivalent", why="nothing differs that outputs depend on")
            continue
        kill = suite.kill(mutant.network)
        if kill is not None:
            yield Outcome(mutant, "killed", kill)
        else:
            yield _decided(suite.network, mutant, (original, core), operators, effort, found)


def _core(network: ir.Network) -> ir.Network:
    """What outputs depend on."""
    return observable(reduced(network))


def _decided(
    network: ir.Network,
    mutant: Mutant,
    cores: tuple[ir.Network, ir.Network],
    operators: Mapping[str, Function] | None,
    effort: Effort,
    found: list[Suite],
) -> Outcome:
    """What the prover says of a survivor."""
    for known in found:
        if known.kill(mutant.network) is not None:
            return Outcome(mutant, "different", trace=known.traces[0])
    if not effort.seconds:
        return Outcome(mutant, "undecided", why="the prover was not asked")
    verdict: Verdict | None = None
    for pair in (cores, (network, mutant.network)):  # what is certain may hide what is equal
        question = Question(operators=operators, time_limit=effort.seconds, depth=effort.depth)
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
            names = port_names(network)
            trace = tuple(Event(e.time, names.index(e.port), e.frame) for e in example.events)
            test = Suite(network, (trace,), operators)
            if test.kill(mutant.network) is None:
                return Outcome(mutant, "undecided", why="its counterexample does not replay")
            found.append(test)
            return Outcome(mutant, "different", trace=trace)
