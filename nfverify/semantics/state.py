"""The state of a network between two events: variables, clock and waiting timers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nfverify.packet.packet import Packet, wire_values
from nfverify.semantics import aged
from nfverify.semantics.engine import Key, Store, Tags, Values
from nfverify.smat.ir import Network, Program, StateVar

Snapshot = dict[str, dict[str, dict[Key, Values]]]
"""By instance, variable and key; scalars stand under (). The values of a variable with `timeout` or
`max` end with the stamp of the key's last assignment, ns; such keys stand oldest first."""


class Timer(NamedTuple):
    """A packet that waits for `due`, ns; heaps order timers by it, then by creation.

    Whoever fires it copies packet and tags first, so that clones of a machine can share it.
    """

    due: int
    number: int
    instance: int
    packet: Packet
    tags: Tags


@dataclass(frozen=True, slots=True)
class SavedState:
    """What a run can start from; `now` is None before the first packet (then stamps of aged keys
    mean nothing: they become the first packet's). Constants are left out."""

    now: int | None
    instances: Snapshot
    timers: tuple[Timer, ...] = ()


def initial_store(program: Program, now: int = 0) -> Store:
    """Plain variables hold their default under the key (), the others what they begin with; `now`
    is the stamp of aged keys."""
    return [_initial(variable, now) for variable in program.state]


def _initial(variable: StateVar, now: int) -> dict[Key, Values]:
    if not variable.keys:
        return {(): variable.default}
    entries = dict(variable.entries)
    return aged.stamped(entries, now) if variable.aged else entries


def restamp(program: Program, store: Store, now: int) -> None:
    """All aged keys become assigned `now`."""
    for index, variable in enumerate(program.state):
        if variable.aged:
            store[index] = aged.restamped(store[index], now)


def copy_store(program: Program, store: Store) -> Store:
    """A store to be written independently; tables that nothing writes are shared."""
    return [
        values if variable.constant else values.copy()
        for variable, values in zip(program.state, store, strict=True)
    ]


def take_snapshot(network: Network, stores: list[Store], now: int) -> Snapshot:
    """Every variable of every instance, without the constants, and without what expired."""
    return {
        instance.name: {
            variable.name: aged.living(variable, values, now) if variable.aged else values.copy()
            for variable, values in zip(instance.program.state, store, strict=True)
            if not variable.constant
        }
        for instance, store in zip(network.instances, stores, strict=True)
    }


def latest_stamp(
    network: Network, snapshot: Mapping[str, Mapping[str, Mapping[Key, Values]]]
) -> int:
    """When an aged key of a snapshot was assigned last, ns; 0 if it has none."""
    return max(
        (
            row[-1]
            for instance in network.instances
            for variable in instance.program.state
            if variable.aged
            for row in snapshot.get(instance.name, {}).get(variable.name, {}).values()
            if row and isinstance(row[-1], int)
        ),
        default=0,
    )


def stores_from(
    network: Network, snapshot: Mapping[str, Mapping[str, Mapping[Key, Values]]], now: int
) -> list[Store]:
    """The stores of a snapshot taken `now`; what it doesn't mention is as at the start. ValueError
    for names that the network doesn't have, and for aged keys that can't be."""
    stores = []
    unknown = set(snapshot) - {instance.name for instance in network.instances}
    for instance in network.instances:
        store = initial_store(instance.program, now)
        given = dict(snapshot.get(instance.name, {}))
        for index, variable in enumerate(instance.program.state):
            if variable.name in given and not variable.constant:
                rows = given.pop(variable.name)
                store[index] = aged.given(variable, rows, now) if variable.aged else dict(rows)
        unknown.update(f"{instance.name}.{name}" for name in given)
        stores.append(store)
    if unknown:
        raise ValueError(f"the network has no {', '.join(sorted(unknown))}")
    return stores


def packet_values(packet: Packet) -> tuple[object, ...]:
    """What two packets share if and only if no engine can tell them apart."""
    return (*wire_values(packet), packet.size, packet.iface, packet.frame)
