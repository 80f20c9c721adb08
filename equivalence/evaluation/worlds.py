"""A state that a network may be in, with what is not known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nfverify.equivalence.evaluation.ground import (
    Change,
    Holdings,
    Part,
    Rows,
    changed,
    expired,
    raw_value,
    typed_value,
)
from nfverify.equivalence.terms import Term
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics.state import SavedState, Snapshot, Timer, initial_store
from nfverify.smat import ir


class Waiting(NamedTuple):
    """A packet that a timer holds in front of an instance, until `due`, ns."""

    due: int
    number: int
    instance: int
    packet: Packet  # its frame and headers
    fields: Mapping[str, Part]
    tags: Mapping[str, Part]

    def by(self, change: Change) -> Waiting:
        """With its terms by `change`."""
        fields = dict(zip(self.fields, changed(tuple(self.fields.values()), change), strict=True))
        tags = dict(zip(self.tags, changed(tuple(self.tags.values()), change), strict=True))
        return self._replace(fields=fields, tags=tags)


@dataclass(slots=True)
class World:
    """One way in which it may have gone; `conditions` are what choices made so far must meet."""

    holdings: Holdings
    conditions: tuple[Term, ...] = ()
    now: int | None = None
    timers: tuple[Waiting, ...] = ()  # in the order in which they fire
    created: int = 0

    def copy(self) -> World:
        return World(self.holdings.copy(), self.conditions, self.now, self.timers, self.created)

    def unknown(self) -> list[Term]:
        """All terms that are no values."""
        waiting = [p for w in self.timers for p in (*w.fields.values(), *w.tags.values())]
        return self.holdings.unknown_terms() + [p for p in waiting if isinstance(p, Term)]

    def hold(
        self,
        due: int,
        instance: int,
        packet: Packet,
        fields: Mapping[str, Part],
        tags: Mapping[str, Part],
    ) -> None:
        """A timer begins to wait."""
        waiting = Waiting(due, self.created, instance, packet, fields, tags)
        self.created += 1
        self.timers = tuple(sorted((*self.timers, waiting), key=lambda w: w[:2]))

    def move(self, change: Change) -> None:
        """Every term by `change`, into another table."""
        self.holdings.move(change)
        self.conditions = tuple(change(self.conditions))
        self.timers = tuple(w.by(change) for w in self.timers)

    def same(self, other: World) -> bool:
        """Are both fully known, and alike?"""
        if self.unknown() or other.unknown():
            return False
        a, b = self.holdings, other.holdings
        if a.plain != b.plain or [_values(w) for w in self.timers] != [
            _values(w) for w in other.timers
        ]:
            return False
        return all(
            list(rows.items()) == list(b.rows[name].items())
            if a.variables[name].aged
            else rows == b.rows[name]
            for name, rows in a.rows.items()
        )


def _values(waiting: Waiting) -> tuple[object, ...]:
    frame = waiting.packet.frame
    return (waiting.due, waiting.instance, frame, dict(waiting.fields), dict(waiting.tags))


def qualified(instance: ir.Instance, var: str) -> str:
    """The name of a variable of an instance in a state of the whole network."""
    return f"{instance.name}.{var}"


def world_of(network: ir.Network, state: SavedState, tags: Mapping[str, int]) -> World:
    """The world in which everything is known."""
    variables: dict[str, ir.StateVar] = {}
    rows: dict[str, Rows] = {}
    plain: dict[str, tuple[Part, ...]] = {}
    for instance in network.instances:
        held = state.instances.get(instance.name, {})
        start = initial_store(instance.program, state.now or 0)
        for variable, initial in zip(instance.program.state, start, strict=True):
            name = qualified(instance, variable.name)
            variables[name] = variable
            content = held.get(variable.name, initial)
            types = (*variable.values, ir.TIME)
            found: Rows = {
                tuple(map(raw_value, key, variable.keys)): tuple(
                    raw_value(v, t) for v, t in zip(values, types, strict=False)
                )
                for key, values in content.items()
            }
            if variable.keys:
                rows[name] = found
            else:
                plain[name] = found[()]
    world = World(Holdings(variables, rows, plain), now=state.now)
    for timer in sorted(state.timers):
        fields = {n: getattr(timer.packet, n) for n in FIELDS}
        marks = {n: timer.tags[i] & 0xFFFFFFFF for n, i in tags.items()}
        world.hold(timer.due, timer.instance, timer.packet, fields, marks)
    return world


def state_of(
    network: ir.Network, world: World, tags: Mapping[str, int], fold: Change
) -> SavedState:
    """The state of a world where `fold` makes every term a constant."""
    holdings = world.holdings.copy()
    holdings.move(fold)
    holdings.settle_logs(holdings.logs)
    assert not holdings.logs
    instances: Snapshot = {}
    for instance in network.instances:
        held = instances[instance.name] = {}
        for variable in instance.program.state:
            name = qualified(instance, variable.name)
            if not variable.constant:
                rows = holdings.rows[name] if variable.keys else {(): holdings.plain[name]}
                held[variable.name] = {
                    _typed(key, variable.keys): _typed(row, (*variable.values, ir.TIME))
                    for key, row in rows.items()
                    if not (variable.aged and expired(variable, row, world.now or 0))
                }
    timers = []
    for waiting in world.timers:
        known = waiting.by(fold)
        packet, marks = waiting.packet.copy(), [0] * len(tags)
        for name, value in known.fields.items():
            setattr(packet, name, value)
        for name, value in known.tags.items():
            marks[tags[name]] = int(_typed((value,), (ir.INT,))[0])
        timers.append(Timer(waiting.due, waiting.number, waiting.instance, packet, marks))
    return SavedState(world.now, instances, tuple(timers))


def _typed(parts: tuple[Part, ...], types: tuple[ir.Type, ...]) -> tuple[ir.Value, ...]:
    found = []
    for value, type_ in zip(parts, types, strict=False):
        assert not isinstance(value, Term)
        found.append(typed_value(value, type_))
    return tuple(found)
