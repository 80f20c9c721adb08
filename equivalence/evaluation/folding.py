"""Passes too large to be written out beforehand: the symbolic semantics over constants alone.

Every term folds at once, so that loops run as many rounds as they do, and branches one way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.equivalence.aged import COUNT_WIDTH, count_name
from nfverify.equivalence.evaluation.ground import (
    Functions,
    GroundBase,
    GroundTerms,
    Key,
    Part,
    ground_aged,
    raw_value,
    typed_value,
)
from nfverify.equivalence.evaluation.headers import RealHeaders, ground_packet, write_fields
from nfverify.equivalence.evaluation.meaning import Meaning
from nfverify.equivalence.evaluation.stores import candidates, putter
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.state import State, width
from nfverify.equivalence.symbolic import Choice, Executor, Outcome
from nfverify.equivalence.symbolic import Pass as SymbolicPass
from nfverify.equivalence.terms import Term
from nfverify.lang.source import Diagnostic, ModelError
from nfverify.packet.packet import Packet
from nfverify.semantics import engine
from nfverify.semantics.aged import drop_expired
from nfverify.semantics.engine import DROP, RESUBMIT, Context, Counters, Store, Tags, Values
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class LiveRows:
    """The rows of a store, read as terms hold them."""

    variable: ir.StateVar
    rows: dict[tuple[ir.Value, ...], Values]

    def get(self, key: Key) -> tuple[Part, ...] | None:
        row = self.rows.get(typed(key, self.variable.keys))
        return None if row is None else self._raw(row)

    def __contains__(self, key: Key) -> bool:
        return typed(key, self.variable.keys) in self.rows

    def items(self) -> Iterator[tuple[Key, tuple[Part, ...]]]:
        for key, row in self.rows.items():
            raw = zip(key, self.variable.keys, strict=True)
            yield tuple(raw_value(k, t) for k, t in raw), self._raw(row)

    def _raw(self, row: Values) -> tuple[Part, ...]:
        types = (*self.variable.values, ir.TIME)
        return tuple(raw_value(v, t) for v, t in zip(row, types, strict=False))


def typed(parts: tuple[bool | int | bytes, ...], types: tuple[ir.Type, ...]) -> Values:
    """Values of the program from those of terms."""
    return tuple(typed_value(p, t) for p, t in zip(parts, types, strict=False))


class Folding:
    """One program's passes; the functions behind its terms are looked up once."""

    def __init__(
        self, program: ir.Program, context: Context, statements: tuple[ir.Stmt, ...]
    ) -> None:
        self.program, self.context, self.statements = program, context, statements
        self.meaning = Meaning(program, context)
        self.instance = ir.Instance(program.name, program)
        network = ir.Network(program.name, ("",) * context.ports, (self.instance,), ())
        terms = GroundTerms([self.meaning])
        self.executor = Executor(terms, network, lambda _, var: var, self._encode)
        self.executor.chooser = self._choose
        self.functions: Functions = {}
        self.puts = {v.name: putter(v) for v in program.state if v.aged}
        self.choosers = {
            id(n): candidates(context, n)
            for n in ir.walk(program.init + program.body)
            if isinstance(n, ir.Choose)
        }

    def _encode(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        self.meaning.rulesets[ruleset.digest] = ruleset
        return self.executor.terms.uf(f"ruleset {ruleset.digest}", args, 0)

    def _choose(self, choice: Choice) -> tuple[Term, Term]:
        terms = self.executor.terms

        def fits(value: int) -> bool:
            return bool(choice.fits(terms.const(value, choice.low.width)).data)

        chosen = self.choosers[id(choice.node)](choice.low.data, choice.high.data, fits)
        return terms.const(chosen or 0, choice.low.width), terms.boolean(chosen is None)

    def run(
        self, packet: Packet, tags: Tags, now: int, store: Store, counters: Counters
    ) -> engine.Outcome:
        """As the engine's passes. ModelError if the pass doesn't end soon."""
        terms = GroundTerms([self.meaning], self.functions)
        self.executor.terms, self.executor.aged = terms, ground_aged(terms)
        before = self._state(terms, now, store)
        self.executor.headers = RealHeaders(terms, packet)
        marks = {n: terms.const(tags[i], 32) for n, i in self.context.tags.items()}
        symbolic = ground_packet(terms, packet, marks)
        try:
            after = self.executor.single_pass(
                self.instance, self.statements, before, symbolic, terms.const(now, 64)
            )
        except Unsupported as error:
            what = f"too long for the symbolic oracle: {error}"
            raise ModelError(Diagnostic("error", "too-long", what, self.program.span)) from error
        self._apply(after, packet, tags, now, store, counters)
        return DROP if after.failed.data else _outcome(after.outcome)

    def _state(self, terms: GroundTerms, now: int, store: Store) -> State:
        variables = {v.name: v for v in self.program.state}
        plain: dict[str, tuple[Term, ...]] = {}
        rows = {}
        for variable, held in zip(self.program.state, store, strict=True):
            name = variable.name
            if not variable.keys:
                pairs = zip(held[()], variable.values, strict=True)
                plain[name] = tuple(terms.raw(raw_value(v, t), width(t)) for v, t in pairs)
                continue
            rows[name] = LiveRows(variable, held)
            if variable.capacity is not None:
                drop_expired(variable, held, now)
                plain[count_name(name)] = (terms.const(len(held), COUNT_WIDTH),)
        terms.base = GroundBase(terms, variables, rows, now)
        return State(terms, variables, terms.base, plain)

    def _apply(
        self,
        after: SymbolicPass,
        packet: Packet,
        tags: Tags,
        now: int,
        store: Store,
        counters: Counters,
    ) -> None:
        for fault in self.executor.faults:
            if fault.guard.data:
                counters[fault.counter] += 1
        for variable, held in zip(self.program.state, store, strict=True):
            name = variable.name
            types = (*variable.values, ir.TIME)
            if not variable.keys and not variable.constant:
                held[()] = typed(tuple(t.data for t in after.state.plain[name]), types)
            for entry in after.state.logs.get(name, ()):
                if not entry.guard.data:
                    continue
                key = typed(tuple(k.data for k in entry.keys), variable.keys)
                if entry.values is None:
                    held.pop(key, None)
                    continue
                row = typed(tuple(v.data for v in entry.values), types)
                if variable.aged:
                    self.puts[name](held, key, row, now)
                else:
                    held[key] = row
        write_fields(packet, after.packet)
        for name, value in after.packet.tags.items():
            tags[self.context.tags[name]] = int(typed((value.data,), (ir.INT,))[0])


def _outcome(outcome: Outcome) -> engine.Outcome:
    if outcome.resubmit.data:
        return RESUBMIT
    if outcome.delayed.data:
        return int(outcome.delay.data)
    return tuple(slot.port.data for slot in outcome.slots if slot.guard.data)
