"""Several workers, each with a state of its own: which fields of a packet tell whose it is.

A key is sound if two packets that may access one row of the state always have the same worker. So
each access of each variable that the body writes must hold, at fixed places of its key, the same
fields as they arrived; of a pair such as sip and dip either order will do, because the hash adds
up both. What only `init` writes is alike in all workers, for all start at the same time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NoReturn

from nfverify.cythonized.arriving import Label, Site, sites
from nfverify.lang.source import Diagnostic, ModelError, Span
from nfverify.packet.codec import parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Malformed, Packet
from nfverify.semantics.engine import Key, Values
from nfverify.semantics.state import SavedState, Snapshot, Timer
from nfverify.smat.ir import Network, StateVar, Value

# In the order in which nf_shard.h hashes them; the bits of its masks are those of SHARD_FIELDS.
CLASSES = (
    ("sip", "dip"), ("sip6", "dip6"), ("sport", "dport"), ("proto",), ("smac", "dmac"), ("vlan",),
)  # fmt: skip
SHARD_FIELDS = tuple(name for names in CLASSES for name in names)
_FLOW = ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto")

_WORD = (1 << 64) - 1
_FACTOR, _STEP = 0xD6E8FEB86659FD93, 0x9E3779B97F4A7C15  # as in nf_shard.h

Name = tuple[str, str]  # of an instance, of its variable
Places = tuple[tuple[int, ...], ...]  # in a key, for each of CLASSES


@dataclass(frozen=True, slots=True)
class ShardKey:
    """The fields whose values at arrival decide on the worker; where they stand in the keys of the
    variables that workers have parts of. All other variables are the same in all workers."""

    fields: tuple[str, ...]
    places: Mapping[Name, Places]

    @property
    def mask(self) -> int:
        """The fields as nf_shard.h names them."""
        return sum(1 << SHARD_FIELDS.index(name) for name in self.fields)

    def worker(self, packet: Packet, workers: int) -> int:
        """Whose packet it is, by its fields as they are."""
        values = (tuple(getattr(packet, n) for n in c if n in self.fields) for c in CLASSES)
        return _hash(values) * workers >> 32

    def worker_of_frame(self, frame: bytes, workers: int) -> int:
        """The same of a frame as it arrives; malformed ones are the first worker's."""
        packet = parse(frame)
        return 0 if isinstance(packet, Malformed) else self.worker(packet, workers)

    def owner(self, places: Places, key: Key, workers: int) -> int:
        """Who has the row of a key."""
        values = (
            tuple(int(key[at]) & (1 << FIELDS[names[0]].width) - 1 for at in chosen)
            for names, chosen in zip(CLASSES, places, strict=True)
        )
        return _hash(values) * workers >> 32


def _part(word: int) -> int:
    word = word * _FACTOR & _WORD
    word = (word ^ word >> 32) * _STEP & _WORD
    return word ^ word >> 29


def _hash(classes: Iterable[Sequence[int]]) -> int:
    """32 bits of the values of each class; their order within a class makes no difference."""
    total = 0
    for number, values in enumerate(classes, 1):
        salt = number * _STEP & _WORD
        for value in values:
            total += _part(value & _WORD ^ salt) + _part(value >> 64 ^ salt ^ _WORD)
    return _part(total & _WORD) >> 32


# Finding the key --------------------------------------------------------------------------


def shard_key(network: Network) -> ShardKey:
    """The largest key by which the network's packets can be spread over workers. ModelError says
    what they would have to share."""
    for instance in network.instances:
        for timer in instance.program.timers:
            _refuse("its timers would run in every worker", timer.span)
    accesses = _of_written(sites(network))
    variables = {
        (instance.name, variable.name): variable
        for instance in network.instances
        for variable in instance.program.state
    }
    for name, first in {site.name: site for site in reversed(accesses)}.items():
        _check(name, variables[name], first)
    key = _key(accesses)
    if not key.fields:
        # The fewer accesses the more fields, so the first one that leaves none can be looked for.
        counts = range(1, len(accesses) + 1)
        last = accesses[bisect_left(counts, True, key=lambda n: not _key(accesses[:n]).fields)]
        message = (
            f"{last.name[1]} can't be divided among workers: no field of the arriving packet is in"
            " its key both here and wherever else state is used"
        )
        _refuse(message, last.span)
    return key


def _of_written(found: Sequence[Site]) -> list[Site]:
    """The accesses of variables that packets change."""
    names = {site.name for site in found if site.changes}
    return [site for site in found if site.name in names]


