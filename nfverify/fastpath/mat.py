"""The reference's Global MAT and Event Table: which record a key has, and what outdates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from nfverify.fastpath.plan import Class
from nfverify.semantics.engine import Key
from nfverify.smat.ir import Value

RecordKey = tuple[Value, ...]


@dataclass(slots=True, eq=False)
class Record:
    """A flow of class `class_`, its values, and the keys of state that it watches."""

    class_: Class
    values: Mapping[str, Value]
    watches: frozenset[tuple[str, Key]]
    epoch: int
    outdated: bool = False


@dataclass(slots=True)
class GlobalMat:
    """The records by key; `epoch` names the variables whose changes outdate all of them."""

    epoch_variables: frozenset[str]
    records: dict[RecordKey, Record] = field(default_factory=dict)
    watchers: dict[tuple[str, Key], dict[Record, None]] = field(default_factory=dict)
    epoch: int = 0

    def file(self, key: RecordKey, record: Record | None) -> None:
        """In the place of what the key has; None removes that."""
        old = self.records.pop(key, None)
        if old is not None:
            for watch in old.watches:
                holders = self.watchers[watch]
                del holders[old]
                if not holders:
                    del self.watchers[watch]
        if record is not None:
            self.records[key] = record
            for watch in record.watches:
                self.watchers.setdefault(watch, {})[record] = None

    def outdated(self, record: Record) -> bool:
        """Did an event reach it since it was made?"""
        return record.outdated or record.epoch != self.epoch

    def changed(self, variable: str, key: Key) -> None:
        """The event: value or presence of a key of a variable is another than before."""
        if variable in self.epoch_variables:
            self.epoch += 1
        for record in self.watchers.get((variable, key), ()):
            record.outdated = True

    def evict(self, which: int | Random) -> int:
        """Removes so many records, oldest first, or one that is drawn; how many went."""
        match which:
            case int():
                keys = list(self.records)[: max(which, 0)]
            case Random():
                keys = [which.choice(list(self.records))] if self.records else []
        for key in keys:
            self.file(key, None)
        return len(keys)

    def copy(self) -> GlobalMat:
        """An independent one with the same records."""
        other = GlobalMat(self.epoch_variables, epoch=self.epoch)
        for key, record in self.records.items():
            twin = Record(
                record.class_, record.values, record.watches, record.epoch, record.outdated
            )
            other.file(key, twin)
        return other
