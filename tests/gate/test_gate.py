"""A whole gate, from its file to its exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from nfverify.cli.main import main
from nfverify.executors import Done, Failed, Job, Outcome
from nfverify.gate import run as running
from nfverify.gate.config import read_config
from nfverify.gate.recording import Input
from nfverify.gate.run import GateOptions, exit_code, run_gate
from nfverify.gate.work import Answer
from nfverify.report.results import Change, Result, Results, Status

MODEL = """program gate {
    entry web { match_flow { f[dport] == 80 } action_flow { pass; } }
    entry rest { action_flow { drop; } }
}
"""
CONFIG = """
[[check]]
models = ["edge.nfd"]

[[diff]]
name = "edge"
old = "HEAD:./edge.nfd"
new = "edge.nfd"

[[equiv]]
name = "twin"
a = "edge.nfd"
b = "twin.nfd"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("edge.nfd", "twin.nfd"):
        Path(name).write_text(MODEL)
    Path("nfverify.toml").write_text(CONFIG)
    for words in ("init -q -b main", "add .", "commit -q -m first"):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *who, *words.split()], check=True)
    time.sleep(0.05)
    return folder


def _results(
    capsys: pytest.CaptureFixture[str], *args: str
) -> tuple[int, dict[str, dict[str, object]]]:
    code = main(["gate", "--report", "json=-", *args])
    data = json.loads(capsys.readouterr().out)
    return code, {one["name"]: one for one in data["results"]}


