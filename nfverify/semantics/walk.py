"""The judge: a plain walk over the IR. Every other engine is measured against this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics import headers
from nfverify.semantics.aged import alive, drop_expired
from nfverify.semantics.engine import (
    DROP,
    FORWARD,
    RESUBMIT,
    Compiled,
    Context,
    Counters,
    Key,
    Outcome,
    Pass,
    Store,
    Tags,
    Values,
    unreachable,
)
from nfverify.semantics.operators import Function, resolve
from nfverify.semantics.values import arithmetic, bits, cast, compare, number, truth
from nfverify.smat.ir import (
    MAX_CHOICES,
    TIME,
    And,
    Apply,
    Arithmetic,
    Cast,
    Choose,
    Compare,
    Conditional,
    Const,
    Delay,
    Delete,
    Drop,
    Dropped,
    Entry,
    Expr,
    Field,
    Forward,
    Has,
    If,
    Let,
    Local,
    Match,
    Not,
    Now,
    Or,
    OutOfBounds,
    Output,
    OutputPort,
    Pop,
    Ports,
    Post,
    Program,
    Push,
    Read,
    Resubmit,
    SetField,
    SetOutput,
    SetTag,
    Since,
    StateVar,
    Stmt,
    Table,
    Tag,
    Total,
    Touch,
    Value,
    While,
    Write,
    walk,
)
from nfverify.smat.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class StateWrite:
    """One assignment, deletion, eviction or touch as it happened; None is an absent key. An
    assignment that was rejected leaves the key absent."""

    variable: str
    key: Key
    before: Values | None
    after: Values | None


@dataclass(slots=True)
class Log:
    """What a pass did: the entries that it took, the rules that decided its tests, the headers that
    it pushed (`+vlan`) and popped (`-vlan`), and its writes to state in order. `decides` is told
    of each table which entry is about to run (None: none), and what is true by then."""

    entries: list[str] = field(default_factory=list)
    rules: list[tuple[Ruleset, int]] = field(default_factory=list)  # and places in `rows`
    headers: list[str] = field(default_factory=list)
    writes: list[StateWrite] = field(default_factory=list)
    decides: Callable[[Table, Entry | None, Moment], None] | None = None


def build(program: Program, context: Context, log: Log | None = None) -> Compiled:
    """The engine; what a pass does is added to `log`. ModelError if an operator is missing."""
    variables = {variable.name: i for i, variable in enumerate(program.state)}
    nodes = walk(program.init + program.body)
    functions = {n: resolve(n, context.operators) for n in nodes if isinstance(n, Apply)}
    fixed = _Fixed(program, variables, context, functions, log)

    def execute(statements: tuple[Stmt, ...]) -> Pass:
        def run(packet: Packet, tags: Tags, now: int, store: Store, counters: Counters) -> Outcome:
            this = _Pass(fixed, packet, tags, now, store, counters)
            this.execute(statements)
            return DROP if this.failed else this.outcome

        return run

    return Compiled(execute(program.init), execute(program.body))


class Moment(Protocol):
    """A packet, a time and a state, in which expressions are read and state is written."""

    def value(self, node: Expr) -> Value: ...

    def values(self, nodes: tuple[Expr, ...]) -> tuple[Value, ...]: ...

    def assign(self, name: str, key: Key, values: Values | None) -> None: ...


def moments(
    variables: tuple[StateVar, ...], expressions: Iterable[Expr], context: Context
) -> Callable[[Packet, int, Store, Mapping[str, Value]], Moment]:
    """For expressions that stand in no program: a packet, the time in ns, the values of
    `variables` in their order, and those of locals make a moment."""
    nodes = walk(tuple(expressions))
    functions = {n: resolve(n, context.operators) for n in nodes if isinstance(n, Apply)}
    program = Program("", (), (), variables, (), (), ())
    names = {variable.name: i for i, variable in enumerate(variables)}
    fixed = _Fixed(program, names, context, functions, None)

    def at(packet: Packet, now: int, store: Store, known: Mapping[str, Value]) -> Moment:
        return _Pass(fixed, packet, [], now, store, {}, locals=dict(known))

    return at


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What all passes share."""

    program: Program
    variables: Mapping[str, int]
    context: Context
    functions: Mapping[Apply, Function]
    log: Log | None


