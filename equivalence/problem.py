"""The question: two networks, what is observed of them, and one symbolic step of both.

Both sides live in one state whose variables are called `a.nat.next` (or `a.next`, where a side is
a single NF), and one event drives both: a packet, or the firing of all timers of one period.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.audit import Audit
from nfverify.equivalence.encapsulation import Layers
from nfverify.equivalence.expressions import Scope, evaluate_expr
from nfverify.equivalence.packets import SymbolicPacket, arriving_packet
from nfverify.equivalence.provable import uses_headers
from nfverify.equivalence.state import ArbitraryBase, InitialBase, State, constant, width
from nfverify.equivalence.symbolic import Emission, Executor, RulesetEncoder, Taken
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

CLOCK = "clock"
"""A plain variable of the proof alone: the time of the last event."""

MAX_TIME_BITS = 62  # decision 23: now < 2^62


@dataclass(frozen=True, slots=True)
class Options:
    """What is compared, and of which traffic (semantics.md, Equivalence)."""

    observe_state: bool = False
    ignore: tuple[str, ...] = ()
    assume: ir.Expr | None = None
    drop_non_ip: bool = False
    origin: int | None = None  # ns: both sides have run until then (`--from`); None: from init on
    proposed: tuple[ir.Expr, ...] = ()
    """Claims on the states of both sides that may carry a proof (`--invariant`): variables by
    qualified names, packet fields for all their values. Each is proved before it is used."""


@dataclass(frozen=True, slots=True)
class Side:
    """One network under its letter."""

    letter: str
    network: ir.Network

    def qualify(self, instance: str, var: str) -> str:
        """The name of a variable of an instance in the state of both sides."""
        if len(self.network.instances) == 1:
            return f"{self.letter}.{var}"
        return f"{self.letter}.{instance}.{var}"

    def variables(self) -> Iterator[tuple[str, ir.StateVar]]:
        for instance in self.network.instances:
            for variable in instance.program.state:
                yield self.qualify(instance.name, variable.name), variable

    def timers(self) -> Iterator[tuple[str, ir.Program, ir.InitTimer]]:
        for instance in self.network.instances:
            for timer in instance.program.timers:
                yield instance.name, instance.program, timer

    def written_fields(self) -> set[str]:
        return {
            node.name
            for instance in self.network.instances
            for node in ir.walk(instance.program.body)
            if isinstance(node, ir.SetField)
        }


@dataclass(frozen=True, slots=True)
class Problem:
    """Two sides and the options of the comparison."""

    a: Side
    b: Side
    options: Options
    rulesets: Callable[[Terms], RulesetEncoder]
    audit: Audit | None = None  # of a certificate
    executor: str = ""  # where the obligations of a certificate are proved; here, if empty
    tunnels: bool = field(init=False)
    """Are headers pushed or popped on either side, or a tunnel's looked at?"""
    observed_fields: tuple[str, ...] = field(init=False)
    """On-wire fields that either side could have changed and that are not ignored."""

    def __post_init__(self) -> None:
        assumed = () if self.options.assume is None else (self.options.assume,)
        bodies = (i.program.init + i.program.body for s in self.sides for i in s.network.instances)
        tunnels = uses_headers(assumed) or any(map(uses_headers, bodies))
        written = self.a.written_fields() | self.b.written_fields()
        observed = tuple(
            name
            for name, info in FIELDS.items()
            if (name in written or tunnels) and info.on_wire and name not in self.options.ignore
        )
        object.__setattr__(self, "tunnels", tunnels)
        object.__setattr__(self, "observed_fields", observed)

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.a, self.b

    @property
    def port_count(self) -> int:
        """By how many ports packets arrive: those that both sides have."""
        return min(max(2, len(s.network.ports)) for s in self.sides)

    def variables(self) -> dict[str, ir.StateVar]:
        """All state variables by qualified name, the clock among them."""
        clock = ir.StateVar(CLOCK, (), (ir.TIME,), (0,), "plain")
        found = {CLOCK: clock}
        for side in self.sides:
            found.update(side.variables())
        return found

    def periods(self) -> tuple[int, ...]:
        """The periods of all timers of both sides, ns, ascending."""
        return tuple(sorted({t.delay for s in self.sides for _, _, t in s.timers()}))

    def only_ip(self) -> bool:
        """May the proof leave out frames that are not IP: dropped, or no NF looks at them and both
        sides let them out by the same port?"""
        if self.options.drop_non_ip:
            return True
        if any(i.program.sees_non_ip for s in self.sides for i in s.network.instances):
            return False
        ports = range(self.port_count)
        return all(bypass(self.a.network, p) == bypass(self.b.network, p) for p in ports)

    def state_pairs(self) -> tuple[tuple[str, str], ...]:
        """Variables compared under packets+state: equal names, `nat.next` also as `nat_next`, or
        the only two of a bare name (decision 21); of the same type, and not constant."""
        a, b = ({n: v for n, v in side.variables() if not v.constant} for side in self.sides)
        pairs = []
        for name, variable in a.items():
            same = [n for n in b if flat(n) == flat(name)]
            if not same and sum(bare(n) == bare(name) for n in a) == 1:
                same = [n for n in b if bare(n) == bare(name)]
            if len(same) == 1:
                theirs = b[same[0]]
                if (variable.keys, variable.values) == (theirs.keys, theirs.values):
                    pairs.append((name, same[0]))
        return tuple(pairs)

    def unpaired(self) -> tuple[str, ...]:
        """State variables that packets+state cannot compare."""
        paired = {name for pair in self.state_pairs() for name in pair}
        return tuple(
            name
            for side in self.sides
            for name, variable in side.variables()
            if not variable.constant and name not in paired
        )


