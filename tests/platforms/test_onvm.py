"""OpenNetVM: functions of others beside a network's in the host, and what the function asks of
OpenNetVM's own headers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from model_bench import udp
from platforms import needs

from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.platforms.building import built, write
from nfverify.oracles.platforms.onvm import Onvm
from nfverify.oracles.platforms.platform import Build, Sources
from nfverify.oracles.trace import Event
from nfverify.semantics.state_json import dump
from nfverify.smat.load import load

pytestmark = needs("onvm")
HERE = Path(__file__).with_name("onvm")
OFFSET = "onvm_get_pkt_meta(struct rte_mbuf *pkt, int offset)"
DROP, NEXT, ASK, KEEP, NOBODY = range(5)  # what services.cpp's sorter does


class Services(Onvm):
    """The network as one of several services, in the program of services.cpp."""

    def visit_network(self, build: Build) -> Sources:
        made = super().visit_network(build)
        text = (HERE / "services.cpp").read_text(encoding="utf-8")
        return Sources(made.name, {**made.files, "host/main.cpp": text})


def frame(what: int, port: int) -> bytes:
    return udp("10.0.0.1", port, "10.0.0.2", 53, payload=bytes([7, what]))


def run(program: Path, frames: list[tuple[int, bytes]], state: Path) -> tuple[int, list[str]]:
    lines = [f"0 {time} {data.hex()}" for time, data in frames]
    done = subprocess.run(
        [program, state], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_services(tmp_path: Path) -> None:
    """Actions, buffered packets, service ids and messages, as OpenNetVM's manager has them."""
    network = load("lib:monitor")
    program = built(Services(), Services().sources(Build(network)), "SANITIZE=1")
    whats = [NEXT, DROP, KEEP, NEXT, ASK, NEXT]
    frames = [(100 + n, frame(what, 4000 + n)) for n, what in enumerate(whats)]
    code, lines = run(program, frames, tmp_path / "state.json")
    # The kept frame goes on when the sorter has had its turn a third time.
    sent = [(1, *frames[0]), (1, *frames[2]), (1, *frames[3]), (7, *frames[4]), (1, *frames[5])]
    assert code == 0
    assert sorted(lines) == sorted(f"{port} {time} {data.hex()}" for port, time, data in sent)
    before = [Event(time, 0, data) for _, time, data in sent[:3]]
    judged = reference(network, Setting()).run(before).state
    assert judged is not None
    assert json.loads((tmp_path / "state.json").read_text()) == json.loads(dump(network, judged))


def test_lost_packets_count(tmp_path: Path) -> None:
    """A service that isn't there: the run fails."""
    program = built(Services(), Services().sources(Build(load("lib:monitor"))), "SANITIZE=1")
    assert run(program, [(1, frame(NOBODY, 1))], tmp_path / "state.json") == (2, [])


def test_manager_with_meta_data_at_an_offset(tmp_path: Path) -> None:
    """Where mbufs have no user data, OpenNetVM's function for meta data takes an offset, too."""
    made = Onvm().sources(Build(load("lib:monitor")))
    write(made, tmp_path)
    home = tmp_path / "home" / "onvm" / "onvm_nflib"
    home.mkdir(parents=True)
    ours = made.files["host/onvm_nflib.h"]
    newer = ours.replace("onvm_get_pkt_meta(struct rte_mbuf *pkt)", OFFSET)
    newer = newer.replace("onvm_meta_offset, struct", "offset, struct")
    newer = newer.replace("uint16_t instance_id", "int dynfield_offset;\n    uint16_t instance_id")
    assert newer.count("offset") > ours.count("offset")
    (home / "onvm_nflib.h").write_text(newer)
    command = [
        "make",
        "nf.o",
        f"ONVM_HOME={tmp_path}/home",
        "WERROR=-Werror",
        "CXXFLAGS=-fsyntax-only",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    (home / "onvm_nflib.h").write_text(newer.replace("dynfield_offset;", "other;"))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode
