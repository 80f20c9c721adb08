"""The fast engine: each program becomes two Python functions, built once from the IR.

The text of a model never reaches the generated source: variables, tags and locals are numbers,
field names are those of `packet.fields`, other constants are bound from outside.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never

from nfverify.packet.fields import FIELDS
from nfverify.semantics import walk as judge
from nfverify.semantics.engine import Compiled, Context, Key, Values, unreachable
from nfverify.semantics.operators import resolve
from nfverify.semantics.values import bits, divide, remainder, shift_left, shift_right
from nfverify.smat.ir import (
    MAX_CHOICES,
    TIME,
    And,
    Apply,
    Arithmetic,
    Bits,
    Bool,
    Bytes,
    Cast,
    Choose,
    Compare,
    Conditional,
    Const,
    Delay,
    Delete,
    Drop,
    Dropped,
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
    Output,
    OutputPort,
    Ports,
    Post,
    Program,
    Read,
    Resubmit,
    SetField,
    SetOutput,
    SetTag,
    StateVar,
    Stmt,
    Table,
    Tag,
    Touch,
    Type,
    Value,
    While,
    Write,
)

# Python refuses 20 nested loops, 100 levels of indentation and 200 nested parentheses.
MAX_LOOPS = 18
MAX_INDENT = 80
MAX_PARENTHESES = 40


def fresh(rows: dict[Key, Values], key: Key, horizon: int, default: Values | None) -> Values | None:
    """The row of a key that was assigned after `horizon`, ns."""
    row = rows.get(key)
    return default if row is None or row[-1] <= horizon else row  # type: ignore[operator]  # a stamp


def forget(rows: OrderedDict[Key, Values], horizon: int) -> None:
    """Takes away the rows that were not assigned after `horizon`."""
    while rows and rows[next(iter(rows))][-1] <= horizon:  # type: ignore[operator]  # a stamp
        rows.popitem(last=False)


HELPERS = {
    "divide": divide,
    "forget": forget,
    "fresh": fresh,
    "min": min,
    "range": range,
    "remainder": remainder,
    "shift_left": shift_left,
    "shift_right": shift_right,
    "len": len,
}


def build(program: Program, context: Context) -> Compiled:
    """The engine; what nests too deep for Python is left to the walk. ModelError as there."""
    names: dict[str, object] = {"__builtins__": {}, **HELPERS}
    try:
        init = _Function("init", program, context, names).source(program.init)
        body = _Function("body", program, context, names).source(program.body)
    except _TooDeepError:
        return judge.build(program, context)
    exec(compile(init + body, "<generated from the SMAT>", "exec"), names)  # see the module's text
    return Compiled(names["init"], names["body"])  # type: ignore[arg-type]  # made by exec


class _TooDeepError(Exception):
    """The generated text would nest deeper than Python's parser allows."""


@dataclass(frozen=True, slots=True)
class _Text:
    """Source of an expression, in parentheses where it needs them, and how deep those nest."""

    text: str
    depth: int = 0


