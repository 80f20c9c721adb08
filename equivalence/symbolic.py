"""The symbolic semantics: one step of a network over terms.

It follows nfverify.semantics.walk construct by construct and is held against it on random states
and packets. Branches run on forks of the state and are merged under conditions that exclude each
other, so that within a branch a write is unconditional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from nfverify.equivalence.aged import AgedMaps
from nfverify.equivalence.encapsulation import Changed, Encapsulation, Layers
from nfverify.equivalence.expressions import Unsupported, cast, evaluate_expr
from nfverify.equivalence.layers import forgotten, merge_packets
from nfverify.equivalence.packets import SymbolicPacket, dummy_packet, width_of
from nfverify.equivalence.state import State
from nfverify.equivalence.terms import Term, Terms
from nfverify.packet.fields import FIELDS, IP
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

MAX_TERMS = 3_000_000
MAX_VISITS = 1 << 13  # of instances by all copies of one packet


@dataclass(frozen=True, slots=True)
class Emission:
    """If `guard`, `packet` came out by `port`."""

    guard: Term
    port: Term
    packet: SymbolicPacket


@dataclass(frozen=True, slots=True)
class Taken:
    """If `guard`, an instance took an entry (in order of execution); None is that a table had none
    for the packet."""

    guard: Term
    instance: str
    table: ir.Table
    entry: ir.Entry | None
    title: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One copy of the output of a pass."""

    guard: Term
    port: Term


@dataclass(frozen=True, slots=True)
class Fault:
    """If `guard`, an error counter of the machine went up."""

    guard: Term
    counter: str


@dataclass(frozen=True, slots=True)
class Held:
    """If `guard`, a timer of `instance` holds `packet`, to submit it again `delay` ns later."""

    guard: Term
    instance: int
    packet: SymbolicPacket
    delay: Term


@dataclass(frozen=True, slots=True)
class Outcome:
    """The output variable of one pass: copies, or resubmit, or a delay of `delay` ns."""

    slots: tuple[Slot, ...]
    resubmit: Term
    delayed: Term
    delay: Term


@dataclass(slots=True)
class Pass:
    """What one pass of a program through its body works on."""

    state: State
    packet: SymbolicPacket
    locals: dict[str, Term]
    outcome: Outcome
    failed: Term

    def fork(self) -> Pass:
        packet = self.packet.fork()
        return Pass(self.state.fork(), packet, dict(self.locals), self.outcome, self.failed)


RulesetEncoder = Callable[[Ruleset, tuple[Term, ...]], Term]


