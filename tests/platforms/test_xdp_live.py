"""XDP programs at interfaces: what ends them, what is refused, what is left (nothing)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
from model_bench import udp
from namespaces import Namespace
from platforms import needs, require

pytestmark = needs("xdp", "namespaces")
ENDS = ("x0", "x1")
FRAMES = [udp("10.0.0.1", 1000 + n, "8.8.8.8", 53) for n in range(20)]


@pytest.fixture(scope="module")
def lab() -> Iterator[Namespace]:
    require("namespaces")
    with Namespace(ENDS) as made:
        yield made


def start(
    lab: Namespace, *words: str, model: str = "lib:monitor", capacity: int = 64
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nfverify", "run", model, "--engine", "xdp", *words]
    command += ["--capacity", str(capacity)]
    return subprocess.Popen(lab.command(*command), stderr=subprocess.PIPE, text=True)


def programs(lab: Namespace) -> set[str]:
    """The interfaces that have a program."""
    return {each["ifname"] for each in json.loads(lab.run("ip", "-j", "link")) if "xdp" in each}


def ended(process: subprocess.Popen[str], code: int) -> str:
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    return said


@needs("bpftool")
def test_pinned_maps_and_a_count(lab: Namespace, tmp_path: Path) -> None:
    """Maps lie in a folder of a bpffs while it runs, and are gone with it; a count is exact."""
    folder = tmp_path / "bpf"
    folder.mkdir()
    words = ["--live", "x0,x1", "--count", "15", "--idle", "20", "--option", f"pin={folder}/maps"]
    process = start(lab, *words)
    said = ended(process, 2)
    assert "is it a bpffs?" in said
    assert not programs(lab)
    lab.run("mount", "-t", "bpf", "bpf", str(folder))
    process = start(lab, *words, "--state", str(tmp_path / "end.json"))
    lab.until_heard(process, ENDS)
    assert programs(lab) == {"x0", "x1", "x0-far", "x1-far"}
    shown = lab.run("bpftool", "-j", "map", "show", "pinned", f"{folder}/maps/nf_ports")
    assert json.loads(shown)["name"] == "nf_ports"
    wire, other = lab.wire("x0"), lab.wire("x1")
    other.listen()
    wire.send(FRAMES)
    said = ended(process, 0)
    assert other.wait(15) == FRAMES[:15]
    assert "15 packets in, 15 out" in said
    assert not Path(lab.proc, "root", *folder.parts[1:], "maps").exists()
    state = json.loads((tmp_path / "end.json").read_text())
    assert len(next(iter(state["instances"]["monitor"].values()))) == 15


def test_a_full_table_ends_it(lab: Namespace, tmp_path: Path) -> None:
    process = start(lab, "--live", "x0,x1", "--quiet", capacity=4)
    lab.until_heard(process, ENDS)
    lab.wire("x0").send(FRAMES)
    assert "a table is full" in ended(process, 2)
    assert not programs(lab)


def test_who_is_killed_leaves_nothing(lab: Namespace) -> None:
    """And while one runs, no other can be at the same interface."""
    first = start(lab, "--live", "x0,x1", "--option", "mode=generic")
    lab.until_heard(first, ENDS)
    said = ended(start(lab, "--live", "x1,x0", "--option", "mode=generic"), 2)
    assert "XDP can't be attached to x1: it has an XDP program already" in said
    assert programs(lab) == {"x0", "x1"}
    first.send_signal(SIGKILL)
    first.communicate()
    for _ in range(100):
        if not programs(lab):
            break
        time.sleep(0.05)
    assert not programs(lab)


def test_what_cant_be(lab: Namespace) -> None:
    cases = {
        ("--live", "x0,none"): "there is no interface 'none'",
        ("--live", "x0,lo", "--option", "mode=native"): "to lo: its driver has no native XDP",
        ("--live", "x0,x1", "--option", "mode=fast"): "mode='fast' is none of auto, native",
    }
    started = [(start(lab, *words), said) for words, said in cases.items()]
    for process, said in started:
        assert said in ended(process, 2)
    assert not programs(lab)


def test_an_interface_goes_away(tmp_path: Path) -> None:
    """The state is written all the same."""
    with Namespace(ENDS) as lab:
        process = start(lab, "--live", "x0,x1", "--state", str(tmp_path / "end.json"))
        lab.until_heard(process, ENDS)
        wire = lab.wire("x0")
        other = lab.wire("x1")
        other.listen()
        wire.send(FRAMES)
        other.wait(len(FRAMES))
        lab.run("ip", "link", "del", "x0")
        assert "the interface x0 went away" in ended(process, 2)
        state = json.loads((tmp_path / "end.json").read_text())
        assert len(next(iter(state["instances"]["monitor"].values()))) == len(FRAMES)
