"""Each warning of `check`, where it stands, and models that get none."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.lang.source import Diagnostic
from nfverify.smat import ir
from nfverify.smat.check import check_file

Warned = Callable[[str], list[Diagnostic]]
MODELS = sorted(str(f) for f in files("nfverify.models").iterdir() if f.name.endswith(".nfd"))

CASES = {
    "unused variable": ("int x = 1; entry { action_flow { pass; } }", "1:13", "`x` is never used"),
    "unused rule": (
        "rule R = sip:10.0.0.1; entry { action_flow { drop; } }", "1:13", "`R` is never used"
    ),
    "unused let": (
        "entry { action_flow { let a = 3; drop; } }", "1:35", "this `let` is never used"
    ),
    "unused tag": (
        "entry { action_flow { f[mark] = 1; } }", "1:35", "the tag `mark` is never read"
    ),
    "never read": (
        "int x; entry { action_state { x = 1; } }", "1:13", "`x` is written and never read"
    ),
    "never assigned": (
        "map<IP, int> m; entry { match_state { m[f[sip]] == 1 } } entry { action_flow { drop; } }",
        "1:13", "`m` is never assigned",
    ),
    "never assigned, of those that forget": (
        "set<IP> s max 5; entry { match_state { f[sip] in s } } entry { action_flow { drop; } }",
        "1:13", "`s` is never assigned",
    ),
    "touch of a map that forgets nothing": (
        "map<IP, int> m; entry { match_state { m[f[sip]] == 1 } action_flow { drop; } } "
        "entry { action_state { m[f[sip]] = 1; touch m[f[dip]]; } }",
        "1:130", "`m` has no time-out and no capacity",
    ),
    "tag only read": (
        "entry { match_flow { f[colour] == 1 } } entry { action_flow { drop; } }",
        "1:34", "the tag `colour` is only read",
    ),
    "no effect": ("entry { action_flow { f[sip] == 1.1.1.1; } }", "1:35", "has no effect"),
    "no effect, drop": ("entry { action_flow { f[dip] == DROP; } }", "1:35", "has no effect"),
    "single equals": (
        "entry { match_flow { f[ttl] = 1 } action_flow { drop; } } entry { action_flow { pass; } }",
        "1:34", "`=` in a match is read as `==`",
    ),
    "rewritten key": (
        "map<IP, int> m; entry { action_flow { f[sip] = 1.1.1.1; m[f[sip]] = m[f[dip]]; } }",
        "1:69", "`m` is keyed by f[sip], which is rewritten already",
    ),
    "rewritten flow": (
        "set<flow> s; entry { match_state { f in s } } entry "
        "{ action_flow { f := reverse(f); } action_state { s = s | {f}; } }",
        "1:115", "`s` is keyed by f[dip]",
    ),
    "size written": ("entry { action_flow { f[size] = 1; } }", "1:35", "never written to the wire"),
    "int mixed with IP": (
        "int x; entry { match_state { f[sip] == x } action_state { x = x + 1; } } "
        "entry { action_flow { pass; } }",
        "1:52", "int is mixed with IP",
    ),
    "int mixed with time": (
        "int x; entry { match_state { now > x } action_state { x = x + 1; } } "
        "entry { action_flow { pass; } }",
        "1:48", "int is mixed with time",
    ),
    "bare duration": (
        "entry { match_state { now > 5000 } } entry { action_flow { drop; } }",
        "1:41", "5000 without a unit is in nanoseconds",
    ),
    "bare timer": (
        "entry { action_flow { f[output] = timer(5); } }", "1:53", "5 without a unit"
    ),
    "port range with 0": (
        "rule R = dport:0-1023; entry { match_flow { f matches R } } "
        "entry { action_flow { drop; } }",
        "1:22", "a port range with 0",
    ),
    "host bits": (
        "rule R = sip:10.0.0.1/8; entry { match_flow { f matches R } } "
        "entry { action_flow { drop; } }",
        "1:22", "bits set behind its prefix",
    ),
    "granularity without IPv6": (
        "int c<sip, dip, dip6>; entry { match_state { c > 1 } action_state { c = 0; } } "
        "entry { action_state { c = c + 1; } }",
        "1:13", "all IPv6 hosts share one instance of `c`",
    ),
    "three ports": ("iface a, b, c; entry { action_flow { pass; } }", "1:1", "only two are used"),
    "after a catch-all": (
        "entry { action_flow { pass; } } entry { match_flow { f[ttl] == 1 } }",
        "1:45", "the entry in line 1 takes all",
    ),
    "same entry twice": (
        "entry { match_flow { f[ttl] == 1 } } entry { match_flow { f[ttl] == 1 } } "
        "entry { action_flow { drop; } }",
        "1:50", "the same match",
    ),
    "two entries of one name": (
        "entry a { match_flow { f[ttl] == 1 } } entry a { action_flow { drop; } }",
        "1:52", "another entry is called `a`",
    ),
    "keyed by a pushed header": (
        "map<IP, int> m; entry { action_flow { push ipip(10.0.0.1, f[dip]); m[f[sip]] = 1; "
        "f[ttl] = m[f[dip]]; } }",
        "1:80", "keyed by f[sip] of the ipip header just pushed",
    ),
    "gap": (
        "entry { match_flow { f[ttl] == 1 } action_flow { drop; } }",
        "1:13", "forwarded unchanged",
    ),
    "never true": (
        "entry { match_flow { f[ttl] == 256 } action_flow { drop; } } "
        "entry { action_flow { pass; } }",
        "1:34", "never true: bit<8> is from 0 to 255",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "place", "text"), CASES.values(), ids=CASES)
def test_warning(warned: Warned, body: str, place: str, text: str) -> None:
    (found,) = warned(f"program p {{ {body} }}")
    assert found.severity == "warning"
    assert text in found.message
    assert f"{found.span.line}:{found.span.column}" == place


@pytest.mark.parametrize("path", MODELS, ids=lambda path: Path(path).stem)
def test_the_library_gets_no_warnings(path: str) -> None:
    assert check_file(path) == []


@pytest.mark.parametrize(
    "guards",
    [
        ("f matches R", "f mismatches R"),
        ("f[ttl] < 5", "f[ttl] >= 5"),
        ("f[ttl] == 1 && f[UDP] == 1", "f[ttl] != 1", "f[UDP] != 1"),
        ("f in s", "f ∉ s"),
    ],
)
def test_no_gap(warned: Warned, guards: tuple[str, ...]) -> None:
    entries = " ".join([f"entry {{ match_flow {{ {guard} }} }}" for guard in guards])
    text = f"set<flow> s; rule R = sip:10.0.0.1; {entries} s = s | {{f}};"
    found = [d.code for d in warned(f"program p {{ {text} }}")]
    assert "gap" not in found


def test_names_at_the_top_of_the_file(warned: Warned) -> None:
    text = """int limit = 3; int idle = 4;
    program a { entry { match_flow { f[ttl] == limit } action_flow { drop; } }
                entry { action_flow { pass; } } }
    program b { int limit = 5; entry { match_flow { f[ttl] == limit } action_flow { drop; } }
                entry { action_flow { pass; } } }"""
    assert [d.message for d in warned(text)] == [
        "`idle` is never used", "`limit` hides the one at the top of the file",
    ]  # fmt: skip


def test_further_checks_are_called_for_models_without_errors(tmp_path: Path) -> None:
    path = tmp_path / "m.nfd"
    path.write_text("program p { entry { match_flow { f[ttl] == 1 } action_flow { drop; } } }")

    def unreachable(network: ir.Network) -> list[Diagnostic]:
        (instance,) = network.instances
        return [Diagnostic("warning", "unreachable", "so it is", instance.program.body[0].span)]

    assert [d.message for d in check_file(str(path), extra_checks=[unreachable])] == ["so it is"]
    path.write_text("program p { x = 1; }")
    found = check_file(str(path), extra_checks=[unreachable])
    assert [d.message for d in found] == ["unknown name `x`"]


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.nfd"
    path.write_text("program p { entry { match_flow { f[ttl] == 1 } action_flow { drop; } } }")
    assert main(["check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "1:13: warning: a packet that no entry matches" in out
    assert err == "1 model: 0 errors, 1 warning\n"
    assert main(["check", "--strict", str(path)]) == 1
    path.write_text("program p { x = 1; f[ttl] = y; }")
    assert main(["check", "-q", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out.count("error: unknown name") == 2
    assert main(["check", str(tmp_path / "none.nfd")]) == 2
    assert "none.nfd" in capsys.readouterr().out


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    path = tmp_path / "m.nfd"
    path.write_text("program p {\n  x = 1; }")
    assert main(["check", "--format", "json", str(path)]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["diagnostics"] == [
        {
            "severity": "error",
            "code": "unknown-name",
            "file": str(path),
            "line": 2,
            "column": 3,
            "message": "unknown name `x`",
            "hint": "",
        }
    ]
