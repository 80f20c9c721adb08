"""A step as terms: what a property means there, and the networks watched while they step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.expressions import evaluate_expr
from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.problem import Event, Model, Problem
from nfverify.equivalence.properties.watch import Watch
from nfverify.equivalence.state import State, width
from nfverify.equivalence.step import Step, cone
from nfverify.equivalence.symbolic import Emission, Fault
from nfverify.equivalence.terms import Term, Terms
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

LIMITS = ("resubmit_limit", "loop_limit")
NO_PORT = 0xFFFF


@dataclass(slots=True)
class Moment:
    """A step as a property sees it, with one of the packets that came out, or none."""

    model: Watched
    pre: State
    post: State
    packet: SymbolicPacket | None  # None: a timer fires
    time: Term
    dropped: Term
    out_of_bounds: Term
    out: Emission | None = None
    _known: dict[str, Term] = field(default_factory=dict)

    def field(self, name: str) -> Term:
        assert self.packet is not None
        return self.packet.fields[name]

    def now(self) -> Term:
        return self.time

    def tag(self, name: str) -> Term:
        raise AssertionError(name)

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        return self.pre.read(self.model.own(var), keys, index)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        return self.pre.has(self.model.own(var), keys)

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        return self.model.executors[0].rulesets(ruleset, args)

    def local(self, name: str) -> Term:
        leaf = self.model.watch.leaves.get(name)
        if leaf is None:
            return self.pre.plain[kept(name)][0]
        if name not in self._known:
            self._known[name] = self._leaf(leaf)
        return self._known[name]

    def value(self, expr: ir.Expr) -> Term:
        return evaluate_expr(self.model.terms, self, expr)

    def _leaf(self, leaf: ir.Expr) -> Term:
        match leaf:
            case ir.Dropped():
                return self.dropped
            case ir.OutOfBounds():
                return self.out_of_bounds
            case ir.OutputPort():
                none = self.model.terms.const(NO_PORT, 16)
                return none if self.out is None else self.out.port
            case ir.Since():
                return self.pre.plain[kept(self.model.watch.past_of(leaf).name)][0]
            case ir.Total():
                return self.post.plain[kept(self.model.watch.past_of(leaf).name)][0]
            case ir.Post(operand=ir.Field(name=name)):
                packet = self.packet if self.out is None else self.out.packet
                assert packet is not None
                return packet.fields[name]
            case ir.Post(operand=ir.Read(var=var, keys=keys, index=index)):
                return self.post.read(self.model.own(var), tuple(map(self.value, keys)), index)
            case ir.Post(operand=ir.Has(var=var, keys=keys)):
                return self.post.has(self.model.own(var), tuple(map(self.value, keys)))
            case _:
                raise AssertionError(leaf)


def kept(name: str) -> str:
    """A variable of the looker-on, as states name it."""
    return f"b.{name}"


@dataclass(slots=True)
class Watched(Model):
    """The network (side a) with a looker-on (side b) that keeps the past of a property, which is
    broken under the terms in `broken`, by event."""

    watch: Watch = None  # type: ignore[assignment]  # always given
    broken: dict[str, Term] = field(default_factory=dict)

    def own(self, var: str) -> str:
        """A variable of the network, which has one instance if the property reads state."""
        return self.problem.a.qualify(self.problem.a.network.instances[0].name, var)

    def initial_state(self) -> State:
        """As of any problem, with any values of the property's variables."""
        state = super(Watched, self).initial_state()
        for name, type_ in self.watch.variables:
            state.plain[kept(name)] = (self.terms.var(f"any {name}", width(type_)),)
        return state

    def packet_event(self, state: State, name: str) -> Event:
        """As of any problem, with the past kept and the property looked at."""
        event = super(Watched, self).packet_event(state, name)
        terms = self.terms
        post = event.post.fork()
        faults = _reached(terms, self.executors[0].faults)
        sent = terms.any(e.guard for e in event.out_a)
        moment = Moment(self, state, post, event.packet, event.now, terms.not_(sent), faults)
        self._keep(moment, event.out_a)
        self.broken[name] = self._broken(moment, event.out_a)
        return replace(event, post=post)

    def tick_event(self, state: State, period: int, name: str) -> Event:
        """As of any problem; what is of the state alone must hold after it."""
        event = super(Watched, self).tick_event(state, period, name)
        terms = self.terms
        faults = _reached(terms, self.executors[0].faults)
        moment = Moment(self, state, event.post, None, event.now, terms.true, faults)
        if self.watch.of_state:
            self.broken[name] = terms.not_(self._in_state(moment, event.post))
        elif self.watch.of_timers:
            self.broken[name] = faults
        return event

    def outputs_differ(self, event: Event) -> Term:
        """Is the property broken by the event?"""
        return self.broken.get(event.name, self.terms.false)

    def _broken(self, moment: Moment, out: Sequence[Emission]) -> Term:
        terms, watch = self.terms, self.watch
        if watch.of_state:
            after = self._in_state(moment, moment.post)
            return terms.not_(terms.and_(self._in_state(moment, moment.pre), after))
        return terms.not_(self._each(moment, out, watch.expr))

    def _in_state(self, moment: Moment, state: State) -> Term:
        return replace(moment, pre=state, post=state, _known={}).value(self.watch.expr)

    def _cases(self, moment: Moment, out: Sequence[Emission], expr: ir.Expr) -> Iterator[Case]:
        """The packets that came out, each with when it did, or none."""
        if not self.watch.depends(expr):
            yield self.terms.true, moment.value(expr)
            return
        yield moment.dropped, moment.value(expr)
        for emission in out:
            if emission.guard is not self.terms.false:
                yield emission.guard, replace(moment, out=emission, _known={}).value(expr)

    def _each(self, moment: Moment, out: Sequence[Emission], expr: ir.Expr) -> Term:
        terms = self.terms
        return terms.all(terms.implies(g, v) for g, v in self._cases(moment, out, expr))

    def _some(self, moment: Moment, out: Sequence[Emission], expr: ir.Expr) -> Term:
        terms = self.terms
        return terms.any(terms.and_(g, v) for g, v in self._cases(moment, out, expr))

    def _keep(self, moment: Moment, out: Sequence[Emission]) -> None:
        """Writes the past into the state after the step, what others are made of first."""
        terms = self.terms
        for past in self.watch.pasts:
            name = kept(past.name)
            before = moment.pre.plain[name][0]
            match past.node:
                case ir.Since(held=held, begun=begun):
                    lasts = terms.and_(before, self._each(moment, out, held))
                    moment.post.plain[name] = (terms.or_(self._some(moment, out, begun), lasts),)
                case ir.Total(amount=amount):
                    total = before
                    for guard, value in self._cases(moment, out, amount):
                        nothing = terms.const(0, value.width)
                        total = terms.binary("add", total, terms.ite(guard, value, nothing))
                    moment.post.plain[name] = (total,)


