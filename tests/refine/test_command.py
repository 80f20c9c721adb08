"""`nfverify equiv --refine` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from choosing import any_free, entry, in_order, mark, nf
from jsonschema import Draft202012Validator

from nfverify.cli.main import main
from nfverify.equivalence.question import Question
from nfverify.equivalence.supervise import supervise
from nfverify.equivalence.verdict import Different, Equivalent
from nfverify.lang.source import ModelError
from nfverify.report.document import schema
from nfverify.smat.load import load_text

NARROW, WIDE = mark("2..3"), mark("1..5")


class Refine:
    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys, self.folder = capsys, folder
        self.out = self.err = ""

    def __call__(self, a: str, b: str, *args: str) -> int:
        files = []
        for letter, text in (("a", a), ("b", b)):
            path = self.folder / f"{letter}.nfd"
            path.write_text(text, encoding="utf-8")
            files.append(str(path))
        code = main(["equiv", "--refine", *files, *args])
        self.out, self.err = self.capsys.readouterr()
        return code


@pytest.fixture
def refine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refine:
    return Refine(capsys, tmp_path)


def test_both_ways(refine: Refine) -> None:
    assert refine(NARROW, WIDE) == 0
    assert refine.out.startswith("refines: ")
    assert "b's choice of x in nf: a's choice of x in nf" in refine.out
    assert refine(WIDE, NARROW) == 1
    assert refine.out.startswith("not refined: ")
    assert "whatever b chooses, it doesn't send what a does" in refine.out
    assert refine(WIDE, NARROW, "--ignore", "tos") == 0
    other = nf(entry("f[ttl] == 1", action="f[tos] = 9;"), entry(action="f[tos] = 2;"))
    assert refine(other, NARROW, "--assume", "f[ttl] != 1") == 0
    assert refine(other, NARROW) == 1


def test_json_and_files(refine: Refine) -> None:
    check = Draft202012Validator(json.loads(schema()))
    for a, b, verdict in ((NARROW, WIDE, "refines"), (WIDE, NARROW, "not refined")):
        folder = refine.folder / verdict
        refine(a, b, "--format", "json", "--save", str(folder))
        found = json.loads(refine.out)
        check.validate(found)
        assert found["verdict"] == verdict
        assert json.loads((folder / "verdict.json").read_text(encoding="utf-8")) == found
    assert {f.name for f in folder.iterdir()} == {
        "verdict.json", "report.txt", "table.md", "trace.pcap", "a.pcap", "b.pcap",
    }  # fmt: skip


def test_from_a_state(refine: Refine) -> None:
    state = refine.folder / "state.json"
    text = '{"version": 1, "now": 5, "instances": {"nf": {"last": 2}}}'
    state.write_text(text, encoding="utf-8")
    a = nf("int last;", entry(action="f[tos] = 2; last = 0;"))
    b = nf("int last;", entry(action="choose x in 0..2 where x != last; last = x; f[tos] = x;"))
    assert refine(a, b, "--from", str(state)) == 1
    assert "shortest: 1 packet" in refine.out
    assert refine(a, b) == 1
    assert "shortest: 2 packets" in refine.out


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("map<IP, int> m timeout 5s; entry { action_state { m[f[sip]] = 1; } }", "`timeout`"),
        ("set<IP> m max 5; entry { action_state { m = m | {f[sip]}; } }", "`max`"),
        ("int m<sip> max 5; entry { action_state { m = 1; touch m; } }", "`touch`"),
        (
            "int m; init { choose y in 1..2; m = y; } entry { action_flow { f[tos] = m; } }",
            "`init`",
        ),
    ],
)
def test_what_it_refuses(refine: Refine, body: str, says: str) -> None:
    for a, b in ((f"program nf {{ {body} }}", WIDE), (WIDE, f"program nf {{ {body} }}")):
        assert refine(a, b) == 2
        assert says in refine.err
        assert refine.out == ""


def test_without_choices_it_is_equivalence(refine: Refine) -> None:
    one, two = in_order("next < 1026"), in_order("next <= 1025")
    assert refine(one, two) == 0
    assert refine(one, in_order("next < 1027")) == 1
    assert "shortest: 3 packets" in refine.out


def test_the_same_from_run_to_run() -> None:
    a, b = load_text(mark("1..5")), load_text(mark("2..5"))
    runs = []
    for _ in range(2):
        verdict = supervise(a, b, Question(refine=True))
        assert isinstance(verdict, Different)
        runs.append(verdict.counterexample)
    assert runs[0] == runs[1]
    found = supervise(b, a, Question(refine=True))
    assert isinstance(found, Equivalent)
    with pytest.raises(ModelError, match="equiv --refine"):
        supervise(a, b, Question())
    assert isinstance(supervise(a, a, Question(refine=True)), Equivalent)


def test_a_proof_needs_each_of_its_obligations() -> None:
    """The pair whose only fault is that B's choice may not be made."""
    a = load_text(any_free(1030, "out[f] = p;", "p >= 1024"))
    b = load_text(any_free(1030, "out[f] = p;", "p != 1027"))
    verdict = supervise(a, b, Question(refine=True))
    assert isinstance(verdict, Different)
    assert len(verdict.counterexample.events) == 1
    back = supervise(b, a, Question(refine=True))
    assert isinstance(back, Equivalent)
    assert any("is allowed" in o.name for o in back.proof.obligations)
