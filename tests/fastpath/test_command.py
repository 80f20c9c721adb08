"""`nfverify fastpath` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nfverify.cli.main import main
from nfverify.fastpath.faults import FAULTS

C6 = str(Path(__file__).resolve().parents[2] / "examples/fastpath/c6.nfd")


def test_formats(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["fastpath", C6]) == 0
    assert capsys.readouterr().out.startswith("fast path of c6: 1 class of flows")
    assert main(["fastpath", C6, "--format", "json", "--policy", "index"]) == 0
    assert json.loads(capsys.readouterr().out)["chain"] == "c6"
    assert main(["fastpath", C6, "--format", "dot"]) == 0
    assert capsys.readouterr().out.startswith('digraph "c6" {')
    picture = tmp_path / "c6.svg"
    assert main(["fastpath", C6, "--format", "svg", "-o", str(picture)]) == 0
    assert capsys.readouterr().out == ""
    ElementTree.fromstring(picture.read_text())


def test_faults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fastpath", C6, "--faults"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == [
        f.name for f in FAULTS if f.name in {line.split()[0] for line in said}
    ]
    assert main(["fastpath", C6, "--faults", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["faults"]) == len(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file.nfd"], "No such file"),
        ([C6, "--policy", "none"], "invalid choice"),
        ([C6, "--width", "7"], "a number of columns"),
        ([C6, "-o", "/no/such/folder/x"], "No such file"),
        ([], "CHAIN"),
    ],
)
def test_wrong_commands(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fastpath", *arguments]) == 2
    assert said.lower() in capsys.readouterr().err.lower()
