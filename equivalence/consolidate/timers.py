"""The timers of a chain's NFs in one program: each dummy must find the rows of its own NF.

A packet has no tag when it arrives, so that a tag tells a dummy from it. Tags of dummies get names
of their own NF, for a tag that two NFs call the same would lead one's dummy into the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.equivalence.consolidate.naming import Taken, word
from nfverify.smat import ir


@dataclass(frozen=True, slots=True)
class Start:
    """Dummies that `marker` tells from all else; `known` are the tags of which that says all."""

    marker: ir.Expr
    known: dict[str, int]


@dataclass(frozen=True, slots=True)
class Timers:
    """Those of one NF: its tags' names in the table, the timers as they stand there."""

    tags: dict[str, str]
    timers: tuple[ir.InitTimer, ...]
    starts: tuple[Start, ...]


def timers_of(network: ir.Network) -> tuple[Timers, ...]:
    """For each instance."""
    taken = Taken()
    alone = len(network.instances) == 1
    return tuple(
        _timers_of(i.program, "" if alone else f"{i.name}_", taken) for i in network.instances
    )


def _timers_of(program: ir.Program, prefix: str, taken: Taken) -> Timers:
    given = [dict(t.tags) for t in program.timers]
    starting = sorted({name for tags in given for name in tags})
    written = {n.name for n in ir.walk(program.body) if isinstance(n, ir.SetTag)}
    every = [*starting, *sorted(written - set(starting))] if given else []
    names = {n: taken.fresh(prefix + word(n, f"tag{i}")) for i, n in enumerate(every, 1)}
    lasting = [name for name in starting if name not in written]
    starts = tuple(_starts(given, lasting, names))
    extra: tuple[tuple[str, int], ...] = ()
    if len(starts) < len(given):
        mark = taken.fresh(f"{prefix}timer")
        starts, extra = (Start(_is(mark, 1), {}),), ((mark, 1),)
    timers = (
        ir.InitTimer((*((names[n], v) for n, v in t.tags), *extra), t.delay, span=t.span)
        for t in program.timers
    )
    return Timers(names, tuple(timers), starts)


def _starts(
    given: list[dict[str, int]], lasting: list[str], names: dict[str, str]
) -> Iterator[Start]:
    """One for each timer that has a tag, never written, with a value that no other timer has."""
    for i, tags in enumerate(given):
        others = given[:i] + given[i + 1 :]
        for name in lasting:
            value = tags.get(name, 0)
            if value and all(other.get(name, 0) != value for other in others):
                yield Start(_is(names[name], value), {n: tags.get(n, 0) for n in lasting})
                break


def _is(tag: str, value: int) -> ir.Expr:
    return ir.Compare("==", ir.Tag(tag), ir.Const(value, ir.INT))
