"""What must be shown of a plan for the theorem, one event at a time, from any state.

The invariant: of each usable record the class's condition holds, and its values and watched keys
are what they would be if it were made now, for every packet of its flow. Without quantifiers: `p`
is the packet that arrives, `q` another served packet, of any flow, whose record must stay right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nfverify.equivalence.expressions import Unsupported
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
from nfverify.equivalence.fastpath.served import only_ip, served_packet
from nfverify.equivalence.fastpath.specialise import Known
from nfverify.equivalence.packets import SymbolicPacket, dummy_packet
from nfverify.equivalence.state import ArbitraryBase, State
from nfverify.equivalence.terms import Term, Terms
from nfverify.fastpath.plan import Class, Plan
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

Kind = Literal[
    "exclusive", "outputs", "state", "errors", "timers held", "checksums", "own record",
    "other records",
    "fast path", "timer", "resumed", "progress", "reachable",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Enough:
    """Something that a goal follows from: `wrong` is impossible where `few` hold, or, if that
    can't be seen at once, where all that the goal assumes does."""

    few: tuple[Term, ...]
    wrong: Term


@dataclass(frozen=True, slots=True)
class Goal:
    """`wrong` must be impossible where `assumed` holds. `classes` are those whose records it is
    about; `path` is a number in the only one of them."""

    kind: Kind
    what: str
    assumed: tuple[Term, ...]
    wrong: Term
    classes: tuple[int, ...] = ()
    path: int | None = None
    parts: tuple[Goal, ...] = ()  # what it says at once, in case it is not so
    enough: tuple[Enough, ...] = ()  # if all of these are impossible, so is `wrong`


