"""Claims on the state of one side as lines of its model, and models with such lines pasted in."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nfverify.equivalence.problem import Side
from nfverify.equivalence.relation import Candidate
from nfverify.lang.files import DISK, Files
from nfverify.lang.source import Span
from nfverify.packet.fields import FIELDS, FLOW_FIELDS
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr
from nfverify.smat.unparse import Printer, printer
from nfverify.smat.values import Misfit

# Fields that stand for all values of a key, the likeliest first.
_STAND_INS = (*FLOW_FIELDS, "smac", "dmac", "seq", "ack_no", *FIELDS)


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the program that `program` is the place of: it belongs before its last brace."""

    text: str
    program: Span


def model_line(side: Side, candidate: Candidate) -> Line | None:
    """The claim as an `invariant` of the one program that it is about; None if there isn't one, or
    the language has no words for it."""
    for instance in side.network.instances:
        own = {side.qualify(instance.name, v.name): v.name for v in instance.program.state}
        if candidate.variables <= own.keys():
            expr = _in_fields(candidate, own)
            if expr is None:
                return None
            try:
                text = printer(instance.program).text(expr)
            except Misfit:
                return None
            return Line(f"invariant {text};", instance.program.span)
    return None


def pair_text(candidate: Candidate, variables: Mapping[str, ir.StateVar]) -> str | None:
    """The claim as `--invariant` takes it; None if the language has no words for it."""
    expr = _in_fields(candidate, {name: name for name in candidate.variables})
    if expr is None:
        return None
    try:
        return Printer(state=dict(variables)).text(expr)
    except Misfit:
        return None


def _in_fields(candidate: Candidate, names: Mapping[str, str]) -> ir.Expr | None:
    """With variables by these names, and packet fields for the keys."""
    fields: dict[str, ir.Expr] = {}
    taken: set[str] = set()
    for number, type_ in enumerate(candidate.keys):
        found = next(
            (n for n in _STAND_INS if n not in taken and _fits(ir.field_type(n), type_)), None
        )
        if found is None:
            return None
        taken.add(found)
        field = ir.Field(found)
        fields[f"k{number}"] = field if field.type == type_ else ir.Cast(field, type_)

    def change(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Local(name=name):
                return fields[name]
            case ir.Read(var=var):
                return replace(node, var=names[var])
            case ir.Has(var=var):
                return replace(node, var=names[var])
            case _:
                return node

    return mapped_expr(candidate.expr, change)


def _fits(field: ir.Type, key: ir.Type) -> bool:
    """Does every value of the key's type stand in the field?"""
    if not (isinstance(field, ir.Bits) and isinstance(key, ir.Bits)):
        return field == key
    return field.width == key.width


@dataclass(frozen=True, slots=True)
class Pasted:
    """Files, with lines put into some programs."""

    lines: tuple[Line, ...]
    files: Files = DISK

    def is_file(self, path: Path) -> bool:
        return self.files.is_file(path)

    def names(self, folder: Path, suffix: str) -> list[str]:
        return self.files.names(folder, suffix)

    def read(self, path: Path, limit: int) -> bytes:
        data = self.files.read(path, limit)
        here = [line for line in self.lines if _same(line.program, path)]
        if not here:
            return data
        text = data.removeprefix(codecs.BOM_UTF8).decode()
        # From the end on, so that places before stay.
        for program in sorted({line.program.end: line.program for line in here}.items())[::-1]:
            text = pasted(text, program[1], [x.text for x in here if x.program == program[1]])
        return text.encode()


def pasted(text: str, program: Span, lines: Sequence[str]) -> str:
    """The text with lines before the last brace of a program."""
    brace = text.rindex("}", program.start, program.end)
    more = "".join(f"    {line}\n" for line in lines)
    return f"{text[:brace].rstrip(' ')}\n{more}{text[brace:]}"


def _same(span: Span, path: Path) -> bool:
    return Path(span.source.name).resolve() == path.resolve()
