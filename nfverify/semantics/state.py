"""The state of a network between two events: variables, clock and waiting timers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nfverify.packet.packet import Packet, wire_values
from nfverify.semantics.engine import Key, Store, Tags, Values
from nfverify.smat.ir import Network, Program

Snapshot = dict[str, dict[str, dict[Key, Values]]]  # instance, variable, key; scalars under ()


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
    """What a run can start from; `now` is None before the first packet. Constants are left out."""

    now: int | None
    instances: Snapshot
    timers: tuple[Timer, ...] = ()


def initial_store(program: Program) -> Store:
    """Plain variables hold their default under the key (), the others what they begin with."""
    return [dict(v.entries) if v.keys else {(): v.default} for v in program.state]


def copy_store(program: Program, store: Store) -> Store:
    """A store to be written independently; tables that nothing writes are shared."""
    return [
        values if variable.constant else values.copy()
        for variable, values in zip(program.state, store, strict=True)
    ]


def take_snapshot(network: Network, stores: list[Store]) -> Snapshot:
    """Every variable of every instance, without the constants."""
    return {
        instance.name: {
            variable.name: values.copy()
            for variable, values in zip(instance.program.state, store, strict=True)
            if not variable.constant
        }
        for instance, store in zip(network.instances, stores, strict=True)
    }


def stores_from(
    network: Network, snapshot: Mapping[str, Mapping[str, Mapping[Key, Values]]]
) -> list[Store]:
    """The stores of a snapshot; what it doesn't mention is as at the start. ValueError for names
    that the network doesn't have."""
    stores = []
    unknown = set(snapshot) - {instance.name for instance in network.instances}
    for instance in network.instances:
        store = initial_store(instance.program)
        given = dict(snapshot.get(instance.name, {}))
        for index, variable in enumerate(instance.program.state):
            if variable.name in given and not variable.constant:
                store[index] = dict(given.pop(variable.name))
        unknown.update(f"{instance.name}.{name}" for name in given)
        stores.append(store)
    if unknown:
        raise ValueError(f"the network has no {', '.join(sorted(unknown))}")
    return stores


def packet_values(packet: Packet) -> tuple[object, ...]:
    """What two packets share if and only if no engine can tell them apart."""
    return (*wire_values(packet), packet.size, packet.iface, packet.frame)
