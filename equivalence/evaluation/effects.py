"""What a pass does at its end, as terms, and how generated code does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nfverify.equivalence.evaluation.meaning import Meaning, to_signed, tuple_text
from nfverify.equivalence.evaluation.stores import putter
from nfverify.equivalence.state import State
from nfverify.equivalence.symbolic import Executor, Pass
from nfverify.equivalence.terms import Term
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir

Lines = Callable[[Sequence[str]], list[str]]


@dataclass(frozen=True, slots=True)
class Effect:
    """If `guard`, `lines` of the texts of `values`; nothing if these are the `original` ones."""

    guard: Term
    values: tuple[Term, ...]
    lines: Lines
    original: tuple[Term, ...] | None = None

    @property
    def roots(self) -> tuple[Term, ...]:
        return (self.guard, *self.values)


def effects_of(
    executor: Executor, before: State, packet: dict[str, Term], after: Pass, meaning: Meaning
) -> Iterator[Effect]:
    """All of a pass but its outcome; what decides most comes first."""
    true = executor.terms.true
    for fault in executor.faults:
        if fault.guard is not executor.terms.false:
            yield Effect(fault.guard, (), _constant(f"counters[{fault.counter!r}] += 1"))
    for var, log in after.state.logs.items():
        for entry in log:
            values = entry.values or ()
            lines = _map_lines(meaning, var, entry.values is None)
            yield Effect(entry.guard, (*entry.keys, *values), lines)
    for variable in meaning.program.state:
        name = variable.name
        if not variable.keys and after.state.plain[name] is not before.plain[name]:
            lines = _plain_lines(meaning, variable)
            yield Effect(true, after.state.plain[name], lines, before.plain[name])
    for name, value in after.packet.fields.items():
        if value is not packet[name]:
            assert FIELDS[name].writable
            yield Effect(true, (value,), _assignment(f"packet.{name}"), (packet[name],))
    for name, value in after.packet.tags.items():
        old = executor.terms.var(f"tag {name}", ir.INT.width)
        if value is not old:
            place = f"tags[{meaning.context.tags[name]}]"
            yield Effect(true, (value,), _assignment(place, ir.INT), (old,))


def outcome_roots(after: Pass) -> tuple[Term, ...]:
    """The terms of an outcome: failed, resubmit, delayed, delay, then guard and port of each
    copy."""
    outcome = after.outcome
    slots = [part for slot in outcome.slots for part in (slot.guard, slot.port)]
    return (after.failed, outcome.resubmit, outcome.delayed, outcome.delay, *slots)


def outcome_lines(roots: Sequence[Term], texts: Sequence[str]) -> list[str]:
    """How a pass returns: as nfverify.semantics.engine has it."""
    lines: list[str] = []
    for guard, text, result in zip(roots[:3], texts[:3], ("()", "-1", texts[3]), strict=True):
        if guard.data is True:
            return [*lines, f"return {result}"]
        if guard.data is not False:
            lines.append(f"if {text}: return {result}")
    slots = list(zip(roots[4::2], texts[4::2], texts[5::2], strict=True))
    slots = [slot for slot in slots if slot[0].data is not False]
    if all(guard.data is True for guard, _, _ in slots):
        return [*lines, f"return {tuple_text([port for _, _, port in slots])}"]
    pairs = tuple_text([f"({guard}, {port})" for _, guard, port in slots])
    return [*lines, f"return tuple([p for g, p in {pairs} if g])"]


def _constant(line: str) -> Lines:
    return lambda texts: [line]


def _assignment(target: str, type_: ir.Type = ir.BOOL) -> Lines:
    return lambda texts: [f"{target} = {to_signed(texts[0], type_)}"]


def _plain_lines(meaning: Meaning, variable: ir.StateVar) -> Lines:
    def lines(texts: Sequence[str]) -> list[str]:
        parts = [to_signed(p, t) for p, t in zip(texts, variable.values, strict=True)]
        return [f"{meaning.rows(variable.name)}[()] = {tuple_text(parts)}"]

    return lines


def _map_lines(meaning: Meaning, var: str, deletes: bool) -> Lines:
    variable, rows = meaning.variable(var), meaning.rows(var)
    count = len(variable.keys)

    def lines(texts: Sequence[str]) -> list[str]:
        key = meaning.key(var, texts[:count])
        if deletes:
            return [f"{rows}.pop({key}, None)"]
        types = (*variable.values, ir.TIME) if variable.aged else variable.values
        parts = [to_signed(p, t) for p, t in zip(texts[count:], types, strict=True)]
        if not variable.aged:
            return [f"{rows}[{key}] = {tuple_text(parts)}"]
        put = meaning.object(("put", var), lambda: putter(variable))
        return [f"{put}({rows}, {key}, {tuple_text(parts)}, now)"]

    return lines
