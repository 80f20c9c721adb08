"""What tests of platforms need of the system: left out by name without it, and failing in CI.

`.ci/packages` has the names of system packages; beside them there are `root` (for BPF programs and
network interfaces of the kernel's), `bpf` (a kernel that loads BPF programs for this user) and
`netns` (network namespaces may be made).
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from functools import cache
from pathlib import Path

import namespaces
import pytest

PACKAGES = Path(__file__).parents[2] / ".ci" / "packages"
PROG_LOAD = 5
BPF = 321 if os.uname().machine == "x86_64" else 280  # the number of bpf(2)
# What a name stands for beside a package of its own.
IMPLIED = {
    "linux": ("g++", "pcap"),
    "dpdk": ("g++", "pkg-config", "dpdk", "pcap"),
    "onvm": ("g++", "pkg-config", "dpdk", "pcap"),
    "xdp": ("clang", "libbpf", "root", "bpf"),
    "bpftool": ("bpftool", "root"),
    "namespaces": ("ip", "ethtool", "root", "netns"),
}


def needs(*names: str) -> pytest.MarkDecorator:
    """A mark: the test runs only where all of these are; where CI is set, it fails without."""
    return pytest.mark.needs(*names)


def require(*names: str) -> None:
    """The same for a fixture or within a test."""
    found = missing(*sorted({part for name in names for part in IMPLIED.get(name, (name,))}))
    if found and os.environ.get("CI"):
        pytest.fail(f"missing, which CI must have: {'; '.join(found)}", pytrace=False)
    elif found:
        pytest.skip(f"needs {'; '.join(found)}")


@cache
def missing(*names: str) -> tuple[str, ...]:
    """Each of these that isn't here, with what brings it."""
    found = []
    if "root" in names and os.geteuid() != 0:
        found.append("root: run as the superuser")
    if "bpf" in names and not loads_programs():
        found.append("bpf: a kernel that lets this user load BPF programs")
    if "netns" in names and (why := namespaces.unavailable()):
        found.append(f"netns: {why}")
    packages = [name for name in names if name not in ("root", "bpf", "netns")]
    if packages:
        done = subprocess.run([PACKAGES, *packages], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        found += done.stdout.splitlines()
    return tuple(found)


def loads_programs() -> bool:
    """Whether bpf(2) is there and open to this user: an empty program is called invalid then, not
    forbidden or unknown."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = (ctypes.c_char * 128)()
    libc.syscall(BPF, PROG_LOAD, attributes, len(attributes))
    return ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)
