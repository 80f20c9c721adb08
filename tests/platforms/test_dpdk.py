"""What only DPDK's program has: ports of other drivers, and frames that its mbufs can't hold."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from model_bench import udp
from on_platforms import network_of
from platforms import require

from nfverify.oracles.platforms.platform import Build
from nfverify.oracles.platforms.program import ProgramPlatform
from nfverify.oracles.platforms.registry import platform
from nfverify.semantics import state_binary
from nfverify.semantics.state import SavedState

# Two ports of a driver that always has a frame, and takes all that leave.
NULLS = "--no-huge -m 600 --no-pci --no-shconf --no-telemetry --log-level=error --vdev=net_null0"


@cache
def program(name: str) -> Path:
    require(name)
    found = platform(name)
    assert isinstance(found, ProgramPlatform)
    return found.built(Build(network_of("lib:napt")))


def run(name: str, *words: str, code: int = 0) -> str:
    done = subprocess.run([program(name), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stderr + done.stdout


def pcap(frames: Sequence[bytes], link: int = 1) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link)
    rows = ((struct.pack("<IIII", n, n, len(f), len(f) + 9), f) for n, f in enumerate(frames))
    return head + b"".join(part for row in rows for part in row)


def test_ports_of_any_driver() -> None:
    assert "1,000 packets in" in run("dpdk", f"--eal={NULLS} --vdev=net_null1", "--count", "1000")
    assert "a port for each" in run("dpdk", f"--eal={NULLS}", "--count", "1000", code=2)
    for name in ("dpdk", "onvm"):
        assert "a port for each" in run(name, "--live", "nope0,nope1", code=2)


def test_long_frames(tmp_path: Path) -> None:
    """One of many mbufs comes out as it came in, as on linux: both write the same capture."""
    source = tmp_path / "a,b.pcap"  # a comma is DPDK's own
    source.write_bytes(pcap([b"\x01" * n for n in (60, 0, 65_535, 3000, 65_408, 65_407)]))
    outs = {name: tmp_path / f"{name}.pcap" for name in ("linux", "dpdk")}
    for name, out in outs.items():
        run(name, str(source), "--in", f"1={source}", "-o", str(out))
    assert outs["linux"].read_bytes() == outs["dpdk"].read_bytes()


def test_what_it_can_not_take(tmp_path: Path) -> None:
    source, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    source.write_bytes(pcap([bytes(65_536)]))
    assert "no frame of 65536 bytes" in run("dpdk", str(source), "-o", str(out), code=2)
    assert not out.exists()
    source.write_bytes(pcap([bytes(60)], link=113))
    assert "not Ethernet" in run("dpdk", str(source), code=2)
    source.write_bytes(pcap([bytes(60)]))
    assert "no pipes" in run("dpdk", str(source), "-o", "-", code=2)
    assert "no pipes" in run("dpdk", "-", code=2)


@pytest.mark.parametrize("name", ["linux", "dpdk"])
def test_bench(name: str, tmp_path: Path) -> None:
    source = tmp_path / "in.pcap"
    source.write_bytes(pcap([bytes(60)] * 300))
    told = json.loads(run(name, str(source), "--bench", "2"))
    assert told["packets"] == 300
    assert len(told["ns"]) == len(told["first"]) == 2


@pytest.mark.parametrize("name", ["linux", "dpdk", "onvm"])
def test_what_a_capture_can_not_take(name: str, tmp_path: Path) -> None:
    """A full disk; a time past 2^32 s, unless a log says it exactly. Nothing is left behind."""
    source, start, out, log = (tmp_path / n for n in ("in.pcap", "in.bin", "out.pcap", "log"))
    source.write_bytes(pcap([udp("10.0.0.1", 1000, "8.8.8.8", 53)]))
    time = (1 << 62) - 1
    start.write_bytes(state_binary.dump(network_of("lib:napt"), SavedState(time, {})))
    assert "/dev/full: No space left" in run(name, str(source), "-o", "/dev/full", code=2)
    words = (str(source), "--start", str(start), "-o", str(out), "--state", f"{out}.json")
    assert f"can't hold the time {time} ns" in run(name, *words, code=2)
    assert sorted(tmp_path.iterdir()) == [start, source]
    run(name, *words, "--log", str(log))
    assert log.read_text() == f"0 1 {time}\n"
