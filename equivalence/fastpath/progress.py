"""That records serve packets at all: without it, a fast path that nobody takes would be proved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nfverify.equivalence.fastpath.compare import held, variable_differs
from nfverify.equivalence.fastpath.effects import VARYING, WRITES
from nfverify.equivalence.fastpath.obligations import Goal, Obligations, conjuncts
from nfverify.equivalence.fastpath.specialise import Known
from nfverify.equivalence.terms import Term
from nfverify.fastpath.plan import SlowPath


def progress(all_: Obligations) -> Iterator[Goal]:
    """A record serves every packet that any record could serve in the state that made it."""
    terms, chain, scope = all_.terms, all_.chain, all_.at(all_.state, all_.p)
    conditions, served = [], []
    for class_ in all_.plan.classes:
        within = replace(scope, values=chain.record(class_, scope).values)
        conditions.append(conjuncts(scope, class_.condition))
        served.append(terms.any(within.holds(path.residual) for path in class_.paths))
    yield recorded(all_)
    yield from covered(all_)
    left: tuple[Term, ...] = ()
    for number, class_ in enumerate(all_.plan.classes):
        assumed = (*conditions[number], *left)
        known = Known(terms, assumed)
        could = [
            known(terms.and_(*conditions[other], served[other]))
            for other in range(number + 1, len(conditions))
        ]
        wrong = terms.and_(terms.any(could), terms.not_(known(served[number])))
        yield Goal("progress", class_.name, assumed, wrong, (number,))
        left = (*left, terms.not_(terms.all(conditions[number])))


def recorded(all_: Obligations) -> Goal:
    """A flow that could be recorded after a packet is, and its next packet finds the record."""
    terms, plan = all_.terms, all_.plan
    step = all_.of_p
    after, before = all_.at(step.post, all_.p), all_.at(all_.state, all_.p)
    could, made = (
        terms.any(at.holds(c.condition) for c in plan.classes)
        for at in (after, before if plan.recorded == "before" else after)
    )
    found = all_.chain.same_key(all_.chain.filed(all_.p, step), all_.chain.key(all_.p.fields))
    wrong = terms.not_(terms.all((made, terms.not_(before(plan.kept)), found)))
    return Goal("progress", "the flow is recorded", (could,), wrong)


def covered(all_: Obligations) -> Iterator[Goal]:
    """Records serve whatever the chain does for good: one output or none, no error, nothing
    held, and no change of what records rest on."""
    terms, chain, scope, step = all_.terms, all_.chain, all_.at(all_.state, all_.p), all_.of_p
    hot = {name for name, policy in all_.plan.policies if policy == "hot"}
    ways = (path for class_ in all_.plan.classes for path in class_.paths)
    hot |= {w.var for path in ways for f in path.functions for w in f.writes}
    one = terms.not_(
        terms.any(
            terms.and_(a.guard, b.guard) for i, a in enumerate(step.out) for b in step.out[i + 1 :]
        )
    )
    steady = [one, terms.not_(held(chain, step)), terms.not_(step.failed)]
    steady += [terms.not_(one_way) for one_way in excused(all_)]
    steady += [
        terms.not_(variable_differs(all_.state, step.post, all_.state, name))
        for name, variable in all_.plan.variables()
        if name not in hot and not variable.constant
    ]
    served = []
    for class_ in all_.plan.classes:
        within = replace(scope, values=chain.record(class_, scope).values)
        condition = terms.all(conjuncts(scope, class_.condition))
        taken = terms.any(within.holds(path.residual) for path in class_.paths)
        served.append(terms.and_(condition, taken))
    wrong = terms.not_(terms.any(served))
    yield Goal("progress", "packets that change nothing for good", tuple(steady), wrong)


def excused(all_: Obligations) -> Iterator[Term]:
    """Packets that go ways which the plan says no record can serve, but for what they write."""
    taken: dict[tuple[str, str], list[Term]] = {}
    for one in all_.of_p.taken:
        taken.setdefault((one.instance, one.title), []).append(one.guard)
    for slow in all_.plan.slow:
        known = [entry for entry in slow.entries if entry in taken]  # no branches of an `if`
        if known and is_excused(slow):
            yield all_.terms.all(all_.terms.any(taken[entry]) for entry in known)


def reachable(all_: Obligations) -> Iterator[Goal]:
    """Of each class, that a record of it serves some packet: here `wrong` must be possible."""
    scope = all_.at(all_.state, all_.p)
    for number, class_ in enumerate(all_.plan.classes):
        within = replace(scope, values=all_.chain.record(class_, scope).values)
        served = all_.terms.any(within.holds(path.residual) for path in class_.paths)
        condition = conjuncts(scope, class_.condition)
        yield Goal("reachable", class_.name, condition, served, (number,))


def is_excused(slow: SlowPath) -> bool:
    """Is it slow for another reason than that it may change what records rest on?"""
    return slow.reason.endswith(VARYING) or not slow.reason.startswith(WRITES)
