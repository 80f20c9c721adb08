"""Each network function of this folder has one bug: it is found, and shown on few packets; without
the bug, none is found.

`NAME.nfd` is the model that `NAME.cpp` or `NAME.py` follows, but with `--bug`.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nfverify.cli.main import main

HERE = Path(__file__).parent
# How many packets it takes to see the bug.
BUGS = {
    "checksum": 1,  # no checksum update after a rewrite
    "udp-flags": 1,  # UDP payload read as TCP flags
    "vlan": 1,  # VLAN tag misread: the priority is taken for a part of the VLAN
    "stacked": 1,  # VLAN tag misread: a second one is not expected
    "fragments": 1,  # later fragments read as if they had ports
    "ipv6": 1,  # IPv6 treated as IPv4
    "options": 1,  # IP options ignored, so that ports are read from the wrong place
    "negative": 4,  # a counter goes negative: an ACK, then three SYNs where two may pass
    "threshold": 4,  # `>=` for `==`: the fourth packet
    "limit": 4,  # `==` for `>=`: the fourth packet
    "pool": 5,  # a pool of four ports wraps and reuses one that is live
    "pinhole": 2,  # keyed by addresses only: one packet out, another flow in
    "dropped": 2,  # state changed for a dropped packet: that packet, then the answer
    "expiry": 2,  # off by one: one packet out, the answer when the time is just up
    "byte-order": 1,  # a port written in the machine's order
}
IN_CAPTURES = {"checksum", "pool", "byte-order"}  # the others speak the line protocol
MORE = 2  # packets that a shrunk trace may have too many


@pytest.fixture(scope="session")
def compiler() -> str:
    found = shutil.which("g++")
    if found is None and not os.environ.get("CI"):
        pytest.skip("needs g++")
    return found or "g++"


@pytest.fixture
def command(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The command line of the network function that the test is about."""
    name = request.node.callspec.params["name"]
    script = HERE / f"{name}.py"
    words = [sys.executable, "-S", "-E", str(script)]
    if not script.exists():
        program = tmp_path / name
        flags = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror")
        compiler = request.getfixturevalue("compiler")
        subprocess.run([compiler, *flags, "-o", program, HERE / f"{name}.cpp"], check=True)
        words = [str(program)]
    return shlex.join(words) + (" {in} {out}" if name in IN_CAPTURES else "")


def test_every_network_function_is_tested() -> None:
    sources = {p.stem for p in HERE.iterdir() if p.suffix in (".cpp", ".py")}
    assert {p.stem for p in HERE.glob("*.nfd")} == set(BUGS)
    assert sources - {"nf", Path(__file__).stem} == set(BUGS)


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found_on_few_packets(
    name: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "found"
    options = ("--against", f"{command} --bug", "--seconds", "60", "--format", "json")
    assert main(["test", str(HERE / f"{name}.nfd"), *options, "-o", str(saved)]) == 1
    finding = json.loads(capsys.readouterr().out)["finding"]
    assert finding["kind"] == "outputs"
    assert BUGS[name] <= len(finding["events"]) <= BUGS[name] + MORE
    assert list(saved.rglob("*.pcap"))


@pytest.mark.parametrize("name", BUGS)
def test_without_the_bug_nothing_is_found(name: str, command: str) -> None:
    options = ("--against", command, "--examples", "2000")
    assert main(["test", str(HERE / f"{name}.nfd"), *options]) == 0
