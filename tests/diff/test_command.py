"""`nfverify diff` as it is typed: answers, exit codes, formats, what is wrong."""

import json
import subprocess
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.report.results_json import load

EXAMPLES = Path(__file__).parents[2] / "examples"
OLD = "action,dip,dport,proto\naccept,10.0.0.0/8,80,tcp\ndrop,*,*,*\n"
NEW = "action,dip,dport,proto\ndrop,10.0.0.0/9,80,tcp\naccept,10.0.0.0/8,80,tcp\ndrop,*,*,*\n"
FAR = """
program far {
    int x;
    entry late { match_state { x == VALUE } action_flow { drop; } }
    entry turn { action_state { x = x * 1664525 + 1013904223; } }
}
"""
COUNT = """
program count {
    int n;
    entry late { match_state { n >= 2 } action_flow { drop; } }
    entry more { action_state { n = n + 1; } action_flow { pass; } }
}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.csv").write_text(OLD)
    (tmp_path / "new.csv").write_text(NEW)
    for name, text in (("far1", FAR.replace("VALUE", "123456789")), ("count", COUNT)):
        (tmp_path / f"{name}.nfd").write_text(text)
    (tmp_path / "far2.nfd").write_text(FAR.replace("VALUE", "987654321"))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(["diff", *args])
    out, err = capsys.readouterr()
    return code, out, err


def test_two_lists(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "old.csv", "new.csv", "--boxes")
    assert (code, err) == (1, "")
    assert out.startswith("changed: 1 class of packets is treated otherwise, and no other\n")
    assert "accepted → dropped (8,388,608 points)" in out
    assert "line 2: accept dip 10.0.0.0/8, dport 80, proto tcp (old.csv:2)" in out
    assert "line 2: drop dip 10.0.0.0/9, dport 80, proto tcp (new.csv:2)" in out
    assert "box       dip 10.0.0.0/9, dport 80, proto tcp" in out
    assert "counted     points of dip, dport, proto that a packet can have" in out


def test_results_as_data(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same identities in every run, and reports of all formats."""
    texts = [said(capsys, "old.csv", "new.csv", "--format", "json")[1] for _ in range(2)]
    (result,) = load(texts[0]).results
    (change,) = result.changes
    assert (result.kind, result.status, change.count) == ("diff", "different", 1 << 23)
    assert change.place_old is not None
    assert (change.place_old.path, change.place_old.line) == ("old.csv", 2)
    assert change.example is not None
    assert [o.who for o in change.example.steps[0].outcomes] == ["old", "new"]
    assert load(texts[1]).results[0].changes == result.changes
    code, _, _ = said(capsys, "old.csv", "new.csv", "--report", "sarif=x.sarif", "--quiet")
    assert code == 1
    places = json.loads((files / "x.sarif").read_text())["runs"][0]["results"]
    assert places


def test_nothing_changed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "twin.csv").write_text(OLD.replace("drop,*,*,*\n", "drop,*,81,*\n"))
    code, out, _ = said(capsys, "old.csv", "twin.csv")
    assert code == 0
    assert out.startswith("same: every sequence of packets is treated as before (proved)")
    assert said(capsys, "lib:lb", "lib:lb", "-q")[:2] == (
        0,
        "same: every sequence of packets is treated as before (proved)\n",
    )


def test_no_time_is_unknown(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "far1.nfd", "far2.nfd", "--time-limit", "1")
    assert code == 3
    assert out.startswith("unknown: ")


def test_an_upgrade(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "new.nfd").write_text(COUNT.replace("n ", "m ").replace("int n", "int m"))
    assert said(capsys, "count.nfd", "new.nfd", "-q")[0] == 0
    code, out, _ = said(capsys, "--reload", "count.nfd", "new.nfd")
    assert code == 1
    assert "the new model takes over after packet 2" in out
    assert "reload      m begins anew: the old model has no such state" in out
    state = {"version": 1, "now": 5, "instances": {"count": {"n": 0}}, "timers": []}
    (files / "s.json").write_text(json.dumps(state))
    assert said(capsys, "--reload", "--from", "s.json", "count.nfd", "new.nfd")[0] == 0
    state["instances"] = {"count": {"n": 1}}
    (files / "s.json").write_text(json.dumps(state))
    assert said(capsys, "--reload", "--from", "s.json", "count.nfd", "new.nfd")[0] == 1


def test_assumptions_leave_packets_out(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    no = "f[dip] != 10.1.2.3"
    code, out, _ = said(capsys, "old.csv", "new.csv", "--assume", no)
    assert code == 1
    assert "points" not in out
    assert said(capsys, "old.csv", "new.csv", "--assume", "f[dport] == 443")[0] == 0
    assert said(capsys, "old.csv", "new.csv", "--assume", "f[dport] == 1 && f[dport] == 2")[0] == 2


def test_git(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "old"]):
        subprocess.run([*git, *words], check=True)
    (files / "old.csv").write_text(NEW)
    code, out, _ = said(capsys, "HEAD:old.csv", "old.csv")
    assert code == 1
    assert "(HEAD:old.csv:2)" in out
    assert "(old.csv:2)" in out


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["old.csv", "gone.csv"], "there is no file 'gone.csv'"),
        (["old.csv", "gone.nfd"], "gone.nfd can't be read"),
        (["old.csv", "HEAD:old.csv"], "git"),
        (["old.csv", "new.csv", "--from", "s.json"], "add --reload"),
        (["old.csv", "new.csv", "--from", "gone.json", "--reload"], "gone.json"),
        (["old.csv", "bad.csv"], "bad.csv:2"),
        (["old.csv", "lib:maglev", "--assume", "f[iface] == 7"], "assum"),
        (["aged.nfd", "count.nfd"], "timeout"),
    ],
)
def test_what_is_wrong_is_said(
    files: Path, capsys: pytest.CaptureFixture[str], args: list[str], why: str
) -> None:
    (files / "bad.csv").write_text("action,dport\naccept,http\n")
    aged = "program count { map<IP, int> m timeout 1s; entry { action_state { m[f[sip]] = 1; } } }"
    (files / "aged.nfd").write_text(aged)
    code, out, err = said(capsys, *args)
    assert (code, out) == (2, "")
    assert why in err


def test_names_of_files_are_made_harmless(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "x\x1b[31m\n::error::.csv"
    (files / name).write_text(NEW)
    code, out, _ = said(capsys, "old.csv", name)
    assert code == 1
    assert "\x1b" not in out
    assert "\n::error" not in out


def test_one_rule_of_five_thousand_in_a_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLES / "acl")
    code, out, _ = said(capsys, "acl.nfd", "acl-mutant.nfd")
    assert code == 1
    assert "forwarded → dropped (33,554,432 points)" in out
    assert "ACL line 2891: accept sip 30.216.66.0/23" in out
    assert "(acl1.5k.csv:2891)" in out
