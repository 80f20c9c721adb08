"""All that one symbolic step led to, as one list of terms to be narrowed down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nfverify.equivalence.packets import SymbolicPacket
from nfverify.equivalence.state import LogEntry, State
from nfverify.equivalence.symbolic import Chosen, Emission, Executor, Held
from nfverify.equivalence.terms import Term


@dataclass(frozen=True, slots=True)
class Scene:
    """`guards` are of the choices. Packets keep the headers that they have."""

    guards: tuple[Term, ...]
    emissions: tuple[Emission, ...]
    held: tuple[Held, ...]
    plain: Mapping[str, tuple[Term, ...]]
    logs: Mapping[str, tuple[LogEntry, ...]]

    def terms(self) -> list[Term]:
        """Every term, in the order of `rebuilt`."""
        found = list(self.guards)
        for e in self.emissions:
            found += [e.guard, e.port, *e.packet.fields.values(), *e.packet.tags.values()]
        for h in self.held:
            found += [h.guard, h.delay, *h.packet.fields.values(), *h.packet.tags.values()]
        for values in self.plain.values():
            found += values
        for log in self.logs.values():
            for entry in log:
                found += [entry.guard, *entry.keys, *(entry.values or ())]
        return found

    def rebuilt(self, terms: Sequence[Term]) -> Scene:
        """The same with other terms."""
        new = iter(terms)
        return Scene(
            _take(new, len(self.guards)),
            tuple(Emission(next(new), next(new), _packet(new, e.packet)) for e in self.emissions),
            tuple(_held(new, h) for h in self.held),
            {name: _take(new, len(values)) for name, values in self.plain.items()},
            {name: tuple(_entry(new, e) for e in log) for name, log in self.logs.items()},
        )


def scene_of(
    executor: Executor, state: State, emissions: Sequence[Emission]
) -> tuple[Scene, list[Chosen]]:
    """What the last step of an executor led to."""
    guards = tuple(c.choice.guard for c in executor.chosen)
    scene = Scene(guards, tuple(emissions), tuple(executor.held), state.plain, state.logs)
    return scene, executor.chosen


def _take(new: Iterator[Term], count: int) -> tuple[Term, ...]:
    return tuple(next(new) for _ in range(count))


def _packet(new: Iterator[Term], old: SymbolicPacket) -> SymbolicPacket:
    fields = {name: next(new) for name in old.fields}
    return SymbolicPacket(old.present, fields, {name: next(new) for name in old.tags})


def _held(new: Iterator[Term], old: Held) -> Held:
    guard, delay = next(new), next(new)
    return Held(guard, old.instance, _packet(new, old.packet), delay)


def _entry(new: Iterator[Term], old: LogEntry) -> LogEntry:
    guard, keys = next(new), _take(new, len(old.keys))
    return LogEntry(guard, keys, None if old.values is None else _take(new, len(old.values)))