def observed(packet: SymbolicPacket, fields: Sequence[str]) -> list[Term]:
    """What counts of a packet that came out: these fields and, where headers are pushed or popped,
    which headers it has, its tags and all other bytes."""
    found = [packet.fields[f] for f in fields]
    if packet.layer is None:
        return found
    layer = packet.layer
    return [*found, *packet.present.values(), *layer.tags.terms(), layer.rest]


def flat(name: str) -> str:
    """A qualified name without its side, as a consolidated table spells it."""
    return name.split(".", 1)[1].replace(".", "_")


def bare(name: str) -> str:
    """A variable's own name."""
    return name.rsplit(".", 1)[1]


def bypass(network: ir.Network, ingress: int) -> int:
    """The port by which a frame leaves that skips every NF of the network."""
    index: int | None = network.ingress
    port = ingress
    while index is not None:
        port = network.instances[index].program.default_port(ingress)
        index = network.successor(index, port)
    return port


@dataclass(frozen=True, slots=True)
class Event:
    """One symbolic event of both sides and what follows from it."""

    name: str
    packet: SymbolicPacket | None
    now: Term
    facts: tuple[Term, ...]
    post: State
    out_a: tuple[Emission, ...]
    out_b: tuple[Emission, ...]
    taken_a: tuple[Taken, ...] = ()
    taken_b: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class PacketScope:
    """For --assume: expressions over an arriving packet."""

    terms: Terms
    packet: SymbolicPacket
    time: Term
    encode: RulesetEncoder

    def field(self, name: str) -> Term:
        return self.packet.fields[name]

    def now(self) -> Term:
        return self.time

    def tag(self, name: str) -> Term:
        return self.terms.const(0, 32)

    def local(self, name: str) -> Term:
        raise AssertionError(name)

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        raise AssertionError(var)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        raise AssertionError(var)

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        return self.encode(ruleset, args)


