"""The declarations and chains of the grammar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import pyparsing as pp

from nfverify.lang import ast
from nfverify.lang.elements import (
    PORT,
    Identifier,
    Node,
    Read,
    Semicolon,
    Sign,
    Tuple,
    expression_element,
    separated,
)
from nfverify.lang.expressions import RESERVED, expression, rule_literal
from nfverify.lang.heads import closed_before
from nfverify.lang.literals import integer, number, string
from nfverify.lang.source import Span
from nfverify.lang.tokens import Tokens
from nfverify.lang.types import type_


def declaration_elements(
    block: pp.ParserElement, end: pp.ParserElement
) -> dict[str, pp.ParserElement]:
    """The declarations by their heads; `block` is a block of statements."""
    name = Identifier("a name")
    names = separated(name)
    type_element = Read("a type", type_)
    return {
        "variable": Node(
            lambda type_, name, rest, span: ast.Variable(type_, name, *rest, span=span),
            type_element - name - Read("the rest", _variable_rest) - end,
        ),
        "rule": Node(
            ast.Rule, Sign("rule") - name - assign("the rule's name") - Read("a rule", _rule) - end
        ),
        "ruleset": Node(
            lambda name, value, span: ast.Ruleset(name, *value, span=span),
            Sign("ruleset") - name - assign("the ruleset's name") - Read("rules", _rules) - end,
        ),
        "iface": Node(ast.Interfaces, Sign("iface") - separated(Identifier(PORT)) - end),
        "tag": Node(ast.Tag, Sign("tag") - names - end),
        "op": Node(
            ast.Operator,
            Sign("op") - name - Sign("(", "after the operator's name")
            - Read("types", _types) - Sign("->", "and the type of the result") - type_element - end,
        ),
        "func": Node(
            ast.Function,
            Sign("func") - name - Sign("(", "after the function's name")
            - Read("parameters", _parameters) - Sign("->", "and the type of the result")
            - type_element - assign("the type") - expression_element() - end,
        ),
        "init": Node(ast.Init, Sign("init") - block),
        "every": Node(ast.Every, Sign("every") - Read("a duration", duration) - block),
        "property": Node(
            lambda name, rest, span: rest(name, span),
            Sign("property") - name - Read("what it promises", _promise) - end,
        ),
        "invariant": Node(
            ast.Invariant, Sign("invariant") - expression_element("property") - end
        ),
    }  # fmt: skip


def chain_element(end: Semicolon) -> pp.ParserElement:
    """chain NAME = a -> b, a.port -> c;"""
    node = Read("an NF of the chain", _chain_node)
    path = Tuple(node - pp.ZeroOrMore(Sign("->") - node))
    return Node(
        ast.Chain,
        Sign("chain") - Identifier("the chain's name") - assign("the chain's name")
        - Tuple(path - pp.ZeroOrMore(Sign(",") - path)) - end,
    )  # fmt: skip


def assign(after: str) -> pp.ParserElement:
    """`=` or `:=` in a declaration; gives no value."""

    def read(tokens: Tokens, at: int) -> tuple[None, int]:
        if tokens.texts[at] not in ("=", ":="):
            raise tokens.fault(at, f"expected `=` after {after}, found {tokens.found(at)}")
        return None, at + 1

    return pp.Suppress(Read("`=`", read))


def duration(tokens: Tokens, at: int) -> tuple[ast.Number, int]:
    """10ms, or a bare number of nanoseconds."""
    if tokens[at] != "n":
        raise tokens.fault(at, f"expected a duration, found {tokens.found(at)}", "for example 10ms")
    return number(tokens, at), at + 1


def file_name(tokens: Tokens, at: int) -> tuple[str, int]:
    """A string that names a file."""
    return string(tokens, at).value, at + 1


def _name(tokens: Tokens, at: int, what: str) -> tuple[str, int]:
    text = tokens.texts[at]
    if tokens[at] != "w":
        raise tokens.fault(at, f"expected {what}, found {tokens.found(at)}")
    if text in RESERVED or text == "in":
        raise tokens.fault(at, f"`{text}` is a reserved word, not {what}")
    return text, at + 1


class _Rest(NamedTuple):
    """What follows a variable's name, in the order of ast.Variable."""

    granularity: tuple[str, ...]
    value: ast.Expr | None
    timeout: ast.Number | None
    capacity: int | None
    overflow: Literal["reject", "evict oldest"] | None


