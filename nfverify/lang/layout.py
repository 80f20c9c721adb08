"""The canonical layout of a file: its lines, and which part of the source each one stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from nfverify.lang import ast
from nfverify.lang.expressions import INFIX
from nfverify.lang.phrases import (
    INDENT,
    WIDTH,
    print_chain_node,
    print_expr,
    print_pair,
    print_rule,
    print_simple,
    print_string,
    print_type,
    print_variable,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of the text (several if it was too long), for characters start..end of the source.

    `gap` asks for an empty line before it; `inner` is the indentation of comments before it.
    """

    text: str
    start: int
    end: int
    gap: bool = False
    inner: str = ""


class Places(Protocol):
    """Where things that the tree does not hold stand in the source."""

    def opening(self, start: int) -> int:
        """The character after the next `{` from `start` on."""

    def closing(self, opening: int) -> int:
        """The character after the `}` that closes the brace before `opening`."""

    def commented(self, start: int, end: int) -> bool:
        """Is there a comment between two characters?"""


class Nowhere:
    """The places of a tree without a source."""

    def opening(self, start: int) -> int:
        """Unknown."""
        return start

    def closing(self, opening: int) -> int:
        """Unknown."""
        return opening

    def commented(self, start: int, end: int) -> bool:
        """There are no comments."""
        return False


def layout(file: ast.File, places: Places | None = None) -> Iterator[Piece]:
    """The pieces of a file, in order."""
    return _Layout(places or Nowhere()).file(file)


def statement_layout(statement: ast.Statement) -> Iterator[Piece]:
    """The pieces of one statement."""
    return _Layout(Nowhere()).statement(statement, "")


