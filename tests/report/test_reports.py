"""Verdicts as text, Markdown, JSON and files: what each must say, and what the schema forbids."""

import json
import stat
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from some_verdicts import (
    DIFFERENT,
    EQUIVALENT,
    EVENTS,
    EXAMPLE,
    NOTHING,
    PROVED,
    REPORT,
    UNKNOWN,
    VERDICTS,
)

from nfverify.equivalence.problem import Options
from nfverify.equivalence.verdict import (
    Verdict,
)
from nfverify.packet.pcap import read
from nfverify.report.document import document, dump, schema
from nfverify.report.pytest_file import Model, Setting
from nfverify.report.save import save
from nfverify.report.text import markdown, text, wording
from nfverify.smat.load import load_text

VALIDATOR = Draft202012Validator(json.loads(schema()))


def test_the_schema_is_one_and_is_shipped() -> None:
    Draft202012Validator.check_schema(json.loads(schema()))
    assert files("nfverify.report").joinpath("equiv.schema.json").is_file()


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda v: type(v).__name__)
def test_documents_fit_the_schema(verdict: Verdict) -> None:
    found = json.loads(dump(verdict, "x.nfd", "lib:y"))
    VALIDATOR.validate(found)
    assert found["a"] == "x.nfd"
    assert found["notes"] == ["a: a note"]
    assert found["depth"] == {"equivalent": 3, "different": 1, "unknown": 2}[found["verdict"]]


@pytest.mark.parametrize(
    ("verdict", "change"),
    [
        (EQUIVALENT, {"verdict": "different"}),
        (EQUIVALENT, {"proof": None}),
        (EQUIVALENT, {"reason": "why not"}),
        (EQUIVALENT, {"version": 2}),
        (EQUIVALENT, {"more": 1}),
        (DIFFERENT, {"counterexample": None}),
        (DIFFERENT, {"verdict": "unknown"}),
        (UNKNOWN, {"reason": None}),
        (UNKNOWN, {"reason": ""}),
        (UNKNOWN, {"verdict": "equivalent"}),
        (UNKNOWN, {"depth": -1}),
    ],
)
def test_the_schema_refuses_what_no_verdict_says(verdict: Verdict, change: dict) -> None:
    with pytest.raises(ValidationError):
        VALIDATOR.validate(document(verdict, "x", "y") | change)


def test_no_proof_of_anything_that_is_not_proved() -> None:
    for result in ("refuted", "unknown"):
        one = replace(PROVED, result=result)
        bad = replace(EQUIVALENT, proof=replace(EQUIVALENT.proof, obligations=(one,)))
        with pytest.raises(ValidationError):
            VALIDATOR.validate(document(bad, "x", "y"))


def test_how_short_a_trace_is() -> None:
    assert wording(EXAMPLE) == "shortest: 2 packets"
    found = replace(EXAMPLE, minimal=False)
    assert wording(found) == "shortest found: 2 packets; none of length ≤ 1"
    assert wording(replace(found, excluded=0)) == "shortest found: 2 packets"


def test_the_text_of_each_verdict() -> None:
    proof, example, nothing = (text(v, "m/x.nfd", "m/y.nfd") for v in VERDICTS)
    assert proof.splitlines()[0] == (
        "equivalent: m/x.nfd and m/y.nfd do the same for every sequence of packets"
    )
    assert "  (1) a.n == b.n\n" in proof
    assert "  proved     0.500 s  equal outputs\n" in proof
    assert "  - a: a note\n  - Tested, not proved" in proof
    assert example.splitlines()[0].endswith("part after 2 packets")
    assert "  a sends nothing, b 2 packets\n" in example
    assert nothing.splitlines()[0] == "unknown: time ran out"
    assert "no difference in traces of up to 2 packets" in nothing
    assert "  unknown    1.000 s  (1)\n" in nothing


def test_what_was_compared_is_said() -> None:
    report = replace(
        REPORT, observe="packets+state", ignored=("ttl",), assumption="f[ttl] > 1", non_ip="drop"
    )
    shown = text(replace(EQUIVALENT, report=report), "x", "y")
    for part in ("; and the state", "ignored     ttl, and", "assuming    f[ttl] > 1", "(drop)"):
        assert part in shown


def test_the_trace_as_a_table() -> None:
    rows = text(DIFFERENT, "x", "y").split("\n\n")[2].splitlines()
    assert rows[0].split() == ["time", "port", "packet", "entries"]
    assert rows[1].split() == ["1", "0.000000005", "in", "udp", "0.0.0.1:3", "→", "0.0.0.2:4"]
    assert rows[2].split() == ["a", "out", "unchanged", "y:", "a|b,", "y:", "c"]
    assert rows[3].split() == ["0.000000009", "out", "unchanged"]
    assert rows[4].split() == ["b", "nothing", "comes", "out", "x:", "first"]
    columns = {row.index("unchanged") for row in rows if "unchanged" in row}
    assert columns == {rows[0].index("packet")}


def test_markdown_keeps_its_columns() -> None:
    rows = [line for line in markdown(EXAMPLE, "x", "y").splitlines() if line.startswith("|")]
    assert {row.replace(r"\|", "").count("|") for row in rows} == {6}


# Files ------------------------------------------------------------------------------------


@pytest.fixture
def setting() -> Setting:
    network = load_text("program x { iface in, out; entry { } }")
    return Setting(Model("lib:x", network), Model("lib:y", network), Options())


def test_stamps_beyond_a_capture_are_moved(tmp_path: Path, setting: Setting) -> None:
    late = (1 << 62) - 10
    events = tuple(replace(e, time=e.time + late, b=NOTHING, a=NOTHING) for e in EVENTS)
    save(tmp_path, replace(DIFFERENT, counterexample=replace(EXAMPLE, events=events)), setting, {})
    with read(str(tmp_path / "trace.pcap")) as capture:
        assert [record.time_ns for record in capture] == [0, 2]
    assert str(late + 5) in (tmp_path / "test_counterexample.py").read_text()


def test_what_cannot_be_written_leaves_the_old_files(tmp_path: Path, setting: Setting) -> None:
    save(tmp_path, DIFFERENT, setting, {})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    changed = replace(DIFFERENT, report=replace(REPORT, a="other"))
    with pytest.raises(FileNotFoundError):
        save(tmp_path, changed, setting, {"no such folder/a.nfd": ""})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_files_are_ordinary(tmp_path: Path, setting: Setting) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    save(tmp_path, DIFFERENT, setting, {})
    mode = stat.S_IMODE(plain.stat().st_mode)
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {mode}
