"""Names and what they stand for, while one program is lowered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nfverify.lang import ast
from nfverify.lang.files import DISK, Files
from nfverify.lang.source import Source, Span
from nfverify.packet.fields import FIELDS, PROTOCOL_BITS
from nfverify.smat import ir
from nfverify.smat.report import Failed, Report, did_you_mean
from nfverify.smat.ruleset import Ruleset
from nfverify.smat.types import Type
from nfverify.smat.values import Value

MAX_DEPTH = 100  # of nested expressions
MAX_NODES = 1_000_000  # of one lowered program; a map of flows nested in itself grows sevenfold

BUILTIN_CALLS = (
    *("hash", "PatternMatch", "Encrypt", "Decrypt", "NAT", "reverse", "timer", "load"),
    *("int", "bool", "IP", "IP6", "MAC", "port", "time"),
)
RESERVED = frozenset({"f", "f_dmy", "now", "dropped", "output", "true", "false", "in", "not"})

Mode = Literal["action", "match", "init", "property", "invariant", "constant"]


@dataclass(slots=True)
class Variable:
    """A declared variable: configuration (`value`), or state or a constant table (`state`)."""

    node: ast.Variable
    type: Type
    value: Value | None = None
    state: ir.StateVar | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    node: ast.Rule


@dataclass(frozen=True, slots=True)
class Rules:
    """A ruleset; `rows` if its rules test fields that no ruleset has a column for."""

    node: ast.Ruleset
    ruleset: Ruleset | None
    rows: tuple[ast.RuleLiteral, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    number: int
    span: Span


@dataclass(frozen=True, slots=True)
class Function:
    node: ast.Function


@dataclass(frozen=True, slots=True)
class Operator:
    node: ast.Operator
    parameters: tuple[Type, ...]
    result: ir.Type


Symbol = Variable | Rule | Rules | Port | Function | Operator


@dataclass(slots=True)
class Context:
    """All that the lowering of one program carries along."""

    report: Report
    folder: Path | None  # the root that no file leaves
    ports: Mapping[str, int]
    symbols: dict[str, Symbol] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()  # declared or assigned somewhere in the file
    locals: dict[str, Value] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)  # names that no new local may have
    broken: set[str] = field(default_factory=set)  # names whose declaration is wrong
    used: set[str] = field(default_factory=set)
    tags_read: dict[str, Span] = field(default_factory=dict)
    places: Mapping[Source, str] = field(default_factory=dict)  # below the root, of each file
    files: Files = DISK
    hidden: list[ir.StateVar] = field(default_factory=list)  # pools of NAT
    mode: Mode = "action"
    depth: int = 0
    nodes: int = 0
    inlining: tuple[str, ...] = ()

    def fail(self, span: Span, code: str, message: str, hint: str = "") -> Failed:
        return self.report.fail(span, code, message, hint)

    def warn(self, span: Span, code: str, message: str, hint: str = "") -> None:
        self.report.warn(span, code, message, hint)

    def beside(self, file: str, span: Span) -> str:
        """A file named in a model, relative to the root."""
        return os.path.join(self.places.get(span.source, ""), file)

    @contextmanager
    def recovering(self, *names: str) -> Iterator[None]:
        """Errors inside end the part that is being read, not the run; it was to declare `names`."""
        depth, mode, inlining = self.depth, self.mode, self.inlining
        try:
            yield
        except Failed:
            self.depth, self.mode, self.inlining = depth, mode, inlining
            self.broken.update(names)

    @contextmanager
    def reading(self, mode: Mode) -> Iterator[None]:
        before, self.mode = self.mode, mode
        try:
            yield
        finally:
            self.mode = before

    @contextmanager
    def block(self) -> Iterator[None]:
        """The life of the `let`s inside."""
        before = dict(self.locals)
        try:
            yield
        finally:
            self.locals = before

    def fresh(self, name: str) -> str:
        """`name`, or name_2, name_3, … if it is taken; taken from now on."""
        unique, count = name, 1
        while unique in self.taken:
            count += 1
            unique = f"{name}_{count}"
        self.taken.add(unique)
        return unique

    def charge(self, root: ir.Expr | ir.Stmt, span: Span) -> None:
        """Count the nodes of a finished expression; too many are an error."""
        for _ in ir.walk((root,)):
            self.nodes += 1
            if self.nodes > MAX_NODES:
                message = "the program grows too large here when it is written out"
                raise self.fail(span, "too-large", message, "name parts of it by `let`")

    def unknown(self, span: Span, name: str) -> Failed:
        """No such name: say what was meant, or what to write for a field."""
        if name in self.broken:
            return Failed()
        hint = ""
        if name in FIELDS or name in PROTOCOL_BITS:
            suggestion = f"; did you mean `f[{name}]`?"
        else:
            known = {*self.symbols, *self.locals, "f", "now"}
            suggestion = did_you_mean(name, known)
        return self.fail(span, "unknown-name", f"unknown name `{name}`{suggestion}", hint)


def check_field(cx: Context, node: ast.FieldRef, assigned: bool) -> None:
    """Is `node.name`, which is no field, a tag or a misspelt field (decision 2)?"""
    name = node.name
    if assigned or name in cx.tags:
        return
    near = nearest_field(name)
    if near is not None:
        hint = f"for a tag of that name write `tag {name};`"
        message = f"unknown field `{name}`; did you mean `{near}`?"
        raise cx.fail(node.span, "unknown-field", message, hint)


def nearest_field(name: str) -> str | None:
    """The field within edit distance 2 of a name, the nearest; None if there is none."""
    if len(name) > 40:
        return None
    ranked = sorted((edit_distance(name, known), known) for known in (*FIELDS, *PROTOCOL_BITS))
    distance, field_ = ranked[0]
    return field_ if distance <= min(2, len(name) - 1) else None


def edit_distance(a: str, b: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if last and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
