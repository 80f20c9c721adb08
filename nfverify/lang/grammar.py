"""The grammar of .nfd files in pyparsing, over tokens (see tokens, elements)."""

from __future__ import annotations

from functools import cache
from typing import get_args

import pyparsing as pp

from nfverify.lang import ast
from nfverify.lang.declarations import assign, chain_element, declaration_elements, file_name
from nfverify.lang.elements import (
    Cases,
    Chained,
    Identifier,
    Nested,
    Node,
    Read,
    Repeat,
    Semicolon,
    Sign,
    expression_element,
    separated,
)
from nfverify.lang.expressions import expression
from nfverify.lang.faults import did_you_mean
from nfverify.lang.heads import block_head, file_head, program_head, statement_head
from nfverify.lang.literals import integer
from nfverify.lang.source import Span
from nfverify.lang.tokens import Tokens

VERSION = 1
HEADERS = get_args(ast.HeaderKind)


def _version(tokens: Tokens, at: int) -> tuple[int | None, int]:
    """nfd 1; if the file begins so."""
    if tokens.texts[at] != "nfd" or tokens[at + 1] != "n":
        return None, at
    version = integer(tokens, at + 1)
    if version != VERSION:
        wanted, found = f"version {VERSION} of the language", tokens.texts[at + 1]
        raise tokens.fault(at + 1, f"this nfverify reads {wanted}, not {found}")
    if tokens.texts[at + 2] != ";":
        raise tokens.fault(at + 2, f"expected `;` after the version, found {tokens.found(at + 2)}")
    return version, at + 3


def _simple(tokens: Tokens, at: int) -> tuple[ast.Statement, int]:
    """target = value, target++, target-- or a bare expression."""
    target, after = expression(tokens, at)
    match tokens.texts[after]:
        case "=" | ":=":
            value, after = expression(tokens, after + 1)
            return ast.Assign(target, value, span=tokens.span(at, after)), after
        case "++" | "--" as sign:
            one = ast.Number(1, span=tokens.span(after, after + 1))
            span = tokens.span(at, after + 1)
            op: ast.BinaryOp = "+" if sign == "++" else "-"
            value = ast.Binary(op, target, one, span=span)
            return ast.Assign(target, value, span=span), after + 1
    return ast.ExprStatement(target, span=tokens.span(at, after)), after


def _while_bound(tokens: Tokens, at: int) -> tuple[int, int]:
    if tokens.texts[at] != "bound":
        raise tokens.fault(
            at, f"expected `bound` and a number after the condition, found {tokens.found(at)}",
            "a loop needs a bound: write `while (condition) bound 16 { … }`",
        )  # fmt: skip
    bound = integer(tokens, at + 1)
    return bound, at + 3 if tokens.texts[at + 2] == "then" else at + 2


def _block_kind(tokens: Tokens, at: int) -> tuple[str, int]:
    """flow or state."""
    return tokens.texts[at].split("_")[1], at + 1


def _match_condition(tokens: Tokens, at: int) -> tuple[ast.Expr | None, int]:
    """The condition of a match block up to its brace; empty and * are true."""
    condition = None
    if tokens.texts[at] == "*" and tokens.texts[at + 1] in (";", "}"):
        at += 1
    elif tokens.texts[at] not in (";", "}"):
        condition, at = expression(tokens, at, "match")
    if tokens.texts[at] == ";":
        at += 1
    if tokens.texts[at] != "}":
        hint = "join conditions with `&&`" if tokens[at] != "o" or tokens.texts[at] == "," else ""
        raise tokens.fault(at, f"expected `}}` after the condition, found {tokens.found(at)}", hint)
    return condition, at


def _header(tokens: Tokens, at: int) -> tuple[str, int]:
    """vlan, ipip or vxlan."""
    text = tokens.texts[at]
    if text in HEADERS:
        return text, at + 1
    suggestion = did_you_mean(text, HEADERS) if tokens[at] == "w" else ""
    hint = f"headers that can be pushed and popped: {', '.join(HEADERS)}"
    raise tokens.fault(at, f"expected a header, found {tokens.found(at)}{suggestion}", hint)


