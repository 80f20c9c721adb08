"""The reference of the fast path: a chain that records its flows, as a plan says.

machine = FastMachine(plan)
outputs = machine.step(time_ns, port, frame)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Literal, NamedTuple

from nfverify.fastpath.headers import apply
from nfverify.fastpath.mat import GlobalMat, Record, RecordKey
from nfverify.fastpath.plan import LONGEST, Class, Path, Plan, StateFunction
from nfverify.fastpath.rows import WatchedAgedRows, WatchedRows
from nfverify.packet.packet import IP4, IP6, VLAN, Packet
from nfverify.semantics.engine import Chooser, Engine, Key, Store, Values
from nfverify.semantics.machine import Emission, Machine
from nfverify.semantics.operators import Function, hash_of
from nfverify.semantics.state import SavedState
from nfverify.semantics.values import number, truth
from nfverify.semantics.walk import Moment, moments
from nfverify.smat import ir

__all__ = ["FastMachine", "Taken"]


class Taken(NamedTuple):
    """What served a packet: names of a class and of one of its paths."""

    class_: str
    path: str


class FastMachine(Machine):
    """The chain of a plan with its Global MAT; all that a Machine has, and the same arguments.

    `served` counts the packets that a record served; `last` is how the last packet was, None if
    the chain did it. Raises ModelError.
    """

    __slots__ = ("_at", "_hash", "_places", "_serving", "_watched", "last", "mat", "plan", "served")

    def __init__(
        self,
        plan: Plan,
        *,
        operators: Mapping[str, Function] | None = None,
        engine: str | Engine = "closures",
        non_ip: Literal["bypass", "drop"] = "bypass",
        state: SavedState | Mapping[str, Mapping[str, Mapping[Key, Values]]] | None = None,
        chooser: Chooser | None = None,
    ) -> None:
        self.plan = plan
        self.mat = GlobalMat(frozenset(plan.epoch))
        self.served = 0
        self.last: Taken | None = None
        self._serving = False
        super().__init__(
            plan.network,
            operators=operators,
            engine=engine,
            non_ip=non_ip,
            state=state,
            chooser=chooser,
        )
        variables = tuple(replace(v, name=name) for name, v in plan.variables())
        self._at = moments(variables, expressions(plan), self._context)
        self._hash = hash_of(tuple(map(ir.field_type, plan.key)))
        self._places = [
            (index, place)
            for index, instance in enumerate(plan.network.instances)
            for place in range(len(instance.program.state))
        ]
        events = plan.watched() | set(plan.epoch)
        self._watched = [
            (place, variable)
            for place, variable in zip(self._places, variables, strict=True)
            if variable.name in events
        ]

    def evict(self, which: int | Random) -> int:
        """Removes so many records, oldest first, or one that is drawn; how many went."""
        return self.mat.evict(which)

    def restore(self, state: SavedState | Mapping[str, Mapping[str, Mapping[Key, Values]]]) -> None:
        """As a Machine; no record stays."""
        super().restore(state)
        self.mat = GlobalMat(self.mat.epoch_variables)

    def clone(self) -> FastMachine:
        """As a Machine, with records of its own."""
        other = super().clone()
        other.plan, other.mat = self.plan, self.mat.copy()
        other.served, other.last, other._serving = self.served, self.last, False
        other._at, other._hash = self._at, self._hash
        other._places, other._watched = self._places, self._watched
        other._watch()  # before anything else: timers may fire next
        return other

    # Packets ------------------------------------------------------------------------------

    def _enter(self, packet: Packet, port: int, out: list[Emission]) -> None:
        self._watch()
        self.last = None
        packet.iface = port
        if not 0 <= port < self._context.ports or not self._may_be_served(packet):
            super()._enter(packet, port, out)
            return
        key = self._key(packet)
        record = self.mat.records.get(key)
        if record is not None and (self.plan.checked == "after" or not self.mat.outdated(record)):
            moment = self._moment(packet, record.values)
            path = next((p for p in record.class_.paths if holds(moment, p.residual)), None)
            if path is not None:
                self.served += 1
                self.last = Taken(record.class_.name, path.name)
                self._serving = True
                self._run(path, packet, record, out)
                self._serving = False
                if self.mat.outdated(record):
                    self.mat.file(key, None)
                return
        self._slow(packet, port, out)

    def _may_be_served(self, packet: Packet) -> bool:
        if self.non_ip == "drop" and not packet.bits & (IP4 | IP6):
            return False
        if self.plan.plain and (packet.bits & VLAN or len(packet.frame) > LONGEST):
            return False
        return holds(self._moment(packet, {}), self.plan.served)

    def _slow(self, packet: Packet, port: int, out: list[Emission]) -> None:
        """Through the chain; then the flow is recorded again."""
        plan, arrived, before = self.plan, packet.copy(), len(out)
        kept = truth(self._moment(arrived, {}).value(plan.kept))
        early = self._record(arrived) if plan.recorded == "before" else None
        super()._enter(packet, port, out)
        if kept:
            return
        record = early if plan.recorded == "before" else self._record(arrived)
        if record is not None:
            record.epoch = self.mat.epoch
        left = out[before].packet if len(out) > before else arrived
        self.mat.file(self._key(left if plan.filed == "departing" else arrived), record)

    def _record(self, packet: Packet) -> Record | None:
        """What the state now says of the packet's flow."""
        moment = self._moment(packet, {})
        for class_ in self.plan.classes:
            if holds(moment, class_.condition):
                return self._record_of(class_, packet)
        return None

    def _record_of(self, class_: Class, packet: Packet) -> Record:
        moment = self._moment(packet, {})
        values = {value.name: moment.value(value.expr) for value in class_.values}
        moment = self._moment(packet, values)
        watches = frozenset((w.var, moment.values(w.keys)) for w in class_.watches)
        return Record(class_, values, watches, self.mat.epoch)

    def _run(self, path: Path, packet: Packet, record: Record, out: list[Emission]) -> None:
        """One way of the plan: state, header, outputs, all of them read on arrival."""
        moment = self._moment(packet, record.values)
        ports = [number(moment.value(port)) for port in path.outputs]
        action = path.header
        modify = [(name, moment.value(value)) for name, value in action.modify]
        pushes = [(push.kind, moment.values(push.args)) for push in path.header.pushes]
        read = [_read(moment, function) for function in path.functions]
        done: set[int] = set()
        for index in range(len(path.functions)):
            group = path.group_of(index)
            for member in () if index in done else group:
                together = len(group) > 1
                writes = _read(moment, path.functions[member]) if together else read[member]
                for variable, key, values in writes:
                    moment.assign(variable, key, values)
            done.update(group)
        if not all(0 <= port < self._context.ports for port in ports):
            self.counters["bad_port"] += 1
            return
        if not ports:
            return
        fault = apply(packet, action.pops, modify, action.summed, pushes)
        if fault is not None:
            self.counters[fault] += 1
            return
        now = self.now or 0
        out.extend(Emission(now, port, packet.copy()) for port in ports)

    # What expressions are read in ------------------------------------------------------------

    def _moment(self, packet: Packet, values: Mapping[str, ir.Value]) -> Moment:
        store: Store = [self._stores[index][place] for index, place in self._places]
        return self._at(packet, self.now or 0, store, values)

    def _key(self, packet: Packet) -> RecordKey:
        key: RecordKey = tuple(getattr(packet, name) for name in self.plan.key)
        if not self.plan.hashed:
            return key
        return (number(self._hash(*key)) & (1 << self.plan.hashed) - 1,)

    def _watch(self) -> None:
        """Makes the rows of the variables that raise events tell of their changes."""
        for (index, place), variable in self._watched:
            rows = self._stores[index][place]
            if not isinstance(rows, WatchedRows | WatchedAgedRows):
                make = WatchedAgedRows if variable.aged else WatchedRows
                self._stores[index][place] = make(rows, variable.name, self._changed)

    def _changed(self, variable: str, key: Key) -> None:
        if not self._serving:
            self.mat.changed(variable, key)


def holds(moment: Moment, conjuncts: tuple[ir.Expr, ...]) -> bool:
    """Are all true? The first that isn't ends it."""
    return all(truth(moment.value(c)) for c in conjuncts)


def _read(moment: Moment, function: StateFunction) -> list[tuple[str, Key, Values | None]]:
    """Its writes: variable, key, values or None to delete."""
    return [
        (
            write.var,
            moment.values(write.keys),
            moment.values(write.values) if isinstance(write, ir.Write) else None,
        )
        for write in function.writes
    ]


def expressions(plan: Plan) -> Iterator[ir.Expr]:
    """All of a plan's, as they stand in it."""
    yield from plan.served
    yield plan.kept
    for class_ in plan.classes:
        yield from class_.condition
        yield from (value.expr for value in class_.values)
        for watch in class_.watches:
            yield from watch.keys
        for path in class_.paths:
            yield from path.residual
            yield from path.outputs
            yield from (value for _, value in path.header.modify)
            for push in path.header.pushes:
                yield from push.args
            for function in path.functions:
                for write in function.writes:
                    yield from ir.children(write)  # type: ignore[misc]  # of a write: expressions
