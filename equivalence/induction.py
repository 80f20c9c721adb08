"""Induction over one event, strengthened lazily from counterexamples to it (prover.md, 4.2).

The relation begins with equalities. When the solver finds a related pair of states that one event
makes unrelated, or whose outputs differ, only candidates that are false in that very state are
added. What comes out is a set of candidates that every event preserves and that implies equal
outputs; `certificate.py` proves it again from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nfverify.equivalence.invariants import own_invariants, triable
from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.relation import (
    Candidate,
    Key,
    Missing,
    Places,
    bindings,
    claim,
    concrete_keys,
)
from nfverify.equivalence.resisting import Stuck, shown
from nfverify.equivalence.simulate import Snapshot
from nfverify.equivalence.solver import Answer, Solver, Translator
from nfverify.equivalence.state import width
from nfverify.equivalence.step import Step, build_step, cases_of
from nfverify.equivalence.templates import RANK
from nfverify.equivalence.terms import Term, Terms, signed
from nfverify.smat import ir
from nfverify.smat.unparse import Printer

CHECK_RLIMIT = 3_000_000
PATIENCE = 12_000_000
NOTE_RLIMIT = 2_000_000
MAX_DEPTH = 8
MAX_SUPPORTS = 24
FEW_SUPPORTS = 3
MAX_CHECKS = 400
GROUP = 8
BATCH = 32
GENERATIONS = 2
AT_ONCE = 3
Where = tuple[str, str, str]  # side, instance, entry
STRONG = frozenset(RANK[: RANK.index("guard") + 1]) - {"thresh"}


class Known(dict[Key, tuple[ir.Value, ...]]):
    """What a counterexample to induction says of one map: only the keys that were touched."""

    def __init__(self) -> None:
        super().__init__()
        self.absent: set[Key] = set()

    def get(self, key: Key, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            raise Missing from None

    def __contains__(self, key: object) -> bool:
        if not super().__contains__(key):
            raise Missing
        return key not in self.absent


@dataclass(slots=True)
class Goal:
    """One obligation of the step: under `literal`, `refutes` is asked to hold."""

    name: str
    literal: Term
    refutes: Term
    candidate: int | None  # index of the active candidate that it preserves
    event: int
    proof: frozenset[int] | None = None  # the active candidates that it was proved by


@dataclass(slots=True)
class Active:
    """A candidate in use: assumed under `literal`, proved at the skolem keys."""

    candidate: Candidate
    literal: Term
    keys: tuple[Term, ...]
    depth: int
    goals: list[Goal]
    alive: bool = True
    supports: int = 0
    seen: set[tuple[int, ...]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Proved:
    """An inductive relation that implies equal outputs: the core of what was used."""

    relation: tuple[Candidate, ...]
    checks: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No strengthening was left: what resisted, and the state in which it did, in words."""

    obligation: str
    reason: str
    checks: int
    stuck: Stuck | None = None


def patience(candidate: Candidate) -> int:
    """How often a candidate that isn't inductive may be propped up by others."""
    return MAX_SUPPORTS if is_strong(candidate) or candidate.own else FEW_SUPPORTS


def is_strong(candidate: Candidate) -> bool:
    """Is its shape one that is rarely true by accident?"""
    return candidate.shape in STRONG


@dataclass(frozen=True, slots=True)
class Effort:
    """How much an attempt may cost: resources of one check, of a second try at a hard one (0: there
    is none), and the number of checks."""

    rlimit: int
    patience: int
    checks: int


