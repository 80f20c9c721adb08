"""Rows of a state variable that tell of each change of a key's value or presence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from nfverify.semantics.engine import Key, Values

Changed = Callable[[str, Key], None]  # the variable, the key
_ABSENT = object()


class WatchedRows(dict[Key, Values]):
    """The rows of a variable that doesn't age."""

    __slots__ = ("changed", "variable")

    def __init__(self, rows: dict[Key, Values], variable: str, changed: Changed) -> None:
        super().__init__(rows)
        self.variable, self.changed = variable, changed

    def __setitem__(self, key: Key, values: Values) -> None:
        before = self.get(key)
        super().__setitem__(key, values)
        if before != values:
            self.changed(self.variable, key)

    def __delitem__(self, key: Key) -> None:
        super().__delitem__(key)
        self.changed(self.variable, key)

    def pop(self, key: Key, *default: object) -> Values:
        found: Values = super().pop(key, _ABSENT)  # type: ignore[arg-type]
        if found is not _ABSENT:
            self.changed(self.variable, key)
            return found
        if not default:
            raise KeyError(key)
        return default[0]  # type: ignore[return-value]


class WatchedAgedRows(OrderedDict[Key, Values]):
    """The rows of one that does: being assigned again is a change, whatever the value."""

    def __init__(self, rows: dict[Key, Values], variable: str, changed: Changed) -> None:
        self.variable = variable
        self.changed: Changed = lambda variable, key: None
        super().__init__(rows)
        self.changed = changed

    def __setitem__(self, key: Key, values: Values) -> None:
        super().__setitem__(key, values)
        self.changed(self.variable, key)

    def __delitem__(self, key: Key) -> None:
        super().__delitem__(key)
        self.changed(self.variable, key)

    def pop(self, key: Key, *default: object) -> Values:
        if key in self:
            values = self[key]
            del self[key]
            return values
        if not default:
            raise KeyError(key)
        return default[0]  # type: ignore[return-value]

    def popitem(self, last: bool = True) -> tuple[Key, Values]:
        key, values = super().popitem(last)
        self.changed(self.variable, key)
        return key, values

    def copy(self) -> OrderedDict[Key, Values]:  # type: ignore[override]
        return OrderedDict(self)
