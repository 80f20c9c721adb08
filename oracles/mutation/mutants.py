"""Every first-order mutant of a network: one change of one operator at one place of one program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nfverify.lang.source import Span
from nfverify.oracles.mutation.operators import (
    expression_changes,
    nothing,
    statement_changes,
    with_keys,
)
from nfverify.oracles.mutation.rules import ruleset_changes
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir
from nfverify.smat.rebuild import Part, mapped, with_parts
from nfverify.smat.unparse import Printer, printer
from nfverify.smat.values import Misfit

_SIZED = re.compile(r"bit\d+\((.*)\)")  # what a literal by itself is written as
MAX_TEXT = 80  # characters of each half of a mutant's description


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: what stood there (None: nothing), and what stands there now (None: nothing)."""

    operator: str
    before: Part | str
    after: Part | str | None
    span: Span
    entry: str = ""  # the entry around it, if there is one


@dataclass(frozen=True, slots=True)
class Mutant:
    """A network with one change. `instance` is the first that runs the changed program."""

    number: int
    operator: str
    instance: str
    entry: str
    text: str
    span: Span
    network: ir.Network

    @property
    def at(self) -> str:
        """Its place in the text, with the bare name of the file; "" without a text."""
        if not self.span.source.text:
            return ""
        name = re.split(r"[/\\]", self.span.source.name)[-1]
        return f"{name}:{self.span.line}:{self.span.column}"


def mutants(network: ir.Network) -> Iterator[Mutant]:
    """All of them, in textual order; programs that several instances run change in all of them."""
    number = 0
    for program in dict.fromkeys(instance.program for instance in network.instances):
        first = next(i.name for i in network.instances if i.program == program)
        words = printer(program, network.ports)
        for edit, changed in program_edits(program):
            number += 1
            instances = tuple(
                replace(i, program=changed) if i.program == program else i
                for i in network.instances
            )
            yield Mutant(
                number,
                edit.operator,
                first,
                edit.entry,
                describe(edit, words),
                edit.span,
                replace(network, instances=instances),
            )


def program_edits(program: ir.Program) -> Iterator[tuple[Edit, ir.Program]]:
    """The changes of a program's state, `init` and body."""
    bare = replace(program, invariants=(), properties=())
    for i, variable in enumerate(program.state):
        for edit, new in _variable_edits(variable):
            state = (*program.state[:i], new, *program.state[i + 1 :])
            yield edit, replace(bare, state=state)
    for variable in program.state:
        if not variable.constant:
            yield from _keyed_by_less(bare, variable)
    for edit, ruleset, other in ruleset_edits(program):
        body = tuple(_with_ruleset(s, ruleset, other) for s in program.body)
        init = tuple(_with_ruleset(s, ruleset, other) for s in program.init)
        yield edit, replace(bare, body=body, init=init)
    for edit, init in _body_edits(program.init):
        yield edit, replace(bare, init=init)
    for edit, body in _body_edits(program.body):
        yield edit, replace(bare, body=body)


# State ------------------------------------------------------------------------------------


def _variable_edits(variable: ir.StateVar) -> Iterator[tuple[Edit, ir.StateVar]]:
    name, span = variable.name, variable.span
    if not variable.constant and not variable.entries and variable.kind in ("plain", "granular"):
        for i, (value, type_) in enumerate(zip(variable.default, variable.values, strict=True)):
            if isinstance(value, bytes):
                continue
            around: Sequence[ir.Value] = (not value,)
            if isinstance(type_, ir.Bits):
                around = [ir.wrap(value + n, type_) for n in (1, -1)]
            for other in dict.fromkeys(around):
                default = (*variable.default[:i], other, *variable.default[i + 1 :])
                edit = Edit("initial", f"{name} = {value!r}", f"{name} = {other!r}", span)
                yield edit, replace(variable, default=default)
    for n in (1, -1):
        timeout, capacity = variable.timeout, variable.capacity
        if timeout is not None and timeout + n > 0:
            edit = Edit("limit", f"{name}: timeout {timeout}", f"{timeout + n}", span)
            yield edit, replace(variable, timeout=timeout + n)
        if capacity is not None and capacity + n > 0:
            edit = Edit("limit", f"{name}: max {capacity}", f"{capacity + n}", span)
            yield edit, replace(variable, capacity=capacity + n)