@dataclass(slots=True)
class _Pass:
    fixed: _Fixed
    packet: Packet
    tags: Tags
    now: int
    store: Store
    counters: Counters
    outcome: Outcome = FORWARD
    failed: bool = False  # by an error that no later assignment to the output takes back
    locals: dict[str, Value] = field(default_factory=dict)

    # Statements ---------------------------------------------------------------------------

    def execute(self, statements: tuple[Stmt, ...]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: Stmt) -> None:
        match node:
            case SetField():
                self.set_field(node.name, self.value(node.value))
            case SetTag():
                self.tags[self.fixed.context.tags[node.name]] = number(self.value(node.value))
            case SetOutput():
                self.set_output(node.output)
            case Write():
                keys, values = self.values(node.keys), self.values(node.values)
                self.assign(node.var, keys, values)
            case Delete():
                self.assign(node.var, self.values(node.keys), None)
            case Let():
                self.locals[node.name] = self.value(node.value)
            case If():
                self.execute(node.then if truth(self.value(node.condition)) else node.otherwise)
            case While():
                rounds = 0
                while truth(self.value(node.condition)):
                    if rounds == node.bound:
                        self.fail("loop_limit")
                        break
                    rounds += 1
                    self.execute(node.body)
            case Table():
                for place, entry in enumerate(node.entries, 1):
                    if truth(self.value(entry.guard)):
                        self.decided(node, entry, place)
                        self.execute(entry.body)
                        break
                else:
                    self.decided(node, None, 0)
            case Choose():
                self.choose(node)
            case Touch():
                self.touch(node.var, self.values(node.keys))
            case Push():
                self.change_headers(node, self.values(node.args))
            case Pop():
                self.change_headers(node, ())
            case _:
                assert_never(node)

    def decided(self, table: Table, entry: Entry | None, place: int) -> None:
        log = self.fixed.log
        if log is None:
            return
        if entry is not None:
            log.entries.append(entry_title(entry, place))
        if log.decides is not None:
            log.decides(table, entry, self)

    def set_field(self, name: str, value: Value) -> None:
        packet = self.packet
        if not packet.bits & FIELDS[name].headers.value:
            return
        if isinstance(value, bytes) and len(value) != len(packet.payload):
            self.fail("payload_length")
            return
        setattr(packet, name, value)

    def set_output(self, output: Output) -> None:
        match output:
            case Forward():
                self.outcome = FORWARD
            case Drop():
                self.outcome = DROP
            case Ports():
                ports = tuple(number(self.value(port)) for port in output.ports)
                if not all(0 <= port < self.fixed.context.ports for port in ports):
                    self.fail("bad_port")
                self.outcome = ports
            case Resubmit():
                self.outcome = RESUBMIT
            case Delay():
                self.outcome = number(cast(self.value(output.delay), TIME))
            case _:
                assert_never(output)

    def choose(self, node: Choose) -> None:
        low, high = number(self.value(node.low)), number(self.value(node.high))
        candidates = range(low, min(high, low + MAX_CHOICES - 1) + 1)

        def fits(candidate: int) -> bool:
            self.locals[node.name] = candidate
            return truth(self.value(node.where))

        context = self.fixed.context
        if context.chooser is None:
            chosen = next(filter(fits, candidates), None)
        else:
            chosen = context.chooser(context.instance, node, candidates, fits)
        self.locals[node.name] = low if chosen is None else chosen
        if chosen is None:
            self.fail("no_choice")

    def assign(self, name: str, key: Key, values: Values | None) -> None:
        variable, rows = self.variable(name)
        before = self.present(name, key)
        if values is None:
            rows.pop(key, None)
        elif not variable.aged:
            rows[key] = values
        else:
            drop_expired(variable, rows, self.now)
            if before is None and len(rows) == variable.capacity:
                if variable.overflow == "reject":
                    self.log(name, key, None, None)
                    return
                oldest = next(iter(rows))
                self.log(name, oldest, rows.pop(oldest)[:-1], None)
            rows.pop(key, None)
            rows[key] = (*values, self.now)
        self.log(name, key, before, values)

    def touch(self, name: str, key: Key) -> None:
        variable, rows = self.variable(name)
        values = self.present(name, key)
        if variable.aged and values is not None:
            del rows[key]
            rows[key] = (*values, self.now)
            self.log(name, key, values, values)

    def variable(self, name: str) -> tuple[StateVar, dict[Key, Values]]:
        index = self.fixed.variables[name]
        return self.fixed.program.state[index], self.store[index]

    def present(self, name: str, key: Key) -> Values | None:
        """The values of a key, without a stamp; None if it is absent."""
        variable, rows = self.variable(name)
        row = rows.get(key)
        if row is None or not variable.aged:
            return row
        return row[:-1] if alive(variable, row, self.now) else None

    def log(self, name: str, key: Key, before: Values | None, after: Values | None) -> None:
        if self.fixed.log is not None:
            self.fixed.log.writes.append(StateWrite(name, key, before, after))

    def change_headers(self, node: Push | Pop, args: tuple[Value, ...]) -> None:
        before = self.packet.frame
        pushes = isinstance(node, Push)
        change = headers.push if pushes else headers.pop
        counter = change(self.packet, node.kind, *args)
        if counter is not None:
            self.fail(counter)
        elif self.packet.frame is not before and self.fixed.log is not None:
            self.fixed.log.headers.append(f"{'+' if pushes else '-'}{node.kind}")

    def fail(self, counter: str) -> None:
        self.failed = True
        self.counters[counter] += 1

    # Expressions --------------------------------------------------------------------------

    def value(self, node: Expr) -> Value:
        match node:
            case Const():
                return node.value
            case Field():
                value: Value = getattr(self.packet, node.name)
                return value
            case Tag():
                return self.tags[self.fixed.context.tags[node.name]]
            case Local():
                return self.locals[node.name]
            case Now():
                return self.now
            case Read():
                values = self.present(node.var, self.values(node.keys))
                values = self.variable(node.var)[0].default if values is None else values
                return values[node.index]
            case Has():
                return self.present(node.var, self.values(node.keys)) is not None
            case Not():
                return not truth(self.value(node.operand))
            case And():
                return all(map(truth, map(self.value, node.operands)))
            case Or():
                return any(map(truth, map(self.value, node.operands)))
            case Arithmetic():
                left, right = number(self.value(node.left)), number(self.value(node.right))
                return arithmetic(node.op, left, right, bits(node.type))
            case Compare():
                return compare(node.op, self.value(node.left), self.value(node.right))
            case Conditional():
                return self.value(
                    node.then if truth(self.value(node.condition)) else node.otherwise
                )
            case Cast():
                return cast(self.value(node.operand), node.type)
            case Match():
                return self.matches(node.ruleset, [number(self.value(arg)) for arg in node.args])
            case Apply():
                return self.fixed.functions[node](*self.values(node.args))
            case Post() | Dropped() | OutputPort() | OutOfBounds() | Since() | Total():
                raise unreachable(node)
            case _:
                assert_never(node)

    def matches(self, ruleset: Ruleset, values: list[int]) -> bool:
        if self.fixed.log is None:
            return ruleset.accepts(values)
        row = ruleset.first_match(values)
        if row is None:
            return False
        self.fixed.log.rules.append((ruleset, row))
        return ruleset.rows[row].accept

    def values(self, nodes: tuple[Expr, ...]) -> tuple[Value, ...]:
        return tuple(map(self.value, nodes))


def entry_title(entry: Entry, place: int) -> str:
    """Its name, else where it stands: in the text, or in its table."""
    if entry.name:
        return entry.name
    return f"line {entry.span.line}" if entry.span.source.text else f"entry {place}"