def _refuse(message: str, span: Span) -> NoReturn:
    hint = "run it without --workers"
    raise ModelError(Diagnostic("error", "shared-state", message, span, hint))


def _check(name: Name, variable: StateVar, first: Site) -> None:
    """Refuses what all packets share; `first` is the first access."""
    span = variable.span if variable.span.source.text else first.span
    if not variable.keys:
        _refuse(f"{name[1]} is one for all packets: workers would have to share it", span)
    if variable.capacity is not None:
        _refuse(f"the max of {name[1]} holds for all packets together", span)


def _key(accesses: Sequence[Site]) -> ShardKey:
    """The largest key for these accesses; without fields if there is none."""
    if not accesses:
        return ShardKey(_FLOW, {})
    by_name: dict[Name, list[tuple[Label | None, ...]]] = {}
    for site in accesses:
        rows = by_name.setdefault(site.name, [])
        if site.labels not in rows:
            rows.append(site.labels)
    fields: list[str] = []
    places: dict[Name, list[tuple[int, ...]]] = {name: [] for name in by_name}
    for names in CLASSES:
        for chosen in (names, *((n,) for n in names if len(names) > 1)):
            found = {name: _places(rows, chosen) for name, rows in by_name.items()}
            if all(found.values()):
                fields += chosen
                break
        else:
            found = dict.fromkeys(by_name, ())
        for name, at in found.items():
            places[name].append(at or ())
    order = tuple(name for name in SHARD_FIELDS if name in fields)
    return ShardKey(order, {name: tuple(at) for name, at in places.items()})


def _places(
    rows: Sequence[tuple[Label | None, ...]], chosen: tuple[str, ...]
) -> tuple[int, ...] | None:
    """Where all keys hold the chosen fields, in any order but alike otherwise; None: nowhere."""
    for at in combinations(range(len(rows[0])), len(chosen)):
        held = [[row[i] for i in at] for row in rows]
        types = {tuple(label and label.type for label in labels) for labels in held}
        if len(types) == 1 and all(
            sorted(label.field if label else "" for label in labels) == sorted(chosen)
            for labels in held
        ):
            return at
    return None


# States -----------------------------------------------------------------------------------


def split(network: Network, key: ShardKey, state: SavedState, workers: int) -> list[SavedState]:
    """What each worker starts from, so that all together go on from the state."""
    parts: list[Snapshot] = [{} for _ in range(workers)]
    for instance, variables in state.instances.items():
        for part in parts:
            part[instance] = {}
        for name, rows in variables.items():
            places = key.places.get((instance, name))
            for number, part in enumerate(parts):
                part[instance][name] = {
                    k: row
                    for k, row in rows.items()
                    if places is None or key.owner(places, k, workers) == number
                }
    timers: list[list[Timer]] = [[] for _ in range(workers)]
    for timer in sorted(state.timers):
        timers[key.worker_of_frame(timer.packet.frame, workers)].append(timer)
    return [
        SavedState(state.now, part, tuple(waiting))
        for part, waiting in zip(parts, timers, strict=True)
    ]


def merge(network: Network, key: ShardKey, states: Sequence[SavedState]) -> SavedState:
    """The state of all workers together: of each row its owner's, aged ones by their stamps (which
    of equal stamps came first isn't known any more, and makes no difference)."""
    workers = len(states)
    instances: Snapshot = {}
    for instance in network.instances:
        merged = instances[instance.name] = {}
        for variable in instance.program.state:
            name = instance.name, variable.name
            if variable.name not in states[0].instances.get(instance.name, {}):
                continue
            tables = [state.instances[instance.name][variable.name] for state in states]
            places = key.places.get(name)
            if places is None:
                merged[variable.name] = dict(tables[0])
                continue
            rows = [
                (k, row)
                for number, table in enumerate(tables)
                for k, row in table.items()
                if key.owner(places, k, workers) == number
            ]
            merged[variable.name] = dict(sorted(rows, key=_last) if variable.aged else rows)
    times = [state.now for state in states if state.now is not None]
    waiting = sorted((t for state in states for t in state.timers), key=lambda t: t.due)
    timers = tuple(t._replace(number=number) for number, t in enumerate(waiting))
    return SavedState(max(times, default=None), instances, timers)


def _last(row: tuple[Key, Values]) -> tuple[Value, Key]:
    return row[1][-1], row[0]