def _keyed_by_less(program: ir.Program, variable: ir.StateVar) -> Iterator[tuple[Edit, ir.Program]]:
    """One part of the key of a variable left out wherever it is used."""
    for i, type_ in enumerate(variable.keys):
        if len(variable.keys) == 1:
            continue  # the places one by one say the same

        def forget(node: Part, index: int = i) -> Part:
            match node:
                case ir.Read() | ir.Has() | ir.Write() | ir.Delete() | ir.Touch():
                    if node.var == variable.name:
                        keys = list(node.keys)
                        keys[index] = nothing(keys[index])
                        return with_keys(node, tuple(keys))
            return node

        body = tuple(mapped(s, forget) for s in program.body)
        init = tuple(mapped(s, forget) for s in program.init)
        if body != program.body:
            what = type_.shown if isinstance(type_, ir.Bits) else "part"
            text = f"{variable.name} keyed without part {i + 1} ({what})"
            edit = Edit("key-part", f"{variable.name} keyed by all", text, variable.span)
            yield edit, replace(program, init=init, body=body)  # type: ignore[arg-type]


# Rulesets ---------------------------------------------------------------------------------


def ruleset_edits(program: ir.Program) -> Iterator[tuple[Edit, ir.Match, ir.Match]]:
    """For each ruleset of a program its changes: a Match by it, and one by the changed ruleset."""
    found: dict[str, ir.Match] = {}
    for node in ir.walk(program.init + program.body):
        if isinstance(node, ir.Match):
            found.setdefault(node.ruleset.digest, node)
    for match_ in found.values():
        for operator, text, other in ruleset_changes(match_.ruleset):
            edit = Edit(operator, match_.ruleset.name or "ruleset", text, match_.span)
            yield edit, match_, replace(match_, ruleset=other)


def _with_ruleset(statement: ir.Stmt, old: ir.Match, new: ir.Match) -> ir.Stmt:
    def change(node: Part) -> Part:
        if isinstance(node, ir.Match) and node.ruleset == old.ruleset:
            return replace(node, ruleset=new.ruleset)
        return node

    return mapped(statement, change)  # type: ignore[return-value]  # a statement stays one


# Expressions and statements ---------------------------------------------------------------


def _expression_edits(node: ir.Expr) -> Iterator[tuple[Edit, ir.Expr]]:
    """The changes of an expression and of all its parts."""
    for operator, after in expression_changes(node):
        yield Edit(operator, node, after, node.span), after
    parts = ir.children(node)
    for i, part in enumerate(parts):
        for edit, new in _expression_edits(part):  # type: ignore[arg-type]  # of an expression
            yield edit, with_parts(node, (*parts[:i], new, *parts[i + 1 :]))  # type: ignore[misc]


def _body_edits(body: tuple[ir.Stmt, ...]) -> Iterator[tuple[Edit, tuple[ir.Stmt, ...]]]:
    for i, statement in enumerate(body):
        before, after = body[:i], body[i + 1 :]
        if not isinstance(statement, ir.Let | ir.Choose | ir.Table | ir.If | ir.While):
            yield Edit("action", statement, None, statement.span), before + after
        for edit, new in _statement_edits(statement):
            yield edit, (*before, new, *after)


