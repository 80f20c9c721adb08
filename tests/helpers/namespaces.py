"""A network namespace of a test: pairs of virtual Ethernet interfaces that nobody else sees.

with Namespace(("in", "out")) as lab: the interface `in` is wired to `in-far`, `out` to `out-far`.

The namespace has no name: it goes when the process that holds it ends, and that one ends with the
test, even with one that is killed, and takes with it what still runs there.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from struct import pack, unpack_from
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
TAGS = (b"\x81\0", b"\x88\xa8")
FAR = "-far"  # ends the name of an interface's other end
_NEW_NET, _NEW_MOUNTS, _PRIVATE = 0x40000000, 0x20000, 1 << 18 | 1 << 14
_SPACES = (("net", "net"), ("mount", "mnt"))
_SOL_PACKET, _AUXDATA, _IGNORE_OUTGOING, _RECEIVE_BUFFER = 263, 8, 23, 33
_EVERY_PROTOCOL = 3
_TAG_VALID, _TYPE_VALID = 1 << 4, 1 << 6
_PATIENCE = 60  # s
_BURST = 32  # frames: the queue of a virtual interface holds 256


class UnavailableError(RuntimeError):
    """No namespaces can be made here; says why."""


@dataclass(slots=True)
class Wire:
    """The far end of an interface: what the test sends arrives there, what it sends arrives here,
    whole, with the VLAN tag that the kernel keeps apart."""

    socket: socket.socket
    frames: list[bytes] = field(default_factory=list)
    _reader: threading.Thread | None = None
    _closed: bool = False

    def listen(self) -> None:
        """Collects in `frames` what arrives, from now on."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, frames: Sequence[bytes], pause: float = 0.0002) -> None:
        """In bursts small enough for the interface's queue, with pauses of so many seconds."""
        for at in range(0, len(frames), _BURST):
            for frame in frames[at : at + _BURST]:
                self.socket.send(frame)
            time.sleep(pause)

    def wait(self, count: int, patience: float = 10.0) -> list[bytes]:
        """What arrived, when it is `count` frames or nothing came for `patience` s."""
        seen, since = -1, time.monotonic()
        while len(self.frames) < count and time.monotonic() - since < patience:
            if len(self.frames) != seen:
                seen, since = len(self.frames), time.monotonic()
            time.sleep(0.002)
        return self.frames[:]

    def close(self) -> None:
        self._closed = True
        if self._reader is not None:
            self._reader.join()
        self.socket.close()

    def _read(self) -> None:
        while not self._closed:
            try:
                data, extra, _, _ = self.socket.recvmsg(1 << 17, 64)
            except TimeoutError:
                continue
            self.frames.append(_tagged(data, extra))


def _tagged(data: bytes, extra: Sequence[tuple[int, int, bytes]]) -> bytes:
    for level, kind, value in extra:
        if (level, kind) == (_SOL_PACKET, _AUXDATA):
            (status,) = unpack_from("=I", value)
            tag, type_ = unpack_from("=HH", value, 16)
            if status & _TAG_VALID:
                type_ = type_ if status & _TYPE_VALID else 0x8100
                return data[:12] + pack("!HH", type_, tag) + data[12:]
    return data


