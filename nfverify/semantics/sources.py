"""Python source of the IR's expressions, for the generated functions of `closures`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never

from nfverify.packet.fields import FIELDS
from nfverify.semantics.engine import Context, Key, Values, unreachable
from nfverify.semantics.headers import pop, push
from nfverify.semantics.operators import resolve
from nfverify.semantics.values import bits, divide, remainder, shift_left, shift_right
from nfverify.smat.ir import (
    And,
    Apply,
    Arithmetic,
    Bits,
    Bool,
    Bytes,
    Cast,
    Compare,
    Conditional,
    Const,
    Dropped,
    Expr,
    Field,
    Has,
    Local,
    Match,
    Not,
    Now,
    Or,
    OutOfBounds,
    OutputPort,
    Post,
    Program,
    Read,
    Since,
    StateVar,
    Tag,
    Total,
    Type,
    Value,
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
    "pop": pop,
    "push": push,
    "range": range,
    "remainder": remainder,
    "shift_left": shift_left,
    "shift_right": shift_right,
    "len": len,
}


class TooDeepError(Exception):
    """The generated text would nest deeper than Python's parser allows."""


@dataclass(frozen=True, slots=True)
class Text:
    """Source of an expression, in parentheses where it needs them, and how deep those nest."""

    text: str
    depth: int = 0


@dataclass(slots=True)
class Function:
    """One generated function: its lines so far, and the source of its expressions."""

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

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    @contextmanager
    def block(self, head: str, *, loop: bool = False) -> Iterator[None]:
        self.line(head)
        self.indent += 1
        self.loops += loop
        if self.indent > MAX_INDENT or self.loops > MAX_LOOPS:
            raise TooDeepError
        yield
        self.indent -= 1
        self.loops -= loop

    def bind(self, value: object) -> str:
        """A global name for a value."""
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def text(self, node: Expr) -> str:
        return self.expression(node).text

    def row(self, nodes: tuple[Expr, ...]) -> str:
        return self.many(nodes).text

    def many(self, nodes: tuple[Expr, ...]) -> Text:
        parts = list(map(self.expression, nodes))
        return self.wrap(f"({''.join(part.text + ', ' for part in parts)})", *parts)

    def temporary(self, text: str) -> str:
        self.temporaries += 1
        self.line(f"t{self.temporaries} = {text}")
        return f"t{self.temporaries}"

    def wrap(self, text: str, *parts: Text) -> Text:
        """An expression made of `parts`; a deep one is computed before the statement instead.

        That changes nothing, as no expression has an effect or can fail.
        """
        depth = max((part.depth for part in parts), default=0) + 2
        return Text(self.temporary(text)) if depth > MAX_PARENTHESES else Text(text, depth)

    def variable(self, name: str) -> str:
        index = next(i for i, v in enumerate(self.program.state) if v.name == name)
        self.used.add(index)
        return f"m{index}"

    def expression(self, node: Expr) -> Text:
        match node:
            case Const():
                return Text(self.constant(node.value))
            case Field():
                return Text(f"p.{FIELDS[node.name].name}")
            case Tag():
                return Text(f"g[{self.context.tags[node.name]}]")
            case Local():
                return Text(self.locals[node.name])
            case Now():
                return Text("now")
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
            case Post() | Dropped() | OutputPort() | OutOfBounds() | Since() | Total():
                raise unreachable(node)
            case _:
                assert_never(node)

    def constant(self, value: Value) -> str:
        if isinstance(value, bytes):
            return self.bind(value)
        if isinstance(value, bool):
            return str(value)
        return hex(value) if value >= 0 else f"({hex(value)})"

    def read(self, node: Read) -> Text:
        variable = self.variable(node.var)
        if not node.keys:
            return Text(f"{variable}[()][{node.index}]", 2)
        keys = self.many(node.keys)
        held = self.program.variable(node.var)
        row = self.present(held, variable, keys.text, self.bind(held.default))
        return self.wrap(f"{row}[{node.index}]", keys)

    def present(self, held: StateVar, rows: str, key: str, default: str) -> str:
        """The row of a key, if it is there and its time isn't over."""
        if held.timeout is None:
            return f"{rows}.get({key}, {default})"
        return f"fresh({rows}, {key}, now - {held.timeout}, {default})"

    def junction(self, word: str, empty: str, operands: tuple[Expr, ...]) -> Text:
        parts = list(map(self.expression, operands))
        return self.wrap(f"({word.join(p.text for p in parts)})", *parts) if parts else Text(empty)

    def arithmetic(self, node: Arithmetic) -> Text:
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

    def cast(self, node: Cast) -> Text:
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
