"""`nfverify test` as it is typed: verdicts, exit codes, and what it writes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tested_programs import FORWARD

from nfverify.cli.main import main
from nfverify.oracles.trace import Event, capture
from nfverify.packet.codec import build
from nfverify.packet.fields import Header

Program = Callable[[str], str]
UDP = build(Header.IP4 | Header.UDP, {"sip": 1, "dip": 2, "sport": 3, "dport": 4})
PASS = "for n, now, port, frame in ask(): say((1 - port, frame))"
BUG = """
for n, now, port, frame in ask():
    say((1 - port, frame)) if frame[23:24] != b"\\x11" else say()
"""


class Command:
    """Runs the command in this process; keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.out = self.err = ""

    def __call__(self, *args: str | Path) -> int:
        code = main(["test", *map(str, args)])
        self.out, self.err = self.capsys.readouterr()
        return code


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def forward(tmp_path: Path) -> Path:
    path = tmp_path / "forward.nfd"
    path.write_text(FORWARD)
    return path


def test_engines_agree(command: Command) -> None:
    assert command("lib:firewall", "--engines", "reference,walk", "--examples", "500") == 0
    assert command.out.startswith("agree: reference and walk do the same on 500 packets in ")


def test_a_finding(command: Command, program: Program, forward: Path, tmp_path: Path) -> None:
    """Reported, kept, tried first the next time, and a test until it is mended."""
    text, out = program(BUG), tmp_path / "out"
    options = (forward, "--against", text, "--well-formed", "-o", out)
    assert command(*options) == 1
    lines = command.out.splitlines()
    assert lines[0] == "different: reference and nf.py part at packet 1"
    assert "  reference sends 1 packet, nf.py nothing" in lines
    assert "forward: all" in command.out
    (folder,) = out.iterdir()
    assert {path.name for path in folder.iterdir()} == {
        *("finding.json", "report.txt", "trace.pcap", "left.pcap", "right.pcap"),
        "test_finding.py",
    }
    finding = json.loads((folder / "finding.json").read_text())
    assert finding["verdict"] == "different"
    assert len(finding["finding"]["events"]) == 1

    assert command(*options) == 1
    assert f"  found       out/{folder.name}, packet 1" in command.out
    assert len(list(out.iterdir())) == 1
    assert command(forward, "--trace", folder / "trace.pcap", "--against", text) == 1

    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    failed = subprocess.run(test, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "reference and nf.py part at packet 1" in failed.stdout
    program(PASS)  # the same file: mended
    passed = subprocess.run(test, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert passed.returncode == 0, passed.stdout
    assert command(*options, "--examples", "300") == 0


def test_json(command: Command, program: Program, forward: Path) -> None:
    assert command(forward, "--against", program(BUG), "--format", "json") == 1
    found = json.loads(command.out)
    assert found["finding"]["differences"] == ["reference sends 1 packet, nf.py nothing"]
    assert found["finding"]["events"][0]["entries"] == ["forward: all"]
    again = program(PASS)
    assert command(forward, "--against", again, "--format", "json", "--well-formed") == 0
    assert json.loads(command.out)["finding"] is None


def test_quiet(command: Command, program: Program, forward: Path) -> None:
    assert command("-q", forward, "--against", program(BUG)) == 1
    assert command.out.count("\n") == 1
    assert command.err == ""


def test_what_a_program_said_is_shown(command: Command, program: Program, forward: Path) -> None:
    text = program("import sys\nsys.exit('no licence')")
    assert command(forward, "--against", text) == 1
    assert "ended with exit status 1" in command.out
    assert "  no licence" in command.out


def test_captures_of_ports(command: Command, program: Program, tmp_path: Path) -> None:
    for name, times in (("a", (1, 3)), ("b", (2, 4))):
        rows = [Event(time * 10**9, 0, UDP) for time in times]
        (tmp_path / f"{name}.pcap").write_bytes(capture(rows))
    model = tmp_path / "model.nfd"
    model.write_text("program m { iface left, right; entry { action_flow { pass; } } }")
    sides = ("--in", f"left={tmp_path / 'a.pcap'}", "--in", f"right={tmp_path / 'b.pcap'}")
    same = "for n, now, port, frame in ask(): assert port == n % 2; say((1 - port, frame))"
    assert command(model, *sides, "--against", program(same)) == 0
    assert "on 4 packets in 1 trace\n" in command.out


def test_seconds(command: Command, forward: Path) -> None:
    assert command(forward, "--engines", "reference,walk", "--seconds", "0.1") == 0


def test_nothing_to_send(command: Command, program: Program, forward: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.pcap").write_bytes(capture([]))
    assert command(forward, "--trace", tmp_path / "empty.pcap", "--against", program(PASS)) == 3
    assert command.out.startswith("unknown: ")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--engines", "reference,fpga"), "no engine 'fpga'"),
        (("--engines", "cython"), "two executions"),
        (("--engines", ","), "two executions"),
        (("--against", "nf {in}"), "{in}"),
        (("--against", "nf {in:up} {out}"), "no port 'up'"),
        (("--against", "./not-there"), "not-there"),
        (("--ignore", "colour"), "no such field"),
        (("--in", "up=x.pcap"), "no port 'up'"),
        (("--trace", "not-there.pcap"), "not-there.pcap"),
        (("--suite", "not-there"), "not-there"),
        (("--compare", "renaming", "--against", "true {in} {out}"), "captures"),
        (("--seed", "-1"), "--seed"),
        (("--examples", "5", "--seconds", "5"), "not allowed"),
    ],
)
def test_wrong_use(command: Command, forward: Path, args: tuple[str, ...], words: str) -> None:
    assert command(forward, *args) == 2
    assert words in command.err
    assert "Traceback" not in command.err


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"model": "MODEL", "finding": {"events": 5}}',
        '{"model": "MODEL", "finding": {"events": [{}]}}',
        '{"model": "MODEL", "finding": {"events": [{"time": -1, "port": "0", "packet": ""}]}}',
        '{"model": "MODEL", "finding": {"events": [{"time": 1, "port": "7", "packet": ""}]}}',
        '{"model": "MODEL", "finding": {"events": [{"time": 1, "port": "0", "packet": "x"}]}}',
        "[" * 100_000,
    ],
)
def test_wrong_findings(command: Command, forward: Path, tmp_path: Path, text: str) -> None:
    folder = tmp_path / "out" / "finding-1"
    folder.mkdir(parents=True)
    (folder / "finding.json").write_text(text.replace("MODEL", str(forward)))
    code = command(forward, "--engines", "reference,walk", "-o", tmp_path / "out")
    assert code == 2
    assert "finding.json" in command.err


