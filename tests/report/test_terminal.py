"""Names of files and strings of models reach a terminal as text: nothing in them is obeyed."""

import json
import re
from pathlib import Path
from unicodedata import category

import pytest
from some_results import QUERY

from nfverify.cli.main import main
from nfverify.lang.visible import HIDDEN
from nfverify.packet.pcap import Writer

# Colours, a title, a line that a build server obeys, turned text, C1 controls, no UTF-8.
NAME = "x\x1b[31m\x1b]0;t\x07\n::error file=y::z\u202e\x9b2J\udc80"
MODEL = """program fw {{ // \x1b[2J \u202e
  iface lan, wan;
  entry {{ match_flow {{ f[sport] == {}; }} action_flow {{ f[output] := DROP; }} }}
}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / NAME
    found.mkdir()
    (found / "a.nfd").write_text(MODEL.format(1))
    (found / "b.nfd").write_text(MODEL.format(2))
    (found / "wrong.nfd").write_text("program \x1b[31m\u202e { entry { zz\x9b } }")
    (found / "rules.csv").write_text("sip,\x1b[31maction\n1.2.3.4,acc\u202eept\x1b\n")
    (found / "rules.nfd").write_text(
        'program r { iface a, b; ruleset q = load("rules.csv"); entry { match_flow { f matches q; }'
        " action_flow { f[output] := DROP; } } }"
    )
    (found / "no.json").write_text('{"\x1b[31m": "\u202e"}')
    (found / "nfverify.toml").write_text('[[equiv]]\nname = "n\\u001b[31m"\na = "a.nfd"\n')
    with (found / "in.pcap").open("wb") as stream:
        Writer(stream, nanosecond=True).write(1, QUERY)
    (found / "broken.pcap").write_bytes(b"\x1b[31m no capture")
    return found


COMMANDS = [
    "check a.nfd",
    "check wrong.nfd missing\x1b.nfd rules.nfd",
    "show wrong.nfd",
    "show a.nfd",
    "fmt --check a.nfd",
    "run a.nfd in.pcap --trace",
    "run a.nfd broken.pcap",
    "run a.nfd missing.pcap",
    "equiv a.nfd a.nfd",
    "equiv a.nfd b.nfd",
    "equiv a.nfd b.nfd --format json",
    "equiv a.nfd b.nfd --report text=-",
    "equiv a.nfd missing.nfd",
    "equiv a.nfd:na\x1bme a.nfd",
    "equiv a.nfd b.nfd --fro\x1bb",
    "equiv lib:\x1b a.nfd",
    "diff a.nfd b.nfd",
    "diff rules.csv a.nfd",
    "cover a.nfd in.pcap",
    "cover a.nfd broken.pcap",
    "mutate a.nfd --trace in.pcap --time-limit 0",
    "test a.nfd --engines reference,symbolic --trace in.pcap",
    "test a.nfd --against nonesuch\x1b --trace in.pcap",
    "prove a.nfd --property iso\x1blated(lan,wan)",
    "gate nfverify.toml",
    "explain no.json",
    "check-certificate no.json",
    "init .",
    "frob\x1b[31m",
]


@pytest.mark.parametrize("line", COMMANDS, ids=lambda line: line.split(" -")[0].replace("\x1b", ""))
def test_nothing_is_obeyed(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command, *words = line.split()
    args = [
        str(folder / word) if re.search(r"\.(nfd|csv|pcap|json|toml)|^\.$", word) else word
        for word in words
    ]
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    monkeypatch.delenv("NFVERIFY_DEBUG", raising=False)
    code = main([command, *args])
    assert code in (0, 1, 2, 3)
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert shown
    assert {char for char in shown if category(char) in HIDDEN} <= {"\n"}
    assert not re.search(r"^\s*::\w+.*::", shown, re.MULTILINE)
    if "--format json" in line:
        assert json.loads(captured.out)["a"] == str(folder / "a.nfd").replace("\udc80", r"\x80")


def test_reports_are_files(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    formats = {"json": "r.json", "junit": "r.xml", "sarif": "r.sarif", "html": "r.html"}
    args = [f"--report={name}={file}" for name, file in formats.items()]
    assert main(["equiv", "a.nfd", "b.nfd", *args]) == 1
    assert capsys.readouterr().out.startswith("different: a.nfd and b.nfd part")
    assert json.loads(Path("r.json").read_text())["status"] == "different"
    sarif = json.loads(Path("r.sarif").read_text())
    (result,) = sarif["runs"][0]["results"]
    where = result["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] in ("a.nfd", "b.nfd")
    assert where["region"]["startLine"] == 3
    for wrong in ("--report=nope=x", "--report=html", "--report=html=no/such/folder"):
        assert main(["equiv", "a.nfd", "a.nfd", wrong]) == 2


def test_github_gets_a_summary(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = folder.parent / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.chdir(folder)
    assert main(["equiv", "a.nfd", "b.nfd", "--report", "github=-"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("::error title=")
    assert out.splitlines()[-1].startswith("different: a.nfd and b.nfd part")
    assert summary.read_text().startswith("before\n# nfverify equiv\n")
