"""A built network's shared library, called through ctypes.

Only the standard library is used here, so that this file beside a build is part of its package.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import NamedTuple

ABI = 1
OK, NO_MEMORY, RUNAWAY, COPIES, OPERATOR, FORMAT = 0, -1, -2, -3, -4, -5
COUNTERS = (
    *("malformed", "non_ip", "resubmit_limit", "loop_limit", "payload_length", "bad_port"),
    *("no_choice", "malformed_inner", "too_deep", "too_big"),
)
_ABOUT = (
    *("abi", "output_bytes", "counters", "simple", "has_timers", "state_bytes"),
    *("ports", "instances", "entries"),
)
OUTPUT = struct.Struct("=QQIIIIH6x")  # nf_output: time, data, length, cause, origin, original, …
MESSAGES = {
    RUNAWAY: "timers fire too often between two packets",
    COPIES: "copies of one packet went through too many NFs",
    OPERATOR: "an operator failed",
    FORMAT: "not a state of this network",
}


class Output(NamedTuple):
    """A frame that came out, its time in ns; equal to the reference machine's."""

    time: int
    port: int
    frame: bytes


class RunError(RuntimeError):
    """A run that the model itself ended; the state is as it was before the packet."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Library:
    """One shared library: what it says of itself, and its functions. OSError, ValueError."""

    __slots__ = ("_about", "calls", "entries", "instances", "name", "path", "ports")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.calls = _declared(ctypes.CDLL(self.path))
        lacking: bytes | None = self.calls.nf_host_lacks()
        if lacking:
            raise ValueError(f"{self.path} needs a processor with {lacking.decode()}")
        numbers = (ctypes.c_uint64 * len(_ABOUT))()
        self.calls.nf_host_about(numbers)
        self._about: dict[str, int] = dict(zip(_ABOUT, numbers, strict=True))
        expected = {"abi": ABI, "output_bytes": OUTPUT.size, "counters": len(COUNTERS)}
        if {name: self._about[name] for name in expected} != expected:
            raise ValueError(f"{self.path} is a build of another version of nfverify")
        self.name = self._text(0, 0)
        self.ports = tuple(self._text(1, i) for i in range(self._about["ports"]))
        self.instances = tuple(self._text(2, i) for i in range(self._about["instances"]))
        self.entries = tuple(self._text(3, i) for i in range(self._about["entries"]))

    def _text(self, what: int, index: int) -> str:
        data: bytes = self.calls.nf_host_name(what, index)
        return data.decode()

    @property
    def simple(self) -> bool:
        """Comes each packet out at most once, in its own frame and at the time it came in?"""
        return bool(self._about["simple"])

    @property
    def has_timers(self) -> bool:
        return bool(self._about["has_timers"])

    @property
    def state_bytes(self) -> int:
        """Of one state, without what its tables allocate."""
        return self._about["state_bytes"]


def _declared(calls: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the types of its functions."""
    c, pointer = ctypes, ctypes.c_void_p
    number, long, code = c.c_uint32, c.c_uint64, c.c_int32
    for name, result, arguments in (
        ("nf_create", pointer, ()),
        ("nf_destroy", None, (pointer,)),
        ("nf_advance", code, (pointer, long)),
        ("nf_flush", code, (pointer,)),
        ("nf_load", code, (pointer, c.c_char_p, long)),
        ("nf_host_run", code, (*(pointer,) * 7, number)),
        ("nf_host_sent", pointer, (pointer, c.POINTER(number))),
        ("nf_host_clear", None, (pointer,)),
        ("nf_host_save", code, (pointer, c.POINTER(pointer), c.POINTER(long))),
        ("nf_host_json", code, (pointer, c.POINTER(pointer), c.POINTER(long))),
        ("nf_host_free", None, (pointer,)),
        ("nf_host_lacks", c.c_char_p, ()),
        ("nf_host_about", None, (c.POINTER(long),)),
        ("nf_host_name", c.c_char_p, (number, number)),
        ("nf_host_read", None, (pointer, c.POINTER(long), c.POINTER(number), c.POINTER(long))),
        ("nf_host_non_ip", None, (pointer, number)),
        ("nf_host_operators", None, (pointer, pointer)),
        ("nf_host_hits", c.POINTER(long), (pointer,)),
    ):
        function = getattr(calls, name)
        function.restype, function.argtypes = result, arguments
    return calls
