"""pytest with the plugin, from outside: what passes, what fails, and what is printed then."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nfverify import Machine, load
from nfverify.cli.main import main
from nfverify.oracles.trace import Event, capture
from nfverify.packet.pcap import read
from nfverify.semantics.state_json import dump
from nfverify.strategies import frame

BUGS = Path(__file__).parents[1] / "bugs"
NOISE = ("Traceback", "self =", "def ", "site-packages", "nfverify/testing")
Run = Callable[..., tuple[int, str]]


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def counts(output: str) -> str:
    """The last line, without the time."""
    return output.rstrip().splitlines()[-1].strip("= ").rpartition(" in ")[0]


# Files in TOML ----------------------------------------------------------------------------

ANSWER = """
program answers {
    iface inside, outside;
    set<flow> open;
    entry out {
        match_flow   { f[iface] == inside }
        action_state { open = open | {f}; }
    }
    entry answer { match_state { reverse(f) in open } }
    entry stranger { action_flow { drop; } }
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A model, packets for it, and what comes of them."""
    write(tmp_path, "nets/answers.nfd", ANSWER)
    there = bytes(frame(sip="10.0.0.1", dip="10.0.0.2", sport=1000, dport=80))
    back = bytes(frame(sip="10.0.0.2", dip="10.0.0.1", sport=80, dport=1000))
    trace = [Event(1000, 1, back), Event(2000, 0, there), Event(3000, 1, back)]
    nets = tmp_path / "nets"
    for port, name in enumerate(("inside", "outside")):
        rows = [event for event in trace if event.port == port]
        (nets / f"{name}.pcap").write_bytes(capture(rows))
    machine = Machine(load(str(nets / "answers.nfd")))
    out = [output for event in trace for output in machine.step(*event)]
    (nets / "out.pcap").write_bytes(capture(out))
    write(nets, "end.json", dump(machine.network, machine.save()))
    return tmp_path


def test_every_kind_passes(project: Path, run: Run) -> None:
    write(
        project,
        "nets/good.nftest.toml",
        """
        [itself]
        equiv = ["answers.nfd", "answers.nfd"]

        [other]
        equiv = ["answers.nfd", "lib:monitor"]
        verdict = "different"

        [not-yet]
        equiv = ["answers.nfd", "lib:monitor"]
        xfail = "one is missing"

        [not-here]
        equiv = ["there-is.nfd", "no-such.nfd"]
        skip = "written later"

        [both-engines]
        test = "answers.nfd"
        engines = ["reference", "cython"]
        examples = 200

        [recorded]
        replay = "answers.nfd"
        in = {inside = "inside.pcap", outside = "outside.pcap"}
        out = "out.pcap"
        outcome = ["drop", "outside", "inside"]
        state = "end.json"
        engines = ["reference", "cython"]
        """,
    )
    code, output = run("-q")
    assert (code, counts(output)) == (0, "4 passed, 1 skipped, 1 xfailed"), output
    code, output = run("-q", "-k", "recorded", "nets", "--nf-engines", "walk")
    assert (code, counts(output)) == (0, "1 passed, 5 deselected"), output
    assert [path.name for path in project.glob("**/counterexamples/good/*")] == ["not-yet"]


def test_a_replay_fails_at_the_packet_that_differs(project: Path, run: Run) -> None:
    start = '[{}]\nreplay = "answers.nfd"\n' + (
        'in = {{inside = "inside.pcap", outside = "outside.pcap"}}\n'
    )
    expected = {
        "outcome": 'outcome = ["drop", "inside", "inside"]',
        "packet": 'out = "inside.pcap"',
        "state": 'outcome = ["drop", "outside", "inside"]\nstate = "empty.json"',
        "few": 'outcome = ["drop"]',
        "port": 'outcome = ["dorp", "outside", "inside"]',
    }
    text = "\n".join(start.format(name) + keys + "\n" for name, keys in expected.items())
    write(project, "nets/bad.nftest.toml", text)
    machine = Machine(load(str(project / "nets/answers.nfd")))
    machine.step(3000, 1, b"")
    write(project, "nets/empty.json", dump(machine.network, machine.save()))
    code, output = run("-q")
    assert (code, counts(output)) == (1, "5 failed"), output
    assert "packet 2: expected inside, and it was outside" in output
    assert "packet 3: inside.pcap ends, and more comes out" in output
    assert "the state at the end: answers.open[" in output
    assert "bad.nftest.toml:17:2: error: 1 outcomes for 3 packets" in output
    assert "has no port 'dorp'" in output
    assert "2          0.000002000  inside   tcp 10.0.0.1:1000 → 10.0.0.2:80 SYN" in output
    assert not [word for word in NOISE if word in output]


def test_a_difference_is_kept_and_run_first(tmp_path: Path, run: Run) -> None:
    text = '[same]\nequiv = ["lib:firewall", "lib:monitor"]\n'
    write(tmp_path, "a/x.nftest.toml", text)
    code, output = run("-q")
    assert code == 1
    assert "different: lib:firewall and lib:monitor part after 1 packet" in output
    assert "firewall: blocked" in output
    assert not [word for word in NOISE if word in output]
    (kept,) = (tmp_path / "a/counterexamples/x/same").iterdir()
    assert f"Stored, and run first from now on: {kept.relative_to(tmp_path)}" in output

    # Without time for a proof, only what is stored can tell.
    code, output = run("-q", "--nf-time-limit", "0.001")
    assert code == 1
    assert "part on a stored counterexample" in output
    assert "firewall: blocked" in output

    # Once the models are equal, it stays and does no harm.
    write(tmp_path, "a/x.nftest.toml", text.replace("monitor", "firewall"))
    assert run("-q")[0] == 0
    assert kept.exists()

    document = json.loads(kept.read_text())
    document["packets"][0][1] = 2
    kept.write_text(json.dumps(document))
    code, output = run("-q")
    assert code == 1
    assert "a packet is [ns, port below 2, hex], not [1000000000, 2, " in output

    kept.write_text(json.dumps({"format": "something else"}))
    code, output = run("-q")
    assert code == 1
    assert f"{kept.relative_to(tmp_path)}:1:1: error: not a stored counterexample" in output


def test_a_program_with_a_bug_fails_on_a_short_trace(tmp_path: Path, run: Run) -> None:
    for name in ("nf.py", "pinhole.py", "pinhole.nfd"):
        write(tmp_path, f"nets/{name}", (BUGS / name).read_text())
    command = f"{sys.executable} -S -E pinhole.py"
    test = '[{}]\ntest = "pinhole.nfd"\nagainst = "{}"\nexamples = 1000\n'
    text = test.format("good", command) + test.format("bad", f"{command} --bug")
    write(tmp_path, "nets/x.nftest.toml", text)
    code, output = run("-q", "nets")
    assert (code, counts(output)) == (1, "1 failed, 1 passed"), output
    assert "shrunk to 2 packets" in output
    assert "pinhole: stranger" in output
    assert not [word for word in NOISE if word in output]
    (kept,) = tmp_path.rglob("*.json")
    found = kept.read_text()
    kept.unlink()
    run("-q", "nets", "-k", "bad", PYTHONHASHSEED="5")
    assert kept.read_text() == found
    code, output = run("-q", "nets")
    assert f"found       {kept.relative_to(tmp_path)}, packet 2" in output
    assert "tested      2 packets in 1 trace" in output


def test_unknown_fails_unless_allowed(tmp_path: Path, run: Run) -> None:
    test = '[{}]\nequiv = ["lib:edge", "lib:edge-table"]\ntime-limit = 0.01\n'
    write(tmp_path, "x.nftest.toml", test.format("a") + test.format("b") + "allow-unknown = true\n")
    code, output = run("-q", "-rs")
    assert (code, counts(output)) == (1, "1 failed, 1 skipped"), output
    assert "unknown: time ran out after 0.01 s" in output
    code, output = run("-q", "--nf-allow-unknown")
    assert (code, counts(output)) == (0, "2 skipped"), output
    write(tmp_path, "x.nftest.toml", test.format("a") + 'verdict = "unknown"\n')
    assert run("-q")[0] == 0


def test_what_is_wrong_is_said_without_noise(tmp_path: Path, run: Run) -> None:
    write(tmp_path, "wrong.nfd", "program p { entry { action_flow { f[sport] = sprot; } } }\n")
    write(tmp_path, "broken.pcap", "no capture")
    write(
        tmp_path,
        "x.nftest.toml",
        '[model]\nequiv = ["wrong.nfd", "lib:edge"]\n'
        '[missing]\ntest = "lib:egde"\n'
        '[capture]\nreplay = "lib:edge"\nin = "broken.pcap"\noutcome = ["drop"]\n'
        '[program]\ntest = "lib:edge"\nagainst = "./not-there {in} {out}"\n'
        '[words]\ntest = "lib:edge"\nagainst = "nf {in}"\n'
        '[assume]\nequiv = ["lib:edge", "lib:edge"]\nassume = "f[sprot] == 1"\n',
    )
    code, output = run("-q")
    assert (code, counts(output)) == (1, "6 failed"), output
    assert "wrong.nfd:1:46: error: " in output
    assert "the library has no `egde`; did you mean `edge`?" in output
    assert "broken.pcap: byte 0: not a capture" in output
    assert "error: ./not-there: No such file or directory" in output
    assert "has {in} or {out}, not both" in output
    assert "assume:1:" in output
    assert "did you mean `sport`?" in output
    assert not [word for word in NOISE if word in output]

    write(tmp_path, "x.nftest.toml", "[t]\nequiv = [lib:edge]\n")
    code, output = run("-q")
    assert code == 2
    assert "x.nftest.toml:2:10: error: not TOML" in output
    assert not [word for word in NOISE if word in output]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--nf-engines", "refrence"), ("--nf-seed", "-1"), ("--nf-time-limit", "soon")],
)
def test_options_are_checked(option: str, value: str, run: Run) -> None:
    code, output = run(f"{option}={value}")
    assert code == 4
    assert f"{value!a}" in output
    assert "Traceback" not in output


def test_with_xdist_and_junit(tmp_path: Path, run: Run) -> None:
    names = ("firewall", "monitor", "firewall", "monitor")
    tests = "".join(
        f'[t{number}]\nequiv = ["lib:firewall", "lib:{name}"]\n'
        for number, name in enumerate(names)
    )
    write(tmp_path, "x.nftest.toml", tests)
    code, output = run("-q", "-n", "2", "--junitxml", "junit.xml")
    assert (code, counts(output)) == (1, "2 failed, 2 passed"), output
    failures = list(ElementTree.parse(tmp_path / "junit.xml").getroot().iter("failure"))
    assert len(failures) == 2
    for failure in failures:
        assert "different: lib:firewall and lib:monitor part" in failure.attrib["message"]
        assert "firewall: blocked" in (failure.text or "")
    assert len(list(tmp_path.rglob("*.json"))) == 2


# Python -----------------------------------------------------------------------------------

PROPERTIES = """
import pytest
from nfverify.testing import trace_test

@trace_test("{model}", examples=40)
def test_nobody_comes_in(steps):
    for step in steps:
        assert step.port == "inside" or step.dropped, "came in"

@trace_test("{model}", examples=3)
def test_of_no_packets(trace):
    raise ValueError(f"of {len(trace)} packets")

class TestHolds:
    @pytest.mark.parametrize("least", [0])
    @trace_test("{model}", examples=10, packets=5, hostile=True)
    def test_copies(self, steps, trace, least, tmp_path):
        assert len(steps) == len(trace) <= 5
        assert all(least <= len(step.outputs) <= 1 for step in steps)
        assert all(out.packet.sip == step.packet.sip for step in steps for out in step.outputs)
"""


def test_a_property_fails_on_a_short_plain_trace(project: Path, run: Run) -> None:
    write(project, "nets/test_p.py", PROPERTIES.replace("{model}", "answers.nfd"))
    code, output = run("-q", "--nf-engines", "reference,walk", PYTHONHASHSEED="1")
    assert (code, counts(output)) == (1, "2 failed, 1 passed"), output
    assert "ValueError: of 0 packets\n\nNo packet arrives." in output
    assert 'nets/test_p.py:8: assert step.port == "inside" or step.dropped, "came in"' in output
    assert "1  0.000000000  inside   tcp 10.0.0.1:1024 → 10.0.0.2:80 SYN" in output
    assert "answers: answer" in output
    assert not [word for word in (*NOISE, "hypothesis", "Falsifying") if word in output]
    (kept,) = (project / "nets/counterexamples/test_p/test_nobody_comes_in").iterdir()
    assert len(json.loads(kept.read_text())["packets"]) == 2

    # It comes first from now on, and the same seed finds the same in any process.
    code, again = run("-q", PYTHONHASHSEED="2")
    assert f"It stands in {kept.relative_to(project)}" in again
    assert again.count("It stands in ") == 2
    text = kept.read_text()
    kept.unlink()
    run("-q", PYTHONHASHSEED="3")
    (found,) = kept.parent.iterdir()
    assert found.read_text() == text


FIXTURES = """
from nfverify.strategies import frame

MAIL = bytes(frame(dport=23))
WEB = bytes(frame(dport=80))

def test_compiled_does_as_the_model_says(nf, oracle):
    function, model = nf("fw.nfd:firewall"), oracle("fw.nfd")
    for time, data in enumerate((WEB, MAIL)):
        (out,) = function.process([data], [time], [0])
        model.check(time, 0, data, out)
    assert [step.dropped for step in model.steps] == [False, True]
    model.check(3, 0, WEB, [WEB])
    model.check(3, 0, WEB, [(1, WEB)])

def test_wrong_output(oracle):
    model = oracle("lib:napt")
    model.check(1, 0, WEB, [(1, WEB)])

def test_wrong_field_is_ignored(oracle):
    model = oracle("lib:napt", ignore=["sip", "sport"])
    model.check(1, 0, WEB, [(1, WEB)])

def test_verdicts(nf_equiv):
    assert nf_equiv("lib:firewall", "fw.nfd").proof.relation == ()
    nf_equiv("lib:firewall", "lib:monitor", verdict="different")
    nf_equiv("lib:firewall", "lib:monitor", assume="f[sip] == 10.0.0.1 && f[dport] == 80")
    nf_equiv("fw.nfd", "lib:monitor")

def test_no_such_model(nf):
    nf("egde.nfd")
"""


def test_fixtures(tmp_path: Path, run: Run) -> None:
    source = Path(__file__).parents[2] / "models/firewall.nfd"
    write(tmp_path, "here/fw.nfd", source.read_text())
    write(tmp_path, "here/test_f.py", FIXTURES)
    code, output = run("-q", "-rA")
    assert (code, counts(output)) == (1, "3 failed, 2 passed"), output
    assert "packet 1: what came out is not what the model says" in output
    assert "napt: out_new" in output
    assert "different: here/fw.nfd and lib:monitor part after 1 packet" in output
    assert "egde.nfd:1:1: error: egde.nfd can't be read: No such file" in output
    assert "During handling" not in output
    assert not [word for word in NOISE if word in output.replace("def test", "")]


def test_unused_it_costs_nothing(tmp_path: Path, run: Run) -> None:
    """Nothing of nfverify is loaded but the plugin, and neither Z3 nor Hypothesis."""
    write(
        tmp_path,
        "test_it.py",
        "import sys\n\n"
        "def test_light():\n"
        "    ours = {n for n in sys.modules if n.partition('.')[0] == 'nfverify'}\n"
        "    assert ours == {'nfverify', 'nfverify.testing', 'nfverify.testing.plugin'}\n"
        "    assert not {'z3', 'hypothesis', 'rich', 'pyparsing', 'scapy'} & set(sys.modules)\n",
    )
    code, output = run("-q")
    assert code == 0, output


def test_a_trace_of_captures_is_what_was_written(project: Path) -> None:
    """The fixture above is what the other tests lean on."""
    assert [len(record.frame) for record in read(project / "nets/out.pcap")] == [54, 54]


# Models that choose -----------------------------------------------------------------------

CHOOSES = """
program {name} {{
    entry all {{
        action_flow {{ choose p in {low}..{high} where p != 2000; f[sport] = p; }}
    }}
}}
"""
CHECKS = """
import pytest
from nfverify.strategies import frame

def test_any_port_of_the_range_is_right(oracle):
    model = oracle("any.nfd")
    for port in (1024, 65535):
        model.check(1, 0, bytes(frame(sport=7)), [(1, bytes(frame(sport=port)))])

def test_others_are_wrong(oracle):
    oracle("any.nfd").check(1, 0, bytes(frame(sport=7)), [(1, bytes(frame(sport=2000)))])
"""


def test_models_that_choose(tmp_path: Path, run: Run) -> None:
    write(tmp_path, "any.nfd", CHOOSES.format(name="any", low=1024, high=65535))
    write(tmp_path, "few.nfd", CHOOSES.format(name="few", low=1024, high=1030))
    write(tmp_path, "test_any.py", CHECKS)
    test = '[{}]\nequiv = ["{}.nfd", "{}.nfd"]\nrefine = true\n'
    text = test.format("few-is-any", "few", "any") + test.format("any-is-few", "any", "few")
    text += test.format("known", "any", "few") + 'verdict = "not refined"\n'
    write(tmp_path, "x.nftest.toml", text)
    code, output = run("-q")
    assert (code, counts(output)) == (1, "2 failed, 3 passed"), output
    assert "FAILED x.nftest.toml::any-is-few" in output
    assert "not refined: any.nfd does what few.nfd does not allow" in output
    assert "packet 1: the model does not allow what came out" in output
    assert "sport = 2000" in output
    assert not [word for word in NOISE if word in output]


def test_a_suite_of_gen_is_replayed(tmp_path: Path, run: Run) -> None:
    model = tmp_path / "nets/fw.nfd"
    write(tmp_path, "nets/fw.nfd", (Path(__file__).parents[2] / "models/firewall.nfd").read_text())
    assert main(["-q", "gen", str(model), "-o", str(tmp_path / "nets/suite")]) == 0
    test = '[{}]\n{} = "{}"\nsuite = "{}"\n'
    text = test.format("same", "replay", "fw.nfd", "suite")
    text += test.format("other", "replay", "lib:monitor", "suite")
    text += test.format("none", "replay", "lib:monitor", "sweet")
    write(tmp_path, "nets/x.nftest.toml", text)
    code, output = run("-q")
    assert code == 2
    assert "x.nftest.toml:9:1: error: `suite` names no suite beside this file" in output
    write(tmp_path, "nets/x.nftest.toml", text.partition("[none]")[0])
    code, output = run("-q", "--nf-engines", "reference,walk")
    assert (code, counts(output)) == (1, "1 failed, 1 passed"), output
    assert "lib:monitor: suite/0001: packet 1: suite/0001/out ends, and more comes" in output

    # The packets of a suite come before all others.
    text = test.format("bad", "test", "fw.nfd", "suite") + 'against = "cat"\n'
    write(tmp_path, "nets/x.nftest.toml", text)
    code, output = run("-q")
    assert "found       suite/0001, packet 1; shrunk to 1 packet" in output