def _variable_rest(tokens: Tokens, at: int) -> tuple[_Rest, int]:
    """<fields>, = value, timeout, max and overflow policy, each at most once, the last four in any
    order."""
    texts = tokens.texts
    granularity: tuple[str, ...] = ()
    value: ast.Expr | None = None
    timeout: ast.Number | None = None
    capacity: int | None = None
    overflow: Literal["reject", "evict oldest"] | None = None
    valued = False  # `>=` after the fields is `>` and `=`
    if texts[at] == "<":
        granularity, at, valued = _granularity(tokens, at + 1)
        if valued:
            value, at = expression(tokens, at)
    while True:
        text = texts[at]
        if text in ("=", ":=") and value is None:
            value, at = expression(tokens, at + 1)
        elif text == "timeout" and timeout is None:
            timeout, at = duration(tokens, at + 1)
        elif text == "max" and capacity is None:
            capacity, at = integer(tokens, at + 1), at + 2
        elif text == "reject" and overflow is None:
            overflow, at = "reject", at + 1
        elif text == "evict" and overflow is None:
            if texts[at + 1] != "oldest":
                raise tokens.fault(
                    at + 1, f"expected `oldest` after `evict`, found {tokens.found(at + 1)}"
                )
            overflow, at = "evict oldest", at + 2
        elif text == ",":
            raise tokens.fault(
                at, "one declaration declares one variable", "write a `;` and the type again"
            )
        elif text == "(":
            raise tokens.fault(at, "expected `;` or `=` after the name, found `(`",
                               "functions are declared with `func` or `op`")  # fmt: skip
        else:
            return _Rest(granularity, value, timeout, capacity, overflow), at


def _granularity(tokens: Tokens, at: int) -> tuple[tuple[str, ...], int, bool]:
    """sip, dip> from behind the `<`; whether the end was `>=`."""
    fields: list[str] = []
    while True:
        field, at = _name(tokens, at, "a field of the granularity")
        fields.append(field)
        match tokens.texts[at]:
            case ",":
                at += 1
            case ">":
                return tuple(fields), at + 1, False
            case ">=":
                return tuple(fields), at + 1, True
            case _:
                raise tokens.fault(
                    at, f"expected `,` or `>` in the granularity, found {tokens.found(at)}"
                )


def _rule(tokens: Tokens, at: int) -> tuple[ast.RuleLiteral, int]:
    """A rule, in parentheses or not."""
    if tokens.texts[at] != "(":
        return rule_literal(tokens, at)
    rule, after = rule_literal(tokens, at + 1)
    if tokens.texts[after] != ")":
        raise tokens.fault(after, f"expected `)` after the rule, found {tokens.found(after)}")
    return rule, after + 1


def _rules(
    tokens: Tokens, at: int
) -> tuple[tuple[tuple[ast.RuleLiteral | ast.Name, ...] | None, str | None], int]:
    """load("file.csv"), or {rule, rule, …} of names and rules."""
    texts = tokens.texts
    if texts[at] == "load" and texts[at + 1] == "(":
        file, after = file_name(tokens, at + 2)
        if texts[after] != ")":
            raise tokens.fault(
                after, f"expected `)` after the file's name, found {tokens.found(after)}"
            )
        return (None, file), after + 1
    if texts[at] != "{":
        hint = 'write `{rule, rule}` or `load("rules.csv")`'
        raise tokens.fault(at, f"expected the rules, found {tokens.found(at)}", hint)
    rules: list[ast.RuleLiteral | ast.Name] = []
    at += 1
    while texts[at] != "}":
        if texts[at] == "(":
            rule, at = _rule(tokens, at)
            rules.append(rule)
        elif texts[at + 1] == ":":
            rule, after = rule_literal(tokens, at)
            if len(rule.fields) > 1:
                raise tokens.fault(
                    at, "one rule with several tests, or several rules?",
                    "write (sip:…, dport:…) for one rule, (sip:…), (dport:…) for two",
                )  # fmt: skip
            rules.append(rule)
            at = after
        else:
            name, after = _name(tokens, at, "a rule or its name")
            rules.append(ast.Name(name, span=tokens.span(at, after)))
            at = after
        if texts[at] == ",":
            at += 1
        elif texts[at] != "}":
            raise tokens.fault(at, f"expected `,` or `}}` after the rule, found {tokens.found(at)}")
    return (tuple(rules), None), at + 1


