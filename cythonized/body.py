"""What is known while the code of one NF is written: its plan, its function, its cursors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from nfverify.cythonized.function import Function
from nfverify.cythonized.layout import InstanceLayout, TableLayout
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import Resources
from nfverify.smat.ir import Entry, Expr, Field, Has, Local, Now, Read, Stmt, Tag, walk

Keys = tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A C variable that points to the value part of a key's slot, NULL if there is none.

    `key` is the variable that holds the packed key, `hashed` if surely with its hash. `present`:
    True if the slot is certainly there.
    """

    pointer: str
    key: str
    hashed: bool
    present: bool = False


@dataclass(slots=True)
class Body:
    """One program of the network being written. `homes` are places in tables that the
    pipeline computed for keys of plain packets as they came to this NF: for each the member of the
    packet, and what must hold for it to be this key's."""

    plan: Plan
    instance: InstanceLayout
    function: Function
    resources: Resources
    express: Callable[[Body, Expr], str]
    cursors: dict[tuple[str, Keys], Cursor] = field(default_factory=dict)
    homes: dict[tuple[str, Keys], tuple[str, str]] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)
    settled: bool = False  # what is written is decided for plain frames already
    # Of fast paths: members of the record that say where a key's slot was, how a look-up is called
    # that several functions share, and which writes raise events (None: at all records).
    hints: dict[tuple[str, Keys], str] = field(default_factory=dict)
    packed: dict[tuple[str, Keys], str] = field(default_factory=dict)  # keys that are so already
    shared: Callable[[Body, TableLayout, Keys], Cursor] | None = None
    events: Mapping[str, int | None] = field(default_factory=dict)
    touching: frozenset[str] = frozenset()  # writes that outdate the packet's own record

    def value(self, node: Expr) -> str:
        """The text of an expression; what must be computed first is added to the function."""
        return self.express(self, node)

    def emit(self, *lines: str) -> None:
        self.function.emit(*lines)

    # What writes make stale ---------------------------------------------------------------

    def field_written(self, name: str) -> None:
        """Keys that read the field are others from now on."""
        self._forget(lambda n: isinstance(n, Field) and n.name == name)

    def header_changed(self) -> None:
        """Keys that read any field."""
        self._forget(lambda n: isinstance(n, Field))

    def tag_written(self, name: str) -> None:
        self._forget(lambda n: isinstance(n, Tag) and n.name == name)

    def local_written(self, name: str) -> None:
        self._forget(lambda n: isinstance(n, Local) and n.name == name)

    def state_written(self, variable: str) -> None:
        """Keys that read the variable."""
        self._forget(lambda n: isinstance(n, Read | Has) and n.var == variable)

    def _forget(self, stale: Callable[[Expr | Stmt | Entry], bool]) -> None:
        for known in (self.cursors, self.homes):
            for at in list(known):
                if any(map(stale, walk(at[1]))):
                    del known[at]

    def slots_moved(self, table: str, keep: Keys | None = None) -> None:
        """An insertion or deletion may have moved every slot of a table but the one at `keep`."""
        for at in list(self.cursors):
            if at[0] == table and at[1] != keep:
                del self.cursors[at]

    def everything_moved(self) -> None:
        self.cursors.clear()
        self.homes.clear()

    @contextmanager
    def branch(self) -> Iterator[None]:
        """What is known inside holds only there; what is forgotten inside is forgotten outside."""
        cursors, homes = dict(self.cursors), dict(self.homes)
        yield
        kept = {at: c for at, c in cursors.items() if self.cursors.get(at) is c}
        self.cursors.clear()
        self.cursors.update(kept)
        kept_homes = {at: h for at, h in homes.items() if self.homes.get(at) == h}
        self.homes.clear()
        self.homes.update(kept_homes)

    def temporary(self, ctype: str, name: str, text: str) -> str:
        """A new variable with this value."""
        variable = self.function.declare(ctype, name)
        self.emit(f"{variable} = {text}")
        return variable


def reads_packet_only(nodes: tuple[Expr, ...]) -> bool:
    """No state, tag, local or clock: a function of the packet alone."""
    return not any(isinstance(n, Read | Has | Tag | Local | Now) for n in walk(nodes))