@dataclass(slots=True)
class Obligations:
    """All goals of a plan over one table of terms. Raises Unsupported."""

    plan: Plan
    chain: Chain
    state: State
    base: ArbitraryBase
    p: SymbolicPacket  # served
    q: SymbolicPacket  # served
    any: SymbolicPacket  # any frame at all
    now: Term
    later: Term  # any time: records must be true whenever they serve
    of_p: Step  # what the chain does with each
    of_any: Step
    facts: tuple[Term, ...]

    @property
    def terms(self) -> Terms:
        return self.chain.terms

    # Where a record serves ----------------------------------------------------------------

    def paths(self) -> Iterator[Goal]:
        """Each path does what the chain does, for each record of its class; two never both."""
        terms, scope = self.terms, self.at(self.state, self.p)
        step = self.of_p
        for number, class_ in enumerate(self.plan.classes):
            condition = conjuncts(scope, class_.condition)
            record = self.chain.record(class_, scope)
            within = replace(scope, values=record.values)
            known = Known(terms, condition)
            folded = folded_step(known, step)
            residuals = []
            for place, path in enumerate(class_.paths):
                residual = known.all(conjuncts(within, path.residual))
                residuals.append(terms.all(residual))
                yield self._path(number, place, (*condition, *residual), folded, within)
            both = [terms.and_(a, b) for i, a in enumerate(residuals) for b in residuals[i + 1 :]]
            what = f"{class_.name}: no packet takes two paths"
            yield Goal("exclusive", what, condition, terms.any(both), (number,))

    def _path(
        self, number: int, place: int, assumed: tuple[Term, ...], step: Step, scope: PlanScope
    ) -> Goal:
        terms, class_ = self.terms, self.plan.classes[number]
        path = class_.paths[place]
        known = Known(terms, assumed)
        if terms.all(assumed) is terms.false:
            return Goal("outputs", path.name, assumed, terms.false, (number,), place)
        theirs = folded_step(known, step)
        ours = folded_step(known, self.chain.served_by(path, scope, terms.all(assumed)))
        name = f"{class_.name}, {path.name}"
        sums = known(sums_differ(self.chain, path, scope))
        found = [
            ("outputs", f"{name}", outputs_differ(terms, theirs.out, ours.out)),
            ("timers held", f"{name}", held(self.chain, theirs)),
            ("errors", f"{name}", terms.or_(theirs.failed, ours.failed)),
            ("checksums", f"{name}", sums),
            *(
                ("state", f"{var} after {name}", differs)
                for var, differs in states_differ(self.chain, self.state, theirs.post, ours.post)
            ),
        ]
        parts = tuple(
            Goal(kind, what, assumed, wrong, (number,), place)  # type: ignore[arg-type]
            for kind, what, wrong in found
        )
        wrong = terms.any(part.wrong for part in parts)
        return Goal("outputs", name, assumed, wrong, (number,), place, parts)

    # Where records must stay right --------------------------------------------------------

    def own_records(self) -> Iterator[Goal]:
        """What is recorded after a packet is true of every packet of the flow."""
        terms, plan = self.terms, self.plan
        step = self.of_p
        source = self.state if plan.recorded == "before" else step.post
        made = self.at(source, self.p)
        filed = self.chain.filed(self.p, step)
        q, same = self._of_flow(filed)
        left: tuple[Term, ...] = (terms.not_(made(plan.kept)), same)
        for number, class_ in enumerate(plan.classes):
            condition = terms.all(conjuncts(made, class_.condition))
            assumed = (*left, condition)
            then = self.chain.scope(step.post, q, self.later)
            wrong = self._not_true(class_, self.chain.record(class_, made), then)
            what = f"{class_.name}: its record after the packet that makes it"
            yield Goal("own record", what, assumed, wrong, (number,))
            left = (*left, terms.not_(condition))

    def other_records(self) -> Iterator[Goal]:
        """A packet through the chain leaves the records of others right, or outdates them."""
        terms = self.terms
        step = self.of_any
        arriving = self.at(self.state, self.any)
        filed = self.chain.filed(self.any, step)
        key = self.chain.key(self.q.fields)
        replaced = terms.all(
            (
                self.chain.serves(arriving),
                terms.not_(arriving(self.plan.kept)),
                self.chain.same_key(key, filed),
            )
        )
        stays = (terms.not_(replaced),)
        yield from self._kept("other records", "after any packet", stays, step.post)

    def fast_paths(self) -> Iterator[Goal]:
        """A packet that a record serves leaves all records right; it raises no events."""
        scope = self.at(self.state, self.p)
        for number, class_ in enumerate(self.plan.classes):
            condition = conjuncts(scope, class_.condition)
            within = replace(scope, values=self.chain.record(class_, scope).values)
            for path in class_.paths:
                written = {w.var for f in path.functions for w in f.writes}
                touched = [n for n, c in enumerate(self.plan.classes) if reads(c) & written]
                if touched:
                    assumed = (*condition, *conjuncts(within, path.residual))
                    post = self.chain.served_by(path, within, self.terms.all(assumed)).post
                    what = f"after {class_.name}, {path.name}"
                    for goal in self._kept("fast path", what, assumed, post, touched, False):
                        yield replace(goal, classes=(*goal.classes, number))

    def timers(self) -> Iterator[Goal]:
        """So does each timer, and each packet that one held and lets go."""
        chain = self.chain
        for period in chain.periods():
            try:
                post = chain.tick(self.state, period, self.now)
                yield from self._kept("timer", f"after the timer of {period} ns", (), post)
            except Unsupported:
                for index, instance in enumerate(self.plan.network.instances):
                    if instance.program.timers:
                        yield from self._resumed(index, dummy=True)
        for index, instance in enumerate(self.plan.network.instances):
            delays = (
                isinstance(n, ir.SetOutput) and isinstance(n.output, ir.Delay)
                for n in ir.walk(instance.program.body)
            )
            if any(delays) and self.of_any.held:
                yield from self._resumed(index, dummy=False)

    def _resumed(self, index: int, *, dummy: bool) -> Iterator[Goal]:
        """Any packet at all that comes back to an instance."""
        terms, executor = self.terms, self.chain.executor
        name = self.plan.network.instances[index].name
        names = sorted(
            n.name
            for i in self.plan.network.instances
            for n in ir.walk(i.program.body)
            if isinstance(n, ir.Tag | ir.SetTag)
        )
        packet = dummy_packet(terms, {}) if dummy else self.any
        tags = {tag: terms.var(f"held tag {tag}", 32) for tag in names}
        if dummy:
            packet = SymbolicPacket(packet.present, packet.fields, tags)
            post = executor.dummy_step(index, self.state, packet, self.now)
        else:
            free = {f: terms.var(f"held {f}", t.width) for f, t in packet.fields.items()}
            for field_, info in FIELDS.items():
                there = packet.has(terms, info.headers)
                free[field_] = terms.ite(there, free[field_], terms.const(0, free[field_].width))
            packet = SymbolicPacket(packet.present, free, tags)
            post, _ = executor.resumed_step(index, self.state, packet, self.now)
        kind: Kind = "timer" if dummy else "resumed"
        yield from self._kept(kind, f"after a timer of {name}", (), post)

    def _kept(
        self,
        kind: Kind,
        what: str,
        assumed: tuple[Term, ...],
        post: State,
        touched: Sequence[int] | None = None,
        events: bool = True,
    ) -> Iterator[Goal]:
        """Records of every class are true in `post`, unless an event outdates them.

        Only the change on the whole counts as an event: whoever outdates more is right, too.
        """
        terms, plan, chain = self.terms, self.plan, self.chain
        events = events and plan.checked == "before"
        before = self.chain.scope(self.state, self.q, self.later)
        after = replace(before, state=post)
        changed = {v for v, _ in plan.variables() if writes_to(self.state, post, v)}
        outdates_all = [v for v in plan.epoch if events and v in changed]
        for number, class_ in enumerate(plan.classes):
            if not reads(class_) & changed or (touched is not None and number not in touched):
                continue
            noted = Noted(chain, self.state, self.q, self.later)
            record = chain.record(class_, noted)
            condition = noted.all(class_.condition)
            quiet = [
                terms.not_(variable_differs(self.state, post, self.state, v)) for v in outdates_all
            ]
            quiet += [
                terms.not_(changed_at(self.state, post, w.var, keys))
                for w, keys in zip(class_.watches, record.watches, strict=True)
                if events and w.var in changed
            ]
            enough = (
                Enough(assumed, changed_at(self.state, post, var, keys))
                for var, keys in noted.reads
                if var in changed and var not in outdates_all
            )
            given = (*condition, *assumed, *quiet)
            wrong = self._not_true(class_, record, after)
            yield Goal(kind, f"{class_.name} {what}", given, wrong, (number,), enough=tuple(enough))

    def _not_true(self, class_: Class, record: Record, scope: PlanScope) -> Term:
        """Is a record wrong of the packet and state of `scope`?"""
        terms, chain = self.terms, self.chain
        now = chain.record(class_, scope)
        pairs = [(record.values[name], now.values[name]) for name in record.values]
        pairs += [
            (a, b)
            for one, other in zip(record.watches, now.watches, strict=True)
            for a, b in zip(one, other, strict=True)
        ]
        right = [*conjuncts(scope, class_.condition), *(terms.eq(a, b) for a, b in pairs)]
        return terms.not_(terms.all(right))

    # ----------------------------------------------------------------------------------------

    def at(self, state: State, packet: SymbolicPacket) -> PlanScope:
        return self.chain.scope(state, packet, self.now)

    def _of_flow(self, filed: tuple[Term, ...]) -> tuple[SymbolicPacket, Term]:
        """A served packet that finds what is filed there, all else of it free."""
        key = self.chain.key(self.q.fields)
        if self.plan.hashed:
            return self.q, self.chain.same_key(key, filed)
        # By substitution, so that what only mentions the key's fields is the same term.
        fields = self.q.fields | dict(zip(self.plan.key, filed, strict=True))
        return SymbolicPacket(self.q.present, fields, {}), self.chain.same_key(key, filed)


def obligations(plan: Plan, chain: Chain, deadline: float) -> Obligations:
    """The goals of a plan, from an arbitrary state."""
    chain.ip_only = only_ip(chain, deadline)
    state, base = chain.arbitrary_state()
    now, later = chain.terms.var("now", 64), chain.terms.var("later", 64)
    p, served_p = served_packet(chain, "p.", deadline)
    q, served_q = served_packet(chain, "q.", deadline)
    anything, _, facts = chain.arriving("any.")
    of_p, of_any = (chain.step(state, packet, now) for packet in (p, anything))
    inner = [f for packet in (p, anything) if packet.arrived for f in packet.arrived.facts()]
    known = (*served_p, *served_q, *facts, *inner)
    return Obligations(plan, chain, state, base, p, q, anything, now, later, of_p, of_any, known)


@dataclass(frozen=True, slots=True)
class Noted(PlanScope):
    """A scope that notes which keys of which variables are read."""

    values: Mapping[str, Term] = field(default_factory=dict)
    reads: dict[tuple[str, tuple[Term, ...]], None] = field(default_factory=dict)

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        self.reads[var, keys] = None
        return self.state.read(var, keys, index)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        self.reads[var, keys] = None
        return self.state.has(var, keys)


def conjuncts(scope: PlanScope, exprs: Iterable[ir.Expr]) -> tuple[Term, ...]:
    return scope.all(exprs)


def reads(class_: Class) -> set[str]:
    """The variables that a class's condition, values and watches depend on."""
    parts = [*class_.condition, *(v.expr for v in class_.values)]
    parts += [k for w in class_.watches for k in w.keys]
    return {n.var for n in ir.walk(tuple(parts)) if isinstance(n, ir.Read | ir.Has)}


def folded_step(known: Known, step: Step) -> Step:
    """The step where the facts hold."""
    terms = known.terms
    out = tuple(e for e in map(known.emission, step.out) if e.guard is not terms.false)
    guards = tuple(replace(h, guard=known(h.guard)) for h in step.held)
    return Step(known.state(step.post), out, known(step.failed), guards)