def test_renaming_and_others_combine(command: Command, program: Program, forward: Path) -> None:
    """TTL and link-layer addresses aside."""
    text = program("for n, now, port, frame in ask(): say((1 - port, b'\\1' * 6 + frame[6:]))")
    options = (forward, "--against", text, "--well-formed", "--examples", "100")
    assert command(*options) == 1
    assert command(*options, "--compare", "l2-ttl") == 0
    assert command(*options, "--compare", "l2-ttl", "--compare", "per-flow") == 0
    assert command(*options, "--compare", "l2-ttl", "--compare", "renaming") == 0
    assert command(*options, "--ignore", "dmac") == 0


def test_suites_are_run_first(command: Command, program: Program, tmp_path: Path) -> None:
    """They reach what random packets don't."""
    model = tmp_path / "deep.nfd"
    text = """program deep {
        int step = 0;
        entry one {
            match_flow   { f[dport] == 4711 && f[sip] == 10.1.2.3 && f[ttl] == 17 }
            match_state  { step == 0 }
            action_state { step = 1; }
        }
        entry two {
            match_flow   { f[dport] == 1147 && f[sip] == 10.3.2.1 && f[ttl] == 71 }
            match_state  { step == 1 }
            action_flow  { drop; }
        }
        entry other { action_flow { pass; } }
    }"""
    model.write_text(text)
    suite = tmp_path / "suite"
    assert main(["gen", str(model), "--coverage", "entries", "-o", str(suite)]) == 0
    both = ("--against", program(PASS), "--well-formed", "--examples", "1")
    assert command(model, *both) == 0
    assert command(model, *both, "--suite", suite) == 1
    assert f"{suite}, trace " in command.out
    assert "deep: two" in command.out
