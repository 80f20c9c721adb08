"""A state of a built network, and packets through it: what every host in Python has in common.

Only the standard library is used here, so that this file beside a build is part of its package.
"""

from __future__ import annotations

import ctypes
import os
import time
import weakref
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import accumulate
from types import TracebackType
from typing import NamedTuple, Self

from nfverify.cythonized.captures import CaptureBroken, Job, Passed
from nfverify.cythonized.library import (
    COUNTERS,
    MESSAGES,
    NO_MEMORY,
    OK,
    OUTPUT,
    Library,
    Output,
    RunError,
)

MAX_TIME = 1 << 62  # ns
PADDING = 64  # bytes behind the last frame, so that wide loads stay inside


class Records(NamedTuple):
    """Of a fast path: records that there are, packets that they served; records made, outdated by
    single events, evicted."""

    present: int
    served: int
    made: int
    outdated: int
    evicted: int


class Built:
    """One state of a built network, and packets through it.

    Calls release the GIL; one object is for one thread at a time. `drop_non_ip`: frames that are
    not IP are dropped and counted, not passed on.
    """

    def __init__(
        self, library: Library, *, drop_non_ip: bool = False, operators: int | None = None
    ) -> None:
        self.library = library
        self._drop_non_ip = drop_non_ip
        self._operators = operators  # the address of nf_core.operators
        self._core = 0
        self._created()

    def _created(self) -> None:
        """A new state in the place of the present one. MemoryError leaves that."""
        calls = self.library.calls
        core = calls.nf_create()
        if not core:
            raise MemoryError(f"no memory for a state of {self.library.name}")
        calls.nf_host_non_ip(core, self._drop_non_ip)
        calls.nf_host_operators(core, self._operators)
        self.close()
        self._core = core
        self._finalizer = weakref.finalize(self, calls.nf_destroy, core)

    # Packets ------------------------------------------------------------------------------

    def process(
        self,
        frames: Sequence[bytes],
        times: Sequence[int] | None = None,
        port: int | Sequence[int] = 0,
    ) -> list[list[Output]]:
        """What comes out as each frame arrives (what timers send before it first).

        `times`: ns, one for each frame, below 2^62; without them, the monotonic clock. A time
        before an earlier one counts as that. `port`: of all frames, or of each.
        ValueError before anything has run; MemoryError: the state is as it was before a batch of
        256 frames; RunError, or what `failure` makes of it: as before the frame.
        """
        stamps = self._stamps(len(frames), times)
        ports = self._ports(len(frames), port)
        lengths = array("I", map(len, frames))
        data = bytearray().join((*frames, bytes(PADDING)))
        now = self.now or 0
        verdicts = self.run(data, lengths, stamps, ports)
        out: list[list[Output]] = []
        if not self.library.simple:
            out.extend([] for _ in frames)
            for cause, sent in self._sent():
                out[cause].append(sent)
            return out
        at, whole = 0, bytes(data)
        latest = accumulate(stamps, max, initial=now)
        next(latest)
        for length, verdict, stamp in zip(lengths, verdicts, latest, strict=True):
            end = at + length
            out.append([Output(stamp, verdict, whole[at:end])] if verdict >= 0 else [])
            at = end
        return out

    def run(
        self,
        data: bytearray,
        lengths: array[int],
        times: array[int],
        ports: array[int] | None = None,
        originals: array[int] | None = None,
    ) -> array[int]:
        """The fast way: frames one behind the other in `data`, which are rewritten there.

        Arrays of u32 lengths ("I"), u64 times ("Q"), u16 ports ("H"), u32 original lengths. Returns
        the port of each frame, or -1 where it is dropped; of a network that is not `simple`, -1
        everywhere. At least PADDING bytes stand behind the last frame.
        """
        count = len(lengths)
        if sum(lengths) + PADDING > len(data):
            raise ValueError(f"{len(data)} bytes are not {PADDING} more than all frames")
        for given, code, name in (
            (lengths, "I", "lengths"),
            (times, "Q", "times"),
            (ports, "H", "ports"),
            (originals, "I", "originals"),
        ):
            if given is not None and (given.typecode != code or len(given) != count):
                raise ValueError(f"{name} is no array {code!r} of {count}")
        verdicts = array("i", [-1]) * count
        error = self._push(
            _address(data),
            _address(lengths),
            _address(originals),
            _address(times),
            _address(ports),
            _address(verdicts),
            count,
        )
        if error:
            self._fail(error)
        return verdicts

    def _push(self, *given: object) -> int:
        """All frames through the state; the arguments are nf_host_run's."""
        error: int = self.library.calls.nf_host_run(self.core, *given)
        return error

    def advance(self, to: int) -> list[Output]:
        """Time passes up to `to`, ns: what the timers send that are due. None of it happens before
        the first packet."""
        if not 0 <= to < MAX_TIME:
            raise ValueError(f"time {to} is not in 0..2^62-1")
        error = self._advance(to)
        if error:
            self._fail(error)
        return [sent for _, sent in self._sent()]

    def _advance(self, to: int) -> int:
        error: int = self.library.calls.nf_advance(self.core, to)
        return error

    @property
    def records(self) -> Records | None:
        """What its fast path has done; None: it was built without one."""
        counts = getattr(self.library.calls, "nf_fast_counts", None)
        if counts is None:
            return None
        counts.argtypes, counts.restype = (ctypes.c_void_p, ctypes.c_void_p), None
        found = (ctypes.c_uint64 * len(Records._fields))()
        counts(self.core, found)
        return Records(*found)

    def evict(self, count: int) -> None:
        """Forgets so many records of its fast path, which changes nothing but the time it takes."""
        evict = getattr(self.library.calls, "nf_fast_evict", None)
        if evict is not None:
            evict.argtypes, evict.restype = (ctypes.c_void_p, ctypes.c_uint64), None
            evict(self.core, count)

    def run_pcap(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str] | None = None,
        *,
        port: int = 0,
    ) -> Passed:
        """A capture through the network, as if it arrived by `port`, and what comes out into
        another, which comes whole or not at all. pcap and pcapng in, pcap out.

        CaptureBroken, once what was before the fault is run and written; OSError.
        """
        if port not in range(max(2, len(self.library.ports))):
            raise ValueError(f"the network has no port {port}")
        part = None if target is None else f"{os.fspath(target)}.{os.getpid()}.part"
        broken = None
        try:
            with open(source, "rb", buffering=0) as stream, ExitStack() as stack:
                job = stack.enter_context(self.job())
                job.input(stream.fileno(), os.fspath(source), port)
                if part is not None:
                    out = stack.enter_context(open(part, "xb", buffering=0))
                    job.output(out.fileno(), os.fspath(target or ""), None)
                try:
                    error = job.run()
                except CaptureBroken as fault:
                    broken, error = fault, OK
                if error:
                    self._fail(error)
                passed = job.passed
            if part is not None:
                os.replace(part, target or "")
        finally:
            if part is not None:
                with suppress(OSError):
                    os.unlink(part)
        if broken is not None:
            raise broken
        return passed

    def job(self) -> Job:
        """What runs captures through this state. MemoryError."""
        return Job(self.library.calls, self.core)

    def _sent(self) -> list[tuple[int, Output]]:
        """What came out, behind the number of the frame that caused it; the library forgets it."""
        count = ctypes.c_uint32()
        items = self._items(count)
        if not count.value:
            return []
        if items is None:
            self._clear()
            raise self.failure(NO_MEMORY)
        records = ctypes.string_at(items, count.value * OUTPUT.size)
        found = [
            (cause, Output(stamp, port, ctypes.string_at(data, length)))
            for stamp, data, length, cause, _, _, port in OUTPUT.iter_unpack(records)
        ]
        self._clear()
        return found

    def _items(self, count: ctypes.c_uint32) -> int | None:
        """The address of the outputs, and how many they are."""
        items: int | None = self.library.calls.nf_host_sent(self.core, ctypes.byref(count))
        return items

    def _stamps(self, count: int, times: Sequence[int] | None) -> array[int]:
        if times is None:
            return array("Q", [time.monotonic_ns()]) * count
        if len(times) != count:
            raise ValueError(f"{len(times)} times for {count} frames")
        for stamp in (min(times, default=0), max(times, default=0)):
            if not 0 <= stamp < MAX_TIME:
                raise ValueError(f"time {stamp} is not in 0..2^62-1")
        return array("Q", times)

    def _ports(self, count: int, port: int | Sequence[int]) -> array[int] | None:
        known = range(max(2, len(self.library.ports)))
        given = (port,) if isinstance(port, int) else port
        for number in set(given):
            if number not in known:
                raise ValueError(f"the network has no port {number}")
        if isinstance(port, int):
            return array("H", [port]) * count if port else None
        if len(port) != count:
            raise ValueError(f"{len(port)} ports for {count} frames")
        return array("H", port)

    def _fail(self, error: int) -> None:
        self._clear()
        raise self.failure(error)

    def _clear(self) -> None:
        """Forgets what came out."""
        self.library.calls.nf_host_clear(self.core)

    def failure(self, error: int) -> BaseException:
        """The exception for an error of a run."""
        name = self.library.name
        if error == NO_MEMORY:
            return MemoryError(f"no memory for more state of {name}; it is as before the batch")
        return RunError(f"{name}: {MESSAGES.get(error, f'error {error}')}", error)

    # State --------------------------------------------------------------------------------

    @property
    def core(self) -> int:
        """The address of the state. ValueError once it is closed."""
        if not self._core:
            raise ValueError("the network function is closed")
        return self._core

    def _read(self) -> tuple[int, bool, list[int]]:
        now, started = ctypes.c_uint64(), ctypes.c_uint32()
        counters = (ctypes.c_uint64 * len(COUNTERS))()
        self.library.calls.nf_host_read(
            self.core, ctypes.byref(now), ctypes.byref(started), counters
        )
        return now.value, bool(started.value), list(counters)

    @property
    def now(self) -> int | None:
        """The time of the last event, ns; None before the first packet."""
        now, started, _ = self._read()
        return now if started else None

    @property
    def counters(self) -> dict[str, int]:
        """How often each thing went wrong, by its name."""
        return dict(zip(COUNTERS, self._read()[2], strict=True))

    @property
    def hits(self) -> Mapping[str, int]:
        """Packets that each entry took, if the build counts them."""
        hits = self.library.calls.nf_host_hits(self.core)
        if not hits:
            return {}
        return {name: hits[index] for index, name in enumerate(self.library.entries)}

    def save_binary(self) -> bytes:
        """The whole state in the binary form. MemoryError."""
        return self._saved(self.library.calls.nf_host_save)

    def save_json(self) -> str:
        """The whole state as JSON. MemoryError."""
        return self._saved(self.library.calls.nf_host_json).decode()

    def _saved(self, save: Callable[[int, object, object], int]) -> bytes:
        data, length = ctypes.c_void_p(), ctypes.c_uint64()
        error = save(self.core, ctypes.byref(data), ctypes.byref(length))
        if error:
            self._fail(error)
        try:
            return ctypes.string_at(data, length.value)
        finally:
            self.library.calls.nf_host_free(data)

    def load_binary(self, state: bytes) -> None:
        """Goes on from a state in the binary form; what is wrong with it leaves all as it was."""
        error = self.library.calls.nf_load(self.core, state, len(state))
        if error:
            self._fail(error)

    def reset(self) -> None:
        """Back to the start: no packet has come, all counters are 0. MemoryError leaves all."""
        self._created()

    def close(self) -> None:
        """Gives the memory back; nothing but `close` can be called afterwards."""
        if self._core:
            self._core = 0
            self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _address(buffer: bytearray | array[int] | None) -> ctypes.Array[ctypes.c_char] | None:
    """What ctypes passes as the address of the buffer, and keeps it while it does."""
    if not buffer:
        return None
    size = len(buffer) * (buffer.itemsize if isinstance(buffer, array) else 1)
    return (ctypes.c_char * size).from_buffer(buffer)
