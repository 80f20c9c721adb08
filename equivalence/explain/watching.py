"""A network run by the judge, with every table's decision and every write to state on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from nfverify.equivalence.explain.answer import (
    Choice,
    Condition,
    Passed,
    Reading,
    Written,
)
from nfverify.equivalence.problem import Options
from nfverify.equivalence.replay import value_text
from nfverify.lang.source import Span
from nfverify.packet.packet import Packet
from nfverify.semantics import walk
from nfverify.semantics.engine import Compiled, Context, Counters, Key, Outcome, Store, Tags
from nfverify.semantics.machine import Machine, Output
from nfverify.semantics.operators import Function
from nfverify.semantics.walk import Log, Moment, entry_title
from nfverify.smat import ir
from nfverify.smat.unparse import printer
from nfverify.smat.values import Misfit

Place = tuple[str, str, Key]  # instance, variable, key
MAX_READINGS = 8  # of one condition
MAX_TEXT = 400  # characters of one


@dataclass(frozen=True, slots=True)
class Decision:
    """At a table: the entry taken, and what was true by then of every entry up to it."""

    table: ir.Table
    entry: ir.Entry | None
    choice: Choice
    passed: tuple[Passed, ...]  # the entries before it


@dataclass(slots=True)
class Record:
    """What happened at one event."""

    decisions: list[Decision] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)


class Watched:
    """A machine that keeps a record of each event."""

    def __init__(
        self, network: ir.Network, options: Options, operators: dict[str, Function]
    ) -> None:
        self._record = Record()
        self._number = 0  # of the event
        self.writers: dict[Place, Written] = {}
        self.machine = Machine(
            network,
            operators=operators,
            engine=self._engine,
            non_ip="drop" if options.drop_non_ip else "bypass",
        )

    def step(self, time: int, port: int, frame: bytes) -> Record:
        """One packet, with the timers before it."""
        self._record = Record()
        self._number += 1
        self._record.outputs = self.machine.step(time, port, frame)
        return self._record

    def _engine(self, program: ir.Program, context: Context) -> Compiled:
        log = Log()
        names = printer(program)
        seen = 0

        def text(expr: ir.Expr) -> str:
            try:
                return names.text(expr)
            except Misfit:  # a width that the language has no literals of
                return str(expr)

        last: tuple[str, Span] = ("", program.span)

        def settle() -> None:
            """Writes since the last decision are of the entry that was taken there."""
            nonlocal seen
            for write in log.writes[seen:]:
                place = context.instance, write.variable, write.key
                self.writers[place] = Written(self._number, context.instance, *last)
            seen = len(log.writes)

        def decides(table: ir.Table, entry: ir.Entry | None, moment: Moment) -> None:
            nonlocal last
            settle()
            texts = _Texts(text, moment, context.instance, self.writers)
            decision = _decision(context.instance, table, entry, texts)
            self._record.decisions.append(decision)
            last = (decision.choice.entry, decision.choice.span)

        log.decides = decides
        compiled = walk.build(program, context, log)

        def body(packet: Packet, tags: Tags, now: int, store: Store, counters: Counters) -> Outcome:
            nonlocal seen, last
            log.writes.clear()
            seen, last = 0, ("", program.span)
            outcome = compiled.body(packet, tags, now, store, counters)
            settle()
            return outcome

        return Compiled(compiled.init, body)


@dataclass(frozen=True, slots=True)
class _Texts:
    text: Callable[[ir.Expr], str]
    moment: Moment
    instance: str
    writers: Mapping[Place, Written]

    def condition(self, expr: ir.Expr) -> Condition:
        holds = bool(self.moment.value(expr))
        return Condition(_brief(self.text(expr)), holds, tuple(self._readings(expr)), expr.span)

    def _readings(self, expr: ir.Expr) -> Iterator[Reading]:
        found: dict[str, None] = {}
        for node in ir.walk((expr,)):
            if len(found) == MAX_READINGS:
                return
            if isinstance(node, ir.Field | ir.Tag | ir.Read | ir.Has | ir.Now):
                text = _brief(self.text(node))
                if text not in found:
                    found[text] = None
                    value = self.moment.value(node)
                    yield Reading(text, _brief(_value(value, node.type)), self._written(node))
            elif isinstance(node, ir.Match):
                yield self._rule(node)

    def _written(self, node: ir.Expr) -> Written | None:
        if not isinstance(node, ir.Read | ir.Has):
            return None
        place = self.instance, node.var, self.moment.values(node.keys)
        return self.writers.get(place, Written(0))

    def _rule(self, node: ir.Match) -> Reading:
        """The rule that decides."""
        rules = node.ruleset
        row = rules.first_match([int(v) for v in self.moment.values(node.args)])
        name = f"rule of {rules.name or 'the ruleset'}"
        if row is None:
            return Reading(name, "none")
        line = rules.rows[row].line
        place = f"{rules.file or rules.name}:{line}" if line else f"number {row + 1}"
        return Reading(name, f"{place} ({'accept' if rules.rows[row].accept else 'drop'})")


def written_value(values: tuple[ir.Value, ...], types: tuple[ir.Type, ...]) -> str:
    """Values as text, with commas."""
    return _brief(", ".join(map(_value, values, types)))


def _value(value: ir.Value, type_: ir.Type) -> str:
    if isinstance(value, bytes):
        return value.hex() or "empty"
    return str(value).lower() if isinstance(value, bool) else value_text(value, type_)


def _brief(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _decision(instance: str, table: ir.Table, entry: ir.Entry | None, texts: _Texts) -> Decision:
    passed: list[Passed] = []
    for place, one in enumerate(table.entries, 1):
        if one is entry:
            conditions = tuple(map(texts.condition, conjuncts(one)))
            choice = Choice(instance, entry_title(one, place), one.span, conditions)
            return Decision(table, entry, choice, tuple(passed))
        failing = next((c for c in map(texts.condition, conjuncts(one)) if not c.holds), None)
        passed.append(Passed(entry_title(one, place), one.span, failing))
    nothing = Choice(instance, "no entry", table.entries[-1].span, ())
    return Decision(table, None, nothing, tuple(passed))


def conjuncts(entry: ir.Entry) -> tuple[ir.Expr, ...]:
    """The conditions of an entry, in order."""
    return entry.match_flow + entry.match_state
