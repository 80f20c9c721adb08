"""A chain and its plan over terms: the chain's own step, and what the plan does instead.

The chain's step is that of the plain executor; nothing here looks at how the plan was derived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.encapsulation import Changed, Layers
from nfverify.equivalence.expressions import apply, evaluate_expr
from nfverify.equivalence.fastpath.tables import OpaqueTables
from nfverify.equivalence.packets import SymbolicPacket, arriving_packet, width_of
from nfverify.equivalence.predicates import RulesetPlan, matches_of
from nfverify.equivalence.problem import CLOCK, MAX_TIME_BITS, Event, Options, Problem, Side
from nfverify.equivalence.state import ArbitraryBase, State, constant, width
from nfverify.equivalence.symbolic import Emission, Executor, Held, RulesetEncoder, Taken
from nfverify.equivalence.terms import Term, Terms
from nfverify.fastpath.plan import (
    LONGEST,
    Class,
    HeaderAction,
    Path,
    Plan,
    StateFunction,
    qualified,
)
from nfverify.packet.fields import FIELDS, Header
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class PlanScope:
    """Where expressions of a plan are read: a state, a packet as it arrived, a record."""

    chain: Chain
    state: State
    packet: SymbolicPacket
    time: Term
    values: Mapping[str, Term]

    def field(self, name: str) -> Term:
        return self.packet.fields[name]

    def tag(self, name: str) -> Term:
        raise AssertionError(f"tag {name} in a plan")

    def local(self, name: str) -> Term:
        return self.values[name]

    def now(self) -> Term:
        return self.time

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        return self.state.read(var, keys, index)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        return self.state.has(var, keys)

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        return self.chain.encode(ruleset, args)

    def __call__(self, expr: ir.Expr) -> Term:
        return evaluate_expr(self.chain.terms, self, expr)

    def all(self, exprs: Iterable[ir.Expr]) -> tuple[Term, ...]:
        return tuple(map(self, exprs))

    def holds(self, conjuncts: Iterable[ir.Expr]) -> Term:
        return self.chain.terms.all(map(self, conjuncts))


@dataclass(frozen=True, slots=True)
class Record:
    """What a record holds: values by name, and the keys of its watches."""

    values: Mapping[str, Term]
    watches: tuple[tuple[Term, ...], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What a packet did: to the state, what came out, what a timer holds since."""

    post: State
    out: tuple[Emission, ...]
    failed: Term  # did an error counter go up?
    held: tuple[Held, ...] = ()
    taken: tuple[Taken, ...] = ()


