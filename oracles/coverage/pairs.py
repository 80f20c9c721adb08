"""Pairs of rows that one after the other touch the same key.

For each class of keys a ghost map holds 1 + the number of the unit that touched a key last. A unit
compares with it as it was before the packet reached the unit, and writes it when it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nfverify.lang.source import Span
from nfverify.oracles.coverage.units import Access, KeyClass, Keys, Unit
from nfverify.smat import ir

LAST = "%last."
_UNIT = ir.Bits(16)

Record = Callable[[str, Span, str], ir.Stmt]
"""What records a new goal, with a text and the title of the unit before."""


@dataclass(slots=True)
class Held:
    """A key that a unit has touched: where its parts and its last toucher are kept."""

    parts: tuple[ir.Expr, ...]
    last: ir.Expr


@dataclass(slots=True)
class Place:
    """Where in a unit the instrumentation stands."""

    unit: int
    held: dict[tuple[KeyClass, tuple[ir.Expr, ...]], Held]
    mine: set[tuple[KeyClass, tuple[ir.Expr, ...]]] = field(default_factory=set)
    pending: list[ir.Stmt] = field(default_factory=list)

    def inside(self, unit: int, *, again: bool = False) -> Place:
        """At the beginning of a unit in this one; what is known of keys holds there too, unless it
        runs again and again."""
        return Place(unit, {} if again else dict(self.held))

    def changed(self, node: ir.Stmt) -> None:
        """Keys that the statement may have changed are forgotten."""
        match node:
            case ir.Let() | ir.SetOutput():
                return
            case ir.Write() | ir.Delete() | ir.Touch():
                stale = [
                    key
                    for key in self.held
                    if any(isinstance(n, ir.Read | ir.Has) for n in ir.walk(key[1]))
                ]
            case _:
                stale = list(self.held)
        for key in stale:
            del self.held[key]
            self.mine.discard(key)


@dataclass(slots=True)
class Pairs:
    """The goals of kind "pair" of one program."""

    keys: Keys
    units: list[Unit]
    record: Record
    let: Callable[[ir.Expr, list[ir.Stmt]], ir.Expr]
    recorders: dict[tuple[KeyClass, int, int], ir.Stmt] = field(default_factory=dict)

    def ghosts(self) -> tuple[ir.StateVar, ...]:
        return tuple(
            ir.StateVar(
                self._ghost(key_class), tuple(t for t, _ in key_class), (_UNIT,), (0,), "map"
            )
            for key_class in self.keys.classes()
        )

    def _ghost(self, key_class: KeyClass) -> str:
        return f"{LAST}{list(self.keys.classes()).index(key_class)}"

    def touched(self, place: Place, parts: Sequence[ir.Expr | ir.Stmt]) -> list[ir.Stmt]:
        """What stands in front of the first statement that touches these keys."""
        found: list[ir.Stmt] = []
        for access, span in self.keys.accesses(parts):
            found += self._touch(place, access, span)
        return found

    def _touch(self, place: Place, access: Access, span: Span) -> list[ir.Stmt]:
        variable, parts = access
        key_class = self.keys.variables[variable]
        key = key_class, parts
        if key in place.mine:
            return []
        place.mine.add(key)
        found: list[ir.Stmt] = []
        held = place.held.get(key)
        if held is None:
            names = tuple([self.let(part, found) for part in parts])
            last = self.let(ir.Read(self._ghost(key_class), names, 0, _UNIT), found)
            held = place.held[key] = Held(names, last)
        touched = (ir.Const(place.unit + 1, _UNIT),)
        place.pending.append(ir.Write(self._ghost(key_class), held.parts, touched))
        tests = [
            ir.If(
                ir.Compare("==", held.last, ir.Const(number + 1, _UNIT)),
                (self._recorder(key_class, number, place.unit, span),),
                (),
            )
            for number, unit in enumerate(self.units)
            if key_class in unit.classes
        ]
        known = ir.Compare("!=", held.last, ir.Const(0, _UNIT))
        return [*found, ir.If(known, tuple(tests), ())]

    def _recorder(self, key_class: KeyClass, before: int, unit: int, span: Span) -> ir.Stmt:
        case = key_class, before, unit
        if case not in self.recorders:
            names = " and ".join(self.keys.classes()[key_class])
            title = self.units[before].title or "what stands outside the tables"
            text = f"after {title} on the same key of {names}"
            self.recorders[case] = self.record(text, span, self.units[before].title)
        return self.recorders[case]


def settled(place: Place) -> list[ir.Stmt]:
    """The unit marks its keys: at its end, and before what is inside it."""
    found, place.pending = place.pending, []
    return found
