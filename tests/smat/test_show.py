"""`show`: the paper's table in each format, within the width that is asked for."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.smat import show
from nfverify.smat.load import load, load_text

MODELS = sorted(f.name[:-4] for f in files("nfverify.models").iterdir() if f.name.endswith(".nfd"))

LIMITER = """program limiter { int burst = 3; int tokens; map<flow, int> sent;
    init { tokens = burst; f_dmy[BR] = 1; f_dmy[output] = timer(10ms); }
    entry tick { match_flow { f[BR] == 1 } action_state { tokens = burst; }
                 action_flow { f[output] = timer(10ms); } }
    entry { match_state { tokens > 0 } action_state { sent[f] = 1; } action_flow { f[ttl] = 9; }
            action_state { tokens = tokens - 1; } }
    entry { action_flow { drop; } } }"""


def test_terminal() -> None:
    assert (
        show.terminal(load_text(LIMITER), 100)
        == """\
limiter
Configuration: burst = 3
State: int tokens; map<flow, int> sent
Init: tokens = burst; f_dmy[BR] = 1; f_dmy[output] = timer(10ms)
┌───────┬────────────┬─────────────┬─────────────────────────┬────────────────────────┐
│ Entry │ Match flow │ Match state │ Action flow             │ Action state           │
├───────┼────────────┼─────────────┼─────────────────────────┼────────────────────────┤
│ tick  │ f[BR] == 1 │ *           │ f[output] = timer(10ms) │ tokens = burst         │
├───────┼────────────┼─────────────┼─────────────────────────┼────────────────────────┤
│       │ *          │ tokens > 0  │ 2. f[ttl] = 9           │ 1. sent[f] = 1         │
│       │            │             │                         │ 3. tokens = tokens - 1 │
├───────┼────────────┼─────────────┼─────────────────────────┼────────────────────────┤
│       │ *          │ *           │ drop                    │ -                      │
└───────┴────────────┴─────────────┴─────────────────────────┴────────────────────────┘
"""
    )


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_wider_than_asked_for(name: str, width: int) -> None:
    assert max(map(len, show.terminal(load(f"lib:{name}"), width).splitlines())) <= width


def test_markdown() -> None:
    text = show.markdown(load_text(LIMITER))
    assert "| Entry | Match flow | Match state | Action flow | Action state |" in text
    row = (
        "|  | \\* | `tokens > 0` | `2. f[ttl] = 9` | `1. sent[f] = 1`<br>`3. tokens = tokens - 1` |"
    )
    assert row in text


def test_dot_quotes_what_it_must() -> None:
    text = 'program p { entry { match_flow { PatternMatch(f[payload], {"a\\"b"}) } } } '
    found = show.dot(load_text(text + "program q { drop; } chain main = p -> q;"))
    assert '\\"a\\\\\\"b\\"' in found
    assert "n0 -> n1;" in found
    assert "n1 -> out;" in found


def test_json() -> None:
    found = json.loads(show.as_json(load("lib:edge")))
    assert [one["instance"] for one in found["instances"]] == ["napt", "lb", "monitor", "firewall"]
    assert found["wires"] == ["napt -> lb", "lb -> monitor", "monitor -> firewall"]
    assert found["instances"][2]["body"][0][0]["name"] == "count"


def test_general_programs_show_their_statements() -> None:
    text = "program p { int x; x = x + 1; entry { match_state { x > 3 } action_flow { drop; } } }"
    assert "\nx = x + 1;\n┌" in show.terminal(load_text(text))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "limiter.nfd"
    path.write_text(LIMITER)
    assert main(["show", str(path), "--width", "100"]) == 0
    assert capsys.readouterr().out == show.terminal(load_text(LIMITER), 100)
    for format_, start in (("markdown", "## limiter"), ("dot", "digraph"), ("json", "{")):
        assert main(["show", str(path), "--format", format_]) == 0
        assert capsys.readouterr().out.startswith(start)
    assert main(["show", str(path), "--width", "5"]) == 2
    assert main(["show", "lib:nosuch"]) == 2
    assert "the library has no `nosuch`" in capsys.readouterr().err
