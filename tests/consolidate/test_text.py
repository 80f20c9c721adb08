"""The table as text: it parses to what was made, proves equal, and keeps rulesets of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.equivalence.consolidate import as_network, consolidate, table_text
from nfverify.equivalence.prove import Question, equivalent
from nfverify.equivalence.verdict import Equivalent
from nfverify.lang.formatter import format_text
from nfverify.lang.source import Source
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

Compare = Callable[..., object]

RATE = """
program limiter {
    int tokens = 100;
    every 10ms { tokens = 100; }
    entry ok   { match_state { f[size] <= tokens } action_state { tokens = tokens - f[size]; } }
    entry over { action_flow { drop; } }
}
program marker {
    tag class;
    entry web { match_flow { f[dport] == 80 } action_flow { f[class] = 1 + f[ttl]; } }
}
program shaper {
    tag class;
    set<flow> seen;
    entry first { match_state { f not in seen } action_state { seen = seen | {f}; } }
    entry web   { match_flow { f[class] > 64 } action_flow { f[tos] = f[class]; } }
}
chain main = limiter -> marker -> limiter as slow -> shaper;
"""
PORTS = """
program split {
    iface inside, outside, dmz;
    entry web { match_flow { f[dport] == 80 } action_flow { f[output] = dmz; } }
    entry out { match_flow { f[iface] == inside } action_flow { f[output] = outside; } }
    entry rest { action_flow { f[output] = inside; } }
}
program count {
    iface inside, outside, dmz;
    int n;
    entry all { action_state { n = n + 1; } }
}
chain main = split.dmz -> count;
"""


def rewritten(net: ir.Network) -> ir.Network:
    """The table's text, read again."""
    return load_text(table_text(consolidate(net, distinct_lets=False), net, None).model)


@pytest.mark.parametrize("name", ["edge", "inspect", "lb-blacklist"])
def test_the_library_is_proved(name: str) -> None:
    net = load(f"lib:{name}")
    assert isinstance(equivalent(net, rewritten(net), Question(time_limit=30)), Equivalent)


@pytest.mark.parametrize("name", ["edge", "inspect", "rate-limiter", "maglev", "syn-flood"])
def test_the_text_is_read_as_what_was_made(name: str) -> None:
    net = load(f"lib:{name}")
    (instance,) = rewritten(net).instances
    assert instance.program == consolidate(net)


def test_timers_and_tags(compare: Compare) -> None:
    net = load_text(RATE)
    again = rewritten(net)
    assert compare(net, again.instances[0].program) is None


def test_the_text_is_canonical_and_says_what_it_is() -> None:
    net = load("lib:edge")
    text = table_text(consolidate(net, distinct_lets=False), net, None).model
    first, *_ = text.splitlines()
    assert first == (
        "// edge (napt -> lb -> monitor -> firewall) as one table, by nfverify consolidate."
    )
    assert format_text(Source("table", text)) == text
    assert "p_2" not in text


def acl(folder: Path, rows: int) -> Path:
    lines = ["action,sip,dip,sport,dport,proto"]
    for k in range(rows):
        action = "accept" if k % 3 else "drop"
        lines.append(f"{action},10.{k % 200}.0.0/16,*,*,{k}-{k + 5},{6 if k % 2 else '*'}")
    lines.append("accept,*,1.2.3.4-1.2.3.9,7,*,*")
    (folder / "acl.csv").write_text("\n".join(lines) + "\n")
    model = folder / "model.nfd"
    model.write_text(
        """
        program nat { entry all { action_flow { f[sip] = 10.7.0.1; } } }
        program filter {
            ruleset ACL = load("acl.csv");
            entry denied { match_flow { f mismatches ACL } action_flow { drop; } }
        }
        chain main = nat -> filter;
        """
    )
    return model


@pytest.mark.parametrize("rows", [3, 1000])
def test_rulesets_come_along(rows: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = acl(tmp_path, rows)
    folder = tmp_path / "out"
    folder.mkdir()
    assert main(["consolidate", str(model), "-o", str(folder / "table.nfd")]) == 0
    assert "2 entries; proved equal" in capsys.readouterr().err
    files = sorted(p.name for p in folder.iterdir())
    assert files == (["table.nfd"] if rows < 100 else ["table-ACL.csv", "table.nfd"])
    (own,) = [n.ruleset for n in rulesets_of(load(str(model)))]
    assert {n.ruleset for n in rulesets_of(load(str(folder / "table.nfd")))} == {own}


def rulesets_of(net: ir.Network) -> list[ir.Match]:
    return [n for i in net.instances for n in ir.walk(i.program.body) if isinstance(n, ir.Match)]


# The command ---------------------------------------------------------------------------------


def test_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["consolidate", "lib:lb-blacklist", "-o", "-", "--no-check"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("// lb_blacklist (firewall -> lb)")
    load_text(said.out)


def test_a_chain_without_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.nfd"
    model.write_text(
        "program hold {\n    tag held;\n"
        "    entry e { match_flow { f[held] == 0 }\n"
        "              action_flow { f[held] = 1; f[output] = timer(1ms); } }\n}\n"
    )
    output = tmp_path / "table.nfd"
    assert main(["consolidate", str(model), "-o", str(output)]) == 2
    said = capsys.readouterr().err
    assert f"{model}:4:" in said
    assert "holds packets back" in said
    assert not output.exists()


def test_targets_are_checked_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consolidate", "lib:edge", "-o", str(tmp_path / "no" / "t.nfd")]) == 2
    assert "No such file or directory" in capsys.readouterr().err
    model = acl(tmp_path, 3)
    before = model.read_text()
    for target in (str(model), f"{model}:main"):
        assert main(["consolidate", target, "-o", str(model)]) == 2
        assert "name another file" in capsys.readouterr().err
    assert model.read_text() == before
    assert main(["consolidate", "lib:edge", "-o", "x", "--max-rows", "none"]) == 2
    assert "'none' is no number above 0" in capsys.readouterr().err


def test_too_many_rows_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["consolidate", "lib:edge", "-o", str(tmp_path / "t.nfd"), "--max-rows", "10"]
    assert main(arguments) == 2
    assert "over 10 rows" in capsys.readouterr().err


def test_without_a_proof_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "t.nfd"
    arguments = ["consolidate", "lib:edge", "-o", str(output), "--time-limit", "0.001"]
    assert main(arguments) == 3
    assert "not proved" in capsys.readouterr().err
    load(str(output))


def test_ports(compare: Compare) -> None:
    net = load_text(PORTS)
    again = rewritten(net)
    assert again.ports == net.ports
    assert compare(net, again.instances[0].program) is None
    assert as_network(again.instances[0].program, net).ports == net.ports


def test_operators_of_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are declared in the table, and come from Python where it is run."""
    model, output = tmp_path / "m.nfd", tmp_path / "t.nfd"
    model.write_text(
        "op bucket(IP) -> int;\n"
        "program a { entry x { action_flow { f[sip] = 10.0.0.9; } } }\n"
        "program b { map<int, int> n;\n"
        "    entry z { match_state { n[bucket(f[dip])] == 1 } action_flow { drop; } }\n"
        "    entry y { action_state { n[bucket(f[sip])] = 1; } } }\n"
        "chain main = a -> b;\n"
    )
    (tmp_path / "ops.py").write_text("def bucket(address):\n    return address % 7\n")
    arguments = ["consolidate", str(model), "-o", str(output)]
    assert main([*arguments, "--ops", str(tmp_path / "ops.py")]) == 0
    assert "2 entries; proved equal" in capsys.readouterr().err
    assert "op bucket(IP) -> int;" in output.read_text()
