"""Results in each format: what the format's schema demands, and what must be said."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from jsonschema import Draft202012Validator
from some_results import HOSTILE, some_results

from nfverify.packet.pcap import read
from nfverify.report import github, results_json
from nfverify.report.captures import captures
from nfverify.report.render import FORMATS, render
from nfverify.report.results import EXIT_CODE, Result, Results

SCHEMAS = Path(__file__).parent / "schemas"
SARIF = Draft202012Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))
RESULTS = Draft202012Validator(json.loads(results_json.schema()))
PLAIN, BAD = some_results(), some_results(HOSTILE)
EMPTY = Results("nothing", "1.2.3", ())
ALL = pytest.mark.parametrize("results", [PLAIN, BAD, EMPTY], ids=["plain", "hostile", "empty"])


# JSON -------------------------------------------------------------------------------------


@ALL
def test_json_fits_its_schema(results: Results) -> None:
    RESULTS.validate(json.loads(render("json", results)))


def test_json_can_be_read_back() -> None:
    assert results_json.load(render("json", PLAIN)) == PLAIN
    for result in (*PLAIN.results, *BAD.results):
        document = json.loads(json.dumps(results_json.result_document(result)))
        assert results_json.result_from(document) == result


def _altered(path: str, value: object) -> str:
    data = json.loads(render("json", PLAIN))
    *parts, last = path.split(".")
    here = data
    for part in parts:
        here = here[int(part) if part.isdigit() else part]
    last = int(last) if last.isdigit() else last
    if value is None:
        del here[last]
    else:
        here[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 2),
        ("status", "passed"),
        ("more", 1),
        ("results", {}),
        ("results.0.status", "fine"),
        ("results.0.name", 3),
        ("results.0.cached", 1),
        ("results.0.seconds", "1"),
        ("results.0.seconds", None),
        ("results.0.more", 1),
        ("results.0.targets", "x"),
        ("results.1.examples.0.steps.0.frame", "0"),
        ("results.1.examples.0.steps.0.frame", "0x"),
        ("results.1.examples.0.steps.0.time", True),
        ("results.2.changes.0.count", 1.5),
        ("results.2.changes.0.count", "1e3"),
        ("results.7.series.0.points.0", [1]),
    ],
)
def test_json_that_is_no_report_is_refused(path: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        results_json.load(_altered(path, value))


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"version": 1}', "1" * 5000, "NaN"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        results_json.load(text)


# JUnit ------------------------------------------------------------------------------------


@ALL
def test_junit_fits_its_schema(results: Results, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(render("junit", results), encoding="utf-8")
    xmlschema.XMLSchema(str(SCHEMAS / "junit.xsd")).validate(str(file))


def test_junit_says_what_failed() -> None:
    text = render("junit", PLAIN)
    assert 'tests="8" failures="3" errors="2"' in text
    assert text.count("<failure ") == 3
    assert '<error type="unknown"' in text
    assert '<error type="error"' in text


# SARIF ------------------------------------------------------------------------------------


@ALL
def test_sarif_fits_its_schema(results: Results) -> None:
    SARIF.validate(json.loads(render("sarif", results)))


def test_sarif_has_spans_levels_and_what_is_accepted() -> None:
    (run,) = json.loads(render("sarif", PLAIN))["runs"]
    found = {(r["properties"]["check"], r["level"]) for r in run["results"]}
    assert found == {
        ("nat", "error"), ("rules", "error"), ("rules", "note"), ("isolated", "warning"),
        ("planned", "note"), ("wrong", "error"), ("scale", "error"),
    }  # fmt: skip
    nat = next(r for r in run["results"] if r["properties"]["check"] == "nat")
    (place,) = nat["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "models/edge.nfd", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 12, "startColumn": 3, "endLine": 18, "endColumn": 6},
    }
    for result in run["results"]:
        suppressed = [s["justification"] for s in result.get("suppressions", [])]
        assert suppressed == (["planned"] if result["level"] == "note" else [])
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["invocations"][0]["exitCode"] == EXIT_CODE["error"]
    assert not run["invocations"][0]["executionSuccessful"]


def test_a_fault_of_ours_has_its_exit_code_in_sarif() -> None:
    fault = Result("x", "equiv", "error", "KeyError", internal=True)
    (run,) = json.loads(render("sarif", replace(EMPTY, results=(fault,))))["runs"]
    assert run["invocations"][0]["exitCode"] == 4


# GitHub -----------------------------------------------------------------------------------

_COMMAND = re.compile(r"::(error|warning|notice) title=[^:,]+(,[A-Za-z]+=[^:,]+)*::.+")


@pytest.mark.parametrize("results", [PLAIN, BAD], ids=["plain", "hostile"])
def test_each_line_for_github_is_one_command_and_the_last_the_headline(results: Results) -> None:
    *lines, last = render("github", results).splitlines()
    assert [line for line in lines if not _COMMAND.fullmatch(line)] == []
    assert last.startswith("error: 1 error, 3 different")
    kinds = [line.split()[0] for line in lines]
    assert kinds[0] == "::error"
    assert kinds.count("::notice") == 2  # what is accepted, in both diffs


def test_a_summary_too_long_for_github_is_cut_and_says_so() -> None:
    many = replace(PLAIN, results=PLAIN.results * 400)
    text = github.summary(many)
    assert len(text.encode()) < 1 << 20
    assert text.endswith("left out: it is too long for a summary.*\n")
    assert github.summary(PLAIN) == render("markdown", PLAIN)


# Text -------------------------------------------------------------------------------------


def test_the_text_answers_first() -> None:
    text = render("text", PLAIN)
    assert text.startswith(
        "error: 1 error, 3 different, 1 unknown, 1 accepted, 2 passed, 71.20 s\n"
    )
    for said in (
        "nat: different: nat.nfd and b part",
        "at        models/edge.nfd:12:3: a takes nat: known",
        "because   time ran out",
        "(1) drop → accept (1 point)",
        "before    rule 1 (rules.csv:2:1)",
        "… and 1,000 boxes more",
        "there may be more classes",
        "mutants: 8 of 10 (80.0 %), 90 % asked for",
        "After packet 2:",
        "- expired: deadbeef",
    ):
        assert said in text, said
    assert "they do the same" in text  # one line for what passed


def test_nothing_to_check_is_said() -> None:
    assert render("text", EMPTY) == "passed: there was nothing to check\n"


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_the_same_each_time_and_ends_in_a_newline(name: str) -> None:
    text = render(name, PLAIN)
    assert text == render(name, some_results())
    assert text.endswith("\n")


def test_captures_are_in_the_page(tmp_path: Path) -> None:
    page = render("html", PLAIN)
    (example,) = PLAIN.results[1].examples
    for name, data in captures(example).items():
        link = f'download="{name}" href="data:application/vnd.tcpdump.pcap;base64,'
        assert link + base64.b64encode(data).decode() in page
    file = tmp_path / "b.pcap"
    file.write_bytes(captures(example)["b.pcap"])
    with read(str(file)) as capture:
        assert [(r.time_ns, r.frame) for r in capture] == [
            (out.time, out.frame) for s in example.steps for out in s.outcomes[1].outputs
        ]
