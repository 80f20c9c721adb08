"""DPDK: frames by rte_ethdev, from captures, network interfaces or network cards.

State is in the project's own tables, which grow, and measure better than rte_hash
(benchmarks/bench_tables.py).
"""

from __future__ import annotations

from pathlib import Path
from shutil import which

from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.cpp import Cpp, has_package
from nfverify.oracles.platforms.platform import Need


class Dpdk(Cpp):
    """DPDK's ports instead of the kernel's sockets, by nf_dpdk.hpp."""

    name = "dpdk"
    text = "C++ and DPDK: captures, network interfaces, and network cards without the kernel"
    needs = (
        *Cpp.needs,
        Need("pkg-config", "pkg-config", lambda: which("pkg-config") is not None),
        Need("DPDK", "libdpdk-dev", lambda: has_package("libdpdk", "21.11")),
    )
    given = Needs(monotone=True, longest=65_535)  # bytes that an mbuf's data can have
    lives = True
    fast_paths = True
    options = ("eal",)
    packages = ("libdpdk",)
    libraries = ("pcap",)
    runtime = (Path(__file__).with_name("runtime"),)

    def visit_main(self) -> str:
        start = "int main(int argc, char **argv) { return nf::run<nf::Dpdk>(argc, argv); }"
        return f'/* Packets come and go by DPDK. */\n#include "nf_dpdk.hpp"\n\n{start}\n'