@dataclass(frozen=True, slots=True)
class Choice:
    """A `choose` that is come to if `guard`; `fits` says whether a value of its type may be taken:
    in the range, of the first MAX_CHOICES, and by `where`."""

    node: ir.Choose
    instance: str
    number: int  # of the executor's choices
    guard: Term
    low: Term
    high: Term
    fits: Callable[[Term], Term]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a choice came to: `value`, or none at all."""

    choice: Choice
    value: Term
    none: Term


Chooser = Callable[[Choice], tuple[Term, Term]]
"""A value for a choice, and whether there is none. Whoever gives free terms must say what holds of
them: not none -> fits(value), and none -> nothing fits."""


@dataclass(slots=True)
class Executor:
    """Runs one side's network symbolically. `qualify` names a variable of an instance in states."""

    terms: Terms
    network: ir.Network
    qualify: Callable[[str, str], str]
    rulesets: RulesetEncoder
    feasible: Callable[[Term], bool] = lambda term: term.data is not False
    drop_non_ip: bool = False
    chooser: Chooser | None = None
    aged: AgedMaps | None = None  # None: maps with `timeout` or `max` are refused
    holding: bool = False  # are timers that hold a packet reported in `held`, not refused?
    max_terms: int = MAX_TERMS
    headers: Encapsulation = field(init=False)
    held: list[Held] = field(default_factory=list)  # by the last step
    faults: list[Fault] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    chosen: list[Chosen] = field(default_factory=list)  # by the last step, in order
    overruns: list[tuple[Term, ir.Program]] = field(
        default_factory=list
    )  # a 17th pass is asked for
    _visits: int = field(init=False, default=0)  # of instances, by the step under way
    choices: int = field(init=False, default=0)  # so far, by all steps
    _sees_non_ip: dict[str, bool] = field(init=False)  # by instance; costs a walk of the program
    _program: ir.Program = field(init=False)
    _instance: str = field(init=False, default="")
    now: Term = field(init=False)
    _guard: Term = field(init=False)  # of the branch that runs: for feasibility and `taken` only

    def __post_init__(self) -> None:
        self.headers = Layers(self.terms, self.feasible)
        self._sees_non_ip = {i.name: i.program.sees_non_ip for i in self.network.instances}

    # Steps --------------------------------------------------------------------------------

    def packet_step(
        self, state: State, packet: SymbolicPacket, now: Term
    ) -> tuple[State, list[Emission]]:
        """What an arriving packet does: the state after it and what may come out, in order."""
        self._begin(now)
        after, out = self._enter(self.network.ingress, state, packet, self.terms.true)
        if not self.drop_non_ip or packet.layer is None:
            return after, out
        ip = packet.has(self.terms, IP)  # of a frame that comes in; what it holds may be none
        emissions = [replace(e, guard=self.terms.and_(ip, e.guard)) for e in out]
        return state.merge([(ip, after)]), emissions

    def resumed_step(
        self, index: int, state: State, packet: SymbolicPacket, now: Term
    ) -> tuple[State, list[Emission]]:
        """As `packet_step`, of a packet that a timer held in front of instance `index`."""
        self._begin(now)
        return self._enter(index, state, packet, self.terms.true)

    def dummy_step(self, index: int, state: State, packet: SymbolicPacket, now: Term) -> State:
        """A timer's own packet comes back to instance `index`; `held` says whether it will again,
        and nothing of it comes out."""
        self._begin(now)
        instance, terms = self.network.instances[index], self.terms
        state, after, outcome, failed = self._passes(instance.name, instance.program, state, packet)
        again = terms.and_(outcome.delayed, terms.not_(failed))
        if again is not terms.false:
            self.held.append(Held(again, index, after, outcome.delay))
        return state

    def single_pass(
        self,
        instance: ir.Instance,
        statements: Sequence[ir.Stmt],
        state: State,
        packet: SymbolicPacket,
        now: Term,
    ) -> Pass:
        """One pass through the body of an instance's program, or through its `init`."""
        self._begin(now)
        self._select(instance.name, instance.program)
        self._guard = self.terms.true
        return self._statements(statements, self._new_pass(state, packet))

    def _begin(self, now: Term) -> None:
        self.now, self._visits = now, 0
        self.taken, self.chosen, self.held, self.faults = [], [], [], []

    def only_guards(self, state: State, packet: SymbolicPacket, now: Term) -> None:
        """Fills `taken` for the first table of a single program, without running any entry."""
        instance = self.network.instances[0]
        self.now, self._guard, self.taken = now, self.terms.true, []
        self._select(instance.name, instance.program)
        at = self._new_pass(state, packet)
        table = next((s for s in instance.program.body if isinstance(s, ir.Table)), None)
        if table is not None and table is instance.program.body[0]:
            for _ in self._rows(table, at):
                pass

    def tick_step(
        self, state: State, timers: Sequence[tuple[str, ir.Program, ir.InitTimer]], now: Term
    ) -> State:
        """The firing of dummy timers, one after the other; each must arm itself again."""
        self._begin(now)
        for instance, program, timer in timers:
            packet = dummy_packet(self.terms, dict(timer.tags))
            state, after, outcome, failed = self._passes(instance, program, state, packet)
            again = self.terms.all(
                (
                    outcome.delayed,
                    self.terms.not_(failed),
                    self.terms.eq(outcome.delay, self.terms.const(timer.delay, 64)),
                    *[
                        self.terms.eq(self.tag(after, name), self.tag(packet, name))
                        for name in {**after.tags, **packet.tags}
                    ],
                )
            )
            if again is not self.terms.true and self.feasible(self.terms.not_(again)):
                raise Unsupported("a timer that doesn't arm itself again as it was", timer.span)
        return state

    def initial(self, state: State, now: Term) -> State:
        """`init` of every instance, run at the first packet's stamp."""
        self._begin(now)
        for instance in self.network.instances:
            if instance.program.init:
                self._select(instance.name, instance.program)
                self._guard = self.terms.true
                fresh = self._new_pass(state, dummy_packet(self.terms, {}))
                state = self._statements(instance.program.init, fresh).state
        return state

    def _select(self, instance: str, program: ir.Program) -> None:
        self._instance, self._program = instance, program

    def _enter(
        self, index: int, state: State, packet: SymbolicPacket, guard: Term
    ) -> tuple[State, list[Emission]]:
        """A packet enters instance `index`; `guard` only serves `taken` and feasibility."""
        terms = self.terms
        self._visits += 1
        if len(terms) > self.max_terms or self._visits > MAX_VISITS:
            raise Unsupported(
                "the chain's step has grown too large", self.network.instances[0].program.span
            )
        instance = self.network.instances[index]
        outside = self._outside(instance.name, packet)
        before = packet
        after_state, packet, outcome, failed = self._passes(
            instance.name,
            instance.program,
            state,
            packet,
            terms.and_(guard, terms.not_(outside)),
        )
        held = terms.all((outcome.delayed, terms.not_(failed), terms.not_(outside)))
        if held is not terms.false and self.feasible(terms.and_(guard, held)):
            if not self.holding:
                raise Unsupported("a timer that holds a packet", instance.program.span)
            kept = forgotten(terms, packet)
            self.held.append(Held(terms.and_(guard, held), index, kept, outcome.delay))
        slots = [Slot(terms.and_(s.guard, terms.not_(failed)), s.port) for s in outcome.slots]
        if outside is not terms.false:
            after_state = state.merge([(terms.not_(outside), after_state)])
            packet = merge_packets(terms, before, [(terms.not_(outside), packet)])
            forward = Slot(terms.true, self._default_port(instance.program, before))
            slots = [
                Slot(
                    terms.ite(outside, terms.boolean(i == 0 and not self._drops(before)), s.guard),
                    terms.ite(outside, forward.port, s.port),
                )
                for i, s in enumerate(slots or [Slot(terms.false, forward.port)])
            ]
        state = after_state
        emissions: list[Emission] = []
        for slot in slots:
            if slot.guard is terms.false:
                continue
            state, out = self._route(index, slot, state, packet, guard)
            emissions += out
        return state, emissions

    def _outside(self, instance: str, packet: SymbolicPacket) -> Term:
        """Does the packet skip this instance: not IP, no link field touched (decision 20)?"""
        if self._sees_non_ip[instance] and not self._drops(packet):
            return self.terms.false
        return self.terms.not_(packet.has(self.terms, IP))

    def _drops(self, packet: SymbolicPacket) -> bool:
        """Does it drop here if it isn't IP? With layers, that was asked when it came in."""
        return self.drop_non_ip and packet.layer is None

    def _route(
        self, index: int, slot: Slot, state: State, packet: SymbolicPacket, guard: Term
    ) -> tuple[State, list[Emission]]:
        terms = self.terms
        rest = slot.guard
        default: int | None = None
        emissions: list[Emission] = []
        targets: list[tuple[Term, int]] = []
        for wire in self.network.wires:
            if wire.source == index and wire.port is None:
                default = wire.target
            elif wire.source == index and wire.port is not None:
                this = terms.eq(slot.port, terms.const(wire.port, 16))
                targets.append((terms.and_(rest, this), wire.target))
                rest = terms.and_(rest, terms.not_(this))
        if default is not None:
            targets.append((rest, default))
        elif rest is not terms.false:
            emissions.append(Emission(rest, slot.port, packet))
        branches: list[tuple[Term, State]] = []
        for condition, target in targets:
            if condition is terms.false:
                continue
            inner = terms.and_(guard, condition)
            after, out = self._enter(target, state.fork(), packet.fork(), inner)
            branches.append((condition, after))
            emissions += [replace(e, guard=terms.and_(condition, e.guard)) for e in out]
        return (state.merge(branches) if branches else state), emissions

    # Passes -------------------------------------------------------------------------------

    def _new_pass(self, state: State, packet: SymbolicPacket) -> Pass:
        terms = self.terms
        forward = (Slot(terms.true, self._default_port(self._program, packet)),)
        outcome = Outcome(forward, terms.false, terms.false, terms.const(0, 64))
        return Pass(state, packet, {}, outcome, terms.false).fork()

    def _default_port(self, program: ir.Program, packet: SymbolicPacket) -> Term:
        terms = self.terms
        first, second = program.ports[:2] if program.ports else (0, 1)
        came_by_first = terms.eq(packet.fields["iface"], terms.const(first, 16))
        return terms.ite(came_by_first, terms.const(second, 16), terms.const(first, 16))

    def _passes(
        self,
        instance: str,
        program: ir.Program,
        state: State,
        packet: SymbolicPacket,
        guard: Term | None = None,
    ) -> tuple[State, SymbolicPacket, Outcome, Term]:
        """Passes until none asks for resubmission: state, packet, outcome, failed for good."""
        terms = self.terms
        for variable in program.state:
            if variable.aged and self.aged is None:
                raise Unsupported("a map with `timeout` or `max`", variable.span)
        guard = terms.true if guard is None else guard
        current = self._pass(instance, program, state, packet, guard)
        done: list[tuple[Term, Pass]] = []  # passes in order, each with "another one followed"
        for count in range(1, ir.MAX_PASSES + 1):
            again = terms.and_(current.outcome.resubmit, terms.not_(current.failed))
            if again is terms.false or not self.feasible(terms.and_(guard, again)):
                break
            if count == ir.MAX_PASSES:
                self.overruns.append((terms.and_(guard, again), program))
                current.failed = terms.or_(current.failed, again)
                self.faults.append(Fault(terms.and_(guard, again), "resubmit_limit"))
                break
            done.append((again, current))
            guard = terms.and_(guard, again)
            current = self._pass(instance, program, current.state.fork(), current.packet, guard)
        for again, earlier in reversed(done):
            current = self._merge(earlier, [(again, current)])
        return current.state, current.packet, current.outcome, current.failed

    def _pass(
        self, instance: str, program: ir.Program, state: State, packet: SymbolicPacket, guard: Term
    ) -> Pass:
        self._select(instance, program)
        fresh = self._new_pass(state, packet)
        self._guard = guard
        return self._statements(program.body, fresh)

    def _merge(self, base: Pass, branches: Sequence[tuple[Term, Pass]]) -> Pass:
        """`base` where no branch's condition holds; the conditions exclude each other."""
        terms = self.terms
        packet = merge_packets(terms, base.packet, [(c, b.packet) for c, b in branches])
        locals_ = dict(base.locals)
        for _, branch in branches:
            locals_ |= branch.locals  # names are unique in a program
        outcome, failed = base.outcome, base.failed
        for condition, branch in reversed(branches):
            outcome = self._merge_outcome(condition, branch.outcome, outcome)
            failed = terms.ite(condition, branch.failed, failed)
        state = base.state.merge([(c, b.state) for c, b in branches])
        return Pass(state, packet, locals_, outcome, failed)

    def _merge_outcome(self, condition: Term, a: Outcome, b: Outcome) -> Outcome:
        if a is b:
            return a
        terms = self.terms
        nothing = Slot(terms.false, terms.const(0, 16))
        slots = []
        for i in range(max(len(a.slots), len(b.slots))):
            x = a.slots[i] if i < len(a.slots) else nothing
            y = b.slots[i] if i < len(b.slots) else nothing
            # The port of a copy that isn't there has no meaning: take the other's.
            port = (
                y.port
                if x.guard is terms.false
                else x.port
                if y.guard is terms.false
                else terms.ite(condition, x.port, y.port)
            )
            slots.append(Slot(terms.ite(condition, x.guard, y.guard), port))
        return Outcome(
            tuple(slots),
            terms.ite(condition, a.resubmit, b.resubmit),
            terms.ite(condition, a.delayed, b.delayed),
            terms.ite(condition, a.delay, b.delay),
        )

    # Statements ---------------------------------------------------------------------------

    def _statements(self, statements: Sequence[ir.Stmt], at: Pass) -> Pass:
        for statement in statements:
            at = self._statement(statement, at)
        return at

    def _statement(self, statement: ir.Stmt, at: Pass) -> Pass:
        match statement:
            case ir.SetField(name=name, value=value):
                self._set_field(name, self.expr(value, at), at)
            case ir.SetTag(name=name, value=value):
                at.packet.tags[name] = self.expr(value, at)
            case ir.SetOutput(output=output):
                at.outcome = self._output(output, at)
            case ir.Write(var=var, keys=keys, values=values):
                key_terms = tuple(self.expr(k, at) for k in keys)
                value_terms = tuple(self.expr(v, at) for v in values)
                self._write(var, key_terms, value_terms, at)
            case ir.Delete(var=var, keys=keys):
                key_terms = tuple(self.expr(k, at) for k in keys)
                self._write(var, key_terms, None, at)
            case ir.Let(name=name, value=value):
                at.locals[name] = self.expr(value, at)
            case ir.If(condition=condition, then=then, otherwise=otherwise):
                return self._if(self.expr(condition, at), then, otherwise, at)
            case ir.While():
                return self._while(statement, at)
            case ir.Table():
                return self._table(statement, at)
            case ir.Choose():
                self._choose(statement, at)
            case ir.Touch():
                self._touch(statement, at)
            case ir.Push(args=args):
                given = [self.expr(a, at) for a in args]
                self._header(self.headers.push(at.packet, statement, given, self._guard), at)
            case ir.Pop():
                self._header(self.headers.pop(at.packet, statement, self._guard), at)
            case _:
                assert_never(statement)
        return at

    def _choose(self, node: ir.Choose, at: Pass) -> None:
        if self.chooser is None:
            raise Unsupported("`choose`", node.span)
        terms = self.terms
        low, high = self.expr(node.low, at), self.expr(node.high, at)
        then, where = at.fork(), (self._instance, self._program, self.now)

        def fits(value: Term) -> Term:
            """Also asked later, when the executor is elsewhere."""
            here = self._instance, self._program, self.now
            self._instance, self._program, self.now = where
            then.locals[node.name] = value
            condition = self.expr(node.where, then)
            self._instance, self._program, self.now = here
            return terms.and_(in_range(terms, value, low, high, node.type), condition)

        choice = Choice(node, self._instance, self.choices, self._guard, low, high, fits)
        self.choices += 1
        value, none = self.chooser(choice)
        self.chosen.append(Chosen(choice, value, none))
        at.locals[node.name] = terms.ite(none, low, value)
        self._fail(none, "no_choice", at)

    def _header(self, changed: Changed, at: Pass) -> None:
        at.packet = changed.packet
        for condition, counter in changed.faults:
            if condition is not self.terms.false:
                self._fail(condition, counter, at)

    def _touch(self, node: ir.Touch, at: Pass) -> None:
        if self.aged is None:
            raise Unsupported("`touch`", node.span)
        name = self.qualified(node.var)
        if at.state.variables[name].aged:
            keys = tuple(self.expr(k, at) for k in node.keys)
            self.aged.touch(at.state, name, keys, self.now)

    def _write(
        self, var: str, keys: tuple[Term, ...], values: tuple[Term, ...] | None, at: Pass
    ) -> None:
        name = self.qualified(var)
        if self.aged is not None and at.state.variables[name].aged:
            self.aged.write(at.state, name, keys, values, self.now)
        else:
            at.state.write(name, keys, values)

    def _fail(self, condition: Term, counter: str, at: Pass) -> None:
        """If `condition`, the packet drops for good, and it counts."""
        at.failed = self.terms.or_(at.failed, condition)
        self.faults.append(Fault(self.terms.and_(self._guard, condition), counter))

    def _set_field(self, name: str, value: Term, at: Pass) -> None:
        terms, packet = self.terms, at.packet
        old = packet.fields[name]
        there = packet.has(terms, FIELDS[name].headers)
        if name == "payload":
            differs = terms.not_(terms.eq(self._length(value), self._length(old)))
            self._fail(terms.and_(there, differs), "payload_length", at)
            there = terms.and_(there, terms.not_(differs))
        else:
            value = terms.resize(value, width_of(name), False)
        packet.fields[name] = terms.ite(there, value, old)

    def _length(self, data: Term) -> Term:
        """Bytes of a byte string; encryption keeps it."""
        terms = self.terms
        if data.op == "uf" and data.data.startswith(("Encrypt ", "Decrypt ")):
            return self._length(data.args[0])
        if data.op == "ite":
            condition, a, b = data.args
            return terms.ite(condition, self._length(a), self._length(b))
        for string, number in terms.strings.items():
            if number is data:
                return terms.const(len(string), 32)
        return terms.uf("length", [data], 32)

    def _output(self, output: ir.Output, at: Pass) -> Outcome:
        terms = self.terms
        none, nought = terms.false, terms.const(0, 64)
        match output:
            case ir.Forward():
                port = self._default_port(self._program, at.packet)
                return Outcome((Slot(terms.true, port),), none, none, nought)
            case ir.Drop():
                return Outcome((), none, none, nought)
            case ir.Ports(ports=ports):
                slots, known = [], terms.true
                for expr in ports:
                    number = self.expr(expr, at)
                    this = terms.any(
                        terms.eq(number, terms.const(p, number.width))
                        for p in range(max(2, len(self.network.ports)))
                    )
                    known = terms.and_(known, this)
                    slots.append(Slot(terms.true, terms.resize(number, 16, False)))
                self._fail(terms.not_(known), "bad_port", at)
                return Outcome(tuple(slots), none, none, nought)
            case ir.Resubmit():
                return Outcome((), terms.true, none, nought)
            case ir.Delay(delay=delay):
                return Outcome((), none, terms.true, self._time(delay, at))
            case _:
                assert_never(output)

    def _time(self, delay: ir.Expr, at: Pass) -> Term:
        return cast(self.terms, self.expr(delay, at), delay.type, ir.TIME)

    def _if(
        self, test: Term, then: Sequence[ir.Stmt], otherwise: Sequence[ir.Stmt], at: Pass
    ) -> Pass:
        terms = self.terms
        if test.is_const:
            return self._statements(then if test.data else otherwise, at)
        outer = self._guard
        self._guard = terms.and_(outer, test)
        first = self._statements(then, at.fork())
        self._guard = terms.and_(outer, terms.not_(test))
        second = self._statements(otherwise, at.fork())
        self._guard = outer
        return self._merge(at, [(test, first), (terms.not_(test), second)])

    def _while(self, loop: ir.While, at: Pass) -> Pass:
        terms, outer = self.terms, self._guard
        rounds: list[tuple[Term, Pass]] = []
        for count in range(loop.bound + 1):
            test = self.expr(loop.condition, at)
            if test is terms.false or not self.feasible(terms.and_(self._guard, test)):
                break
            if count == loop.bound:
                self._fail(test, "loop_limit", at)
                break
            rounds.append((test, at))
            self._guard = terms.and_(self._guard, test)
            if len(terms) > self.max_terms:
                raise Unsupported("a loop that unrolls to too much", loop.span)
            at = self._statements(loop.body, at.fork())
        self._guard = outer
        for test, before in reversed(rounds):
            at = self._merge(before, [(test, at)])
        return at

    def _table(self, table: ir.Table, at: Pass) -> Pass:
        outer = self._guard
        branches: list[tuple[Term, Pass]] = []
        rows = list(self._rows(table, at))
        if len(rows) == 1 and rows[0][1] is self.terms.true:
            return self._statements(rows[0][0].body, at)
        for entry, this in rows:
            self._guard = self.terms.and_(outer, this)
            branches.append((this, self._statements(entry.body, at.fork())))
            self._guard = outer
        return self._merge(at, branches)

    def _rows(self, table: ir.Table, at: Pass) -> Iterator[tuple[ir.Entry, Term]]:
        """Each entry that may be taken, and when: its guard holds and none before it did, all in
        the state at entry to the table."""
        terms, outer, left = self.terms, self._guard, self.terms.true
        for place, entry in enumerate(table.entries, 1):
            guard = terms.false if left is terms.false else self.expr(entry.guard, at)
            this = terms.and_(left, guard)
            left = terms.and_(left, terms.not_(guard))
            title = entry_title(entry, place)
            self.taken.append(Taken(terms.and_(outer, this), self._instance, table, entry, title))
            if this is not terms.false:
                yield entry, this
        rest = terms.and_(outer, left)
        self.taken.append(Taken(rest, self._instance, table, None, "no entry"))

    # Expressions --------------------------------------------------------------------------

    def expr(self, expr: ir.Expr, at: Pass) -> Term:
        """The value of an expression where `at` is now."""
        return evaluate_expr(self.terms, PassScope(self, at), expr)

    def qualified(self, var: str) -> str:
        """A variable of the program that is running, as states name it."""
        return self.qualify(self._instance, var)

    def tag(self, packet: SymbolicPacket, name: str) -> Term:
        return packet.tags.get(name, self.terms.const(0, 32))