def test_a_gate_from_day_to_day(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = _results(capsys)
    assert code == 0
    assert list(found) == ["check edge.nfd", "edge", "twin"]
    assert not any(one["cached"] for one in found.values())
    code, found = _results(capsys)
    assert code == 0
    assert all(one["cached"] for one in found.values())

    Path("twin.nfd").write_text("// the same\n" + MODEL)  # only what it is about runs again
    time.sleep(0.05)
    code, found = _results(capsys)
    assert (code, [one["cached"] for one in found.values()]) == (0, [True, True, False])

    Path("edge.nfd").write_text(MODEL.replace("80", "443"))
    time.sleep(0.05)
    assert main(["gate"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("different: 2 different, 1 passed")
    assert "old sends 1 packet, new nothing" in out
    _, found = _results(capsys)
    changes = found["edge"]["changes"]
    assert isinstance(changes, list)
    assert len(changes) == 2

    soon = str(date.today() + timedelta(days=9))
    accept = ["gate", "-q", "--reason", "ticket 7", "--expires", soon, "--accept"]
    assert main([*accept, changes[0]["identity"]]) == 1
    assert main([*accept, "edge", "--accept", "twin"]) == 0
    assert Path("nfverify-baseline.toml").read_text().count("[[accepted]]") == 3
    capsys.readouterr()
    code, found = _results(capsys)
    assert (code, found["edge"]["status"], found["twin"]["status"]) == (0, "accepted", "accepted")

    late = GateOptions(today=date.today() + timedelta(days=10))
    results = run_gate(read_config(Path("nfverify.toml")), late)
    assert exit_code(results) == 1
    assert len(results.expired) == 3

    Path("twin.nfd").write_text(MODEL.replace("443", "8080"))  # accepted for other files
    time.sleep(0.05)
    assert _results(capsys)[0] == 1

    Path("edge.nfd").write_text(MODEL + "}")
    assert main(["gate", "-q", "--only", "check edge.nfd"]) == 2


def test_time_that_runs_out_is_unknown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("nfverify.toml").write_text(
        '[[mutation]]\nname = "edge"\nmodel = "lib:edge"\nleast = 1\ntime-limit = 0.2\n'
    )
    code, found = _results(capsys, "--no-cache")
    assert (code, found["edge"]["status"]) == (3, "unknown")
    assert "time ran out after 0.2 s" in str(found["edge"]["reason"])
    assert not Path(os.environ["XDG_CACHE_HOME"], "nfverify", "gate").exists()


def test_ctrl_c_ends_all_of_it(project: Path) -> None:
    Path("nfverify.toml").write_text(
        '[[mutation]]\nmodel = "lib:edge"\nleast = 1\ntime-limit = 100\n'
        '[[check]]\nmodels = "edge.nfd"\n'
    )
    command = [sys.executable, "-m", "nfverify", "gate"]
    gate = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    cache = Path(os.environ["XDG_CACHE_HOME"], "nfverify", "gate")
    while not (cache.exists() and list(cache.glob("*.json"))):  # the second check has ended
        assert gate.poll() is None
        time.sleep(0.02)
    children = Path(f"/proc/{gate.pid}/task/{gate.pid}/children").read_text().split()
    assert children
    gate.send_signal(signal.SIGINT)
    assert gate.communicate(timeout=20)[1] == "nfverify: interrupted\n"
    assert gate.returncode == 130
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not list(cache.glob("part-*"))


# What comes from elsewhere -------------------------------------------------------------------

CHECKS = '[[equiv]]\nname = "x"\na = "edge.nfd"\nb = "twin.nfd"\n'
Run = Callable[[Outcome], Results]


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A gate of one check, of which an executor says this."""
    Path("nfverify.toml").write_text(CHECKS)

    class Saying:
        def __init__(self, outcome: Outcome) -> None:
            self.outcome = outcome

        def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
            yield from ((index, self.outcome) for index in range(len(jobs)))

    def call(outcome: Outcome) -> Results:
        @contextmanager
        def opened(where: str | None) -> Iterator[Saying]:
            yield Saying(outcome)

        monkeypatch.setattr(running, "opened", opened)
        return run_gate(read_config(Path("nfverify.toml")))

    return call


PASSED = Result("x", "equiv", "passed", "the same")


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (Failed("time", "time ran out after 9 s"), "unknown", 3),
        (Failed("memory", "the memory limit is reached"), "unknown", 3),
        (Failed("died", "ended by SIGKILL, 3 times"), "error", 4),
        (Failed("error", "KeyError: 1"), "error", 4),
        (Done(None), "error", 4),
        (Done(PASSED), "error", 4),
        (Done(Answer(PASSED, (Input("edge.nfd", "edge.nfd", "f" * 64),))), "error", 2),
        (Done(Answer(PASSED, (Input("gone.nfd", "gone.nfd", "f" * 64),))), "error", 2),
        (Done(Answer(PASSED, (), ("v1:edge.nfd 0123abc",))), "error", 2),
        (Done(Answer(replace(PASSED, name="y"), None)), "error", 4),
        (Done(Answer(replace(PASSED, kind="prove"), None)), "error", 4),
        (Done(Answer(PASSED, None)), "passed", 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Done) else None,
)
def test_what_did_not_end_well_never_passes(
    run: Run, outcome: Outcome, status: Status, code: int
) -> None:
    for _ in range(2):  # nothing of it is kept, either
        results = run(outcome)
        assert results.results[0].status == status
        assert exit_code(results) == code
        assert not results.results[0].cached


def test_a_full_disk_takes_nothing_from_the_results(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nfverify.gate.cache.Cache._write", full)
    results = run(Done(Answer(PASSED, ())))
    assert results.status == "passed"
    assert results.notes == ("results could not be kept: No space left on device",)


def test_the_worst_check_decides() -> None:
    kinds: list[Status] = ["passed", "accepted", "unknown", "different", "error"]
    results = [replace(PASSED, status=status) for status in kinds]
    codes = [exit_code(Results("", "", tuple(results[: n + 1]))) for n in range(len(results))]
    assert codes == [0, 0, 3, 1, 2]
    fault = replace(PASSED, status="error", internal=True)
    assert exit_code(Results("", "", (*results, fault))) == 4


def test_a_difference_that_nothing_vouches_for_can_not_be_accepted(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    different = replace(PASSED, status="different")
    assert run(Done(Answer(different, None))).results[0].identity == ""
    change = Change("aa", "r", "r", "passed", "dropped", "all")
    results = run(Done(Answer(replace(different, changes=(change,)), None)))
    assert results.results[0].changes == (change,)


# The command line ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["none.toml"], "there is no file none.toml; `nfverify init` writes one"),
        (["--only", "edg"], "no check has this name; did you mean `edge`?"),
        (["--executor", "cloud"], "no executor 'cloud'"),
        (["--jobs", "2", "--executor", "local"], "exclude each other"),
        (["--accept", "edge"], "--accept needs --reason TEXT and --expires"),
        (["--reason", "x"], "are of --accept"),
        (["--accept", "x", "--reason", " ", "--expires", "2999-01-01"], "--reason is empty"),
        (["--accept", "x", "--reason", "x", "--expires", "2020-01-01"], "is over"),
        (["--expires", "soon"], "'soon' is no day"),
        (["--report", "pdf=x"], "one of text, json"),
    ],
)
def test_a_wrong_command_is_told(
    project: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    assert main(["gate", *args]) == 2
    assert said in capsys.readouterr().err


def test_what_was_not_found_can_not_be_accepted(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(Done(Answer(PASSED, None)))
    args = ["gate", "--accept", "x", "--reason", "x", "--expires", "2999-01-01"]
    assert main(args) == 2
    assert "no such difference was found" in capsys.readouterr().err
    assert not Path("nfverify-baseline.toml").exists()


def test_the_list_runs_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--list"]) == 0
    assert capsys.readouterr().out == "equiv  x\n"
    run(Done(Answer(PASSED, ())))
    assert main(["gate", "--list"]) == 0
    assert capsys.readouterr().out == "equiv  x  cached\n"


KINDS = """
[[prove]]
model = "edge.nfd"
properties = ["never_loops"]

[[prove]]
name = "states nothing"
model = "edge.nfd"

[[test]]
model = "edge.nfd"
engines = ["reference", "symbolic"]
packets = 50

[[coverage]]
model = "edge.nfd"
least = 1

[[coverage]]
name = "one capture"
model = "edge.nfd"
traces = "web.pcap"
least = 1

[[coverage]]
name = "half is enough"
model = "edge.nfd"
traces = "web.pcap"
least = 0.5

[[coverage]]
name = "no packets"
model = "edge.nfd"
traces = "none.pcap"
least = 0

[[mutation]]
model = "edge.nfd"
least = 0.5

[[check]]
models = ["odd.nfd"]

[[check]]
name = "no warning"
models = ["odd.nfd"]
warnings = "refuse"

[[equiv]]
name = "rules are no model"
a = "edge.nfd"
b = "HEAD:./rules.csv"
"""


def test_every_kind_of_check(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packet = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=9, dport=80)
    wrpcap("web.pcap", [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet])
    wrpcap("none.pcap", [])
    never = "entry all { action_flow { pass; } } entry rest"  # it is never reached
    Path("odd.nfd").write_text(MODEL.replace("entry rest", never))
    Path("rules.csv").write_text("action,dport\naccept,80\n")
    for words in ("add rules.csv", "commit -q -m rules"):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *who, *words.split()], check=True)
    Path("nfverify.toml").write_text(KINDS)
    code, found = _results(capsys)
    assert {name: one["status"] for name, one in found.items()} == {
        "prove edge.nfd never_loops": "passed",
        "states nothing": "error",
        "test edge.nfd": "passed",
        "coverage edge.nfd": "passed",
        "one capture": "different",
        "half is enough": "passed",
        "no packets": "error",
        "mutation edge.nfd": "passed",
        "check odd.nfd": "passed",
        "no warning": "different",
        "rules are no model": "error",
    }
    assert code == 2