@dataclass(slots=True)
class Chain:
    """A plan's network over one table of terms. Variables go by the plan's names."""

    plan: Plan
    terms: Terms
    feasible: Callable[[Term], bool] = lambda term: term.data is not False
    drop_non_ip: bool = False
    refuted: Callable[[tuple[Term, ...]], None] = lambda asserted: None  # hears what can't be
    variables: dict[str, ir.StateVar] = field(init=False)
    rulesets: RulesetPlan = field(init=False)
    encode: RulesetEncoder = field(init=False)
    problem: Problem = field(init=False)
    executor: Executor = field(init=False)
    ip_only: bool = False  # are frames that are not IP the same to both, whatever happens?

    def __post_init__(self) -> None:
        network = self.plan.network
        clock = ir.StateVar(CLOCK, (), (ir.TIME,), (0,), "plain")
        self.variables = {CLOCK: clock, **dict(self.plan.variables())}
        self.rulesets = RulesetPlan({m.ruleset.digest: m.ruleset for m in matches_of(network)})
        self.encode = self.rulesets(self.terms)
        options = Options(drop_non_ip=self.drop_non_ip)
        self.problem = Problem(Side("a", network), Side("b", network), options, self.rulesets)
        self.executor = Executor(
            self.terms,
            network,
            qualified,
            self.encode,
            self.feasible,
            self.drop_non_ip,
            holding=True,
        )

    @property
    def ports(self) -> int:
        """Packets arrive by these many ports."""
        return max(2, len(self.plan.network.ports))

    # States -------------------------------------------------------------------------------

    def arbitrary_state(self) -> tuple[State, ArbitraryBase]:
        """Any state at all."""
        terms = self.terms
        base = ArbitraryBase(terms, self.variables, OpaqueTables(terms, self.variables))
        plain = {
            name: tuple(
                constant(terms, v.default[i], t)
                if v.constant
                else terms.var(f"{name}.{i}", width(t))
                for i, t in enumerate(v.values)
            )
            for name, v in self.variables.items()
            if not v.keys
        }
        return State(terms, self.variables, base, plain), base

    def initial_state(self) -> State:
        """Before the first packet, `init` done at its stamp, which is the variable `start`."""
        terms = self.terms
        plain = {
            name: tuple(constant(terms, d, t) for d, t in zip(v.default, v.values, strict=True))
            for name, v in self.variables.items()
            if not v.keys
        }
        state = State(terms, self.variables, OpaqueTables(terms, self.variables), plain)
        now = terms.var("start", 64)
        state = self.executor.initial(state, now)
        state.plain[CLOCK] = (now,)
        return state

    # Events -------------------------------------------------------------------------------

    def arriving(self, prefix: str) -> tuple[SymbolicPacket, Term, list[Term]]:
        """A packet of free fields, its time, and what holds of them."""
        terms = self.terms
        packet, facts = arriving_packet(
            terms, prefix, self.ports, self.ip_only, self.problem.tunnels
        )
        now = terms.var(f"{prefix}now", 64)
        return packet, now, [*facts, terms.compare("ult", now, terms.const(1 << MAX_TIME_BITS, 64))]

    def step(self, state: State, packet: SymbolicPacket, now: Term) -> Step:
        """A packet through the chain itself."""
        executor = self.executor
        if self.problem.tunnels:
            executor.headers = Layers(self.terms, self.feasible)
        post, out = executor.packet_step(state, packet, now)
        failed = self.terms.any(fault.guard for fault in executor.faults)
        return Step(post, tuple(out), failed, tuple(executor.held), tuple(executor.taken))

    def periods(self) -> tuple[int, ...]:
        """Of the timers that the programs begin with, ns, ascending."""
        timers = (t for i in self.plan.network.instances for t in i.program.timers)
        return tuple(sorted({t.delay for t in timers}))

    def tick(self, state: State, period: int, now: Term) -> State:
        """All timers of this period fire. Unsupported unless they arm themselves again."""
        timers = [t for t in self.problem.a.timers() if t[2].delay == period]
        return self.executor.tick_step(state, timers, now)

    def tick_event(self, state: State, period: int, name: str) -> Event:
        """The same at a time of its own, at or after the clock."""
        terms, now = self.terms, self.terms.var(f"{name}.now", 64)
        facts = (
            terms.compare("ule", state.plain[CLOCK][0], now),
            terms.compare("ult", now, terms.const(1 << MAX_TIME_BITS, 64)),
        )
        state = self.tick(state, period, now).fork()
        state.plain[CLOCK] = (now,)
        return Event(name, None, now, facts, state, (), ())

    # Plans --------------------------------------------------------------------------------

    def scope(
        self,
        state: State,
        packet: SymbolicPacket,
        now: Term,
        values: Mapping[str, Term] | None = None,
    ) -> PlanScope:
        return PlanScope(self, state, packet, now, values or {})

    def record(self, class_: Class, scope: PlanScope) -> Record:
        """What a record of this class holds if it is made here."""
        values = {v.name: scope(v.expr) for v in class_.values}
        within = replace(scope, values=values)
        return Record(values, tuple(within.all(w.keys) for w in class_.watches))

    def key(self, fields: Mapping[str, Term]) -> tuple[Term, ...]:
        """What records are filed under: the key's fields, or so many bits of their hash."""
        plain = tuple(fields[name] for name in self.plan.key)
        if not self.plan.hashed:
            return plain
        leaves = [ir.Field(name) for name in self.plan.key]
        found = apply(self.terms, "hash", leaves, plain, ir.Bits(32))
        mask = self.terms.const((1 << min(self.plan.hashed, 32)) - 1, 32)
        return (self.terms.binary("and", found, mask),)

    def filed(self, packet: SymbolicPacket, step: Step) -> tuple[Term, ...]:
        """The key under which a packet's flow is recorded."""
        fields = dict(packet.fields)
        if self.plan.filed == "departing":
            for emission in reversed(step.out):
                for name in self.plan.key:
                    out = emission.packet.fields[name]
                    fields[name] = self.terms.ite(emission.guard, out, fields[name])
        return self.key(fields)

    def same_key(self, a: Sequence[Term], b: Sequence[Term]) -> Term:
        return self.terms.all(self.terms.eq(x, y) for x, y in zip(a, b, strict=True))

    def serves(self, scope: PlanScope) -> Term:
        """May a record serve the packet, or be made of it?"""
        found = [scope.holds(self.plan.served)]
        if self.plan.plain:
            terms, packet = self.terms, scope.packet
            found.append(terms.not_(packet.present[Header.VLAN]))
            if packet.layer is not None:
                longest = terms.const(LONGEST, packet.layer.captured.width)
                found.append(terms.compare("ule", packet.layer.captured, longest))
        return self.terms.all(found)

    def served_by(self, path: Path, scope: PlanScope, guard: Term) -> Step:
        """What a packet does that takes this path of a plan; `guard`: when it does."""
        packet, sent = self._headers(path.header, scope, guard)
        terms, ports = self.terms, scope.all(path.outputs)
        for port in ports:
            known = (terms.eq(port, terms.const(p, port.width)) for p in range(self.ports))
            sent = terms.and_(sent, terms.any(known))
        out = tuple(Emission(sent, terms.resize(p, 16, False), packet) for p in ports)
        failed = terms.not_(sent) if path.outputs else terms.false
        return Step(self._functions(path, scope), out, failed)

    def _headers(
        self, action: HeaderAction, scope: PlanScope, guard: Term
    ) -> tuple[SymbolicPacket, Term]:
        """The packet that leaves, and whether no error drops it."""
        terms, packet, sent = self.terms, scope.packet, self.terms.true
        layers = Layers(terms, self.feasible)

        def done(changed: Changed) -> SymbolicPacket:
            nonlocal sent
            failed = terms.any(fault for fault, _ in changed.faults)
            sent = terms.and_(sent, terms.not_(failed))
            return changed.packet

        for kind in action.pops:
            packet = done(layers.pop(packet, ir.Pop(kind), guard))
        fields = dict(packet.fields)
        for name, expr in action.modify:
            value, old = scope(expr), packet.fields[name]
            there = packet.has(terms, FIELDS[name].headers)
            if name == "payload":
                length = self.executor._length
                same = terms.eq(length(value), length(old))
                sent = terms.and_(sent, terms.or_(terms.not_(there), same))
            else:
                value = terms.resize(value, width_of(name), False)
            fields[name] = terms.ite(there, value, old)
        packet = SymbolicPacket(packet.present, fields, {}, packet.layer)
        for push in action.pushes:
            node = ir.Push(push.kind, push.args)
            packet = done(layers.push(packet, node, scope.all(push.args), guard))
        return packet, sent

    def _functions(self, path: Path, scope: PlanScope) -> State:
        """Functions of one group are read as they run, all others on arrival."""
        state, done = scope.state.fork(), set[int]()
        for index in range(len(path.functions)):
            group = path.group_of(index)
            for member in () if index in done else group:
                together = len(group) > 1
                at = self.scope(state.fork(), scope.packet, scope.time, scope.values)
                self._function(path.functions[member], at if together else scope, state)
            done.update(group)
        return state

    def _function(self, function: StateFunction, scope: PlanScope, state: State) -> None:
        read = [
            (w.var, scope.all(w.keys), scope.all(w.values) if isinstance(w, ir.Write) else None)
            for w in function.writes
        ]
        for var, keys, values in read:
            state.write(var, keys, values)
