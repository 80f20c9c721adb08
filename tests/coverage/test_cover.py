"""nfverify cover: which goals a user's captures reach."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from ir_build import udp

from nfverify.cli.main import main
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.coverage.measure import Measured
from nfverify.oracles.trace import Event, captures
from nfverify.smat.load import load

MODEL = """
program p {
    set<int> s;
    entry old { match_state { f[sport] in s } action_flow { drop; } }
    entry low { match_flow { f[dport] < 80 } action_state { s = s | {f[sport]}; } }
    entry high { action_flow { pass; } }
}
"""
FIRST = [Event(1000, 0, udp(sport=1, dport=79)), Event(2000, 0, udp(sport=1, dport=99))]
SECOND = [Event(1000, 0, udp(sport=1, dport=80))]


def write(path: Path, events: Sequence[Event]) -> str:
    path.write_bytes(captures(events, ("0", "1"))["trace.pcap"])
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "p.nfd"
    path.write_text(MODEL)
    return str(path)


def reached(out: str) -> dict[tuple[str, str], tuple[str, int]]:
    return {
        (g["entry"], g["text"]): (g["trace"], g["packet"])
        for g in json.loads(out)["goals"]
        if g["reached"]
    }


def test_each_goal_has_the_first_packet_that_reached_it(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write(tmp_path / "one.pcap", FIRST), write(tmp_path / "two.pcap", SECOND)
    assert main(["cover", model, one, two, "--coverage", "full", "--format", "json"]) == 0
    out = capsys.readouterr().out
    assert reached(out) == {
        ("old", "taken"): (one, 2),
        ("old", "f[sport] in s: true"): (one, 2),
        ("old", "f[sport] in s: false"): (one, 1),
        ("old", "after low on the same key of s"): (one, 2),
        ("low", "taken"): (one, 1),
        ("low", "f[dport] < 80: true, one below"): (one, 1),
        ("low", "f[dport] < 80: false, at the bound"): (two, 1),
        ("high", "taken"): (two, 1),
    }
    document = json.loads(out)
    assert document["version"] == 1
    assert document["reached"] == 8
    assert document["traces"] == [{"name": one, "packets": 2}, {"name": two, "packets": 1}]
    assert {g["at"] for g in document["goals"] if g["entry"] == "low"} >= {"p.nfd:5:5"}


def test_captures_are_runs_of_their_own_from_the_initial_state(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one run, the second capture's packet would meet its port in `s`."""
    files = [write(tmp_path / f"{n}.pcap", FIRST[:1]) for n in range(2)]
    assert main(["cover", model, *files, "--coverage", "entries"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 of 3 goals reached by 2 packets in 2 traces\n")
    assert "p         low        1/1" in out
    assert "Not reached (2):" in out
    assert "  p: old: entry: taken\n" in out


def test_ports_of_one_trace_are_merged_by_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "q.nfd"
    path.write_text(
        "program q { iface lan, wan; set<int> s;"
        " entry back { match_flow { f[iface] == wan } match_state { f[sport] in s } }"
        " entry out { match_flow { f[iface] == lan } action_state { s = s | {f[sport]}; } } }"
    )
    lan = write(tmp_path / "lan.pcap", [Event(1000, 0, udp(sport=1))])
    wan = write(tmp_path / "wan.pcap", [Event(500, 0, udp(sport=1)), Event(2000, 0, udp(sport=1))])
    args = ["--in", f"lan={lan}", "--in", f"wan={wan}", "--coverage", "entries"]
    assert main(["cover", str(path), *args, "--format", "json"]) == 0
    name = f"{lan}, {wan}"
    assert reached(capsys.readouterr().out) == {
        ("back", "taken"): (name, 3),
        ("out", "taken"): (name, 2),
        ("", "no entry taken"): (name, 1),
    }


def test_folders_of_traces_are_read(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "suite"
    for name, events in (("0002", SECOND), ("0001", FIRST)):
        (suite / name / "in").mkdir(parents=True)
        write(suite / name / "in" / "trace.pcap", events)
    assert main(["cover", model, str(suite), "--format", "json"]) == 0
    names = [trace["name"] for trace in json.loads(capsys.readouterr().out)["traces"]]
    assert names == [str(suite / "0001"), str(suite / "0002")]
    assert main(["cover", model, str(suite / "0001"), "-q"]) == 0
    assert capsys.readouterr().out.endswith("reached by 2 packets\n")


def test_a_capture_that_breaks_off_counts_up_to_there(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.pcap"
    write(path, FIRST)
    path.write_bytes(path.read_bytes()[:-5])
    assert main(["cover", model, str(path), "-q"]) == 2
    captured = capsys.readouterr()
    assert "reached by 1 packet\n" in captured.out
    assert "What was before it counts." in captured.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "no packets: name TRACE or --in PORT=FILE"),
        (["--in", "x"], "'x' is not PORT=FILE"),
        (["--in", "9=x.pcap"], "has no port '9'"),
        (["-", "--in", "0=-"], "standard input is named twice"),
        (["missing.pcap"], "missing.pcap"),
        (["."], "no traces"),
    ],
)
def test_wrong_arguments_are_named(
    model: str,
    tmp_path: Path,
    args: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["cover", model, *args]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_more_traffic_never_reaches_less() -> None:
    found = Measured(instrument(load("lib:lb"), "full"))
    events = [Event(n, 0, udp(dip=0xC6336401, sport=n % 5, dport=n % 3)) for n in range(40)]
    counts = []
    for n in range(0, 41, 10):
        found.run(f"{n}", events[:n])
        counts.append(len(found.first))
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[-1]