@dataclass(slots=True)
class Model:
    """The problem over one table of terms."""

    problem: Problem
    terms: Terms
    feasible: Callable[[Term], bool] = lambda term: term.data is not False
    variables: dict[str, ir.StateVar] = field(init=False)
    executors: tuple[Executor, Executor] = field(init=False)

    def __post_init__(self) -> None:
        self.variables = self.problem.variables()
        encode = self.problem.rulesets(self.terms)
        drop = self.problem.options.drop_non_ip
        a, b = (
            Executor(self.terms, s.network, s.qualify, encode, self.feasible, drop)
            for s in self.problem.sides
        )
        self.executors = a, b

    def initial_state(self) -> State:
        """Both sides before the first packet; maps and plain variables as declared, then `init`."""
        terms = self.terms
        base = InitialBase(terms, self.variables)
        plain = {
            name: tuple(constant(terms, d, t) for d, t in zip(v.default, v.values, strict=True))
            for name, v in self.variables.items()
            if not v.keys
        }
        state = State(terms, self.variables, base, plain)
        origin = self.problem.options.origin
        now = terms.var("start", 64) if origin is None else terms.const(origin, 64)
        for executor in self.executors:
            state = executor.initial(state, now)
        state.plain[CLOCK] = (now,)
        return state

    def arbitrary_state(self) -> tuple[State, ArbitraryBase]:
        """Any state at all of both sides."""
        terms = self.terms
        base = ArbitraryBase(terms, self.variables, InitialBase(terms, self.variables))
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

    def packet_event(self, state: State, name: str) -> Event:
        """A packet arrives, at or after the clock."""
        terms, problem = self.terms, self.problem
        packet, facts = arriving_packet(
            terms, f"{name}.", problem.port_count, problem.only_ip(), problem.tunnels
        )
        now = terms.var(f"{name}.now", 64)
        facts += self._time(now, state)
        if problem.options.assume is not None:
            scope: Scope = PacketScope(terms, packet, now, self.executors[0].rulesets)
            facts.append(evaluate_expr(terms, scope, problem.options.assume))
        a, b = self.executors
        if problem.tunnels:
            known = terms.all(facts)
            for executor in self.executors:
                executor.headers = Layers(terms, lambda t: self.feasible(terms.and_(known, t)))
        before = state
        state, out_a = a.packet_step(state, packet, now)
        self.between(before, state, out_a, packet)
        state, out_b = b.packet_step(state, packet, now)
        state = state.fork()
        state.plain[CLOCK] = (now,)
        if packet.arrived is not None:
            facts += packet.arrived.facts()
        return Event(
            name, packet, now, tuple(facts), state, tuple(out_a), tuple(out_b),
            tuple(a.taken), tuple(b.taken),
        )  # fmt: skip

    def tick_event(self, state: State, period: int, name: str) -> Event:
        """All timers of this period fire, on both sides.

        Timers of one period are always due together and in the order of their making; what
        another period does at the same instant comes wholly before or after (decision 23).
        """
        now = self.terms.var(f"{name}.now", 64)
        facts = tuple(self._time(now, state))
        before = state
        for side, executor in zip(self.problem.sides, self.executors, strict=True):
            timers = [t for t in side.timers() if t[2].delay == period]
            state = executor.tick_step(state, timers, now)
            if side is self.problem.a:
                self.between(before, state, (), None)
        state = state.fork()
        state.plain[CLOCK] = (now,)
        return Event(name, None, now, facts, state, (), ())

    def between(
        self,
        before: State,
        after: State,
        sent: Sequence[Emission],
        packet: SymbolicPacket | None,
    ) -> None:
        """A has made its step of an event (a packet, or None for timers), B has not."""

    def _time(self, now: Term, state: State) -> list[Term]:
        terms = self.terms
        return [
            terms.compare("ule", state.plain[CLOCK][0], now),
            terms.compare("ult", now, terms.const(1 << MAX_TIME_BITS, 64)),
        ]

    def outputs_differ(self, event: Event) -> Term:
        """Do the lists of what came out differ (ports, order, bytes either side could change)?"""
        terms = self.terms
        fields = self.problem.observed_fields
        rank_a, count_a = self._ranks(event.out_a)
        rank_b, count_b = self._ranks(event.out_b)
        differences = [terms.not_(terms.eq(count_a, count_b))]
        for a, at_a in zip(event.out_a, rank_a, strict=True):
            for b, at_b in zip(event.out_b, rank_b, strict=True):
                same = terms.all(
                    [
                        terms.eq(a.port, b.port),
                        *map(
                            terms.eq,
                            observed(a.packet, fields),
                            observed(b.packet, fields),
                        ),
                    ]
                )
                both = terms.all((a.guard, b.guard, terms.eq(at_a, at_b)))
                differences.append(terms.and_(both, terms.not_(same)))
        return terms.any(differences)

    def _ranks(self, emissions: Sequence[Emission]) -> tuple[list[Term], Term]:
        terms = self.terms
        count = terms.const(0, 16)
        ranks = []
        for emission in emissions:
            ranks.append(count)
            count = terms.binary("add", count, terms.to_bits(emission.guard, 16))
        return ranks, count

    def states_differ(
        self, state: State, keys: Callable[[str, int], tuple[Term, ...]]
    ) -> list[tuple[str, Term]]:
        """For each pair of observed variables its name, and whether they differ at some key; `keys`
        gives free ones for a variable."""
        terms = self.terms
        found = []
        for n, (a, b) in enumerate(self.problem.state_pairs()):
            at = keys(a, n)
            here = state.has(a, at)
            differences = [terms.not_(terms.eq(here, state.has(b, at)))]
            # What an absent key reads as is no part of the state.
            differences += [
                terms.and_(here, terms.not_(terms.eq(state.read(a, at, i), state.read(b, at, i))))
                for i in range(len(self.variables[a].values))
            ]
            found.append((a, terms.any(differences)))
        return found
