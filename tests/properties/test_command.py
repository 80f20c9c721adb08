"""`nfverify prove` and the library of ready-made properties."""

import json
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.lang.source import ModelError
from nfverify.report.results_json import load as results_of
from nfverify.smat.load import load_text
from nfverify.smat.ready import READY
from nfverify.smat.stated import load_claims
from nfverify.smat.unparse import program_text

ROOT = Path(__file__).parents[2]
MODEL = """program nf {
    rule LAN = sip:10.0.0.0/8;
    int n = 0;
    map<(IP, int), int> m;
    entry { match_flow { f matches LAN } action_state { n = 1; m[(f[sip], 3)] = n; } }
    entry { match_flow { f[dport] == 23 } action_flow { drop; } }
    property fine: n <= 1;
    property wrong(IP a): f[sip] == a && before(f[sip] == a) -> dropped;
    invariant n >= 0 && m[(f[sip], 3)] <= 1;
}
"""
ALL = """
property isolated(LAN, 1.0.0.0/8);
property isolated(0, fd00::/8);
property established_return_ok;
property established_return_ok(LAN);
property no_unsolicited(LAN);
property nat_is_injective;
property nat_is_injective(LAN);
property nat_return_maps_back;
property counter_never_negative;
property counter_never_negative(n);
property never_loops;
property same_flow_same_backend;
property drops_are_final;
property rate_at_most(15000, 10ms);
property mine(flow k, (IP, int) a): f == k && since(n > 3, dropped) -> m'[a] > m[a];
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "nf.nfd"
    path.write_text(MODEL)
    return str(path)


def test_ready_made_properties_are_texts_of_the_language() -> None:
    network = load_text(MODEL.replace("    property fine", ALL + "    property fine"))
    text = program_text(network.instances[0].program)
    assert load_text(text) == network
    titles = " ".join(p.title for p in network.instances[0].program.properties)
    assert [name for name in READY if name not in titles] == []


@pytest.mark.parametrize(
    ("promise", "says"),
    [
        ("isolate(LAN, LAN)", "did you mean `isolated`"),
        ("isolated(LAN)", "write `isolated(A, B)`"),
        ("isolated(LAN, WAN)", "unknown name `WAN`"),
        ("isolated(LAN, n)", "`n` is no port, rule or ruleset"),
        ("isolated(LAN, 7)", "a port, a rule, a ruleset or a prefix"),
        ("rate_at_most(10ms, 10ms)", "a number of bytes"),
        ("rate_at_most(10, 10)", "a duration"),
        ("counter_never_negative(o)", "a state variable"),
        ("p(IP a, IP a): dropped", "declared twice"),
        ("p: total(f[size], n) > 3", "is a duration"),
        ("p: since(dropped)", "takes 2 arguments"),
        ("p dropped", "expected `:`"),
        ("p(IP): dropped", "name"),
    ],
)
def test_what_is_wrong_with_a_property_is_said(promise: str, says: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_text(MODEL.replace("property fine", f"property {promise}; property fine"))
    assert says in str(caught.value)


def test_the_past_stands_in_properties_only() -> None:
    with pytest.raises(ModelError, match="`before` stands in properties only"):
        load_text("program p { entry { match_flow { before(true) } } }")


def test_all_that_a_model_states(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", model]) == 1
    out = capsys.readouterr().out
    assert "holds: fine, in every step of every trace of IP packets" in out
    assert "broken: wrong, after 2 packets" in out
    assert "holds: invariant n >= 0" in out
    assert "for         a = " in out
    assert f"stated      {model}:8:5" in out


def test_json_reports_and_captures(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, report = tmp_path / "saved", tmp_path / "r.xml"
    wanted = ["--property", "wrong", "--property", "fine", "--format", "json"]
    assert (
        main(["prove", model, *wanted, "--save", str(folder), "--report", f"junit={report}"]) == 1
    )
    found = results_of(capsys.readouterr().out)
    assert found.results[0].title == "broken: wrong; holds of IP packets: fine"
    assert [len(e.steps) for e in found.results[0].examples] == [2]
    assert next(p.line for p in found.results[0].places) == 8
    assert json.loads((folder / "properties.json").read_text())["status"] == "different"
    assert (folder / "wrong-trace.pcap").stat().st_size > 24 + 2 * 16
    assert "wrong" in report.read_text()
    assert main(["prove", model, "--property", "fine", "--save", str(folder), "-q"]) == 0
    assert not (folder / "wrong-trace.pcap").exists()


def test_properties_from_the_command_line(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    for given, code, says in (
        ("isolated(LAN, 1.2.3.4)", 1, "broken: isolated(LAN, 1.2.3.4), after 1 packet"),
        ("isolated( LAN , LAN )", 1, "broken: isolated( LAN , LAN )"),
        ("f[dport] == 23 && f mismatches LAN -> dropped", 0, "holds: f[dport] == 23"),
        ("mine(IP a): m[(a, 3)] <= 1", 0, "holds: mine(IP a)"),
        ("fine", 0, "holds: fine"),
    ):
        assert main(["prove", model, "--property", given, "-q"]) == code
        assert says in capsys.readouterr().out


def test_what_cannot_be_asked_is_refused(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    for given, says in (
        ("wrng", "did you mean `wrong`?"),
        ("p: f[siip] == 0", "unknown field `siip`"),
        ("p: dropped; } program q {", "--property:1:"),
        ("", "--property:1:"),
        ("p: " + "(" * 5000, "--property:1:"),
    ):
        assert main(["prove", model, "--property", given]) == 2
        assert says in capsys.readouterr().err
    assert main(["prove", "lib:encrypt"]) == 2
    assert "the model states no property" in capsys.readouterr().err


def test_the_list_needs_no_model(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(ready.signature in out and ready.means in out for ready in READY.values())
    assert main(["prove", model, "--list"]) == 0
    assert "  wrong  (" in capsys.readouterr().out


def test_of_a_chain_each_nf_alone_and_what_is_given_of_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, claims = load_claims("lib:edge")
    assert "napt.nat_is_injective" in {claim.title for claim in claims}
    assert main(["prove", "lib:edge", "--property", "isolated(BAD, 10.0.0.0/8)", "-q"]) == 0
    assert main(["prove", "lib:edge", "--property", "monitor.counted", "-q"]) == 0
    path = tmp_path / "c.nfd"
    path.write_text(
        "program a { iface in, out;"
        " entry { match_flow { f[iface] == out } action_flow { drop; } } }"
        "program b { iface in, out; } chain main = a -> b; property isolated(out, in);"
    )
    capsys.readouterr()
    assert main(["prove", str(path), "-q"]) == 0
    assert capsys.readouterr().out.startswith("holds: isolated(out, in)")


def test_names_of_others_reach_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x\x1b[31m.nfd"
    path.write_text("program p { property q: dropped; }")
    assert main(["prove", str(path)]) == 1
    assert "\x1b" not in capsys.readouterr().out
    assert main(["prove", str(path), "--property", "dropped \x1b[31m"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_the_page_has_the_exact_meaning_of_each() -> None:
    page = " ".join((ROOT / "docs/properties.md").read_text().split())
    for ready in READY.values():
        assert ready.means in page
        for form in ready.forms:
            letters = {letter: "Δ" if letter == "D" else letter for _, letter in form.takes}
            assert form.text.format(**letters) in page
