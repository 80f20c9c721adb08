"""What a packet met on its way: which entry of which NF it took, and what that changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics.engine import Context, Counters, Outcome, Pass, Store, Tags
from nfverify.semantics.walk import Log, StateWrite, build
from nfverify.smat.ir import Program, Value
from nfverify.smat.ruleset import Ruleset

_FIELDS = tuple(name for name, info in FIELDS.items() if info.writable)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A header field, or a tag (`is_tag`), before and after the pass."""

    name: str
    before: Value
    after: Value
    is_tag: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One pass of a packet through one NF. `entries` are the ones taken, one for each table;
    `headers` those pushed (`+vlan`) and popped (`-vlan`); `rules` those that held the packet
    first, where a ruleset was asked: it, and the place in its rows."""

    instance: str
    time: int
    number: int  # of the pass, from 1
    dummy: bool
    entries: tuple[str, ...]
    fields: tuple[FieldChange, ...]
    state: tuple[StateWrite, ...]
    outcome: Outcome
    headers: tuple[str, ...] = ()
    rules: tuple[tuple[Ruleset, int], ...] = ()


Hook = Callable[[Visit], None]


class Tracer:
    """Runs an NF by the judge, and watches."""

    __slots__ = ("_code", "_instance", "_log", "_tags")

    def __init__(self, instance: str, program: Program, context: Context) -> None:
        self._instance = instance
        self._tags = context.tags
        self._log = Log()
        self._code = build(program, replace(context, instance=instance), self._log)

    def visit(self, hook: Hook) -> Pass:
        """The body of the NF for one visit of a packet, telling `hook` of each pass."""
        number = 0

        def run(packet: Packet, tags: Tags, now: int, store: Store, counters: Counters) -> Outcome:
            nonlocal number
            number += 1
            self._log.entries.clear()
            self._log.writes.clear()
            self._log.headers.clear()
            self._log.rules.clear()
            before, tags_before = [getattr(packet, name) for name in _FIELDS], tags.copy()
            outcome = self._code.body(packet, tags, now, store, counters)
            changes = [
                FieldChange(name, old, new)
                for name, old in zip(_FIELDS, before, strict=True)
                if (new := getattr(packet, name)) != old
            ]
            changes += [
                FieldChange(name, tags_before[i], tags[i], is_tag=True)
                for name, i in self._tags.items()
                if tags[i] != tags_before[i]
            ]
            hook(
                Visit(
                    self._instance,
                    now,
                    number,
                    not packet.bits,
                    tuple(self._log.entries),
                    tuple(changes),
                    tuple(self._log.writes),
                    outcome,
                    tuple(self._log.headers),
                    tuple(self._log.rules),
                )
            )
            return outcome

        return run
