"""DPDK: frames by rte_ethdev, from captures, network interfaces or network cards.

State is in the project's own tables, which measure better than rte_hash and grow
(benchmarks/bench_tables.py).
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from shutil import which
from typing import ClassVar

from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.cpp import COMPILER, MAKE, Cpp
from nfverify.oracles.platforms.platform import Need


@cache
def _installed() -> bool:
    """Does pkg-config know DPDK?"""
    tool = which("pkg-config")
    return tool is not None and not subprocess.call([tool, "--exists", "libdpdk >= 21.11"])


class Dpdk(Cpp):
    """DPDK's ports instead of the kernel's: all of it is in nf_dpdk.hpp."""

    name = "dpdk"
    text = "C++ and DPDK: captures, network interfaces, and network cards without the kernel"
    needs: ClassVar[tuple[Need, ...]] = (
        COMPILER,
        MAKE,
        Need("pkg-config", "pkg-config", lambda: which("pkg-config") is not None),
        Need("DPDK", "libdpdk-dev", _installed),
    )
    given = Needs(monotone=True, longest=65_535)  # bytes that an mbuf's data can have
    lives = True
    fast_paths = True
    options = ("eal",)
    packages = ("libdpdk",)
    runtime = (Path(__file__).with_name("runtime"),)

    def visit_main(self) -> str:
        return """\
// dpdk: packets come and go by DPDK's ports.
#include "nf_dpdk.hpp"

int main(int argc, char **argv)
{
    return nf::run<nf::Dpdk>(argc, argv);
}
"""
