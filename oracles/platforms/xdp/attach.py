"""An XDP program at network interfaces: attached as long as this process holds its links."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from contextlib import ExitStack
from ctypes import byref, sizeof
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, get_args

from nfverify.oracles.platforms.xdp.libbpf import LinkOpts, LoadOpts, check, libbpf
from nfverify.oracles.platforms.xdp.links import other_ends

Mode = Literal["auto", "native", "generic"]
MODES: tuple[str, ...] = get_args(Mode)
_FLAGS = {"auto": 0, "generic": 1 << 1, "native": 1 << 2}  # XDP_FLAGS_*
_BPF_XDP = 37  # bpf_attach_type
_PROGRAM_XDP = 6  # bpf_prog_type
_HAS_FRAGS = 1 << 5
_PASS = bytes.fromhex("b700000002000000 9500000000000000")  # r0 = XDP_PASS; exit


class AttachError(Exception):
    """A program can't be attached to an interface; says why."""


def index_of(interface: str) -> int:
    """The number of an interface. AttachError."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise AttachError(f"there is no interface {interface!a}") from None


@dataclass(slots=True)
class Attached:
    """A program at interfaces, by links, which the kernel takes down when this process ends,
    however it does. Close it, or use it as a context manager."""

    program: int
    interfaces: tuple[str, ...]
    mode: Mode = "auto"
    helped: tuple[str, ...] = ()  # other ends of veth pairs that got a program that passes all
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        if self.mode != "generic":
            # veth takes a frame from XDP only if its other end has a program, too.
            ends = tuple(e for e in other_ends(self.interfaces) if e not in self.interfaces)
            if ends:
                passing = self._passing()
                self.helped = tuple(e for e in ends if self._link(passing, e, "native", may=True))
        for interface in self.interfaces:
            self._link(self.program, interface, self.mode)

    def _link(self, program: int, interface: str, mode: Mode, *, may: bool = False) -> bool:
        options = LinkOpts(sz=sizeof(LinkOpts), flags=_FLAGS[mode])
        found = libbpf().bpf_link_create(program, index_of(interface), _BPF_XDP, byref(options))
        if found >= 0:
            self._stack.callback(os.close, found)
            return True
        if may:
            return False
        number = ctypes.get_errno() if found == -1 else -found
        why = {
            errno.EBUSY: "it has an XDP program already",
            errno.EEXIST: "it has an XDP program already",
            errno.EOPNOTSUPP: "its driver has no native XDP (mode=generic has)",
            errno.EPERM: "that needs the rights of root",
        }.get(number, os.strerror(number))
        raise AttachError(f"XDP can't be attached to {interface}: {why}")

    def _passing(self) -> int:
        options = LoadOpts(sz=sizeof(LoadOpts), prog_flags=_HAS_FRAGS)
        count = len(_PASS) // 8
        found = libbpf().bpf_prog_load(_PROGRAM_XDP, b"pass", b"GPL", _PASS, count, byref(options))
        self._stack.callback(os.close, check(found, "a program that passes all"))
        return int(found)

    def close(self) -> None:
        """Detaches; when it returns, the program runs no more."""
        self._stack.close()
        _settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _settle() -> None:
    """Waits until no processor runs what was there before (a grace period of RCU)."""
    membarrier, everywhere = 324, 1
    ctypes.CDLL(None).syscall(membarrier, everywhere, 0)
