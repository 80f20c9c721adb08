"""Rewriting of IR: every expression, output, entry and statement, from the leaves up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from random import Random
from typing import Any

from nfverify.smat import ir

Change = Callable[[Any], Any]
_LEAVES = frozenset({"span", "type", "value", "ruleset", "name", "op", "var", "index", "bound"})
"""Attributes of the same name hold no nodes, but for `value`, which does in Let, SetField, …"""


def rewrite(node: Any, change: Change) -> Any:
    """`node` with `change` applied to each part; a statement may become a list of statements."""
    if isinstance(node, tuple):
        out: list[Any] = []
        for part in node:
            new = rewrite(part, change)
            out.extend(new) if isinstance(new, list) else out.append(new)
        return tuple(out)
    if not isinstance(node, ir.Node | ir.Ports | ir.Delay | ir.Drop | ir.Forward | ir.Resubmit):
        return node
    parts = {}
    for attribute in fields(node):
        old = getattr(node, attribute.name)
        if attribute.name in _LEAVES and not isinstance(old, ir.Node):
            continue
        new = rewrite(old, change)
        if new is not old:
            parts[attribute.name] = new
    return change(replace(node, **parts) if parts else node)


def rewrite_program(program: ir.Program, change: Change) -> ir.Program:
    """The program with its body and `init` rewritten; its declarations stay."""
    return replace(program, init=rewrite(program.init, change), body=rewrite(program.body, change))


def rewrite_one(
    program: ir.Program, rng: Random, fits: Callable[[Any], bool], change: Change
) -> ir.Program | None:
    """As `rewrite_program`, of one node only, chosen from those that fit; None if none does."""
    count = 0

    def tally(node: Any) -> Any:
        nonlocal count
        count += fits(node)
        return node

    rewrite_program(program, tally)
    if not count:
        return None
    chosen, seen = rng.randrange(count), -1

    def visit(node: Any) -> Any:
        nonlocal seen
        if fits(node):
            seen += 1
            if seen == chosen:
                return change(node)
        return node

    return rewrite_program(program, visit)