Case = tuple[Term, Term]


def _reached(terms: Terms, faults: Sequence[Fault]) -> Term:
    return terms.any(f.guard for f in faults if f.counter in LIMITS)


def build(
    watch: Watch,
    problem: Problem,
    terms: Terms,
    feasible: Callable[[Term], bool],
    whole: bool = False,
) -> Step:
    """One packet, and one tick of each period, from any state; what must be impossible is that the
    property is broken. With `whole`, all state counts as relevant, not only what the property
    depends on: a NAT's table for the way back says something of the one for the way out."""
    model = Watched(problem, terms, feasible, watch=watch)
    pre, base = model.arbitrary_state()
    events = [model.packet_event(pre, "packet")]
    events += [model.tick_event(pre, p, f"tick {p} ns") for p in problem.periods()]
    differences = []
    for number, event in enumerate(events):
        broken = model.broken.get(event.name)
        if broken is not None:
            differences.append((f"the property after {event.name}", broken, number))
    relevant, presence = cone(model, events, [term for _, term, _ in differences])
    relevant |= {kept(name) for name, _ in watch.variables}
    if whole:
        more = {name for name, variable in model.variables.items() if not variable.constant}
        relevant |= more
        presence |= {name for name in more if model.variables[name].keys}
    return Step(
        model, pre, base, tuple(events), tuple(differences), frozenset(relevant),
        frozenset(presence),
    )  # fmt: skip
