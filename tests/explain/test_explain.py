"""Explanations hold: what they name is what happens, and the lines that they give decide."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from jsonschema import Draft202012Validator

from nfverify.cli.main import main
from nfverify.equivalence.components import Component
from nfverify.equivalence.explain.answer import Explanation, Lacking, Parted, Together
from nfverify.equivalence.explain.explaining import explain
from nfverify.equivalence.explain.learned import learned
from nfverify.equivalence.explain.lines import Pasted
from nfverify.equivalence.prove import equivalent
from nfverify.equivalence.question import Question
from nfverify.equivalence.relation import concrete_keys
from nfverify.equivalence.verdict import Unknown, Verdict
from nfverify.lang.source import ModelError
from nfverify.report.document import dump
from nfverify.report.explain import document, schema, text
from nfverify.report.verdict_file import read_verdict
from nfverify.smat import ir
from nfverify.smat.load import load

SCHEMA = Draft202012Validator(json.loads(schema()))
PAIRS = Path(__file__).parent.parent / "pairs"
PASSES = "program nf {\n    entry { action_flow { pass; } }\n}\n"
EVEN = """\
program nf {
    map<IP, int> seen;
    entry { match_state { seen[f[sip]] == 1001 } action_flow { drop; } }
    entry { action_state { seen[f[sip]] = seen[f[sip]] + 2; } }
}
"""


def pair(name: str) -> tuple[str, str]:
    return str(PAIRS / f"{name}.a.nfd"), str(PAIRS / f"{name}.b.nfd")


def answer(a: str, b: str, **options: float) -> Verdict:
    return equivalent(load(a), load(b), Question(time_limit=60, **options))  # type: ignore[arg-type]


def explained(a: str, b: str, verdict: Verdict) -> Explanation:
    """As the command does, by way of the JSON."""
    told = read_verdict(dump(verdict, a, b), "verdict.json")
    assert dump(told.verdict, a, b) == dump(verdict, a, b)
    assert (told.a, told.b) == (a, b)

    def paste(lines: object) -> tuple[ir.Network, ir.Network]:
        files = Pasted(tuple(line for _, line in lines))  # type: ignore[attr-defined]
        return load(a, files=files), load(b, files=files)

    found = explain(told.verdict, load(a), load(b), Question(time_limit=60), paste)
    assert not isinstance(found, str)
    assert text(found, a, b)
    SCHEMA.validate(json.loads(json.dumps(document(found, a, b))))
    return found


# Different ------------------------------------------------------------------------------------


def test_condition_that_parts_them() -> None:
    a, b = pair("counter-threshold-off")
    found = explained(a, b, answer(a, b))
    assert isinstance(found, Parted)
    assert (found.packet, found.first) == (4, 0)
    taken, expected = found.a[0], found.a[0].passed[0]
    assert (taken.entry, expected.entry) == ("line 6", "line 5")
    assert expected.condition is not None
    assert (expected.condition.text, expected.condition.holds) == ("n[f[sip]] < 3", False)
    assert [r.value for r in expected.condition.readings] == ["3", "10.0.0.1"]
    assert expected.span.line == 5
    assert found.b[0].entry == "line 5"
    assert [c.holds for c in found.b[0].conditions] == [True]


def test_state_that_parted_before_the_outputs(tmp_path: Path) -> None:
    a, b = tmp_path / "a.nfd", tmp_path / "b.nfd"
    a.write_text(
        "program nf {\n int n;\n entry { match_state { n >= 2 } action_flow { drop; } }\n"
        " entry { action_state { n = n + 1; } }\n}\n"
    )
    b.write_text(a.read_text().replace("n + 1", "n + 2"))
    found = explained(str(a), str(b), answer(str(a), str(b)))
    assert isinstance(found, Parted)
    assert (found.state_packet, found.packet) == (1, 2)
    (apart,) = found.state
    assert (apart.name_a, apart.value_a, apart.value_b) == ("a.n", "1", "2")
    assert (apart.written_a.packet, apart.written_a.entry) == (1, "line 4")


def test_rule_that_decides() -> None:
    a, b = pair("ruleset-mutant")
    found = explained(a, b, answer(a, b))
    assert isinstance(found, Parted)
    (condition,) = found.a[0].conditions
    rule = condition.readings[0].value
    assert "acl1.1k.csv:567 (accept)" in rule


def test_models_that_have_changed_are_told(tmp_path: Path) -> None:
    a, b = pair("counter-threshold-off")
    verdict = answer(a, b)
    with pytest.raises(ModelError, match="do the same on the verdict's trace"):
        explained(a, a, verdict)


# Equivalent -----------------------------------------------------------------------------------


def test_lines_that_do_the_same() -> None:
    a, b = pair("nat-split-map")
    found = explained(a, b, answer(a, b))
    assert isinstance(found, Together)
    assert found.proved
    lines = {
        (p.line.side, p.line.span.line): ([o.span.line for o in p.others], p.always)
        for p in found.pairings
    }
    assert lines == {
        **{("a", n): ([m], True) for n, m in ((8, 7), (10, 9), (13, 12), (14, 13), (16, 15))},
        **{("b", m): ([n], True) for n, m in ((8, 7), (10, 9), (13, 12), (14, 13), (16, 15))},
    }


def test_one_line_for_several_is_no_equivalence_of_lines(tmp_path: Path) -> None:
    a, b = tmp_path / "a.nfd", tmp_path / "b.nfd"
    a.write_text(
        "program nf {\n"
        " entry { match_flow { f[proto] == 6 } action_flow { drop; } }\n"
        " entry { match_flow { f[proto] == 17 } action_flow { drop; } }\n"
        " entry { action_flow { pass; } }\n}\n"
    )
    b.write_text(
        "program nf {\n"
        " entry { match_flow { f[proto] == 6 || f[proto] == 17 } action_flow { drop; } }\n"
        " entry { match_flow { f[ttl] == 300 } action_flow { drop; } }\n}\n"
    )
    found = explained(str(a), str(b), answer(str(a), str(b)))
    assert isinstance(found, Together)
    said = {(p.line.side, p.line.span.line): p for p in found.pairings}
    assert not said["a", 2].always
    assert not said["a", 3].always
    assert said["b", 2].always
    assert [o.span.line for o in said["b", 2].others] == [2, 3]
    assert [(line.side, line.span.line) for line in found.unreached] == [("b", 3)]


def test_entries_in_one_line_are_not_one(tmp_path: Path) -> None:
    a, b = tmp_path / "a.nfd", tmp_path / "b.nfd"
    entries = (
        "entry { match_flow { f[proto] == 6 } action_flow { drop; } }"
        " entry { match_flow { f[proto] == 17 } action_flow { f[ttl] = 9; } }"
    )
    a.write_text(f"program nf {{ {entries} }}")
    b.write_text(
        f"program nf {{\nint unused = 1;\n{entries}\nentry {{ action_flow {{ pass; }} }} }}"
    )
    found = explained(str(a), str(b), answer(str(a), str(b)))
    assert isinstance(found, Together)
    of_a = [p for p in found.pairings if p.line.side == "a"]
    assert [(p.line.span.column, p.others[0].span.column, p.always) for p in of_a] == [
        (14, 1, True),
        (75, 62, True),
    ]


# Unknown --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("hard-sum", "a.t + a.u == b.n"),
        ("hard-modulo-late", "bit33(b.n & 3) == bit33(a.turn)"),
        ("hard-width-truncated", "b.n & 3 == a.n"),
    ],
)
def test_relation_that_decides(name: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = pair(name)
    verdict = answer(a, b, depth=3)
    assert isinstance(verdict, Unknown)
    assert verdict.resisting is not None
    found = explained(a, b, verdict)
    assert isinstance(found, Lacking)
    assert [(advice.kind, advice.text) for advice in found.advice] == [("relation", line)]
    assert main(["equiv", a, b, "--quiet", "--invariant", line]) == 0
    assert capsys.readouterr().out.startswith("equivalent")


def test_invariant_to_paste_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = tmp_path / "a.nfd", tmp_path / "b.nfd"
    a.write_text(EVEN)
    b.write_text(PASSES)
    assert main(["equiv", str(a), str(b), "--depth", "2", "--save", str(tmp_path / "v")]) == 3
    capsys.readouterr()
    assert main(["explain", str(tmp_path / "v"), "--format", "json"]) == 0
    (advice,) = json.loads(capsys.readouterr().out)["advice"]
    assert (advice["kind"], advice["side"]) == ("invariant", "a")
    assert advice["text"] == "invariant seen[f[sip]] & 1 == 0;"
    lines = EVEN.splitlines()
    lines.insert(-1, advice["text"])
    a.write_text("\n".join(lines))
    assert main(["equiv", str(a), str(b), "--quiet"]) == 0


def test_invariant_of_an_nf_in_a_chain(tmp_path: Path) -> None:
    """The line belongs into the file that is imported."""
    (tmp_path / "even.nfd").write_text(EVEN.replace("program nf", "program even"))
    (tmp_path / "all.nfd").write_text(PASSES.replace("program nf", "program all"))
    a, b = tmp_path / "a.nfd", tmp_path / "b.nfd"
    a.write_text('import "even.nfd"; import "all.nfd";\nchain a = even -> all;\n')
    b.write_text('import "all.nfd";\nchain b = all -> all;\n')
    found = explained(str(a), str(b), answer(str(a), str(b), depth=2))
    assert isinstance(found, Lacking)
    (advice,) = found.advice
    assert (advice.kind, advice.text) == ("invariant", "invariant seen[f[sip]] & 1 == 0;")
    assert advice.span is not None
    assert Path(advice.span.source.name).name == "even.nfd"


def test_what_is_stored_is_what_was_computed(tmp_path: Path) -> None:
    a, b = tmp_path / "a.nfd", tmp_path / "b.nfd"
    a.write_text(
        "program nf {\n    map<IP, IP> to;\n"
        "    entry { match_state { f[sip] in to } action_flow { f[dip] = to[f[sip]]; } }\n"
        "    entry { action_state { let n = hash(f[sip]) % 4; to[f[sip]] = 192.168.1.0 + n; }\n"
        "            action_flow { f[dip] = to[f[sip]]; } }\n}\n"
    )
    b.write_text(
        "program nf {\n    entry { action_flow { f[dip] = 192.168.1.0 + hash(f[sip]) % 4; } }\n}\n"
    )
    found = explained(str(a), str(b), answer(str(a), str(b), depth=1))
    assert isinstance(found, Lacking)
    line = "invariant f[sip] not in to || to[f[sip]] == 192.168.1.0 + hash(f[sip]) % 4;"
    assert [advice.text for advice in found.advice] == [line]


def test_guard_where_nothing_else_is_found(tmp_path: Path) -> None:
    """The sides do part, after more packets than anybody tries: when `big` wraps around."""
    a, b = tmp_path / "a.nfd", tmp_path / "b.nfd"
    a.write_text(
        "program nf {\n    int big; int small;\n"
        "    entry { match_state { big > 3 * small + 2 } action_flow { drop; } }\n"
        "    entry { match_flow { f[TCP] == 1 }\n"
        "            action_state { big = big + 3; small = small + 1; } }\n}\n"
    )
    b.write_text(PASSES)
    found = explained(str(a), str(b), answer(str(a), str(b), depth=2))
    assert isinstance(found, Lacking)
    assert [(advice.kind, advice.text) for advice in found.advice] == [
        ("guard", "!(f[proto] == 6)")
    ]
    options = ["--quiet", "--assume", "!(f[proto] == 6)"]
    assert main(["equiv", str(a), str(b), *options]) == 0


def test_step_that_is_not_excluded_is_one(tmp_path: Path) -> None:
    """In the states that are named, the packet does tell the models apart."""
    a, b = pair("hard-sum")
    verdict = answer(a, b, depth=2)
    assert isinstance(verdict, Unknown)
    step = verdict.resisting
    assert step is not None
    assert step.differences == ("a sends 1 packet, b nothing",)
    held = {row.variable: row.values for row in step.state}
    assert held["a.t"] is not None
    assert held["a.u"] is not None
    assert held["b.n"] is not None
    assert (int(held["a.t"][0]) + int(held["a.u"][0]) >= 3) != (int(held["b.n"][0]) >= 3)


# Claims ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("counter-threshold-off", "a.n[f[sip]] == b.n[f[sip]]"),
        ("counter-threshold-off", "1 == 1 && b.n[f[sip]] <= 2"),
        ("depth-6", "1 == 2"),
    ],
)
def test_claims_that_are_wrong_prove_nothing(name: str, claim: str) -> None:
    a, b = pair(name)
    assert main(["equiv", a, b, "--quiet", "--invariant", claim]) == 1


@pytest.mark.parametrize(
    "claim",
    ["a.x == 1", "a.t ==", "a.t == now", "a.t == 1; invariant b.n == 1", "a.t == tag", "a.t"],
)
def test_claims_that_are_none(claim: str) -> None:
    assert main(["equiv", *pair("hard-sum"), "--invariant", claim]) == 2


def test_learned_claims_hold_where_they_were_learned() -> None:
    variables = [
        ir.StateVar(name, (ir.IP,) * keyed, (type_,), (0,), "map" if keyed else "plain")
        for name, keyed, type_ in (
            ("a.x", 0, ir.INT), ("a.y", 0, ir.INT), ("b.z", 0, ir.INT),
            ("b.w", 0, ir.Bits(2)), ("a.m", 1, ir.INT), ("b.m", 1, ir.PORT),
        )
    ]  # fmt: skip
    components = [Component(v.name, v, 0, ()) for v in variables]
    defaults = {v.name: v.default for v in variables}
    rng, total = Random(1), 0
    for kind in range(60):
        snapshots = []
        for step in range(12):
            x, y = step * (1 + kind % 5), rng.randrange(3) if kind % 3 else step // 2
            row = {"a.x": x, "a.y": y, "b.z": x + y, "b.w": x % 4}
            one = {name: {(): (value,)} for name, value in row.items()}
            one["a.m"] = {(key,): (2 * key + kind,) for key in range(step % 4)}
            one["b.m"] = {(key,): (key % (2 + kind % 3),) for key in range(step % 4)}
            snapshots.append(one)
        for candidate in learned(components, snapshots):
            total += 1
            for snapshot in snapshots:
                for keys in concrete_keys(candidate, snapshot):
                    assert candidate.holds(snapshot, defaults, *keys), candidate.expr
    assert total > 500


# The file -------------------------------------------------------------------------------------


GOOD = {
    "version": 1, "verdict": "unknown", "a": "lib:edge", "b": "lib:edge", "observe": "packets",
    "ignored": [], "assumption": None, "non_ip": "bypass", "proof": None, "counterexample": None,
    "reason": "time", "depth": 0, "obligations": [], "notes": [], "seconds": 1.0,
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"verdict": "true"}, {"a": 5}, {"a": None}, {"observe": "all"},
        {"ignored": "ttl"}, {"depth": -1}, {"depth": True}, {"depth": 1 << 80}, {"reason": None},
        {"seconds": "1"}, {"obligations": [{}]}, {"verdict": "different"},
        {"verdict": "equivalent"}, {"resisting": {"packet": "0"}}, {"non_ip": []},
        {"verdict": "different", "counterexample": {"events": []}},
        {"verdict": "different", "counterexample": {"events": [{"packet": "zz"}]}},
    ],
)  # fmt: skip
def test_documents_that_are_no_verdicts(change: dict[str, object], tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"
    file.write_text(json.dumps(GOOD | change))
    assert main(["explain", str(file)]) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000, "1e999", '"\ud800"'])
def test_files_that_are_no_verdicts(content: str, tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert main(["explain", str(file)]) == 2


@pytest.mark.parametrize("name", ["/etc/passwd", "-", "--ops", "x.csv", "\x1b[31m.nf", "lib:../x"])
def test_a_verdict_opens_models_only(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "verdict.json"
    file.write_text(json.dumps(GOOD | {"a": name}))
    assert main(["explain", str(file)]) == 2
    said = capsys.readouterr().err
    assert "root:" not in said
    assert "\x1b" not in said
