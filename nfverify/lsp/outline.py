"""The tree of what a model declares, for the editor's outline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nfverify.lang import ast
from nfverify.lang.parser import Parsed
from nfverify.lang.phrases import print_expr, print_rule, print_type
from nfverify.lang.source import Span
from nfverify.lsp.names import Names

What = Literal["program", "chain", "entry", "variable", "rule", "port", "tag", "function", "event",
               "promise"]  # fmt: skip
MAX_DETAIL = 60
MAX_SYMBOLS = 20_000


@dataclass(frozen=True, slots=True)
class Item:
    """A declaration: its whole text, its name's place in it, and what it holds."""

    what: What
    name: str
    detail: str
    start: int
    end: int
    name_start: int
    name_end: int
    inside: tuple[Item, ...] = ()


def outline(parsed: Parsed, names: Names) -> list[Item]:
    """The items of a file in the order of the text."""
    if parsed.tree is None:
        return []
    places = {id(m.node): (m.start, m.end) for m in reversed(names.mentions)
              if m.role == "declaration"}  # fmt: skip
    return [item for node in parsed.tree.items[:MAX_SYMBOLS] if (item := _item(node, places))]


def _item(node: ast.Node, places: dict[int, tuple[int, int]]) -> Item | None:
    match node:
        case ast.Program(name=name, items=items):
            inside = [i for n in items[:MAX_SYMBOLS] if (i := _item(n, places))]
            return _make("program", name, "", node, places, tuple(inside))
        case ast.Chain(name=name):
            return _make("chain", name, "", node, places)
        case ast.Entry(name=name):
            return _make("entry", f"entry {name}" if name else "entry", _match(node), node, places)
        case ast.Variable(name=name, type=type_):
            return _make("variable", name, print_type(type_), node, places)
        case ast.Rule(name=name, value=value):
            return _make("rule", name, print_rule(value), node, places)
        case ast.Ruleset(name=name, rules=rules, file=file):
            detail = file if rules is None else f"{len(rules)} rules"
            return _make("rule", name, detail or "", node, places)
        case ast.Interfaces(names=names):
            return _make("port", ", ".join(names), "iface", node, places)
        case ast.Tag(names=names):
            return _make("tag", ", ".join(names), "tag", node, places)
        case ast.Function(name=name) | ast.Operator(name=name):
            return _make("function", name, print_type(node.result), node, places)
        case ast.Init():
            return _make("event", "init", "", node, places)
        case ast.Every(period=period):
            return _make("event", f"every {print_expr(period)}", "", node, places)
        case ast.Property(name=name):
            return _make("promise", name, print_expr(node.expr), node, places)
        case ast.ReadyMade(name=name):
            return _make("promise", name, "ready-made property", node, places)
        case ast.Invariant(expr=expr):
            return _make("promise", "invariant", print_expr(expr), node, places)
        case _:
            return None


def _match(entry: ast.Entry) -> str:
    tests = [b.condition for b in entry.blocks if isinstance(b, ast.MatchBlock) and b.condition]
    return " && ".join(print_expr(test) for test in tests) or "*"


def _make(
    what: What, name: str, detail: str, node: ast.Node, places: dict[int, tuple[int, int]],
    inside: tuple[Item, ...] = (),
) -> Item:  # fmt: skip
    span: Span = node.span
    start, end = places.get(id(node), (span.start, span.start))
    if len(detail) > MAX_DETAIL:
        detail = detail[: MAX_DETAIL - 1] + "…"
    return Item(what, name or "?", detail, span.start, span.end, start, end, inside)