_Promise = Callable[[str, Span], ast.Property | ast.ReadyMade]


def _promise(tokens: Tokens, at: int) -> tuple[_Promise, int]:
    """(T x, …): expr  or  : expr  or the arguments of a ready-made property, if it has any."""
    parameters: tuple[tuple[ast.Type, str], ...] = ()
    if tokens.texts[at] == "(" and closed_before(tokens, at, ":"):
        parameters, at = _parameters(tokens, at + 1)
    if tokens.texts[at] == ":":
        expr, at = expression(tokens, at + 1, "property")
        return lambda name, span: ast.Property(name, expr, parameters, span=span), at
    if tokens.texts[at] not in ("(", ";", "}"):
        found = tokens.found(at)
        raise tokens.fault(at, f"expected `:` after the property's name, found {found}")
    arguments: list[ast.Expr] = []
    if tokens.texts[at] == "(":
        at += 1
        while tokens.texts[at] != ")":
            argument, at = expression(tokens, at)
            arguments.append(argument)
            at = _comma(tokens, at, "the argument")
        at += 1
    return lambda name, span: ast.ReadyMade(name, tuple(arguments), span=span), at


def _types(tokens: Tokens, at: int) -> tuple[tuple[ast.Type, ...], int]:
    """T, …) from behind the parenthesis."""
    types: list[ast.Type] = []
    while tokens.texts[at] != ")":
        item, at = type_(tokens, at)
        types.append(item)
        at = _comma(tokens, at, "the type")
    return tuple(types), at + 1


def _parameters(tokens: Tokens, at: int) -> tuple[tuple[tuple[ast.Type, str], ...], int]:
    """T name, …) from behind the parenthesis."""
    parameters: list[tuple[ast.Type, str]] = []
    while tokens.texts[at] != ")":
        item, at = type_(tokens, at)
        name, at = _name(tokens, at, "the parameter's name")
        parameters.append((item, name))
        at = _comma(tokens, at, "the parameter")
    return tuple(parameters), at + 1


def _comma(tokens: Tokens, at: int, after: str) -> int:
    if tokens.texts[at] == "," and tokens.texts[at + 1] != ")":
        return at + 1
    if tokens.texts[at] != ")":
        raise tokens.fault(at, f"expected `,` or `)` after {after}, found {tokens.found(at)}")
    return at


def _chain_node(tokens: Tokens, at: int) -> tuple[ast.ChainNode, int]:
    """NAME(overrides).port as ALIAS, the last two in either order."""
    texts = tokens.texts
    first = at
    name, at = _name(tokens, at, "the name of an NF")
    overrides: list[tuple[str, ast.Expr]] = []
    if texts[at] == "(":
        at += 1
        while texts[at] != ")":
            key, at = _name(tokens, at, "the name of a configuration variable")
            if texts[at] not in ("=", ":="):
                raise tokens.fault(at, f"expected `=` after `{key}`, found {tokens.found(at)}")
            value, at = expression(tokens, at + 1)
            overrides.append((key, value))
            at = _comma(tokens, at, "the value")
        at += 1
    alias: str | None = None
    port: str | None = None
    while True:
        if texts[at] == "as" and alias is None:
            alias, at = _name(tokens, at + 1, "the name of the instance")
        elif texts[at] == "." and port is None:
            if tokens[at + 1] not in "wn":
                raise tokens.fault(at + 1, f"expected a port, found {tokens.found(at + 1)}")
            port, at = texts[at + 1], at + 2
        else:
            span: Span = tokens.span(first, at)
            return ast.ChainNode(name, tuple(overrides), alias, port, span=span), at
