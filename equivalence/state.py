"""Symbolic state: plain variables as terms, maps as a base and a log of guarded writes.

Comparing whole arrays is what makes provers slow (semantics.md, "never compare whole arrays");
reads at keys are all that a proof ever needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nfverify.equivalence.terms import BYTES_WIDTH, Term, Terms
from nfverify.lang.source import Span
from nfverify.smat import ir

MAX_ENTRIES = 800  # of a map at the start: a read is a chain as deep


class Unsupported(Exception):
    """A construct that this method of proof cannot handle; never a verdict of its own."""

    def __init__(self, what: str, span: Span) -> None:
        super().__init__(f"{span}: {what}")


def width(type_: ir.Type) -> int:
    """Bits of the term for a value of this type; 0 for bool."""
    match type_:
        case ir.Bool():
            return 0
        case ir.Bits(width=bits):
            return bits
        case ir.Bytes():
            return BYTES_WIDTH


def constant(terms: Terms, value: ir.Value, type_: ir.Type) -> Term:
    match type_:
        case ir.Bool():
            return terms.boolean(bool(value))
        case ir.Bits(width=bits):
            return terms.const(int(value), bits)
        case ir.Bytes():
            assert isinstance(value, bytes)
            return terms.string(value)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """If `guard`, then `keys` got `values`, or were deleted (None)."""

    guard: Term
    keys: tuple[Term, ...]
    values: tuple[Term, ...] | None


class Base(Protocol):
    """What the maps held before the first logged write."""

    def value(self, var: str, index: int, keys: tuple[Term, ...]) -> Term: ...

    def has(self, var: str, keys: tuple[Term, ...]) -> Term: ...


@dataclass(slots=True)
class State:
    """The state of all variables of one side; `fork` copies it in time linear in their number."""

    terms: Terms
    variables: dict[str, ir.StateVar]
    base: Base
    plain: dict[str, tuple[Term, ...]]
    logs: dict[str, tuple[LogEntry, ...]] = field(default_factory=dict)

    def fork(self) -> State:
        return State(self.terms, self.variables, self.base, dict(self.plain), dict(self.logs))

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        """Component `index` at `keys`; the default where they are absent."""
        if not self.variables[var].keys:
            return self.plain[var][index]
        start, result = self._newest_certain(var, keys)
        if result is None:
            value = self.base.value(var, index, keys)
        elif result.values is None:
            value = self.default(var, index)
        else:
            value = result.values[index]
        for entry in self.logs.get(var, ())[start:]:
            written = self.default(var, index) if entry.values is None else entry.values[index]
            value = self.terms.ite(self._hit(entry, keys), written, value)
        return value

    def default(self, var: str, index: int) -> Term:
        """What an absent key reads as; the component after the last is a stamp (see aged.py)."""
        variable = self.variables[var]
        if index == len(variable.values):
            return self.terms.const(0, ir.TIME.width)
        return constant(self.terms, variable.default[index], variable.values[index])

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        """Is the key present?"""
        if not self.variables[var].keys:
            return self.terms.true
        start, result = self._newest_certain(var, keys)
        present = (
            self.base.has(var, keys)
            if result is None
            else self.terms.boolean(result.values is not None)
        )
        for entry in self.logs.get(var, ())[start:]:
            present = self.terms.ite(
                self._hit(entry, keys), self.terms.boolean(entry.values is not None), present
            )
        return present

    def _newest_certain(self, var: str, keys: tuple[Term, ...]) -> tuple[int, LogEntry | None]:
        """The newest write that surely hit these very keys, and where the log goes on after it.

        Only an unconditional write at syntactically identical keys is sure.
        """
        log = self.logs.get(var, ())
        for i in range(len(log) - 1, -1, -1):
            if log[i].guard is self.terms.true and log[i].keys == keys:
                return i + 1, log[i]
        return 0, None

    def _hit(self, entry: LogEntry, keys: tuple[Term, ...]) -> Term:
        parts = [self.terms.eq(a, b) for a, b in zip(entry.keys, keys, strict=True)]
        return self.terms.all([entry.guard, *parts])

    def write(self, var: str, keys: tuple[Term, ...], values: tuple[Term, ...] | None) -> None:
        """Assigns (or, with None, deletes) `keys`, unconditionally."""
        if not self.variables[var].keys:
            assert values is not None
            self.plain[var] = values
        else:
            self.write_if(self.terms.true, var, keys, values)

    def write_if(
        self, guard: Term, var: str, keys: tuple[Term, ...], values: tuple[Term, ...] | None
    ) -> None:
        """As `write` of a map, where `guard` holds."""
        if guard is not self.terms.false:
            self.logs[var] = (*self.logs.get(var, ()), LogEntry(guard, keys, values))

    def merge(self, branches: Sequence[tuple[Term, State]]) -> State:
        """Where a branch's condition holds its state, else this one; conditions exclude each other
        and every branch is a fork of this state."""
        terms, merged = self.terms, self.fork()
        for name, old in self.plain.items():
            if any(b.plain[name] is not old for _, b in branches):
                result = old
                for condition, branch in reversed(branches):
                    new = branch.plain[name]
                    if new is not old:
                        result = tuple(
                            terms.ite(condition, n, r) for n, r in zip(new, result, strict=True)
                        )
                merged.plain[name] = result
        for condition, branch in branches:
            for name, log in branch.logs.items():
                common = len(self.logs.get(name, ()))
                if len(log) > common:
                    extra = tuple(
                        LogEntry(terms.and_(condition, e.guard), e.keys, e.values)
                        for e in log[common:]
                    )
                    extra = tuple(e for e in extra if e.guard is not terms.false)
                    merged.logs[name] = (*merged.logs.get(name, ()), *extra)
        return merged


class InitialBase:
    """Every map as it is before the first packet: its default, and what it was declared with."""

    def __init__(self, terms: Terms, variables: dict[str, ir.StateVar]) -> None:
        self.terms = terms
        self.variables = variables

    def _fold(self, var: str, keys: tuple[Term, ...], default: Term, pick: dict[int, Term]) -> Term:
        variable = self.variables[var]
        if len(variable.entries) > MAX_ENTRIES:
            raise Unsupported(f"a table of over {MAX_ENTRIES} entries", variable.span)
        value = default
        for i, (key, _) in enumerate(variable.entries):
            wanted = (constant(self.terms, k, t) for k, t in zip(key, variable.keys, strict=True))
            hit = self.terms.all(self.terms.eq(a, b) for a, b in zip(keys, wanted, strict=True))
            value = self.terms.ite(hit, pick[i], value)
        return value

    def value(self, var: str, index: int, keys: tuple[Term, ...]) -> Term:
        variable = self.variables[var]
        type_ = variable.values[index]
        pick = {
            i: constant(self.terms, values[index], type_)
            for i, (_, values) in enumerate(variable.entries)
        }
        default = constant(self.terms, variable.default[index], type_)
        return self._fold(var, keys, default, pick)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        pick = dict.fromkeys(range(len(self.variables[var].entries)), self.terms.true)
        return self._fold(var, keys, self.terms.false, pick)


@dataclass(slots=True)
class ArbitraryBase:
    """Any state at all: each map component an uninterpreted function. `touched` remembers every
    (variable, keys) that was read, which is where candidates get assumed (prover.md, 4.1), with
    the `generation` then: 0 for the step and its goals, n + 1 for what an assumption made at a key
    of generation n reads."""

    terms: Terms
    variables: dict[str, ir.StateVar]
    initial: InitialBase
    touched: dict[tuple[str, tuple[Term, ...]], int] = field(default_factory=dict)
    generation: int = 0

    def value(self, var: str, index: int, keys: tuple[Term, ...]) -> Term:
        variable = self.variables[var]
        if variable.constant:
            return self.initial.value(var, index, keys)
        self.touched.setdefault((var, keys), self.generation)
        return self.terms.uf(f"{var}.{index}", keys, width(variable.values[index]))

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        variable = self.variables[var]
        if variable.constant:
            return self.initial.has(var, keys)
        self.touched.setdefault((var, keys), self.generation)
        return self.terms.uf(f"{var}?", keys, 0)

    def facts(self, var: str, keys: tuple[Term, ...]) -> Term:
        """True of every map: an absent key reads as the default."""
        variable = self.variables[var]
        terms = self.terms
        if variable.constant or not variable.values:
            return terms.true
        defaults = terms.all(
            terms.eq(self.value(var, i, keys), constant(terms, variable.default[i], type_))
            for i, type_ in enumerate(variable.values)
        )
        return terms.or_(self.has(var, keys), defaults)
