"""`nfverify equiv CHAIN --fastpath` as a user types it: answers, exit codes, files."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from nfverify.cli.main import main
from nfverify.report.fastpath import schema

ROOT = Path(__file__).resolve().parents[2]
C6 = str(ROOT / "examples/fastpath/c6.nfd")
VALIDATOR = Draft202012Validator(json.loads(schema()))


def test_a_proof(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["equiv", C6, "--fastpath"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("equivalent: ")
    assert "Tested, not proved" in said
    assert main(["equiv", C6, "--fastpath", "--quiet", "--policy", "epoch"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize(
    ("fault", "verdict", "code"),
    [("", "equivalent", 0), ("threshold-unchecked", "different", 1)],
)
def test_the_document_fits_its_schema(
    fault: str, verdict: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--fault", fault] if fault else []
    assert main(["equiv", C6, "--fastpath", "--format", "json", *more]) == code
    document = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(document)
    assert document["verdict"] == verdict
    assert document["fault"] == (fault or None)


def test_records_that_do_not_serve_are_idle(capsys: pytest.CaptureFixture[str]) -> None:
    chain = str(ROOT / "examples/fastpath/c8.nfd")
    assert main(["equiv", chain, "--fastpath", "--fault", "class-order"]) == 1
    assert capsys.readouterr().out.startswith("idle: ")


def test_a_saved_refutation_is_a_test_that_fails(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    fault = ["--fault", "threshold-unchecked", "--save", str(folder)]
    assert main(["equiv", C6, "--fastpath", *fault]) == 1
    names = {"verdict.json", "report.txt", "trace.pcap", "a.pcap", "b.pcap", "table.md"}
    assert {p.name for p in folder.iterdir()} == names | {"test_counterexample.py"}
    saved = runpy.run_path(str(folder / "test_counterexample.py"))
    with pytest.raises(AssertionError, match="packet 2"):
        saved["test_the_fast_path_does_the_same"]()
    assert main(["equiv", C6, "--fastpath", "--save", str(folder)]) == 0
    assert {p.name for p in folder.iterdir()} == {"verdict.json", "report.txt"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([C6], "name B, or ask for --fastpath"),
        ([C6, C6, "--fault", "stale-backend"], "--fault needs --fastpath"),
        ([C6, C6, "--policy", "index"], "--policy needs --fastpath"),
        ([C6, C6, "--fastpath"], "a second model"),
        ([C6, "--fastpath", "--assume", "true"], "--assume"),
        ([C6, "--fastpath", "--refine"], "--refine"),
        ([C6, "--fastpath", "--fault", "no-such"], "no fault 'no-such'"),
        ([C6, "--fastpath", "--fault", "event-of-timer"], "has no place for event-of-timer"),
    ],
)
def test_wrong_commands(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["equiv", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_time_that_runs_out_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    chain = str(ROOT / "examples/fastpath/ten.nfd")
    assert main(["equiv", chain, "--fastpath", "--time-limit", "0.2", "--format", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(document)
    assert "time ran out" in document["reason"]
