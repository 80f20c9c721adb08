"""The state of a network in BPF maps, read as a saved state and written from one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nfverify.cythonized.fold import folded_network
from nfverify.cythonized.layout import InstanceLayout, TableLayout, layouts
from nfverify.lang.source import Diagnostic, ModelError, Span
from nfverify.oracles.platforms.xdp.btf import Array, Layout, Struct
from nfverify.oracles.platforms.xdp.loader import Loaded
from nfverify.oracles.platforms.xdp.maps import FullError, Map
from nfverify.oracles.platforms.xdp.rows import Place, Rows, cell
from nfverify.oracles.platforms.xdp.tables import map_name
from nfverify.packet.packet import Packet
from nfverify.semantics.engine import Key, Values, number_tags
from nfverify.semantics.machine import ERRORS
from nfverify.semantics.state import SavedState, Snapshot, Timer, stores_from, take_snapshot
from nfverify.smat.ir import Bits, Network, Value

STATE = "nf_state"  # the variable that holds all but the tables
NEVER = (1 << 64) - 1  # a timer that doesn't wait is due then
_U32, _I32, _U64 = Bits(32), Bits(32, signed=True), Bits(64)


@dataclass(frozen=True, slots=True)
class Slot:
    """A timer: when it is due, its number, and its tags."""

    due: Place
    number: Place
    tags: tuple[Place, ...]


@dataclass(slots=True)
class MapState:
    """Where the maps of a loaded program hold the state of a network. ValueError: not of this."""

    network: Network
    loaded: Loaded
    instances: tuple[InstanceLayout, ...] = ()
    _tables: dict[str, list[tuple[Map, Rows]]] = field(default_factory=dict)
    _plains: dict[tuple[str, str], tuple[Place, ...]] = field(default_factory=dict)
    _core: dict[str, Place] = field(default_factory=dict)
    _counters: dict[str, Place] = field(default_factory=dict)
    _slots: tuple[Slot, ...] = ()
    _live: memoryview = field(default_factory=lambda: memoryview(b""))

    def __post_init__(self) -> None:
        self.instances = layouts(folded_network(self.network))
        for instance in self.instances:
            for table in instance.tables:
                self._tables[table.id] = list(self._maps(table))
        base, layout = self._variable(STATE)
        for instance in self.instances:
            if instance.plains:
                at, inner = _member(layout, instance.name)
                for plain in instance.plains:
                    places = tuple(cell(inner, c.name, c.type, base + at) for c in plain.cells)
                    self._plains[instance.name, plain.variable.name] = places
        at, core = _member(layout, "core")
        base += at
        for name, type_ in (
            *(("now", _U64), ("started", _U32), ("error", _I32)),
            *(("order", _U64), ("timers_made", _U64), ("overflow", _U64)),
            *(("arrived", _U64), ("left", _U64)),
        ):
            self._core[name] = cell(core, name, type_, base)
        at, _ = _member(core, "counters")
        self._counters = {
            name: Place(base + at + 8 * index, 8, "little", _U64)
            for index, name in enumerate(ERRORS)
        }
        self._slots = tuple(self._timers(core, base))
        self._live = self._bytes(STATE)[0].view()

    def _maps(self, table: TableLayout) -> Iterator[tuple[Map, Rows]]:
        """The maps of a table; a constant one that the program holds in itself has none."""
        for wide in (False, True):
            name = map_name(table, wide=wide)
            found = self.loaded.maps.get(name)
            if found is None and not table.constant and (not wide or table.wide is not None):
                raise ValueError(f"the object has no map {name}")
            if found is not None and found.key is not None and found.value is not None:
                yield found, Rows.of(table, found.key, found.value, wide=wide)

    def _variable(self, name: str) -> tuple[int, Layout]:
        found = self.loaded.variable(name)
        if found is None:
            raise ValueError(f"the object has no variable {name}")
        return found[1], found[2]

    def _timers(self, core: Layout, base: int) -> Iterator[Slot]:
        if not isinstance(core, Struct) or "timers" not in core.members:
            return
        at, timers = core.members["timers"]
        if not isinstance(timers, Array):
            raise ValueError("timers are an array")
        names = number_tags(tuple(i.program for i in self.network.instances))
        for index in range(timers.count):
            start = base + at + index * timers.element.size
            due, number = (cell(timers.element, n, _U64, start) for n in ("due", "number"))
            tags: list[Place] = []
            if names:
                where, inner = _member(timers.element, "tags")
                if isinstance(inner, Array):
                    step = inner.element.size
                    tags = [Place(start + where + i * step, step, "little", _I32)
                            for i in range(inner.count)]  # fmt: skip
            yield Slot(due, number, tuple(tags))

    # Reading --------------------------------------------------------------------------------

    def _bytes(self, name: str) -> tuple[Map, bytes]:
        found = self.loaded.variable(name)
        if found is None:
            raise ValueError(f"the object has no variable {name}")
        return found[0], found[0].get(bytes(4)) or b""

    def save(self) -> SavedState:
        """The state as it is now."""
        _, data = self._bytes(STATE)
        started = self._core["started"].read(data)
        now = _int(self._core["now"].read(data)) if started else None
        found: Snapshot = {}
        for instance in self.instances:
            rows: dict[str, dict[Key, Values]] = {}
            for plain in instance.plains:
                places = self._plains[instance.name, plain.variable.name]
                rows[plain.variable.name] = {(): tuple(p.read(data) for p in places)}
            for table in instance.tables:
                if not table.constant:
                    rows.update(self._table(table))
            found[instance.title] = rows
        # As the reference says it: without what expired, aged keys oldest first.
        stores = stores_from(self.network, found, now or 0)
        timers = tuple(self._waiting(data)) if started else ()
        return SavedState(now, take_snapshot(self.network, stores, now or 0), timers)

    def _table(self, table: TableLayout) -> dict[str, dict[Key, Values]]:
        found: dict[str, dict[Key, Values]] = {m.variable.name: {} for m in table.members}
        for held, rows in self._tables[table.id]:
            everything = list(held.rows())
            if table.aged:
                everything.sort(key=lambda row: [int(n) for n in rows.age(row[1])])
            for key, value in everything:
                unpacked = rows.key(key)
                for name, values in rows.values(value).items():
                    found[name][unpacked] = values
        return found

    def _waiting(self, data: bytes) -> Iterator[Timer]:
        slots = iter(self._slots)
        for index, instance in enumerate(self.network.instances):
            for _ in instance.program.timers:
                slot = next(slots)
                due = _int(slot.due.read(data))
                if due != NEVER:
                    tags = [_int(place.read(data)) for place in slot.tags]
                    number = _int(slot.number.read(data))
                    yield Timer(due, number, index, Packet(), tags)

    def counters(self) -> Mapping[str, int]:
        """Error counters by name."""
        _, data = self._bytes(STATE)
        return {name: _int(place.read(data)) for name, place in self._counters.items()}

    def frames(self) -> tuple[int, int]:
        """How many came, and left, while the program was attached."""
        data = self._live
        return _int(self._core["arrived"].read(data)), _int(self._core["left"].read(data))

    def trouble(self) -> tuple[int, int]:
        """What ended the run (0: nothing), and how many keys found no room in a full map."""
        data = self._live
        return _int(self._core["error"].read(data)), _int(self._core["overflow"].read(data))

    # Writing --------------------------------------------------------------------------------

    def begin(self) -> None:
        """The state before the first packet, whatever was there: initial entries, constants."""
        self.loaded.reset()
        for instance in self.instances:
            for table in instance.tables:
                rows = {m.variable.name: dict(m.variable.entries) for m in table.members}
                if table.aged:  # they become stamped with the first packet
                    rows = {n: {k: (*v, 0) for k, v in r.items()} for n, r in rows.items()}
                self._fill(table, rows)

    def load(self, state: SavedState) -> None:
        """Goes on from a saved state. ModelError if it doesn't fit; ValueError as `stores_from`."""
        self.begin()
        now = state.now or 0
        snapshot = take_snapshot(self.network, stores_from(self.network, state.instances, now), now)
        where, before = self._bytes(STATE)
        data = bytearray(before)
        for instance in self.instances:
            rows = snapshot[instance.title]
            for plain in instance.plains:
                places = self._plains[instance.name, plain.variable.name]
                for place, value in zip(places, rows[plain.variable.name][()], strict=True):
                    place.write(data, value)
            for table in instance.tables:
                if not table.constant:
                    for held, _ in self._tables[table.id]:
                        held.clear()
                    self._fill(table, rows)
        if state.now is not None:
            self._core["now"].write(data, state.now)
            self._core["started"].write(data, 1)
            self._arm(data, state)
        most = max((len(r) for rows in snapshot.values() for r in rows.values()), default=0)
        self._core["order"].write(data, most)
        where.put(bytes(4), bytes(data))

    def _fill(self, table: TableLayout, rows: Mapping[str, Mapping[Key, Values]]) -> None:
        merged: dict[Key, dict[str, Values]] = {}
        for member in table.members:
            for key, values in rows[member.variable.name].items():
                merged.setdefault(key, {})[member.variable.name] = values
        for order, (key, found) in enumerate(merged.items()):
            for held, packing in self._tables[table.id]:
                packed = packing.pack(key)
                if packed is None:
                    continue  # it has 128-bit parts
                try:
                    held.put(packed, packing.pack_values(found, order))
                except FullError as error:
                    raise _refused(str(error), table.members[0].variable.span) from None
                break

    def _arm(self, data: bytearray, state: SavedState) -> None:
        """Each waiting timer into the first slot of its instance that is free."""
        for slot in self._slots:
            slot.due.write(data, NEVER)
        free: dict[int, list[Slot]] = {}
        slots = iter(self._slots)
        for index, instance in enumerate(self.network.instances):
            free[index] = [next(slots) for _ in instance.program.timers]
        for number, timer in enumerate(sorted(state.timers)):
            if timer.packet.bits or not free[timer.instance]:
                program = self.network.instances[timer.instance].program
                raise _refused("XDP can't hold a timer of this state", program.span)
            slot = free[timer.instance].pop(0)
            slot.due.write(data, timer.due)
            slot.number.write(data, number)
            for place, tag in zip(slot.tags, timer.tags, strict=True):
                place.write(data, tag)
        self._core["timers_made"].write(data, len(state.timers))


def _member(layout: Layout, name: str) -> tuple[int, Layout]:
    if not isinstance(layout, Struct) or name not in layout.members:
        raise ValueError(f"the object has no member {name!a}")
    return layout.members[name]


def _int(value: Value) -> int:
    return int(value) if isinstance(value, int) else 0


def _refused(message: str, span: Span) -> ModelError:
    return ModelError(Diagnostic("error", "state", message, span))
