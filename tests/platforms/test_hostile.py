"""Builds with AddressSanitizer and UBSan: captures that are none, and a million random frames."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import hostile_frames
import pytest
from hostile_captures import damaged, pcap, pcapng
from on_platforms import network_of
from platforms import require

from nfverify.cythonized.options import Options
from nfverify.oracles.platforms.platform import Build
from nfverify.oracles.platforms.program import ProgramPlatform
from nfverify.oracles.platforms.registry import platform
from nfverify.packet.pcap import CaptureError, read
from nfverify.smat.load import load_text

MILLION = 1_000_000
BOTH = ("linux", "dpdk")
GROW = """
program grow {
    map<flow, int> seen;
    entry all {
        action_state { seen[f] = seen[f] + 1; }
        action_flow  { push vxlan(192.0.2.1, 192.0.2.2, seen[f]); }
    }
}
"""


@cache
def program(name: str, model: str) -> Path:
    """The model's program, with sanitizers. The file is built once for all workers."""
    require(name)
    found = platform(name)
    assert isinstance(found, ProgramPlatform)
    network = load_text(GROW, "grow.nfd") if model == "grow" else network_of(model)
    return found.built(Build(network, Options(sanitize=True)))


def run(
    path: Path, *words: str, seconds: float = 240, codes: Sequence[int] = (0,)
) -> subprocess.CompletedProcess[bytes]:
    """A run without a report of a sanitizer, which would end with a code of its own."""
    env = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1", "ASAN_OPTIONS": "exitcode=99"}
    done = subprocess.run([path, *words], capture_output=True, env=env, timeout=seconds)
    assert done.returncode in codes, done.stderr.decode()
    assert b"Sanitizer" not in done.stderr
    assert b"runtime error" not in done.stderr
    return done


def bulk(rng: Random, count: int) -> bytes:
    """A capture of as many frames, each the beginning of a hostile one and then random bytes."""
    heads = list(islice(iter(lambda: hostile_frames.frame(rng)[:400], None), 3000))
    noise = rng.randbytes(1 << 16)
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)]
    record = struct.Struct("<IIII")
    draws = rng.randbytes(8 * count)
    for number, (pick, keep, start, length) in enumerate(struct.iter_unpack("=HHHH", draws)):
        head = heads[pick % 3000]
        tail = noise[start : start + length % 61] if length & 0xC000 == 0 else b""
        # Two in four are whole, one is cut, one goes on in noise.
        frame = head if length & 0x8000 else head[: keep % 90] + tail
        parts.append(record.pack(number >> 10, number & 1023, len(frame), len(frame)) + frame)
    return b"".join(parts)


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bulk") / "million.pcap"
    path.write_bytes(bulk(Random(1), MILLION))
    return path


@pytest.mark.parametrize("model", ["lib:edge", "grow"])
def test_a_million_random_frames(model: str, million: Path, tmp_path: Path) -> None:
    """The chain keeps tables, the other makes all frames longer. Both platforms say and write the
    same."""
    told = []
    for name in BOTH:
        out, state = tmp_path / f"{name}.pcap", tmp_path / f"{name}.json"
        done = run(program(name, model), str(million), "-o", str(out), "--state", str(state))
        assert b"1,000,000 packets in" in done.stderr
        told.append((done.stderr, out.read_bytes(), state.read_bytes()))
        out.unlink()
    same = [one == other for one, other in zip(*told, strict=True)]
    assert same == [True] * 3  # what was said, the frames, the state


@pytest.mark.parametrize(("name", "count"), [("linux", 100), ("dpdk", 24)])
def test_hostile_captures(name: str, count: int, tmp_path: Path) -> None:
    """Captures in disorder end in exit code 2, and in no crash; what comes out was in them."""
    built, rng = program(name, "lib:monitor"), Random(5)
    source, out = tmp_path / "in", tmp_path / "out"
    whole = 0
    for number in range(count):
        made = (pcap, pcapng)[number % 2](rng)
        source.write_bytes(made if number % 4 == 0 else damaged(rng, made))
        out.unlink(missing_ok=True)
        done = run(built, str(source), "-o", str(out), "--quiet", codes=(0, 2))
        assert (done.returncode == 2) == bool(done.stderr), done.stderr
        ours, broken = records(source)
        if done.returncode == 0 and not broken:
            whole += 1
        if out.exists():
            theirs, _ = records(out)
            rest = iter(ours)
            assert all(frame in rest for frame in theirs)  # in order
    assert whole > count / 10


def records(path: Path) -> tuple[list[bytes], bool]:
    """The frames that the reference's reader finds, and whether it breaks off."""
    found: list[bytes] = []
    try:
        with path.open("rb") as stream, read(stream) as capture:
            found.extend(bytes(frame) for _, frame, _ in capture)
    except CaptureError:
        return found, True
    return found, False