class Namespace:
    """Interfaces in a namespace of their own, up, without addresses, IPv6 and offloads.

    UnavailableError.
    """

    def __init__(self, names: Sequence[str] = ("p0", "p1"), mtu: int = 1500) -> None:
        command = [sys.executable, "-S", "-E", "-s", __file__, str(mtu), *names]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline().strip()
        self._wires: list[Wire] = []
        if said != "ready":
            self.close()
            raise UnavailableError(said or "the process that holds the namespace ended")
        self.proc = Path("/proc", str(self._holder.pid))

    def command(self, *words: str) -> list[str]:
        """The command line that runs a command in the namespace."""
        spaces = (f"--{kind}={self.proc}/ns/{file}" for kind, file in _SPACES)
        return ["nsenter", *spaces, f"--wd={os.getcwd()}", "--", *words]

    def run(self, *words: str) -> str:
        """A command in the namespace: what it prints. CalledProcessError."""
        command = self.command(*words)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def heard(self, names: Sequence[str]) -> bool:
        """Does somebody listen to one of the interfaces, by a packet socket or by XDP?"""
        return bool(self._heard(names))

    def until_heard(self, process: subprocess.Popen[str], names: Sequence[str]) -> None:
        """Waits until somebody listens to all of them, while the process runs, which is to."""
        limit = time.monotonic() + _PATIENCE
        while process.poll() is None and self._heard(names) != set(names):
            if time.monotonic() > limit:
                process.kill()
            time.sleep(0.02)

    def _heard(self, names: Sequence[str]) -> set[str]:
        links = json.loads(self.run("ip", "-j", "link"))
        rows = [line.split() for line in (self.proc / "net" / "packet").read_text().splitlines()]
        listened = {int(row[4]) for row in rows[1:] if int(row[3], 16)}
        return {
            link["ifname"]
            for link in links
            if link["ifname"] in names and ("xdp" in link or link["ifindex"] in listened)
        }

    def wire(self, name: str) -> Wire:
        """The far end of an interface."""
        made = Wire(self.inside(lambda: _raw(name + FAR)))
        self._wires.append(made)
        return made

    def inside(self, make: Callable[[], T]) -> T:
        """What a function makes in a thread that is in the namespace: sockets stay there."""
        made: list[T] = []
        failed: list[BaseException] = []

        def enter() -> None:
            try:
                with open(self.proc / "ns" / "net", "rb") as file:
                    _set_namespace(file.fileno())
                made.append(make())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        return made[0]

    def close(self) -> None:
        for wire in self._wires:
            wire.close()
        self._holder.communicate()  # closes its input, at which it ends

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def carried(frame: bytes, mtu: int = 1500) -> bool:
    """Does a virtual interface carry the frame? The kernel drops those whose tag is cut."""
    return (20 if frame[12:14] in TAGS else 14) <= len(frame) <= mtu + 14


@cache
def unavailable() -> str:
    """Why no namespaces can be made here; "" where they can."""
    try:
        Namespace(()).close()
    except (UnavailableError, OSError) as error:
        return str(error)
    return ""


def _raw(name: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # nothing arrives before it's bound
    made.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER, 256 << 20)
    made.setsockopt(_SOL_PACKET, _AUXDATA, 1)
    made.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    made.bind((name, _EVERY_PROTOCOL))
    made.settimeout(0.05)
    return made


def _set_namespace(descriptor: int) -> None:
    """os.setns, which Python 3.11 has not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _NEW_NET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# The process that holds a namespace -------------------------------------------------------


def _make(mtu: int, names: Sequence[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NET | _NEW_MOUNTS):
        error = os.strerror(ctypes.get_errno())
        raise UnavailableError(f"a network namespace needs root: {error}")
    libc.mount(None, b"/", None, _PRIVATE, None)
    for kind, place in ((b"sysfs", b"/sys"), (b"bpf", b"/sys/fs/bpf")):  # of this namespace
        if libc.mount(kind, place, kind, 0, None):
            error = os.strerror(ctypes.get_errno())
            raise UnavailableError(f"{place.decode()} can't be mounted anew: {error}")
    for kind in ("all", "default"):
        setting = Path("/proc/sys/net/ipv6/conf", kind, "disable_ipv6")
        if setting.exists():
            setting.write_text("1")
    lines = []
    for name in names:
        far = name + FAR
        lines.append(f"link add {name} mtu {mtu} type veth peer name {far} mtu {mtu}")
        lines += [f"link set {end} arp off up" for end in (name, far)]
    _call(["ip", "-batch", "-"], "\n".join(lines))
    off = ("rx", "tx", "sg", "tso", "gso", "gro", "rxvlan", "txvlan")
    for name in names:
        for end in (name, name + FAR):
            _call(["ethtool", "-K", end, *(word for one in off for word in (one, "off"))], "")


def _call(command: Sequence[str], text: str) -> None:
    try:
        subprocess.run(command, input=text, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise UnavailableError(f"no {command[0]} is installed") from None
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.split())
        raise UnavailableError(f"{' '.join(command)}: {said}") from None


def _end_the_rest() -> None:
    """Kills what else runs in this namespace, which is this process's own."""
    own = os.stat("/proc/self/ns/net")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if os.path.samestat(own, os.stat(entry / "ns/net")):
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                pass  # it ended, or is another's


def _hold() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C is for the test, which closes the pipe
    before = os.stat("/proc/self/ns/net")
    try:
        _make(int(sys.argv[1]), sys.argv[2:])
    except UnavailableError as error:
        print(error, flush=True)
    else:
        print("ready", flush=True)
        sys.stdin.read()
    if not os.path.samestat(before, os.stat("/proc/self/ns/net")):
        _end_the_rest()


if __name__ == "__main__":
    _hold()
