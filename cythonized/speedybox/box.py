"""A chain of NFs written in Python, on the same Global MAT as those written in C."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nfverify.cythonized.speedybox.calls import COUNT, NUMBER, UPDATE
from nfverify.cythonized.speedybox.library import Function, Go, Out, Process, Update, loaded
from nfverify.cythonized.speedybox.packet import Packet

MAX_FLOWS = (1 << 31) - 1


class NF(Protocol):
    """A network function: what it does to a packet, and what it says of it (calls.py)."""

    def process(self, packet: Packet) -> None: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What a chain did: `mistaken` are flows whose NFs said another thing than what they did to the
    flow's first packet, so that nothing was recorded."""

    packets: int
    served: int
    recorded: int
    events: int
    removed: int
    evicted: int
    mistaken: int


class Box:
    """A chain; `fast=False` is the chain as it is, without records. `flows` of them at a time."""

    def __init__(self, nfs: Sequence[NF], *, fast: bool = True, flows: int = 1 << 20) -> None:
        """BuildError, MemoryError; ValueError for too many NFs or no flows."""
        if not 0 < flows <= MAX_FLOWS:
            raise ValueError(f"{flows} flows")
        self._library = loaded()
        self._handlers: dict[Callable[..., Any], int] = {}
        self._called: list[Callable[..., Any]] = []
        self._raised: BaseException | None = None
        self._pointer = self._library.nf_box_create(fast, flows)
        if not self._pointer:
            raise MemoryError
        self.function = Function(self._function)
        self.condition = Function(self._condition)
        self.update = Update(self._update)
        self.no_update = Update(0)
        self._processes = [Process(self._process_of(nf)) for nf in nfs]
        for process in self._processes:
            if self._library.nf_box_add(self._pointer, process, None):
                raise ValueError(f"a chain of {len(nfs)} NFs is too long")

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            self._library.nf_box_destroy(self._pointer)

    def run(self, frame: bytes, time: int = 0, port: int = 0) -> bytes | None:
        """The frame as it leaves the chain, or None: it drops. What an NF raises comes out here."""
        out = Out()
        buffer = ctypes.create_string_buffer(frame, max(1, len(frame)))
        leaves = self._library.nf_box_run(
            self._pointer, buffer, len(frame), time, port, ctypes.byref(out)
        )
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        if leaves < 0:
            raise MemoryError
        return ctypes.string_at(out.frame, out.length) if leaves else None

    def outdate_all(self) -> None:
        """All flows are recorded anew: something that any row may rest on has changed."""
        self._library.nf_box_outdate(self._pointer)

    @property
    def counts(self) -> Counts:
        """So far."""
        raw = self._library.nf_box_counts(self._pointer).contents
        return Counts(*(getattr(raw, name) for name, _ in raw._fields_))

    # What C calls ---------------------------------------------------------------------------

    def handler(self, function: Callable[..., Any]) -> int:
        """The number by which C knows a function."""
        number = self._handlers.setdefault(function, len(self._called))
        if number == len(self._called):
            self._called.append(function)
        return number

    def _process_of(self, nf: NF) -> Callable[[int, int], None]:
        def process(_: int, packet: int) -> None:
            if self._raised is None:
                self._guard(nf.process, Packet(self, packet), ())

        return process

    def _function(self, _: int, packet: int, args: Any) -> int:
        return int(self._call(0, packet, args) or Go.GO)

    def _condition(self, _: int, packet: int, args: Any) -> int:
        return bool(self._call(0, packet, args))

    def _update(self, _: int, packet: int, args: Any) -> None:
        self._call(UPDATE, packet, args)

    def _call(self, shift: int, packet: int, args: Any) -> Any:
        what, *given = args.contents.at
        function = self._called[what >> shift & NUMBER]
        return self._guard(function, Packet(self, packet), given[: what >> COUNT])

    def _guard(self, function: Callable[..., Any], packet: Packet, args: Sequence[int]) -> Any:
        """C can't be left by an exception: it is kept, and the packet drops."""
        try:
            return function(packet, *args)
        except BaseException as error:
            self._raised = self._raised or error
            packet.drop()
            return 0
