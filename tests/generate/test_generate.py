"""Suites of models: every goal is settled, every trace does on the reference what it is said to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ir_build import udp

from nfverify.cli.main import main
from nfverify.equivalence.reach.outcome import Open, Unreachable
from nfverify.equivalence.reach.script import length
from nfverify.oracles.coverage.player import replay
from nfverify.oracles.generate import table
from nfverify.oracles.generate.folder import load, save, traces
from nfverify.oracles.generate.outcome import Generated, Hit
from nfverify.oracles.generate.packets import events
from nfverify.oracles.generate.pipeline import Limits, generate
from nfverify.oracles.mutation.killing import Suite
from nfverify.oracles.mutation.mutants import mutants
from nfverify.oracles.trace import Event, captures, read_folder
from nfverify.semantics.machine import Machine
from nfverify.semantics.state_json import dump
from nfverify.smat.load import load as load_model
from nfverify.smat.load import load_text

MODEL = """
program p {
    int limit = 30;
    int n<sip> = 0;
    entry full  { match_state { n == limit } action_flow { drop; } }
    entry count { match_flow { f[proto] == 17 } action_state { n = n + 1; } action_flow { pass; } }
    entry never { match_flow { f[proto] == 17 } action_flow { drop; } }
    entry rest  { action_flow { pass; } }
}
"""


@pytest.fixture(scope="module")
def made() -> Generated:
    return generate(load_text(MODEL), "full")


def test_every_goal_is_settled_once(made: Generated) -> None:
    assert sorted(made.fates) == [goal.number for goal in made.goals]
    assert made.count(Open) == 0
    never = [g for g in made.goals if g.entry == "never" and g.kind == "entry"]
    assert [type(made.fates[g.number]) for g in never] == [Unreachable]


def test_every_trace_reaches_its_goals_from_the_initial_state(made: Generated) -> None:
    names = {item.name: item for item in made.items}
    for item in made.items:
        assert set(item.goals) <= replay(made.instrumented, item.script)
    for goal, fate in made.fates.items():
        if isinstance(fate, Hit):
            assert goal in names[fate.trace].goals


def test_a_threshold_is_a_loop(made: Generated) -> None:
    assert any(length(item.script) > 30 > 2 * len(item.script) for item in made.items if item.goals)


def test_a_full_suite_notices_what_entries_alone_do_not(made: Generated) -> None:
    network = load_text(MODEL)
    few = generate(network, "entries")
    assert len(few.items) < len(made.items)

    def killed(found: Generated) -> int:
        suite = Suite(network, [events(item.script) for item in found.items])
        return sum(suite.kill(m.network) is not None for m in mutants(network))

    assert killed(few) < killed(made)


# Folders ----------------------------------------------------------------------------------


def test_a_folder_holds_what_goes_in_and_what_comes_out(made: Generated, tmp_path: Path) -> None:
    network = load_text(MODEL)
    save(tmp_path, made, "m.nfd")
    head, items = load(tmp_path)
    assert head["coverage"] == "full"
    assert len(items) == len(made.items)
    for item, trace in zip(items, traces(tmp_path, network), strict=True):
        folder = tmp_path / item.name
        assert read_folder(folder / "in", ("0", "1")) == trace
        machine = Machine(network)
        out = [output for event in trace for output in machine.step(*event)]
        assert [tuple(e) for e in read_folder(folder / "out", ("0", "1"))] == [*map(tuple, out)]
        assert (folder / "state.json").read_text() == dump(network, machine.save())
    goals = json.loads((tmp_path / "coverage.json").read_text())
    assert [g["number"] for g in goals] == [g.number for g in made.goals]
    assert {g["status"] for g in goals} == {"reached", "unreachable"}
    assert (tmp_path / "coverage.md").read_text() == table.markdown(made)


def test_a_new_suite_takes_the_place_of_the_old_one_and_of_nothing_else(
    made: Generated, tmp_path: Path
) -> None:
    save(tmp_path, made, "m.nfd")
    (tmp_path / "9999").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    save(tmp_path, made, "m.nfd")
    assert not (tmp_path / "9999").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.glob(".new*"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("")
    with pytest.raises(FileExistsError):
        save(other, made, "m.nfd")


def test_what_cannot_be_written_leaves_the_old_suite(
    made: Generated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, made, "m.nfd")
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))

    def interrupted(*args: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("nfverify.oracles.generate.folder.dump_state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, made, "m.nfd")
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


# Commands ---------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "p.nfd"
    path.write_text(MODEL)
    return str(path)


def test_gen_and_mutate_work_together(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = str(tmp_path / "suite")
    assert main(["gen", model, "--coverage", "full", "-o", suite]) == 0
    assert "goals reached" in capsys.readouterr().out
    arguments = ["mutate", model, "--suite", suite, "--time-limit", "0", "--format", "json"]
    assert main(arguments) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["score"] > 0.8


def test_mutate_says_whether_the_score_is_as_asked(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "one.pcap"
    capture.write_bytes(captures([Event(1, 0, udp())], ("0", "1"))["trace.pcap"])
    arguments = ["mutate", model, "--trace", str(capture), "--operator", "output"]
    assert main([*arguments, "--at-least", "1"]) == 0
    assert main([*arguments, "--at-least", "100"]) == 1
    assert main([*arguments, "--at-least", "100", "--time-limit", "0"]) == 3
    assert "Not noticed" in capsys.readouterr().out


def test_mutate_grades_folders_and_writes_the_tests_that_were_missing(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poor, missing = tmp_path / "poor", tmp_path / "missing"
    poor.mkdir()
    (poor / "a.pcap").write_bytes(captures([Event(1, 0, udp())], ("0", "1"))["trace.pcap"])
    arguments = ["mutate", model, "--operator", "output", "--format", "json"]
    assert main([*arguments, "--suite", str(poor), "-o", str(missing)]) == 0
    before = {m["number"]: m["fate"] for m in json.loads(capsys.readouterr().out)["mutants"]}
    assert "different" in before.values()
    assert main([*arguments, "--suite", str(missing)]) == 0
    after = {m["number"]: m["fate"] for m in json.loads(capsys.readouterr().out)["mutants"]}
    assert all(after[n] == "killed" for n, fate in before.items() if fate == "different")


@pytest.mark.parametrize(
    "arguments",
    [
        ["gen"],
        ["gen", "lib:lb", "--coverage", "much"],
        ["gen", "lib:lb", "--seed", "-1"],
        ["gen", "lib:nothing"],
        ["mutate"],
        ["mutate", "lib:lb", "--operator", "nothing"],
        ["mutate", "lib:lb", "--suite", "/nowhere"],
        ["mutate", "lib:lb", "--trace", "/nowhere.pcap"],
        ["mutate", "lib:lb", "--at-least", "101"],
        ["mutate", "lib:lb", "--time-limit", "x"],
    ],
)
def test_wrong_commands_are_refused(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_gen_does_not_write_into_a_folder_of_other_things(model: str, tmp_path: Path) -> None:
    assert main(["gen", model, "-o", str(tmp_path)]) == 2
    assert main(["gen", model, "-o", model]) == 2


def test_a_broken_manifest_is_named(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "manifest.json").write_text("{")
    assert main(["mutate", model, "--suite", str(tmp_path / "s")]) == 2
    assert "manifest.json: not JSON" in capsys.readouterr().err


def test_what_the_solver_has_no_encoding_of_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "aged.nfd"
    path.write_text(
        "program p { map<IP, int> m timeout 5s;"
        " entry a { match_state { m[f[sip]] == 7 } action_flow { drop; } }"
        " entry b { action_state { m[f[sip]] = 1; } } }"
    )
    assert main(["gen", str(path)]) == 3
    assert "Unknown (1)" in capsys.readouterr().out


def test_time_that_runs_out_leaves_goals_unknown() -> None:
    found = generate(load_text(MODEL), "full", limits=Limits(seconds=1e-9))
    assert sorted(found.fates) == [goal.number for goal in found.goals]
    assert {type(fate) for fate in found.fates.values()} == {Open}
    assert found.items == ()


# The same from run to run -----------------------------------------------------------------


def test_the_same_seed_gives_the_same_files_on_any_machine(tmp_path: Path) -> None:
    digests = []
    for number, seed in enumerate(("1", "77")):
        folder = tmp_path / str(number)
        subprocess.run(
            [sys.executable, "-m", "nfverify", "gen", "lib:lb", "--coverage", "full", "-o", folder],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        digests.append(
            {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        )
    assert digests[0] == digests[1]


def test_models_with_timers_and_chains_have_suites() -> None:
    for name in ("rate-limiter", "lb-blacklist"):
        found = generate(load_model(f"lib:{name}"), "boundaries")
        assert found.count(Open) == 0
        assert found.count(Hit) > 0


@pytest.mark.parametrize(
    "body",
    [
        "",
        "entry e { }",
        "if (f[sport] == 1) { drop; }",
        "tag go; entry e { match_flow { f[go] < 3 } action_flow { f[go] = f[go] + 1; resubmit; } }",
        "int n; while (n < 5) bound 9 { n = n + 1; }",
        "int n; every 1ms { n = n + 1; } entry e { match_state { n == 7 } action_flow { drop; } }",
        "map<IP, int> m max 2 evict oldest; entry e { match_state { m[f[sip]] == 3 } }"
        " entry g { action_state { m[f[sip]] = m[f[sip]] + 1; } }",
        "entry e { action_flow { choose p in 5..9; f[sport] = p; } }",
    ],
)
def test_models_of_every_kind_get_a_suite(body: str, tmp_path: Path) -> None:
    found = generate(load_text(f"program p {{ {body} }}"), "full")
    assert sorted(found.fates) == [goal.number for goal in found.goals]
    save(tmp_path, found, "m.nfd")
