"""Programs in C++ by themselves: options, captures that aren't right, schedules, the clock."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from on_platforms import network_of
from platforms import require

from nfverify.oracles.platforms.linux import Linux
from nfverify.oracles.platforms.platform import Build
from nfverify.packet.pcap import read

FRAME = bytes.fromhex("020000000001020000000002080045000024000100004011") + bytes(2)
FRAME += bytes((10, 0, 0, 1, 10, 0, 0, 2)) + bytes.fromhex("0010001100100000") + bytes(8)
LONG = FRAME + bytes(1400)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def program() -> Path:
    """A monitor, which sends on whatever is well-formed."""
    require("linux")
    return Linux().built(Build(network_of("lib:monitor")))


@pytest.fixture
def run(program: Path, tmp_path: Path) -> Run:
    def run_it(*words: str, data: bytes = b"") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, *words], input=data, capture_output=True, cwd=tmp_path, timeout=60
        )
        return subprocess.CompletedProcess(
            words, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run_it


def pcap(
    packets: Sequence[tuple[int, int, bytes]], *, snap: int = 262144, magic: int = 0xA1B2C3D4
) -> bytes:
    data = struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snap, 1)
    for seconds, fraction, frame in packets:
        data += struct.pack("<IIII", seconds, fraction, len(frame), len(frame) + 7) + frame
    return data


def found(path: Path) -> list[tuple[int, bytes, int]]:
    with path.open("rb") as stream, read(stream) as capture:
        return [(time, bytes(frame), original) for time, frame, original in capture]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no packets: name IN.pcap, --in PORT=FILE or --live IF0,IF1"),
        (("in.pcap", "in.pcap"), "'in.pcap': only one IN.pcap"),
        (("none.pcap",), "none.pcap: No such file"),
        (("--in", "7=in.pcap"), "monitor has no port '7'"),
        (("--in", "in.pcap"), "'in.pcap' is not PORT=FILE"),
        (("in.pcap", "--nonsense", "1"), "there is no option --nonsense"),
        (("in.pcap", "--count"), "there is no option --count, or it needs a value"),
        (("in.pcap", "--count", "-1"), "--count is a number from 1 up, not '-1'"),
        (("in.pcap", "--idle=soon"), "--idle is a number of seconds, not 'soon'"),
        (("in.pcap", "--until", "5 s"), "--until '5 s' is no time"),
        (("in.pcap", "--non-ip", "maybe"), "--non-ip is bypass or drop, not 'maybe'"),
        (("in.pcap", "--live", "lo"), "packets come from captures or from interfaces, not both"),
        (("--live", "lo,lo,lo"), "3 interfaces, but monitor has 2 ports"),
        (("--live", "lo,"), "'lo,' is not a list of interfaces"),
        (("--live", "no-such-interface"), "no-such-interface: there is no such interface"),
        (("in.pcap", "-o", "x", "--state", "./x"), "./x would be written twice"),
        (("in.pcap", "-o", "none/x"), "none/x: No such file"),
        (("in.pcap", "--start", "in.pcap"), "in.pcap: not a state in the binary form"),
        (("in.pcap", "--schedule", "none"), "none: No such file"),
        (("gz.pcap",), "gz.pcap: unknown file format"),
        (("raw.pcap",), "raw.pcap: link type 12, not Ethernet (1)"),
    ],
)
def test_bad_use_is_told(run: Run, tmp_path: Path, words: Sequence[str], said: str) -> None:
    (tmp_path / "in.pcap").write_bytes(pcap([(1, 0, FRAME)]))
    (tmp_path / "gz.pcap").write_bytes(b"\x1f\x8b" + bytes(30))
    raw = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0, 101)
    (tmp_path / "raw.pcap").write_bytes(raw)
    done = run(*words)
    assert done.returncode == 2
    assert f"monitor: error: {said}" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"in.pcap", "gz.pcap", "raw.pcap"}


def test_captures_are_taken_as_they_are(run: Run, tmp_path: Path) -> None:
    """Whatever their headers say of the longest packet, and to the last second that they hold."""
    packets = [(5, 1, FRAME), (2**31 + 9, 999_999, LONG), (2**32 - 1, 0, LONG)]
    for snap in (0, 60, 262144):
        (tmp_path / "in.pcap").write_bytes(pcap(packets, snap=snap))
        assert run("in.pcap", "-o", "out.pcap").stderr == "3 packets in, 3 out\n"
        expected = [(s * 10**9 + us * 1000, frame, len(frame) + 7) for s, us, frame in packets]
        assert found(tmp_path / "out.pcap") == expected
    fine = pcap([(5, 123_456_789, FRAME)], magic=0xA1B23C4D)
    done = run("-", "-o", "out.pcap", data=fine)
    assert (done.returncode, found(tmp_path / "out.pcap")[0][0]) == (0, 5_123_456_789)


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (pcap([(2, 0, FRAME)])[24:-1], "truncated"),
        (struct.pack("<IIII", 2, 1_000_000, 50, 50) + FRAME, "fraction of a packet's second"),
        (struct.pack("<IIII", 2, 0, 300_000, 300_000) + bytes(300_000), "300000"),
    ],
)
def test_what_was_before_a_fault_is_written(
    run: Run, tmp_path: Path, tail: bytes, said: str
) -> None:
    (tmp_path / "in.pcap").write_bytes(pcap([(1, 0, FRAME), (1, 5, FRAME)]) + tail)
    done = run("in.pcap", "-o", "out.pcap", "--state", "end.json")
    assert done.returncode == 2
    assert said in done.stderr
    assert "2 packets in, 2 out" in done.stderr
    assert len(found(tmp_path / "out.pcap")) == 2
    assert json.loads((tmp_path / "end.json").read_text())["now"] == 1_000_005_000


def test_inputs_are_merged_or_taken_as_scheduled(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap([(1, 0, FRAME), (3, 0, FRAME)]))
    (tmp_path / "b.pcap").write_bytes(pcap([(1, 0, LONG), (2, 0, LONG)]))
    inputs = ("--in", "1=b.pcap", "--in", "0=a.pcap", "--log", "log")
    log = tmp_path / "log"

    def logged() -> list[tuple[int, ...]]:
        return [tuple(map(int, line.split())) for line in log.read_text().splitlines()]

    assert run(*inputs, "-o", "out.pcap").returncode == 0
    assert [len(frame) for _, frame, _ in found(tmp_path / "out.pcap")] == [1450, 50, 1450, 50]
    ns = 10**9
    assert logged() == [(0, 0, ns), (1, 1, ns), (2, 0, 2 * ns), (3, 1, 3 * ns)]
    schedule = tmp_path / "schedule"
    schedule.write_text("0 7\n0 9\n1 8\n1 4611686018427387903\n")
    assert run(*inputs, "--schedule", "schedule", "--count", "3").returncode == 0
    assert logged() == [(0, 1, 7), (1, 1, 9), (2, 0, 9)]  # an earlier stamp is raised
    for text, said in (
        ("0 7\n", "it ends before the captures do"),
        ("0 1\n0 2\n0 3\n", "it names a packet that is not there"),
        ("2 7\n", "line 1: not the number of a port and a time"),
        ("0 4611686018427387904\n", "line 1: not the number"),
        ("0 7 x\n", "line 1: not the number"),
    ):
        schedule.write_text(text)
        done = run(*inputs, "--schedule", "schedule")
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_states_go_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.pcap").write_bytes(pcap([(1, 0, FRAME)]))
    for step in ("--state=1.bin",), ("--start=1.bin", "--state=2.bin"), ("--start=2.bin",):
        assert run("in.pcap", *step, "--until", "+5s", "--quiet").stderr == ""
    shown = json.loads(run("in.pcap", "--start", "2.bin", "--state", "-", "--quiet").stdout)
    assert shown["now"] == 11 * 10**9
    assert shown["instances"]["monitor"]["packets"][0][1] == 3


def test_the_clock(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.pcap").write_bytes(pcap([(k, 0, (FRAME, LONG)[k % 2]) for k in range(300)]))
    shown = json.loads(run("in.pcap", "--bench", "2").stdout)
    assert (shown["packets"], shown["burst"]) == (300, 256)
    assert len(shown["first"]) == len(shown["ns"]) == 2
    assert all(0 < ns < 10**6 for ns in (*shown["first"], *shown["ns"]))


def test_a_signal_ends_a_pipe_that_is_silent(program: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [program, "-", "-o", tmp_path / "out.pcap"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(pcap([(1, 0, FRAME)]))
        process.stdin.flush()
        while not any(tmp_path.iterdir()):  # its output is there, so it has set its signals
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM
    assert len(found(tmp_path / "out.pcap")) in (0, 1)


def test_a_pipe_is_read_once_and_keeps_its_resolution(program: Path, tmp_path: Path) -> None:
    """Its writer may be gone before the program looks how fine its stamps are."""
    pipe, out = tmp_path / "pipe", tmp_path / "out.pcap"
    os.mkfifo(pipe)
    for magic, fraction in ((0xA1B2C3D4, 7), (0xA1B23C4D, 7)):
        data = pcap([(1, fraction, FRAME)], magic=magic)
        writer = threading.Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        subprocess.run([program, pipe, "-o", out, "--quiet"], timeout=20, check=True)
        writer.join()
        assert out.read_bytes()[:4] == data[:4]
        assert found(out)[0][:2] == (10**9 + fraction * (1000 if magic == 0xA1B2C3D4 else 1), FRAME)
