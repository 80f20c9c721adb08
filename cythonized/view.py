"""The state of a running network function, to be read and set by name, saved and loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.semantics.engine import Key, Values
from nfverify.semantics.state import Snapshot
from nfverify.smat.ir import Bits, Bool, Bytes, Instance, StateVar, Type, Value, wrap

if TYPE_CHECKING:
    from nfverify.cythonized.host import NetworkFunction

BINARY = ".bin"  # the suffix of states in the binary form; all others are JSON
MAX_BYTES = 4 << 30

# A single component stands alone: what a plain variable, a key or a value is read as.
Item = Value | tuple[Value, ...]
Content = Item | dict[Item, Item] | set[Item]


class StateView(Mapping[str, "InstanceView"]):
    """Instances by name; `nf.state["nat"]["next"]` is a variable's value.

    Each look copies the whole state: take `snapshot()` for many.
    """

    def __init__(self, function: NetworkFunction) -> None:
        self._function = function

    def __getitem__(self, name: str) -> InstanceView:
        for instance in self._function.network.instances:
            if instance.name == name:
                return InstanceView(self._function, instance)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(instance.name for instance in self._function.network.instances)

    def __len__(self) -> int:
        return len(self._function.network.instances)

    def __repr__(self) -> str:
        return f"<state of {self._function.network.name}: {', '.join(self)}>"

    def snapshot(self) -> Snapshot:
        """A copy of every variable, as the reference machine's `snapshot` returns it."""
        return self._function.snapshot()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the state: NAME.bin in the binary form, else JSON. The file comes whole."""
        from nfverify.semantics.state_json import dump

        target = Path(path)
        if target.suffix == BINARY:
            data = self._function.save_binary()
        else:
            data = dump(self._function.network, self._function.save()).encode()
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Goes on from a state that `save`, `nfverify run` or a standalone program wrote; the
        content tells the form. ModelError says what is wrong, and nothing has changed."""
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"{path}: a state of over {MAX_BYTES >> 30} GB")
        self._function.load_any(data, os.fspath(path))


class InstanceView(Mapping[str, Content]):
    """The variables of one instance: plain ones as values, maps as dicts, sets as sets.

    Keys and values of several components are tuples. Idle time-outs are left out: `snapshot` has
    the stamps. Assigning a variable replaces it.
    """

    def __init__(self, function: NetworkFunction, instance: Instance) -> None:
        self._function = function
        self._instance = instance
        self._variables = {v.name: v for v in instance.program.state if not v.constant}

    def __getitem__(self, name: str) -> Content:
        variable = self._variables[name]
        rows = self._function.snapshot()[self._instance.name][name]
        if not variable.keys:
            return _item(rows[()])
        values = len(variable.values)
        if not values:
            return {_item(key) for key in rows}
        return {_item(key): _item(row[:values]) for key, row in rows.items()}

    def __setitem__(self, name: str, content: Content) -> None:
        """A content that doesn't fit the variable's types is a ValueError or TypeError."""
        variable = self._variables[name]
        saved = self._function.save()
        rows = _rows(variable, content, saved.now or 0)
        instances = {**saved.instances}
        instances[self._instance.name] = {**instances[self._instance.name], name: rows}
        self._function.restore(replace(saved, instances=instances))

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"<state of {self._instance.name}: {', '.join(self)}>"


def _item(row: Values) -> Item:
    return row[0] if len(row) == 1 else row


def _rows(variable: StateVar, content: Content, now: int) -> dict[Key, Values]:
    """The rows of a snapshot for what a person assigned."""
    stamp = (now,) if variable.aged else ()
    match content:
        case dict() if variable.keys and variable.values:
            return {
                _fitting(key, variable, "key"): (*_fitting(value, variable, "value"), *stamp)
                for key, value in content.items()
            }
        case set() if variable.keys and not variable.values:
            return {_fitting(key, variable, "key"): stamp for key in content}
        case bool() | int() | bytes() | tuple() if not variable.keys:
            return {(): _fitting(content, variable, "value")}
    kind = "a value" if not variable.keys else "a dict" if variable.values else "a set"
    raise TypeError(f"{variable.name} is {kind}, not {type(content).__name__}")


def _fitting(item: Item, variable: StateVar, what: str) -> tuple[Value, ...]:
    """The components of a key or value, which must be of their types."""
    types = variable.keys if what == "key" else variable.values
    row = item if isinstance(item, tuple) else (item,)
    if len(row) != len(types):
        raise ValueError(f"{variable.name}: a {what} has {len(types)} components, not {len(row)}")
    for component, type_ in zip(row, types, strict=True):
        if not _fits(component, type_):
            raise ValueError(f"{variable.name}: {component!a} does not fit a {what}: {type_}")
    return row


def _fits(value: Value, type_: Type) -> bool:
    match type_, value:
        case (Bool(), bool()) | (Bytes(), bytes()):
            return True
        case Bits(), int() if not isinstance(value, bool):
            return wrap(value, type_) == value
    return False
