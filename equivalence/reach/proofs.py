"""Proofs that no trace of any length reaches a goal: from one step, or by induction.

The goal is what must be impossible in a step from any state that a relation allows; the relation is
found as for an equivalence, and every obligation is proved again from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from nfverify.equivalence.certificate import certify
from nfverify.equivalence.components import Components
from nfverify.equivalence.constants import collect
from nfverify.equivalence.induction import Effort, Goal, Induction
from nfverify.equivalence.invariants import own_invariants
from nfverify.equivalence.problem import CLOCK, Model, Problem
from nfverify.equivalence.reach.marks import Marks, grouped
from nfverify.equivalence.reach.outcome import Unreachable
from nfverify.equivalence.reach.target import GHOST, REACHED, Target, hits, problem_of
from nfverify.equivalence.reach.touchers import ghost_constants, is_ghost, touchers
from nfverify.equivalence.relation import Candidate, relation_text
from nfverify.equivalence.simulate import Snapshot
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.step import Step, cone
from nfverify.equivalence.templates import Templates
from nfverify.equivalence.terms import Term, Terms, subterms
from nfverify.equivalence.verdict import Obligation
from nfverify.semantics.machine import Machine

RLIMIT = 300_000
ATTEMPTS = 4
OLDEST, NEWEST = 8, 24  # keys of a large map that a snapshot keeps


def build(
    goals: Collection[int], problem: Problem, terms: Terms, feasible: Callable[[Term], bool]
) -> Step:
    """One packet, and one tick of each period, from any state; what must be impossible is that a
    goal is reached."""
    model = Model(problem, terms, feasible)
    pre, base = model.arbitrary_state()
    events = [model.packet_event(pre, "packet")]
    events += [model.tick_event(pre, p, f"tick {p} ns") for p in problem.periods()]
    asked = tuple(
        (f"goal {goal} by {event.name}", term, number)
        for number, event in enumerate(events)
        for goal, term in hits(problem, event.post).items()
        if goal in goals
    )
    relevant, presence = cone(model, events, [term for _, term, _ in asked])
    return Step(model, pre, base, tuple(events), asked, frozenset(relevant), frozenset(presence))


def goal_of(name: str) -> int:
    """The goal that an obligation of `build` is about."""
    return int(name.split(" ")[1])


def snapshots_of(problem: Problem, machines: Sequence[Machine]) -> list[Snapshot]:
    """The states of machines as the induction looks at them."""
    found: list[Snapshot] = []
    for machine in machines:
        snapshot: Snapshot = {CLOCK: {(): (machine.now or 0,)}}
        for instance, variables in machine.snapshot().items():
            for name, content in variables.items():
                if name != REACHED:
                    if len(content) > OLDEST + NEWEST:
                        rows = list(content.items())
                        content = dict((*rows[:OLDEST], *rows[-NEWEST:]))
                    snapshot[problem.a.qualify(instance, name)] = content
        if snapshot not in found:
            found.append(snapshot)
    return found


@dataclass(slots=True)
class Prover:
    """Proofs about the goals of one (focused) network; `machines` stand in reachable states, and
    `checks` bounds the induction."""

    target: Target
    goals: frozenset[int]
    machines: Sequence[Machine] = ()
    thrifty: bool = True
    checks: int = 100
    problem: Problem = field(init=False)
    induction: Induction = field(init=False)

    def __post_init__(self) -> None:
        """Raises Unsupported."""
        self.problem = problem_of(self.target)
        self.induction = Induction(
            self.problem,
            snapshots_of(self.problem, self.machines),
            deadline=self.target.deadline,
            thrifty=self.thrifty,
            notify=self.target.notify,
            build=partial(build, self.goals),
            give_up=True,
            effort=Effort(RLIMIT, 0, self.checks),
        )

    def one_step(self) -> Iterator[Unreachable]:
        """Goals that no packet reaches in any state at all; those that ask for ghosts, which may
        hold anything there, are left to the induction."""
        guards: dict[int, list[Term]] = {goal: [] for goal in sorted(self.goals)}
        for name, term, _ in self.induction.step.differences:
            guards[goal_of(name)].append(term)
        for goal in self.haunted():
            del guards[goal]
        never = self.induction.never({("", "", str(goal)): found for goal, found in guards.items()})
        found = frozenset(int(where[2]) for where in never)
        yield from self._certified(dict.fromkeys(sorted(found), ()), "one step")

    def haunted(self) -> frozenset[int]:
        """The goals that ask for ghosts."""
        return frozenset(
            goal_of(name) for name, term, _ in self.induction.step.differences if _haunted(term)
        )

    def by_marks(self) -> Iterator[Unreachable]:
        """Goals that what each row leaves behind rules out: see `marks`."""
        terms = Terms()
        side = Solver(Translator(), "", deadline=self.target.deadline, rlimit=RLIMIT)
        step = build(self.goals, self.problem, terms, side.feasible)
        constants = collect((self.target.network,))
        ghost_constants(self.target.network, constants)
        goals = grouped(((goal_of(name), term) for name, term, _ in step.differences), terms)
        snapshots = self.induction.snapshots
        marks = Marks(self.problem, constants, step, terms, self.target.deadline, snapshots)
        found, relation = marks.ruled_out(goals)
        yield from self._certified(dict.fromkeys(sorted(found), relation), "induction")

    def by_induction(self) -> Iterator[Unreachable]:
        """Goals that a relation rules out."""
        induction = self.induction
        constants = collect((self.target.network,))
        ghost_constants(self.target.network, constants)
        step = induction.step
        components = Components(self.problem, constants, set(step.relevant), set(step.presence))
        plain = [c for c in components.all if not is_ghost(c)]
        templates = Templates(self.problem, constants, plain, induction.snapshots)
        ghosts = touchers(self.problem.a, constants, components.all)
        pool = list(dict.fromkeys((*ghosts, *templates.generate())))
        induction.run(list(own_invariants(self.problem)), pool)
        resisting = {goal_of(f.obligation) for f in induction.resisting}
        open_ = {goal_of(g.name) for g in induction.outputs if g.proof is None}
        proved: dict[int, tuple[Candidate, ...]] = {}
        for goal in sorted(self.goals - resisting - open_):
            mine = [g for g in induction.outputs if goal_of(g.name) == goal]
            relation = self._core(mine)
            if relation is not None:
                proved[goal] = relation
        yield from self._certified(proved, "induction")

    def _core(self, goals: Sequence[Goal]) -> tuple[Candidate, ...] | None:
        """The candidates that some goals need, and those that these need; None if one of them
        wasn't proved."""
        active = self.induction.active
        needed: dict[int, None] = {}
        pending = list(goals)
        while pending:
            goal = pending.pop()
            if goal.proof is None:
                return None
            for number in sorted(goal.proof):
                if not active[number].alive:
                    return None
                if number not in needed:
                    needed[number] = None
                    pending += active[number].goals
        return tuple(active[n].candidate for n in sorted(needed))

    def _certified(
        self, proved: dict[int, tuple[Candidate, ...]], method: Literal["one step", "induction"]
    ) -> Iterator[Unreachable]:
        """What is left of them when all has been proved once more, by one relation for all of
        them; without those that needed what could not be."""
        for _ in range(ATTEMPTS):
            if not proved:
                return
            relation = tuple(dict.fromkeys(c for core in proved.values() for c in core))
            obligations = certify(
                self.problem,
                relation,
                self.target.deadline,
                lambda n: f"({n + 1})",
                self.target.notify,
                build=partial(build, frozenset(proved)),
            )
            own: dict[int, list[Obligation]] = {goal: [] for goal in proved}
            common: list[Obligation] = []
            for obligation in obligations:
                if obligation.name.startswith("goal "):
                    own[goal_of(obligation.name)].append(obligation)
                else:
                    common.append(obligation)
            refuted = [o for o in common if o.result != "proved"]
            weak = {relation[n] for n in map(conjunct_of, refuted) if n is not None}
            if not refuted:
                texts = tuple(relation_text(c, self.problem.variables()) for c in relation)
                for goal, mine in own.items():
                    # No obligation is that the step never records the goal at all.
                    if all(o.result == "proved" for o in mine):
                        yield Unreachable(goal, method, texts, (*mine, *common))
                return
            if not weak:
                return
            proved = {goal: core for goal, core in proved.items() if weak.isdisjoint(core)}


def _haunted(term: Term) -> bool:
    """Does a condition depend on a ghost?"""
    return any(t.op == "uf" and f".{GHOST}" in t.data for t in subterms((term,)))


def conjunct_of(obligation: Obligation) -> int | None:
    """The number of the conjunct that an obligation of the certificate is about, from 0."""
    number = obligation.name.partition(")")[0].removeprefix("(")
    return int(number) - 1 if number.isdigit() else None