def _if(
    condition: ast.Expr,
    then: tuple[ast.Statement, ...],
    others: tuple[tuple[ast.Expr, tuple[ast.Statement, ...], Span], ...],
    last: tuple[ast.Statement, ...],
    *,
    span: Span,
) -> ast.If:
    for test, body, place in reversed(others):
        last = (ast.If(test, body, last, span=place.to(span)),)
    return ast.If(condition, then, last, span=span)


def _statements() -> tuple[dict[str, pp.ParserElement], pp.ParserElement]:
    """The statements by their heads, and a block of them."""
    end = Semicolon("the statement", last_optional=True)
    name = Identifier("a name")
    expr = expression_element()
    statement = pp.Forward()
    block = Sign("{") - Nested(Repeat(statement)) - Sign("}", "at the end of the block")
    condition = Sign("(", "and a condition") - expr - Sign(")", "after the condition")
    otherwise = Sign("else") + Node(
        lambda test, body, span: (test, body, span), Sign("if") - condition - block
    )
    statements: dict[str, pp.ParserElement] = {
        "pass": Node(ast.Pass, Sign("pass") - end),
        "drop": Node(ast.Drop, Sign("drop") - end),
        "resubmit": Node(ast.Resubmit, Sign("resubmit") - end),
        "let": Node(ast.Let, Sign("let") - name - assign("the name") - expr - end),
        "choose": Node(
            ast.Choose,
            Sign("choose") - name - Sign("in", "and a range")
            - expr - Sign("..", "and the upper bound") - expr
            - pp.Opt(Sign("where") - expr, default=None) - end,
        ),
        "delete": Node(ast.Delete, Sign("delete") - expr - end),
        "touch": Node(ast.Touch, Sign("touch") - expr - end),
        "push": Node(
            ast.Push,
            Sign("push") - Read("a header", _header)
            - Sign("(", "and the header's values") - separated(expr)
            - Sign(")", "after the header's values") - end,
        ),
        "pop": Node(ast.Pop, Sign("pop") - Read("a header", _header) - end),
        "if": Node(
            _if,
            Sign("if") - condition - block - Chained(otherwise)
            - pp.Opt(Sign("else") - block, default=()),
        ),
        "while": Node(
            ast.While,
            Sign("while") - condition - Read("`bound` and a number", _while_bound) - block,
        ),
        "simple": Read("a statement", _simple) - end,
    }  # fmt: skip
    statement <<= Cases(statements, statement_head)
    return statements, block


@cache
def grammar() -> pp.ParserElement:
    """The grammar of a file; built at the first use."""
    end = Semicolon("the declaration")
    statements, block = _statements()
    declarations = declaration_elements(block, end)
    entry_block = Cases(
        {
            "match": Node(
                ast.MatchBlock,
                Read("a block", _block_kind)
                - Sign("{") - Read("a condition", _match_condition) - Sign("}"),
            ),
            "action": Node(
                ast.ActionBlock,
                Read("a block", _block_kind)
                - block,
            ),
        },
        lambda tokens, at: block_head(tokens, at).split("_")[0],
    )  # fmt: skip
    entry = Node(
        lambda name, blocks, span: ast.Entry(blocks, name, span=span),
        Sign("entry") - pp.Opt(Identifier("a name"), default=None)
        - Sign("{", "of the entry") - Repeat(entry_block) - Sign("}"),
    )  # fmt: skip
    program = Node(
        ast.Program,
        Sign("program") - Identifier("the program's name") - Sign("{", "after the program's name")
        - Repeat(Cases({**statements, **declarations, "entry": entry}, program_head)) - Sign("}"),
    )  # fmt: skip
    top = {
        **declarations,
        "program": program,
        "chain": chain_element(end),
        "import": Node(ast.Import, Sign("import") - Read("a file name", file_name) - end),
    }
    return Node(
        lambda version, items, span: ast.File(items, version, span=span),
        Read("a version", _version) + Repeat(Cases(top, file_head)),
    ).streamline()