class _Layout:
    def __init__(self, places: Places) -> None:
        self.places = places

    def file(self, file: ast.File) -> Iterator[Piece]:
        if file.version is not None:
            start = file.span.start
            yield Piece(f"nfd {file.version};", start, start + 1)
        before: object = None
        for item in file.items:
            gap = isinstance(item, ast.Program | ast.Init | ast.Every) or type(item) is not before
            yield from self.item(item, "", gap)
            before = type(item)

    def item(
        self,
        item: ast.Import | ast.Declaration | ast.Program | ast.Chain | ast.Entry | ast.Statement,
        indent: str,
        gap: bool = False,
    ) -> Iterator[Piece]:
        start, end = item.span.start, item.span.end
        match item:
            case ast.Program(name, items):
                opening = self.places.opening(start)
                yield Piece(f"{indent}program {name} {{", start, opening, gap, indent)
                before: object = None
                for part in items:
                    yield from self.item(part, indent + INDENT, _gap(before, part))
                    before = part
                yield self.close(indent, end)
            case ast.Entry(blocks, name):
                title = "entry {" if name is None else f"entry {name} {{"
                yield Piece(indent + title, start, self.places.opening(start), gap, indent)
                for block in blocks:
                    yield from self.block(block, indent + INDENT)
                yield self.close(indent, end)
            case ast.Init(body):
                yield from self.body(f"{indent}init {{", body, start, end, indent, gap)
            case ast.Every(period, body):
                title = f"{indent}every {print_expr(period)} {{"
                yield from self.body(title, body, start, end, indent, gap)
            case (
                ast.Variable() | ast.Rule() | ast.Ruleset() | ast.Interfaces() | ast.Tag()
                | ast.Operator() | ast.Function() | ast.Property() | ast.ReadyMade()
                | ast.Invariant()
                | ast.Import() | ast.Chain()
            ):  # fmt: skip
                yield Piece(_declaration(item, indent), start, end, gap, indent)
            case _:
                yield from self.statement(item, indent, gap)

    def block(self, block: ast.MatchBlock | ast.ActionBlock, indent: str) -> Iterator[Piece]:
        start, end = block.span.start, block.span.end
        match block:
            case ast.MatchBlock(kind, condition):
                title = f"{indent}{f'match_{kind}':12} {{"
                yield Piece(_condition(title, condition, indent), start, end, False, indent)
            case ast.ActionBlock(kind, body):
                title = f"{indent}{f'action_{kind}':12} {{"
                short = " ".join([title, *map(_short, body), "}"])
                if (
                    len(short) <= WIDTH
                    and not any(isinstance(s, ast.If | ast.While) for s in body)
                    and not self.places.commented(start, end)
                ):
                    yield Piece(short, start, end, False, indent)
                else:
                    yield from self.body(title, body, start, end, indent)

    def body(
        self,
        title: str,
        body: Sequence[ast.Statement],
        start: int,
        end: int,
        indent: str,
        gap: bool = False,
    ) -> Iterator[Piece]:
        yield Piece(title, start, self.places.opening(start), gap, indent)
        for statement in body:
            yield from self.statement(statement, indent + INDENT)
        yield self.close(indent, end)

    def close(self, indent: str, end: int) -> Piece:
        return Piece(indent + "}", end - 1, end, False, indent + INDENT)

    def statement(
        self, statement: ast.Statement, indent: str, gap: bool = False
    ) -> Iterator[Piece]:
        start, end = statement.span.start, statement.span.end
        match statement:
            case ast.If():
                yield from self.conditional(statement, indent, gap)
            case ast.While(condition, bound, body):
                title = f"{indent}while ({print_expr(condition)}) bound {bound} {{"
                opening = self.places.opening(condition.span.end)
                yield Piece(title, start, opening, gap, indent)
                for inner in body:
                    yield from self.statement(inner, indent + INDENT)
                yield self.close(indent, end)
            case _:
                yield Piece(indent + _short(statement), start, end, gap, indent)

    def conditional(self, statement: ast.If, indent: str, gap: bool) -> Iterator[Piece]:
        """if … else if … else …"""
        start, lead = statement.span.start, ""
        while True:
            opening = self.places.opening(statement.condition.span.end)
            title = f"{indent}{lead}if ({print_expr(statement.condition)}) {{"
            yield Piece(title, start, opening, gap, indent + INDENT if lead else indent)
            for inner in statement.then:
                yield from self.statement(inner, indent + INDENT)
            closing = self.places.closing(opening)
            start, lead, gap = closing - 1, "} else ", False
            match statement.otherwise:
                case ():
                    yield self.close(indent, closing)
                    return
                case (ast.If() as chained,):
                    statement = chained
                case otherwise:
                    opening = self.places.opening(closing)
                    yield Piece(f"{indent}{lead}{{", start, opening, False, indent + INDENT)
                    for inner in otherwise:
                        yield from self.statement(inner, indent + INDENT)
                    yield self.close(indent, statement.span.end)
                    return


def _gap(before: object, item: object) -> bool:
    """Where a program that has no source gets empty lines: around entries and blocks."""
    blocks = ast.Entry | ast.Init | ast.Every
    return before is not None and (isinstance(item, blocks) or isinstance(before, blocks))


def _condition(title: str, condition: ast.Expr | None, indent: str) -> str:
    if condition is None:
        return f"{title} }}"
    text = f"{title} {print_expr(condition)} }}"
    if len(text) <= WIDTH or not isinstance(condition, ast.Logical):
        return text
    inner = indent + INDENT
    precedence = INFIX[condition.op][1] + 1
    first, *others = [print_expr(operand, precedence) for operand in condition.operands]
    lines = [title, inner + first, *(f"{inner}{condition.op} {other}" for other in others)]
    return "\n".join([*lines, indent + "}"])