@dataclass(slots=True)
class _Function:
    name: str
    program: Program
    context: Context
    names: dict[str, object]  # global names of the generated module
    lines: list[str] = field(default_factory=list)
    indent: int = 1
    loops: int = 0
    temporaries: int = 0
    locals: dict[str, str] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def source(self, statements: tuple[Stmt, ...]) -> str:
        """The definition of `name(packet, tags, now, store, counters)`, an engine.Pass."""
        self.statements(statements)
        head = [f"def {self.name}(p, g, now, s, c):", "    h = p.bits", "    o = None"]
        head.append("    e = False")
        head.extend(f"    m{i} = s[{i}]" for i in sorted(self.used))
        return "\n".join([*head, *self.lines, "    return () if e else o", ""])

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    @contextmanager
    def block(self, head: str, *, loop: bool = False) -> Iterator[None]:
        self.line(head)
        self.indent += 1
        self.loops += loop
        if self.indent > MAX_INDENT or self.loops > MAX_LOOPS:
            raise _TooDeepError
        yield
        self.indent -= 1
        self.loops -= loop

    def bind(self, value: object) -> str:
        """A global name for a value."""
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def fail(self, counter: str) -> None:
        self.line("e = True")
        self.line(f"c[{counter!r}] += 1")

    # Statements ---------------------------------------------------------------------------

    def statements(self, nodes: tuple[Stmt, ...]) -> None:
        for node in nodes:
            self.statement(node)

    def statement(self, node: Stmt) -> None:
        match node:
            case SetField():
                self.set_field(node)
            case SetTag():
                self.line(f"g[{self.context.tags[node.name]}] = {self.text(node.value)}")
            case SetOutput():
                self.set_output(node.output)
            case Write():
                self.write(node)
            case Delete():
                self.line(f"{self.variable(node.var)}.pop({self.row(node.keys)}, None)")
            case Let():
                value = self.text(node.value)
                name = self.locals.setdefault(node.name, f"v{len(self.locals)}")
                self.line(f"{name} = {value}")
            case If():
                with self.block(f"if {self.text(node.condition)}:"):
                    self.statements(node.then)
                    self.line("pass")
                if node.otherwise:
                    with self.block("else:"):
                        self.statements(node.otherwise)
            case While():
                self.loop(node)
            case Table():
                with self.block("while True:", loop=True):  # left by the first entry that matches
                    for entry in node.entries:
                        with self.block(f"if {self.text(entry.guard)}:"):
                            self.statements(entry.body)
                            self.line("break")
                    self.line("break")
            case Choose():
                self.choose(node)
            case Touch():
                self.touch(node)
            case _:
                assert_never(node)

    def loop(self, node: While) -> None:
        rounds = self.temporary("0")
        with self.block("while True:", loop=True):
            condition = self.text(node.condition)
            self.line(f"if not {condition}: break")
            with self.block(f"if {rounds} == {node.bound}:"):
                self.fail("loop_limit")
                self.line("break")
            self.line(f"{rounds} += 1")
            self.statements(node.body)

    def choose(self, node: Choose) -> None:
        low = self.temporary(self.text(node.low))
        high = self.text(node.high)
        name = self.locals.setdefault(node.name, f"v{len(self.locals)}")
        candidates = f"range({low}, min({high}, {low} + {MAX_CHOICES - 1}) + 1)"
        with self.block(f"for {name} in {candidates}:", loop=True):
            self.line(f"if {self.text(node.where)}: break")
        with self.block("else:"):
            self.line(f"{name} = {low}")
            self.fail("no_choice")

    def write(self, node: Write) -> None:
        rows, key = self.variable(node.var), self.row(node.keys)
        held = self.program.variable(node.var)
        if not held.aged:
            self.line(f"{rows}[{key}] = {self.row(node.values)}")
            return
        key = self.temporary(key)
        row = self.temporary(f"{self.row(node.values)} + (now,)")
        if held.timeout is not None:
            self.line(f"forget({rows}, now - {held.timeout})")
        if held.capacity is not None:
            full = f"len({rows}) == {held.capacity} and {key} not in {rows}"
            if held.overflow == "reject":
                with self.block(f"if not ({full}):"):
                    self.newest(rows, key, row)
                return
            self.line(f"if {full}: {rows}.popitem(last=False)")
        self.newest(rows, key, row)

    def newest(self, rows: str, key: str, row: str) -> None:
        self.line(f"{rows}[{key}] = {row}")
        self.line(f"{rows}.move_to_end({key})")

    def touch(self, node: Touch) -> None:
        rows, key = self.variable(node.var), self.row(node.keys)
        held = self.program.variable(node.var)
        if held.aged:
            key = self.temporary(key)
            row = self.temporary(self.present(held, rows, key, "None"))
            with self.block(f"if {row} is not None:"):
                self.newest(rows, key, f"{row}[:-1] + (now,)")

    def set_field(self, node: SetField) -> None:
        info = FIELDS[node.name]
        value = self.text(node.value)
        with self.block(f"if h & {info.headers.value}:"):
            if info.shown == "bytes":
                value = self.temporary(value)
                with self.block(f"if len({value}) == len(p.{info.name}):"):
                    self.line(f"p.{info.name} = {value}")
                with self.block("else:"):
                    self.fail("payload_length")
            else:
                self.line(f"p.{info.name} = {value}")

    def set_output(self, output: Output) -> None:
        match output:
            case Forward():
                self.line("o = None")
            case Drop():
                self.line("o = ()")
            case Ports():
                self.line(f"o = {self.row(output.ports)}")
                known = range(self.context.ports)
                if not all(isinstance(p, Const) and p.value in known for p in output.ports):
                    with self.block(f"if not {self.bind(frozenset(known))}.issuperset(o):"):
                        self.fail("bad_port")
            case Resubmit():
                self.line("o = -1")
            case Delay():
                self.line(f"o = {self.text(Cast(output.delay, TIME))}")
            case _:
                assert_never(output)

    # Expressions --------------------------------------------------------------------------

    def text(self, node: Expr) -> str:
        return self.expression(node).text

    def row(self, nodes: tuple[Expr, ...]) -> str:
        return self.many(nodes).text

    def many(self, nodes: tuple[Expr, ...]) -> _Text:
        parts = list(map(self.expression, nodes))
        return self.wrap(f"({''.join(part.text + ', ' for part in parts)})", *parts)

    def temporary(self, text: str) -> str:
        self.temporaries += 1
        self.line(f"t{self.temporaries} = {text}")
        return f"t{self.temporaries}"

    def wrap(self, text: str, *parts: _Text) -> _Text:
        """An expression made of `parts`; a deep one is computed before the statement instead.

        That changes nothing, as no expression has an effect or can fail.
        """
        depth = max((part.depth for part in parts), default=0) + 2
        return _Text(self.temporary(text)) if depth > MAX_PARENTHESES else _Text(text, depth)

    def variable(self, name: str) -> str:
        index = next(i for i, v in enumerate(self.program.state) if v.name == name)
        self.used.add(index)
        return f"m{index}"

    def expression(self, node: Expr) -> _Text:
        match node:
            case Const():
                return _Text(self.constant(node.value))
            case Field():
                return _Text(f"p.{FIELDS[node.name].name}")
            case Tag():
                return _Text(f"g[{self.context.tags[node.name]}]")
            case Local():
                return _Text(self.locals[node.name])
            case Now():
                return _Text("now")
            case Read():
                return self.read(node)
            case Has():
                keys = self.many(node.keys)
                held, rows = self.program.variable(node.var), self.variable(node.var)
                if held.timeout is None:
                    return self.wrap(f"({keys.text} in {rows})", keys)
                row = self.present(held, rows, keys.text, "None")
                return self.wrap(f"({row} is not None)", keys)
            case Not():
                operand = self.expression(node.operand)
                return self.wrap(f"(not {operand.text})", operand)
            case And():
                return self.junction(" and ", "True", node.operands)
            case Or():
                return self.junction(" or ", "False", node.operands)
            case Arithmetic():
                return self.arithmetic(node)
            case Compare():
                left, right = self.expression(node.left), self.expression(node.right)
                return self.wrap(f"({left.text} {node.op} {right.text})", left, right)
            case Conditional():
                test = self.expression(node.condition)
                then, other = self.expression(node.then), self.expression(node.otherwise)
                text = f"({then.text} if {test.text} else {other.text})"
                return self.wrap(text, test, then, other)
            case Cast():
                return self.cast(node)
            case Match():
                args = self.many(node.args)
                return self.wrap(f"{self.bind(node.ruleset.accepts)}({args.text})", args)
            case Apply():
                args = self.many(node.args)
                return self.wrap(
                    f"{self.bind(resolve(node, self.context.operators))}(*{args.text})", args
                )
            case Post() | Dropped() | OutputPort():
                raise unreachable(node)
            case _:
                assert_never(node)

    def constant(self, value: Value) -> str:
        if isinstance(value, bytes):
            return self.bind(value)
        if isinstance(value, bool):
            return str(value)
        return hex(value) if value >= 0 else f"({hex(value)})"

    def read(self, node: Read) -> _Text:
        variable = self.variable(node.var)
        if not node.keys:
            return _Text(f"{variable}[()][{node.index}]", 2)
        keys = self.many(node.keys)
        held = self.program.variable(node.var)
        row = self.present(held, variable, keys.text, self.bind(held.default))
        return self.wrap(f"{row}[{node.index}]", keys)

    def present(self, held: StateVar, rows: str, key: str, default: str) -> str:
        """The row of a key, if it is there and its time isn't over."""
        if held.timeout is None:
            return f"{rows}.get({key}, {default})"
        return f"fresh({rows}, {key}, now - {held.timeout}, {default})"

    def junction(self, word: str, empty: str, operands: tuple[Expr, ...]) -> _Text:
        parts = list(map(self.expression, operands))
        return self.wrap(f"({word.join(p.text for p in parts)})", *parts) if parts else _Text(empty)

    def arithmetic(self, node: Arithmetic) -> _Text:
        type_ = bits(node.type)
        left, right = self.expression(node.left), self.expression(node.right)
        a, b = left.text, right.text
        match node.op:
            case "+" | "-" | "*":
                text = _wrapped(f"({a} {node.op} {b})", type_)
            case "&" | "|" | "^":
                text = f"({a} {node.op} {b})"
            case "/":
                text = _wrapped(f"divide({a}, {b})", type_)
            case "%":
                text = f"remainder({a}, {b})"
                if not type_.signed and isinstance(node.right, Const) and node.right.value:
                    text = f"({a} % {b})"
            case "<<":
                text = _wrapped(f"shift_left({a}, {b}, {type_.width})", type_)
            case ">>":
                text = f"shift_right({a}, {b}, {type_.width})"
            case _:
                assert_never(node.op)
        return self.wrap(text, left, right)

    def cast(self, node: Cast) -> _Text:
        operand = self.expression(node.operand)
        match node.type, node.operand.type:
            case (Bool(), Bool()) | (Bytes(), Bytes()):
                return operand
            case Bool(), Bits():
                text = f"({operand.text} != 0)"
            case Bits() as target, Bool():
                text = f"({_wrapped('1', target)} if {operand.text} else 0)"
            case Bits() as target, Bits() as source:
                if _includes(target, source):
                    return operand
                text = _wrapped(operand.text, target)
            case _:
                raise TypeError(f"no conversion of {node.operand.type} to {node.type}")
        return self.wrap(text, operand)


def _wrapped(text: str, type_: Bits) -> str:
    """`smat.ir.wrap` of an expression."""
    mask = (1 << type_.width) - 1
    if not type_.signed:
        return f"({text} & {mask:#x})"
    half = 1 << (type_.width - 1)
    return f"(({text} + {half:#x} & {mask:#x}) - {half:#x})"


def _includes(target: Bits, source: Type) -> bool:
    """Is every value of `source` one of `target`?"""
    if not isinstance(source, Bits):
        return False
    if source.signed:
        return target.signed and source.width <= target.width
    return source.width <= target.width - target.signed