def _statement_edits(node: ir.Stmt) -> Iterator[tuple[Edit, ir.Stmt]]:
    for operator, after in statement_changes(node):
        yield Edit(operator, node, after, node.span), after
    match node:
        case ir.Table(entries=entries):
            for edit, changed in _table_edits(entries):
                yield edit, replace(node, entries=changed)
        case ir.If():
            for edit, test in _expression_edits(node.condition):
                yield edit, replace(node, condition=test)
            for edit, body in _body_edits(node.then):
                yield edit, replace(node, then=body)
            for edit, body in _body_edits(node.otherwise):
                yield edit, replace(node, otherwise=body)
        case ir.While():
            for edit, test in _expression_edits(node.condition):
                yield edit, replace(node, condition=test)
            for edit, body in _body_edits(node.body):
                yield edit, replace(node, body=body)
        case _:
            parts = ir.children(node)
            for i, part in enumerate(parts):
                for edit, new in _expression_edits(part):  # type: ignore[arg-type]
                    yield edit, with_parts(node, (*parts[:i], new, *parts[i + 1 :]))  # type: ignore[misc]


def _table_edits(entries: tuple[ir.Entry, ...]) -> Iterator[tuple[Edit, tuple[ir.Entry, ...]]]:
    for i, entry in enumerate(entries):
        title = entry_title(entry, i + 1)
        before, after = entries[:i], entries[i + 1 :]
        named = f"entry {title}"
        yield Edit("entry", named, None, entry.span, title), before + after
        if i:
            swapped = (*entries[: i - 1], entry, entries[i - 1], *after)
            text = f"before {entry_title(entries[i - 1], i)}"
            yield Edit("entry-order", named, text, entry.span, title), swapped
        for edit, new in _entry_edits(entry):
            yield replace(edit, entry=title), (*before, new, *after)


def _entry_edits(entry: ir.Entry) -> Iterator[tuple[Edit, ir.Entry]]:
    flow, state = entry.match_flow, entry.match_state
    if flow or state:
        guard = entry.guard
        opposite = ir.Not(guard, span=entry.span)
        negated = replace(entry, match_flow=(), match_state=(opposite,))
        yield Edit("guard", guard, opposite, entry.span), negated
    for i, conjunct in enumerate(flow):
        yield (
            Edit("atom", conjunct, None, conjunct.span),
            replace(entry, match_flow=flow[:i] + flow[i + 1 :]),
        )
        for edit, new in _expression_edits(conjunct):
            yield edit, replace(entry, match_flow=(*flow[:i], new, *flow[i + 1 :]))
    for i, conjunct in enumerate(state):
        yield (
            Edit("atom", conjunct, None, conjunct.span),
            replace(entry, match_state=state[:i] + state[i + 1 :]),
        )
        for edit, new in _expression_edits(conjunct):
            yield edit, replace(entry, match_state=(*state[:i], new, *state[i + 1 :]))
    for edit, body in _body_edits(entry.body):
        yield edit, replace(entry, body=body)


# Words ------------------------------------------------------------------------------------


def describe(edit: Edit, words: Printer) -> str:
    """The change in the models' language: `f[sport] -> f[dport]`."""
    before, after = (_text(part, words) for part in (edit.before, edit.after))
    return f"{before} -> {after}" if after else f"without {before}"


def _text(part: Part | str | None, words: Printer) -> str:
    if part is None:
        return ""
    if isinstance(part, str):
        return part
    try:
        match part:
            case ir.Entry() | ir.Table():
                text = "an entry"
            case (
                ir.SetField() | ir.SetTag() | ir.SetOutput() | ir.Write() | ir.Delete()
                | ir.Touch() | ir.Push() | ir.Pop() | ir.Let() | ir.Choose() | ir.If() | ir.While()
            ):  # fmt: skip
                text = " ".join(" ".join(words.statement(part)).split())
            case ir.Const():
                text = _SIZED.sub(r"\1", words.text(part))
            case _:
                text = words.text(part)
    except (Misfit, LookupError):  # what a change of types has no text for
        text = type(part).__name__.lower()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
