"""A network function on several cores: workers with a state each, and each packet to its own's."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from nfverify.cythonized.built import Built
from nfverify.cythonized.captures import Job
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.library import COUNTERS, Library
from nfverify.cythonized.sharding import merge, shard_key, split
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network

MOST = 256


class ShardedFunction(NetworkFunction):
    """As a NetworkFunction, with its state divided among workers by fields of the packets.

    Of each flow the outputs are those of one worker, in their order. ModelError says what state the
    workers would have to share. After an error of a run their states are not of one moment: `reset`
    or `restore`.
    """

    def __init__(
        self,
        network: Network,
        library: Library,
        workers: int,
        *,
        operators: Mapping[str, Function] | None = None,
        non_ip: Literal["bypass", "drop"] = "bypass",
    ) -> None:
        if not 1 <= workers <= MOST:
            raise ValueError(f"{workers} workers are not 1 to {MOST}")
        self.key = shard_key(network)
        self.parts: list[NetworkFunction] = []
        one = partial(NetworkFunction, network, library, operators=operators, non_ip=non_ip)
        self._make: Callable[[], list[NetworkFunction]] = lambda: [one() for _ in range(workers)]
        super().__init__(network, library, operators=operators, non_ip=non_ip)

    def _created(self) -> None:
        parts = self._make()
        shards = self._started(parts)
        self.close()
        self.parts = parts
        self._shards(shards)

    def _started(self, parts: Sequence[Built]) -> int:
        """Threads for these states. MemoryError."""
        cores = (ctypes.c_void_p * len(parts))(*[part.core for part in parts])
        calls = _declared(self.library.calls)
        shards: int | None = calls.nf_shards_new(cores, len(parts), self.key.mask)
        if not shards:
            raise MemoryError(f"no memory or threads for {len(parts)} workers")
        return shards

    def _shards(self, shards: int) -> None:
        self._core = shards
        self._finalizer = weakref.finalize(self, _end, self.library.calls, shards, self.parts)

    def _alive(self) -> list[NetworkFunction]:
        """The workers. ValueError once they are closed."""
        return self.parts if self.core else []

    def _push(self, *given: object) -> int:
        error: int = self.library.calls.nf_host_run_shards(self.core, *given)
        return error

    def _advance(self, to: int) -> int:
        error: int = self.library.calls.nf_shards_advance(self.core, to)
        return error

    def _items(self, count: ctypes.c_uint32) -> int | None:
        items: int | None = self.library.calls.nf_shards_sent(self.core, ctypes.byref(count))
        return items

    def _clear(self) -> None:
        for part in self._alive():
            part._clear()

    def job(self) -> Job:
        """What runs captures through the workers. MemoryError."""
        return Job(self.library.calls, self.core, workers=True)

    def _read(self) -> tuple[int, bool, list[int]]:
        read = [part._read() for part in self._alive()]
        counters = [sum(row[2][index] for row in read) for index in range(len(COUNTERS))]
        return max(row[0] for row in read), any(row[1] for row in read), counters

    @property
    def hits(self) -> Mapping[str, int]:
        """Packets that each entry took, if the build counts them."""
        first, *others = [part.hits for part in self._alive()]
        return {name: n + sum(hits[name] for hits in others) for name, n in first.items()}

    def failure(self, error: int) -> BaseException:
        """The exception for an error of a run, of the first worker that has one."""
        for part in self.parts:
            if part.raised is not None:
                return part.failure(error)
        return super().failure(error)

    # State --------------------------------------------------------------------------------

    def save(self) -> SavedState:
        """The state of all workers together."""
        return merge(self.network, self.key, [part.save() for part in self._alive()])

    def save_binary(self) -> bytes:
        """The same in the binary form."""
        from nfverify.semantics.state_binary import dump

        return dump(self.network, self.save())

    def load_binary(self, state: bytes, name: str = "<state>") -> None:
        """Goes on from a state in the binary form. ModelError says what is wrong with it."""
        from nfverify.semantics.state_binary import load

        parts = self._alive()
        states = split(self.network, self.key, load(self.network, state, name), len(parts))
        for part, own in zip(parts, states, strict=True):
            part.restore(own)
        shards = self._started(parts)  # which go on from the time of the states
        self._finalizer.detach()
        self.library.calls.nf_shards_free(self.core)
        self._shards(shards)


def _end(calls: ctypes.CDLL, shards: int, parts: Sequence[Built]) -> None:
    """The threads first, then what they worked on."""
    calls.nf_shards_free(shards)
    for part in parts:
        part.close()


def _declared(calls: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the types of these functions."""
    c, pointer = ctypes, ctypes.c_void_p
    code, number, long = c.c_int32, c.c_uint32, c.c_uint64
    for name, result, arguments in (
        ("nf_shards_new", pointer, (c.POINTER(pointer), number, number)),
        ("nf_shards_free", None, (pointer,)),
        ("nf_shards_advance", code, (pointer, long)),
        ("nf_shards_sent", pointer, (pointer, c.POINTER(number))),
        ("nf_host_run_shards", code, (*(pointer,) * 7, number)),
    ):
        function = getattr(calls, name)
        function.restype, function.argtypes = result, arguments
    return calls
