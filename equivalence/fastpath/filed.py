"""Records along an unrolled trace: what was filed, what outdates it, whom it serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nfverify.equivalence.fastpath.chain import Chain, PlanScope, Record, Step
from nfverify.equivalence.fastpath.compare import (
    changed_at,
    held,
    outputs_differ,
    states_differ,
    sums_differ,
    variable_differs,
    writes_to,
)
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.state import State
from nfverify.equivalence.terms import Term, Terms


@dataclass(slots=True)
class Filed:
    """If `there`, what one packet filed under `key` still stands: of which class, holding what."""

    key: tuple[Term, ...]
    there: Term
    classes: tuple[Term, ...]
    records: tuple[Record, ...]
    outdated: Term


@dataclass(slots=True)
class Records:
    """The Global MAT of a trace, as its reference has it."""

    chain: Chain
    filed: list[Filed] = field(default_factory=list)

    @property
    def terms(self) -> Terms:
        return self.chain.terms

    def event(self, guard: Term, before: State, after: State) -> None:
        """If `guard`, the chain or a timer has changed the state."""
        terms = self.terms
        if guard is terms.false:
            return
        epoch = terms.any(
            variable_differs(before, a, b, var)
            for var in self.chain.plan.epoch
            for a, b in successive(before, after, var)
        )
        seen: dict[tuple[str, tuple[Term, ...]], Term] = {}
        for one in self.filed:
            reached = [epoch]
            for number, class_ in enumerate(self.chain.plan.classes):
                if one.classes[number] is terms.false:
                    continue
                keys = one.records[number].watches
                for watch, at in zip(class_.watches, keys, strict=True):
                    if (watch.var, at) not in seen:
                        seen[watch.var, at] = terms.any(
                            changed_at(a, b, watch.var, at)
                            for a, b in successive(before, after, watch.var)
                        )
                    reached.append(terms.and_(one.classes[number], seen[watch.var, at]))
            one.outdated = terms.or_(one.outdated, terms.and_(guard, terms.any(reached)))

    def packet(self, state: State, packet: SymbolicPacket, now: Term, step: Step) -> Term:
        """A packet came, and the chain would do `step`: does the plan do something else?"""
        terms, plan, chain = self.terms, self.chain.plan, self.chain
        arriving = chain.scope(state, packet, now)
        served = chain.serves(arriving)
        key = chain.key(packet.fields)
        fast, differs = [], []
        for one in self.filed:
            hit = terms.all((served, one.there, chain.same_key(one.key, key)))
            if plan.checked == "before":
                hit = terms.and_(hit, terms.not_(one.outdated))
            taken = []
            for way, wrong in self._ways(one, hit, arriving, step):
                taken.append(way)
                differs.append(terms.and_(way, wrong))
            fast += taken
            gone = terms.and_(terms.any(taken), one.outdated)
            one.there = terms.and_(one.there, terms.not_(gone))
        slow = terms.not_(terms.any(fast))
        self.event(slow, state, step.post)
        self._record(terms.and_(served, slow), arriving, step)
        return terms.any(differs)

    def _ways(
        self, one: Filed, hit: Term, arriving: PlanScope, step: Step
    ) -> Iterator[tuple[Term, Term]]:
        """Each path that a record may give a packet: whether it does, and is it wrong?"""
        terms, chain = self.terms, self.chain
        for number, class_ in enumerate(chain.plan.classes):
            left = terms.and_(hit, one.classes[number])
            if left is terms.false:
                continue
            scope = chain.scope(
                arriving.state, arriving.packet, arriving.time, one.records[number].values
            )
            for path in class_.paths:
                residual = scope.holds(path.residual)
                way = terms.and_(left, residual)
                left = terms.and_(left, terms.not_(residual))
                if way is not terms.false:
                    ours = chain.served_by(path, scope, way)
                    differences = [
                        outputs_differ(terms, step.out, ours.out),
                        held(chain, step),
                        sums_differ(chain, path, scope),
                        *(d for _, d in states_differ(chain, arriving.state, step.post, ours.post)),
                    ]
                    yield way, terms.any(differences)

    def _record(self, may: Term, arriving: PlanScope, step: Step) -> None:
        """After the chain the flow is recorded again."""
        terms, plan, chain = self.terms, self.chain.plan, self.chain
        may = terms.and_(may, terms.not_(arriving(plan.kept)))
        if may is terms.false:
            return
        source = arriving.state if plan.recorded == "before" else step.post
        made = chain.scope(source, arriving.packet, arriving.time)
        key = chain.filed(arriving.packet, step)
        for one in self.filed:
            again = terms.and_(may, chain.same_key(one.key, key))
            one.there = terms.and_(one.there, terms.not_(again))
        left, classes, records = terms.true, [], []
        for class_ in plan.classes:
            condition = made.holds(class_.condition)
            classes.append(terms.and_(left, condition))
            left = terms.and_(left, terms.not_(condition))
            records.append(chain.record(class_, made))
        there = terms.and_(may, terms.not_(left))
        if there is not terms.false:
            self.filed.append(Filed(key, there, tuple(classes), tuple(records), terms.false))


def successive(before: State, after: State, var: str) -> Iterator[tuple[State, State]]:
    """The states between which each write to a variable was done, in order; of a plain one the
    first and the last."""
    if not writes_to(before, after, var):
        return
    if not after.variables[var].keys:
        yield before, after
        return
    log, last = after.logs[var], before
    for end in range(len(before.logs.get(var, ())) + 1, len(log) + 1):
        state = State(after.terms, after.variables, after.base, after.plain, {var: log[:end]})
        yield last, state
        last = state