def _short(statement: ast.Statement) -> str:
    """The text of a statement that has no block."""
    match statement:
        case ast.Pass():
            return "pass;"
        case ast.Drop():
            return "drop;"
        case ast.Resubmit():
            return "resubmit;"
        case ast.Assign() | ast.ExprStatement():
            return print_simple(statement)
        case ast.Let(name, value):
            return f"let {name} = {print_expr(value)};"
        case ast.Choose(name, low, high, where):
            test = "" if where is None else f" where {print_expr(where)}"
            return f"choose {name} in {print_expr(low)}..{print_expr(high)}{test};"
        case ast.Delete(target):
            return f"delete {print_expr(target)};"
        case ast.Touch(target):
            return f"touch {print_expr(target)};"
        case ast.Push(kind, args):
            return f"push {kind}({', '.join(map(print_expr, args))});"
        case ast.Pop(kind):
            return f"pop {kind};"
        case ast.If() | ast.While():
            return ""  # a block: whoever asks looks for these first
    assert_never(statement)


def _declaration(
    item: ast.Variable | ast.Rule | ast.Ruleset | ast.Interfaces | ast.Tag | ast.Operator
    | ast.Function | ast.Property | ast.ReadyMade | ast.Invariant | ast.Import | ast.Chain,
    indent: str,
) -> str:  # fmt: skip
    match item:
        case ast.Variable():
            return _wrap(indent + print_variable(item), item.value, indent)
        case ast.Rule(name, value):
            return f"{indent}rule {name} = {print_rule(value)};"
        case ast.Ruleset(name, rules, file):
            head = f"{indent}ruleset {name} = "
            if rules is None:
                return f"{head}load({print_string(file or '')});"
            return _list(head, "{", [print_expr(rule) for rule in rules], "};", indent)
        case ast.Interfaces(names):
            return f"{indent}iface {', '.join(names)};"
        case ast.Tag(names):
            return f"{indent}tag {', '.join(names)};"
        case ast.Operator(name, parameters, result):
            types = ", ".join(map(print_type, parameters))
            return f"{indent}op {name}({types}) -> {print_type(result)};"
        case ast.Function(name, parameters, result, body):
            typed = ", ".join(f"{print_type(type_)} {n}" for type_, n in parameters)
            return f"{indent}func {name}({typed}) -> {print_type(result)} = {print_expr(body)};"
        case ast.Property(name, expr, parameters):
            typed = ", ".join(f"{print_type(type_)} {n}" for type_, n in parameters)
            head = f"{name}({typed})" if typed else name
            return f"{indent}property {head}: {print_expr(expr)};"
        case ast.ReadyMade(name, arguments):
            given = ", ".join(map(print_expr, arguments))
            return f"{indent}property {name}({given});" if given else f"{indent}property {name};"
        case ast.Invariant(expr):
            return f"{indent}invariant {print_expr(expr)};"
        case ast.Import(file):
            return f"{indent}import {print_string(file)};"
        case ast.Chain(name, paths):
            texts = [" -> ".join(map(print_chain_node, path)) for path in paths]
            return _list(f"{indent}chain {name} = ", "", texts, ";", indent)
    assert_never(item)


def _wrap(text: str, value: ast.Expr | None, indent: str) -> str:
    """A declaration whose table is too long for a line gets a line for each of its items."""
    match value:
        case ast.SetLiteral(items):
            parts = list(map(print_expr, items))
        case ast.MapLiteral(pairs):
            parts = [print_pair(key, value) for key, value in pairs]
        case _:
            return text
    if len(text) <= WIDTH:
        return text
    before, after = text.split(print_expr(value), 1)
    return _list(before, "{", parts, "}" + after, indent)


def _list(head: str, opening: str, parts: Sequence[str], closing: str, indent: str) -> str:
    """head{part, part} on one line if it fits, else a line for each part."""
    short = f"{head}{opening}{', '.join(parts)}{closing}"
    if len(short) <= WIDTH or len(parts) < 2:
        return short
    lines = f",\n{indent}{INDENT}".join(parts)
    end = f"\n{indent}{closing}" if opening else closing
    return f"{head.rstrip() if not opening else head}{opening}\n{indent}{INDENT}{lines}{end}"