def in_range(terms: Terms, value: Term, low: Term, high: Term, type_: ir.Type) -> Term:
    """Is it one of the MAX_CHOICES values from `low` on that are not above `high`?"""
    assert isinstance(type_, ir.Bits)
    order = "sle" if type_.signed else "ule"
    parts = [terms.compare(order, low, value), terms.compare(order, value, high)]
    if 1 << type_.width > ir.MAX_CHOICES:
        most = terms.const(ir.MAX_CHOICES, type_.width)
        parts.append(terms.compare("ult", terms.binary("sub", value, low), most))
    return terms.all(parts)


@dataclass(frozen=True, slots=True)
class PassScope:
    """Inside a pass of a program."""

    executor: Executor
    at: Pass

    def field(self, name: str) -> Term:
        return self.at.packet.fields[name]

    def tag(self, name: str) -> Term:
        return self.executor.tag(self.at.packet, name)

    def local(self, name: str) -> Term:
        return self.at.locals[name]

    def now(self) -> Term:
        return self.executor.now

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        name, aged = self.executor.qualified(var), self.executor.aged
        if aged is not None and self.at.state.variables[name].aged:
            return aged.read(self.at.state, name, keys, index, self.executor.now)
        return self.at.state.read(name, keys, index)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        name, aged = self.executor.qualified(var), self.executor.aged
        if aged is not None and self.at.state.variables[name].aged:
            return aged.has(self.at.state, name, keys, self.executor.now)
        return self.at.state.has(name, keys)

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        return self.executor.rulesets(ruleset, args)
