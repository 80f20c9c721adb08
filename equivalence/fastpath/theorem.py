"""The theorem of a fast path: outputs and state are the chain's, for any packets and flows.

One event at a time, from any state: what each path does (outputs, state, checksums), that records
stay right (their own packet, others, timers), and that they serve what they could.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from nfverify.equivalence.audit import Audit, Ledger, Query
from nfverify.equivalence.certificate import LEFT_OUT
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.fastpath.chain import Chain
from nfverify.equivalence.fastpath.ladder import Ladder
from nfverify.equivalence.fastpath.obligations import Enough, Goal, Kind, Obligations, obligations
from nfverify.equivalence.fastpath.progress import progress, reachable
from nfverify.equivalence.fastpath.tables import TableReality
from nfverify.equivalence.fastpath.wellformed import misformed
from nfverify.equivalence.solver import Answer, Solver, Translator
from nfverify.equivalence.terms import Term, Terms
from nfverify.equivalence.verdict import Obligation
from nfverify.fastpath.plan import Plan

FEASIBLE_RLIMIT = 1_000_000
ENOUGH = 3  # goals that fail, after which no others are asked: what counts then is a trace
_SAYS: dict[Kind, str] = {
    "outputs": "each path sends what the chain sends",
    "state": "each path leaves the state that the chain leaves",
    "errors": "no path leaves out an error that the chain counts",
    "timers held": "no path leaves out a packet that a timer holds",
    "checksums": "each change of a header goes into the checksums",
    "exclusive": "no packet takes two paths",
    "own record": "what is recorded after a packet is true of its flow",
    "other records": "a packet leaves others' records true, or outdates them",
    "fast path": "a packet that a record serves leaves all records true",
    "timer": "a timer leaves all records true, or outdates them",
    "resumed": "so does a packet that a timer held",
    "progress": "a record serves all that any record could when it was made",
    "reachable": "records serve packets",
}
_BASE = Obligation("base: before the first packet there are no records", 0.0, "proved")
_RESULT = {"unsat": "proved", "sat": "refuted", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class Open:
    """A goal that is not proved: refuted from some state (which may not be reachable), or open."""

    goal: Goal
    answer: Answer


@dataclass(slots=True)
class Settled:
    """What became of all goals of a plan."""

    obligations: list[Obligation] = field(default_factory=list)
    open: list[Open] = field(default_factory=list)
    idle: list[Open] = field(default_factory=list)  # goals of progress
    misformed: tuple[str, ...] = ()
    refused: str = ""  # a construct that there are no terms of
    reachable: bool = False  # does a record serve some packet?
    dead: tuple[str, ...] = ()  # classes of which no record ever serves one

    @property
    def sound(self) -> bool:
        """Is the fast path the chain, whatever it serves?"""
        return not (self.open or self.misformed or self.refused)


@dataclass(slots=True)
class _Tally:
    """The goals of one kind."""

    seconds: float = 0.0
    count: int = 0
    bad: list[tuple[str, Answer]] = field(default_factory=list)

    def obligation(self, kind: Kind) -> Obligation:
        name = f"{kind}: {_SAYS[kind]} ({self.count})"
        answers = {answer for _, answer in self.bad}
        if answers:
            name += f"; not {', '.join(what for what, _ in self.bad[:4])}"
            name += f" and {len(self.bad) - 4} more" if len(self.bad) > 4 else ""
        answer: Answer = "sat" if "sat" in answers else "unknown" if answers else "unsat"
        return Obligation(name, self.seconds, _RESULT[answer])  # type: ignore[arg-type]


def settle(
    plan: Plan,
    deadline: float,
    settled: Settled,
    drop_non_ip: bool = False,
    notify: Callable[[str], None] = lambda text: None,
    audit: Audit | None = None,
) -> None:
    """Proves what can be proved of a plan; what is known goes to `settled`. Raises OutOfTime, and
    by an audit Disagreement."""
    settled.misformed = tuple(dict.fromkeys(misformed(plan)))
    if settled.misformed:
        return
    terms = Terms()
    noted = _Noted()
    heard = noted.add if audit else noted.ignore
    side = Solver(Translator(), "", deadline=deadline, rlimit=FEASIBLE_RLIMIT, refuted=heard)
    over = Chain(plan, terms, side.feasible, drop_non_ip, heard)
    try:
        all_ = obligations(plan, over, deadline)
        reality = TableReality(over.rulesets.rulesets, {}, over.variables)
        ladder = Ladder(terms, all_.base, all_.facts, reality, deadline, refuted=heard)
        _settle(all_, ladder, settled, notify, noted)
        if settled.sound and not settled.idle:
            settled.obligations = noted.audited(audit, settled.obligations, deadline, notify)
    except Unsupported as exception:
        settled.refused = str(exception)


@dataclass(slots=True)
class _Noted:
    """The queries that came out unsat, by the kind of goal that they are about; those of none made
    the step smaller."""

    kind: str = ""
    queries: list[tuple[str, tuple[Term, ...]]] = field(default_factory=list)

    def add(self, asserted: tuple[Term, ...]) -> None:
        self.queries.append((self.kind, asserted))

    def ignore(self, asserted: tuple[Term, ...]) -> None:
        pass

    def audited(
        self,
        audit: Audit | None,
        obligations: Sequence[Obligation],
        deadline: float,
        notify: Callable[[str], None],
    ) -> list[Obligation]:
        """The obligations after an audit of their queries. Raises Disagreement."""
        if audit is None:
            return list(obligations)
        all_ = [*obligations, Obligation(LEFT_OUT, 0.0, "proved")]
        numbers = {one.name.partition(":")[0]: number for number, one in enumerate(all_)}
        ledger = Ledger(audit)
        for kind, asserted in dict.fromkeys(self.queries):
            number = numbers.get(kind, len(all_) - 1)
            claims = "A state and packets for which what the obligation says is false."
            ledger.queries.append(Query(number, claims, asserted))
        return list(ledger.settle(all_, deadline, notify))


def _settle(
    all_: Obligations,
    ladder: Ladder,
    settled: Settled,
    notify: Callable[[str], None],
    noted: _Noted,
) -> None:
    tallies: dict[Kind, _Tally] = {}
    for goal in chain(
        all_.paths(),
        all_.own_records(),
        all_.other_records(),
        all_.fast_paths(),
        all_.timers(),
        progress(all_),
    ):
        if len(settled.open) >= ENOUGH:
            break
        notify(f"{goal.kind}: {goal.what}")
        noted.kind = goal.kind
        for part, answer, seconds in _asked(ladder, goal):
            tally = tallies.setdefault(part.kind, _Tally())
            tally.seconds += seconds
            tally.count += 1
            if answer != "unsat":
                tally.bad.append((part.what, answer))
                (settled.idle if part.kind == "progress" else settled.open).append(
                    Open(part, answer)
                )
        settled.obligations = [_BASE, *(t.obligation(kind) for kind, t in tallies.items())]
    settled.obligations = settled.obligations or [_BASE]
    noted.kind = ""
    serving = _reachable(ladder, reachable(all_), settled)
    settled.reachable = serving.result == "proved"
    settled.obligations.append(serving)


def _asked(ladder: Ladder, goal: Goal) -> Iterator[tuple[Goal, Answer, float]]:
    """All parts at once; one by one where that isn't a proof."""
    started = time.monotonic()
    answer: Answer = "unsat"
    if not goal.enough or not all(_enough(ladder, goal, one) for one in goal.enough):
        answer = ladder.refutes(goal.assumed, goal.wrong)
    seconds = time.monotonic() - started
    parts = goal.parts or (goal,)
    if answer == "unsat" or len(parts) == 1:
        yield from ((part, answer, seconds / len(parts)) for part in parts)
        return
    for part in parts:
        started = time.monotonic()
        yield part, ladder.refutes(part.assumed, part.wrong), time.monotonic() - started


def _enough(ladder: Ladder, goal: Goal, one: Enough) -> bool:
    if ladder.at_once(one.few, one.wrong):
        return True
    return ladder.refutes(goal.assumed, one.wrong) == "unsat"


def _reachable(ladder: Ladder, goals: Iterable[Goal], settled: Settled) -> Obligation:
    """That the other goals are not about nothing: records of the classes serve packets."""
    started = time.monotonic()
    answers = {g.what: ladder.ask([*g.assumed, g.wrong], quick=False) for g in goals}
    seconds = time.monotonic() - started
    name = f"reachable: {_SAYS['reachable']} ({len(answers)})"
    if not answers:
        return Obligation(f"{name}: there are none to make", seconds, "refuted")
    settled.dead = tuple(what for what, answer in answers.items() if answer == "unsat")
    result = "refuted" if len(settled.dead) == len(answers) else "unknown"
    if "sat" in answers.values():
        result = "proved"
    return Obligation(name, seconds, result)  # type: ignore[arg-type]
