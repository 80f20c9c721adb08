"""Which cells of the state each packet read and wrote, and which packets a goal needs by that."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from nfverify.packet.packet import Packet
from nfverify.semantics import closures
from nfverify.semantics.engine import Compiled, Context, Counters, Outcome, Pass, Store, Tags
from nfverify.smat.ir import Program

Cell = tuple[int, str, object]
"""Instance, variable, key; of a variable that keeps an order of its keys, all of it."""
GHOST = "%"
WHOLE = "all keys"


@dataclass(slots=True)
class Log:
    """What the events so far read and wrote, the last one in the sets at the end."""

    read: list[set[Cell]] = field(default_factory=list)
    written: list[set[Cell]] = field(default_factory=list)

    def clear(self) -> None:
        self.read.clear()
        self.written.clear()

    def begin(self) -> None:
        """Another event."""
        self.read.append(set())
        self.written.append(set())


@dataclass(slots=True, eq=False)
class _Rows(MutableMapping[Any, Any]):
    """The rows of a variable, under watch: what compiled programs do with them, and no more."""

    rows: Any
    place: tuple[int, str]
    whole: bool
    log: Log

    def _cell(self, key: object) -> Cell:
        return (*self.place, WHOLE if self.whole else key)

    def _reads(self, key: object) -> None:
        self.log.read[-1].add(self._cell(key))

    def _writes(self, key: object) -> None:
        self.log.written[-1].add(self._cell(key))

    def __getitem__(self, key: object) -> Any:
        self._reads(key)
        return self.rows[key]

    def get(self, key: object, default: object = None) -> Any:
        self._reads(key)
        return self.rows.get(key, default)

    def __contains__(self, key: object) -> bool:
        self._reads(key)
        return key in self.rows

    def __setitem__(self, key: object, row: object) -> None:
        self._writes(key)
        self.rows[key] = row

    def __delitem__(self, key: object) -> None:
        self._writes(key)
        del self.rows[key]

    def pop(self, key: object, default: object = None) -> Any:
        self._writes(key)
        return self.rows.pop(key, default)

    def __len__(self) -> int:
        self._reads(WHOLE)
        return len(self.rows)

    def __iter__(self) -> Iterator[Any]:
        self._reads(WHOLE)
        return iter(self.rows)

    def popitem(self, last: bool = True) -> Any:
        self._writes(WHOLE)
        return self.rows.popitem(last=last)

    def move_to_end(self, key: object) -> None:
        self._writes(key)
        self.rows.move_to_end(key)


@dataclass(slots=True)
class Watching:
    """An engine for the machine of one network and its clones, of which one runs at a time."""

    log: Log = field(default_factory=Log)
    built: int = 0

    def __call__(self, program: Program, context: Context) -> Compiled:
        code, instance = closures.build(program, context), self.built
        self.built += 1
        return Compiled(
            self._pass(code.init, program, instance), self._pass(code.body, program, instance)
        )

    def _pass(self, run: Pass, program: Program, instance: int) -> Pass:
        def watched(
            packet: Packet, tags: Tags, now: int, store: Store, counters: Counters
        ) -> Outcome:
            rows: Any = [
                _Rows(held, (instance, variable.name), variable.aged, self.log)
                for variable, held in zip(program.state, store, strict=True)
            ]
            return run(packet, tags, now, rows, counters)

        return watched


def needed(log: Log, pairs: bool) -> list[int]:
    """The numbers of the events, the last one among them, that it rests on: who wrote last what it
    read, and so on. `pairs`: also what the ghosts remember."""
    last = len(log.read) - 1
    found, waiting = {last}, [last]
    while waiting:
        event = waiting.pop()
        for cell in log.read[event]:
            if cell[1].startswith(GHOST) and not pairs:
                continue
            writer = next((n for n in range(event - 1, -1, -1) if cell in log.written[n]), None)
            if writer is not None and writer not in found:
                found.add(writer)
                waiting.append(writer)
    return sorted(found)
