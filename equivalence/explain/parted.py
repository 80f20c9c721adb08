"""Of `different`: where the two sides part, and which condition or state makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nfverify.equivalence.explain.answer import Apart, Choice, Parted, Passed, Written
from nfverify.equivalence.explain.watching import Decision, Record, Watched, written_value
from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.replay import differences_of
from nfverify.equivalence.verdict import Counterexample, Emitted
from nfverify.semantics.engine import Key
from nfverify.semantics.machine import Output
from nfverify.semantics.operators import Function
from nfverify.smat import ir

MAX_STATE = 8  # keys of state that are told
MAX_PASSED = 4  # entries that might have been expected


class Unlike(Exception):
    """The trace of a verdict doesn't tell these models apart: they are not those of the verdict."""


def parted(problem: Problem, example: Counterexample, operators: Mapping[str, Function]) -> Parted:
    """Why the outputs differ after the last event. Unlike, ValueError for a port there isn't."""
    runs = [_Run(s, Watched(s.network, problem.options, dict(operators))) for s in problem.sides]
    names = problem.a.network.ports
    state_packet, state = 0, tuple[Apart, ...]()
    a = b = Record()
    differences: tuple[str, ...] = ()
    notes: list[str] = []
    for number, event in enumerate(example.events, 1):
        port = _port(names, event.port)
        a, b = (run.watched.step(event.time, port, event.frame) for run in runs)
        differences = tuple(differences_of(problem, a.outputs, b.outputs))
        if not state_packet:
            state = tuple(_apart(problem, runs))
            state_packet = number if state else 0
        if differences and number < len(example.events):
            notes.append(f"the outputs differ after packet {number} already")
            break
        for side, record, told in zip(problem.sides, (a, b), (event.a, event.b), strict=True):
            if _emitted(side, record.outputs) != told.outputs and not notes:
                notes.append(
                    f"{side.letter} has changed since: packet {number} comes out otherwise"
                )
    if not differences and problem.options.observe_state:
        differences = tuple(
            f"{apart.name_a}{f'[{apart.key}]' if apart.key else ''}:"
            f" a {apart.value_a}, b {apart.value_b}"
            for apart in _apart(problem, runs)
        )
    if not differences:
        raise Unlike
    first = _first(a.decisions, b.decisions)
    return Parted(
        packet=number,
        state_packet=state_packet,
        state=state[:MAX_STATE],
        a=_choices(a.decisions, b.decisions, first),
        b=_choices(b.decisions, a.decisions, first),
        first=first,
        differences=differences,
        notes=tuple(notes),
    )


def _port(names: Sequence[str], text: str) -> int:
    if text in names:
        return names.index(text)
    if text.isascii() and text.isdigit() and len(text) < 6:
        return int(text)
    raise ValueError(f"there is no port {text!a}")


def _emitted(side: Side, outputs: Sequence[Output]) -> tuple[Emitted, ...]:
    ports = side.network.ports
    return tuple(
        Emitted(o.time, ports[o.port] if o.port < len(ports) else str(o.port), o.frame)
        for o in outputs
    )


# State ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """One side, run."""

    side: Side
    watched: Watched

    def writer(self, instance: str, variable: str, key: Key) -> Written:
        """Who wrote a key last."""
        return self.watched.writers.get((instance, variable, key), Written(0))

    def content(
        self,
    ) -> dict[str, tuple[str, ir.StateVar, Mapping[tuple[ir.Value, ...], tuple[ir.Value, ...]]]]:
        """By qualified name: the instance, the variable, and what it holds."""
        snapshot = self.watched.machine.snapshot()
        return {
            self.side.qualify(instance.name, variable.name): (
                instance.name, variable, snapshot.get(instance.name, {}).get(variable.name, {}),
            )
            for instance in self.side.network.instances
            for variable in instance.program.state
        }  # fmt: skip


def _apart(problem: Problem, runs: Sequence[_Run]) -> Iterator[Apart]:
    """State of one name that is not the same."""
    here, there = (run.content() for run in runs)
    for name_a, name_b in problem.state_pairs():
        (instance_a, variable, rows_a), (instance_b, other, rows_b) = here[name_a], there[name_b]
        for key in sorted({*rows_a, *rows_b}, key=repr):
            if rows_a.get(key) == rows_b.get(key):
                continue
            yield Apart(
                name_a,
                name_b,
                written_value(key, variable.keys),
                _held(rows_a.get(key), variable),
                _held(rows_b.get(key), other),
                runs[0].writer(instance_a, variable.name, key),
                runs[1].writer(instance_b, other.name, key),
            )


def _held(values: tuple[ir.Value, ...] | None, variable: ir.StateVar) -> str:
    if values is None:
        return "absent"
    return written_value(values, variable.values) or "present"


# Choices --------------------------------------------------------------------------------------


def _first(a: Sequence[Decision], b: Sequence[Decision]) -> int:
    """Where two ways through the tables part first; -1 if nowhere."""
    for number, (x, y) in enumerate(zip(a, b, strict=False)):
        if x.entry != y.entry:
            return number
    return -1 if len(a) == len(b) else min(len(a), len(b))


def _choices(own: Sequence[Decision], others: Sequence[Decision], first: int) -> tuple[Choice, ...]:
    """The choices of a side; where they part, with what kept it from choosing as the other."""
    found = [decision.choice for decision in own]
    if 0 <= first < len(own):
        other = others[first] if first < len(others) else None
        passed = tuple(_expected(own[first], other))
        found[first] = replace(found[first], passed=passed)
    return tuple(found)


def _expected(own: Decision, other: Decision | None) -> Iterator[Passed]:
    """What the other side took, as far as this one has its like; else the entries before."""
    like = None if other is None else _like(own, other)
    if like is None:
        yield from own.passed[-MAX_PASSED:]
    elif own.table.entries[like] is not own.entry:
        if like < len(own.passed):
            yield own.passed[like]
        else:
            entry = own.table.entries[like]
            yield Passed(entry.name or f"line {entry.span.line}", entry.span, None)


def _like(own: Decision, other: Decision) -> int | None:
    """The place in the own table of the entry that is like the one the other side took."""
    wanted = other.entry
    if wanted is None:
        return None
    tests: tuple[Callable[[ir.Entry], bool], ...] = (
        lambda entry: bool(entry.name) and entry.name == wanted.name,
        lambda entry: entry.guard == wanted.guard,
        lambda entry: entry.body == wanted.body,
    )
    for test in tests:
        places = [n for n, entry in enumerate(own.table.entries) if test(entry)]
        if len(places) == 1:
            return places[0]
    place = next(n for n, entry in enumerate(other.table.entries) if entry is wanted)
    same_size = len(own.table.entries) == len(other.table.entries)
    return place if same_size else None