class Induction:
    """One attempt: candidates in, a relation or a reason out."""

    def __init__(
        self,
        problem: Problem,
        snapshots: Sequence[Snapshot],
        *,
        deadline: float,
        thrifty: bool,
        notify: Callable[[str], None] = lambda text: None,
        build: Callable[[Problem, Terms, Callable[[Term], bool]], Step] = build_step,
        give_up: bool = False,
        effort: Effort | None = None,
    ) -> None:
        """A thrifty attempt props candidates up by strong ones only, and soon drops them.

        `build` makes the step and what must be impossible in it. With `give_up`, what resists of
        that is moved to `resisting`, and the rest goes on.
        """
        self.thrifty = thrifty
        self.give_up = give_up
        self.effort = effort or Effort(CHECK_RLIMIT, PATIENCE, MAX_CHECKS)
        self.resisting: list[Failed] = []
        self.problem = problem
        self.snapshots = snapshots
        self.terms = Terms()
        self.translator = Translator()
        # The plainest counterexamples to induction take the fewest candidates to rule out.
        self.solver = Solver(
            self.translator, deadline=deadline, rlimit=self.effort.rlimit, plain_models=True
        )
        self._side = Solver(self.translator, deadline=deadline, rlimit=CHECK_RLIMIT)
        self.notify = notify
        self.step = build(problem, self.terms, self._side.feasible)
        self.encode = problem.rulesets(self.terms)
        self.defaults = {n: v.default for n, v in self.step.model.variables.items()}
        self.active: list[Active] = []
        self.dead: set[Candidate] = set()
        self.good: set[Candidate] = set()
        self.checks = 0
        self._used: set[int] = set()  # Z3 ids of the assumptions of the last proof
        self._alone: set[int] = set()  # goals that were too hard within a disjunction
        self._size = BATCH if give_up else GROUP  # of what must be impossible, at once
        self._begun: set[int] = set()  # literals of that
        self._processed = 0
        self._touched_by_var: dict[str, list[tuple[Term, ...]]] = {}
        self._touched: list[tuple[str, tuple[Term, ...]]] = []
        self._initial = self.step.model.initial_state()
        for event in self.step.events:
            self.solver.add(*event.facts)
        self.outputs = [
            self._goal(name, differs, None, event)
            for name, differs, event in self.step.differences
            if differs is not self.terms.false
        ]
        if not give_up:
            self._begun.update(g.literal.id for g in self.outputs)
        self._close()

    def _goal(self, name: str, refutes: Term, candidate: int | None, event: int) -> Goal:
        literal = self.terms.var(f"goal {len(self.active)} {name}", 0)
        self.solver.add(self.terms.implies(literal, refutes))
        return Goal(name, literal, refutes, candidate, event)

    # Candidates -----------------------------------------------------------------------------

    def acceptable(self, candidate: Candidate) -> bool:
        """Does it hold in every simulated state and, for any keys, initially? Remembered."""
        if candidate in self.good:
            return True
        if candidate in self.dead:
            return False
        fine = self._in_snapshots(candidate) and self._initially(candidate)
        (self.good if fine else self.dead).add(candidate)
        return fine

    def _in_snapshots(self, candidate: Candidate) -> bool:
        """A thrifty attempt also wants to have seen the case that the candidate is about."""
        seen = not self.thrifty or candidate.case is None
        for snapshot in self.snapshots:
            for keys in concrete_keys(candidate, snapshot):
                if not candidate.holds(snapshot, self.defaults, *keys):
                    return False
                if not seen and candidate.case is not None:
                    seen = candidate.case(snapshot, self.defaults, *keys)
        return seen

    def _initially(self, candidate: Candidate) -> bool:
        keys = tuple(
            self.terms.var(f"initial key {i} {width(t)}", width(t))
            for i, t in enumerate(candidate.keys)
        )
        holds = claim(self.terms, self._initial, candidate, keys, self.encode)
        return not self._side.feasible(self.terms.not_(holds))

    def activate(self, candidate: Candidate, depth: int) -> None:
        """Assume it in the pre-state, and make it a goal of every event."""
        number = len(self.active)
        literal = self.terms.var(f"assume {number}", 0)
        keys = tuple(
            self.terms.var(f"any {number}.{i}", width(t)) for i, t in enumerate(candidate.keys)
        )
        entry = Active(candidate, literal, keys, depth, [])
        self.active.append(entry)
        for index, event in enumerate(self.step.events):
            after = claim(self.terms, event.post, candidate, keys, self.encode)
            if after is not self.terms.true:
                name = f"{candidate.shape} {number} after {event.name}"
                entry.goals.append(self._goal(name, self.terms.not_(after), number, index))
        self._assume(entry, keys)
        base = self.step.base
        for touched, generation in list(base.touched.items()):
            if generation < GENERATIONS:
                base.generation = generation + 1
                by_var = self._touched_by_var
                for binding in bindings(self.terms, candidate, [touched], by_var):
                    self._assume(entry, binding)
        base.generation = 0
        if not candidate.keys:
            self._assume(entry, ())
        self._close()

    def _assume(self, entry: Active, keys: tuple[Term, ...]) -> None:
        mark = tuple(k.id for k in keys)
        if mark not in entry.seen:
            entry.seen.add(mark)
            holds = claim(self.terms, self.step.pre, entry.candidate, keys, self.encode)
            self.solver.add(self.terms.implies(entry.literal, holds))

    def _close(self) -> None:
        """Assumes what is in use at newly touched keys, which touches keys of its own: up to
        GENERATIONS, for some relations would go on for ever."""
        base = self.step.base
        while fresh := list(base.touched.items())[self._processed :]:
            self._processed += len(fresh)
            for (var, keys), generation in fresh:
                if var in self.step.presence:
                    self.solver.add(base.facts(var, keys))
                if generation >= GENERATIONS:
                    continue
                self._touched.append((var, keys))
                self._touched_by_var.setdefault(var, []).append(keys)
                base.generation = generation + 1
                for entry in self.active:
                    if entry.alive:
                        touched = self._touched_by_var
                        one = [(var, keys)]
                        for binding in bindings(self.terms, entry.candidate, one, touched):
                            self._assume(entry, binding)
                base.generation = 0

    # The loop -------------------------------------------------------------------------------

    def run(self, start: Sequence[Candidate], pool: Sequence[Candidate]) -> Proved | Failed:
        """From the candidates of `start`, strengthened out of `pool`, until closed or stuck."""
        ranked = sorted(pool, key=lambda c: RANK.index(c.shape))
        for candidate in start:
            if self.acceptable(candidate):
                self.activate(candidate, 0)
        while self.checks < self.effort.checks:
            group = self._next_group()
            if not group:
                return self._core()
            hard = group[0].literal.id in self._alone
            answer = self._hard(group[0]) if hard else self._check(group)
            if answer == "unsat":
                self._settle(group, self._used)
            elif answer == "sat":
                stuck = self._strengthen(group, ranked)
                if stuck is not None:
                    return stuck
            elif len(group) > GROUP:
                self._size = max(GROUP, len(group) // 4)
            elif not hard:
                self._alone.update(g.literal.id for g in group)
            elif group[0].candidate is None:
                failed = self._resists(group[0], "the solver could not decide it")
                if failed is not None:
                    return failed
            else:
                self._drop(group)
        return Failed("the relation", f"no relation after {self.checks} checks", self.checks)

    def _resists(self, goal: Goal, reason: str, *, seen: bool = False) -> Failed | None:
        """No strengthening was left for what must be impossible: the end, or of this goal only.
        `seen`: the solver has just shown a state in which it happens."""
        failed = Failed(goal.name, reason, self.checks)
        if not self.give_up:
            return replace(failed, stuck=self._stuck(goal)) if seen else failed
        self.resisting.append(failed)
        self.outputs.remove(goal)
        return None

    def _hard(self, goal: Goal) -> Answer:
        """A goal that is too hard at once: by cases, else by a solver that takes its time."""
        self.checks += 1
        literals = [*self._literals(), goal.literal]
        if not self.effort.patience:
            alone = self.solver.check(literals)
            self._used = self.solver.core()
            return alone
        used: set[int] = set()
        answer: Answer = "unsat"
        for case in cases_of(self.step, self.step.events[goal.event]):
            literal = self.terms.var(f"case {case.id}", 0)
            self.solver.add(self.terms.implies(literal, case))
            answer = self.solver.check([*literals, literal])
            used |= self.solver.core()
            if answer != "unsat":
                break
        if answer == "unknown":
            answer = self.solver.check(literals, patience=self.effort.patience)
            used = self.solver.core()
        self.notify(f"induction: {goal.name} by cases: {answer}")
        self._used = used
        return answer

    def _next_group(self) -> list[Goal]:
        """Open goals to ask for in one disjunction: the outputs first, then a few at a time."""
        goals = list(self._open_goals())
        begun = [g for g in goals if g.candidate is None and g.literal.id in self._begun]
        first = begun or [g for g in goals if g.candidate is not None]
        if not first:
            # What was begun is closed: its relation carries what comes next.
            first = goals[: self._size]
            self._begun.update(g.literal.id for g in first)
        easy = [g for g in first if g.literal.id not in self._alone]
        outputs = bool(first) and first[0].candidate is None
        return easy[: self._size if outputs else GROUP] or first[:1]

    def _open_goals(self) -> Iterator[Goal]:
        yield from (g for g in self.outputs if g.proof is None)
        for entry in self.active:
            if entry.alive:
                yield from (g for g in entry.goals if g.proof is None)

    def _settle(self, goals: Sequence[Goal], used: set[int]) -> None:
        """Remembers of each proved goal which candidates it took."""
        taken = frozenset(
            n for n, e in enumerate(self.active) if e.alive and self._z3_id(e.literal) in used
        )
        for goal in goals:
            goal.proof = taken

    def _z3_id(self, term: Term) -> int:
        return int(self.translator(term).get_id())

    def _literals(self) -> list[Term]:
        return [e.literal for e in self.active if e.alive]

    def _check(self, goals: Sequence[Goal]) -> Answer:
        self.checks += 1
        select = self.terms.var(f"select {self.checks}", 0)
        self.solver.add(self.terms.implies(select, self.terms.any(g.literal for g in goals)))
        answer = self.solver.check([*self._literals(), select])
        self._used = self.solver.core()
        alive = sum(e.alive for e in self.active)
        self.notify(f"induction: {alive} candidates, check {self.checks}: {answer}")
        return answer

    def _drop(self, goals: Sequence[Goal]) -> None:
        """Failed candidates are no longer assumed: what was proved by them is open again."""
        gone: set[int] = set()
        for goal in goals:
            assert goal.candidate is not None
            gone.add(goal.candidate)
            entry = self.active[goal.candidate]
            entry.alive = False
            self.dead.add(entry.candidate)
        for goal in (*self.outputs, *(g for e in self.active for g in e.goals)):
            if goal.proof is not None and goal.proof & gone:
                goal.proof = None

    def _strengthen(self, goals: Sequence[Goal], ranked: Sequence[Candidate]) -> Failed | None:
        failed = [g for g in goals if self.solver.value(g.refutes)]
        state: dict[str, dict[Key, Any]] = dict(self._counterexample())
        output = next((g for g in failed if g.candidate is None), None)
        depth = 0
        if output is None:
            entries = [self.active[g.candidate] for g in failed if g.candidate is not None]
            tired = [
                g
                for g, e in zip(failed, entries, strict=True)
                if e.depth >= MAX_DEPTH
                or e.supports >= (FEW_SUPPORTS if self.thrifty else patience(e.candidate))
            ]
            if tired:
                self._drop(tired)
                return None
            depth = 1 + min(e.depth for e in entries)
            for entry in entries:
                entry.supports += 1
        weak_too = output is not None or not self.thrifty
        chosen = self._blockers(state, ranked, weak_too)
        for candidate in chosen:
            self.activate(candidate, depth)
        if chosen:
            return None
        if output is None:
            self._drop(failed)
            return None
        # All that happens in this very state resists alike.
        for goal in failed if self.give_up else [output]:
            if goal.candidate is None:
                stuck = self._resists(goal, self._describe(state), seen=True)
                if stuck is not None:
                    return stuck
        return None

    def _blockers(
        self, state: dict[str, dict[Key, Any]], ranked: Sequence[Candidate], weak_too: bool
    ) -> list[Candidate]:
        """Candidates of the best rank that are false in this state and hold wherever we know."""
        in_use = {e.candidate for e in self.active if e.alive}
        chosen: list[Candidate] = []
        looked: dict[Places, list[Key]] = {}
        for candidate in ranked:
            if chosen and candidate.shape != chosen[0].shape:
                break
            if not weak_too and not is_strong(candidate):
                break
            if candidate in self.dead or candidate in in_use:
                continue
            if any(c.variables == candidate.variables for c in chosen):
                continue
            keys = looked.get(candidate.places)
            if keys is None:
                keys = looked[candidate.places] = list(concrete_keys(candidate, state))
            if self._false_in(candidate, state, keys) and self.acceptable(candidate):
                chosen.append(candidate)
                if len(chosen) == AT_ONCE:
                    break
        return chosen

    def _false_in(
        self, candidate: Candidate, state: dict[str, dict[Key, Any]], keys: Sequence[Key]
    ) -> bool:
        for key in keys:
            try:
                if not candidate.holds(state, self.defaults, *key):
                    return True
            except Missing:
                continue
        return False

    # Counterexamples to induction -----------------------------------------------------------

    def _counterexample(self) -> dict[str, Known]:
        """The pre-state of the solver's model at all touched keys."""
        variables = self.step.model.variables
        state = {name: Known() for name in variables}
        for name, values in self.step.pre.plain.items():
            state[name][()] = tuple(
                self._concrete(t, type_)
                for t, type_ in zip(values, variables[name].values, strict=True)
            )
        for var, keys in self._touched:
            variable = variables[var]
            key = tuple(
                self._concrete(t, type_) for t, type_ in zip(keys, variable.keys, strict=True)
            )
            if key in dict.keys(state[var]):
                continue
            state[var][key] = tuple(
                self._concrete(self.step.base.value(var, i, keys), type_)
                for i, type_ in enumerate(variable.values)
            )
            matters = var in self.step.presence or not variable.values
            if matters and not self.solver.value(self.step.base.has(var, keys)):
                state[var].absent.add(key)
        return state

    def _stuck(self, goal: Goal) -> Stuck | None:
        event = self.step.events[goal.event]
        found = shown(self.terms, self.solver, event, [*self._literals(), goal.literal])
        if found is None:
            return None
        state = {
            name: {key: None if key in known.absent else values for key, values in known.items()}
            for name, known in self._counterexample().items()
        }
        return Stuck(event.name, *found, state)

    def _concrete(self, term: Term, type_: ir.Type) -> ir.Value:
        value = self.solver.value(term)
        match type_:
            case ir.Bits(width=bits, signed=True):
                return signed(int(value), bits)
            case _:
                return value

    def _describe(self, state: Mapping[str, Mapping[Key, Any]]) -> str:
        parts = []
        for name, known in sorted(state.items()):
            if name != CLOCK and name in self.step.relevant:
                for key, values in sorted(known.items(), key=repr)[:4]:
                    shown = ", ".join(map(str, values)) if values else str(key in known)
                    at = f"[{', '.join(map(str, key))}]" if key else ""
                    parts.append(f"{name}{at} = {shown}")
        return "; ".join(parts[:16])

    def on_invariants(self) -> Iterator[str]:
        """What became of the models' own invariants, after a proof."""
        alive = {e.candidate for e in self.active if e.alive}
        for candidate in own_invariants(self.problem):
            text = Printer(state=self.step.model.variables).text(candidate.expr)
            proved = "proved" if candidate in alive else "not proved, and not used"
            yield f"invariant {text}: {proved}"
        for side in self.problem.sides:
            for instance in side.network.instances:
                for invariant in instance.program.invariants:
                    if not triable(invariant):
                        yield f"invariant in {invariant.span}: not tried: not of the state alone"

    def possible(self, guards: Sequence[Term]) -> bool:
        """Can any of these hold in a related state? True if the solver can't say."""
        self.checks += 1
        select = self.terms.var(f"select {self.checks}", 0)
        self.solver.add(self.terms.implies(select, self.terms.any(guards)))
        return self.solver.check([*self._literals(), select], rlimit=NOTE_RLIMIT) != "unsat"

    def never(self, guards: Mapping[Where, Sequence[Term]]) -> list[Where]:
        """Those of which no guard can hold in a related state; each model rules many out."""
        left = dict(guards)
        while left:
            if not self.possible([g for found in left.values() for g in found]):
                return list(left)
            if not self.solver.has_model:  # it could not say
                return [w for w, found in left.items() if not self.possible(found)]
            held = [w for w, found in left.items() if any(map(self.solver.value, found))]
            for where in held:
                del left[where]
        return []

    # The core -------------------------------------------------------------------------------

    def _core(self) -> Proved:
        """Only the candidates that the outputs need, and those that these need."""
        needed: dict[int, None] = {}
        pending: list[Goal] = list(self.outputs)
        while pending:
            goal = pending.pop()
            for number in sorted(goal.proof or ()):
                if number not in needed:
                    needed[number] = None
                    pending += self.active[number].goals
        relation = tuple(self.active[n].candidate for n in sorted(needed))
        return Proved(relation, self.checks)
