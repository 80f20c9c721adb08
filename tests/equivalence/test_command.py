"""`nfverify equiv` as it is typed: verdicts, exit codes, options, and what it writes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from nfverify.cli.main import main
from nfverify.packet.pcap import read
from nfverify.report.document import schema

PAIRS = Path(__file__).parents[1] / "pairs"
NFVERIFY = [sys.executable, "-m", "nfverify"]

COUNT = """
program count {
    int n;
    entry late { match_state { n >= LIMIT } action_flow { drop; } }
    entry other { action_state { n = n + 1; } }
}
"""
# Congruential: the value comes after some 2^31 packets, and no simple relation holds of it.
FAR = """
program far {
    int x;
    entry late { match_state { x == VALUE } action_flow { drop; } }
    entry turn { action_state { x = x * 1664525 + 1013904223; } }
}
"""
PLAIN = "program plain { entry { action_flow { pass; } } }"


def pair(name: str) -> list[str]:
    return [str(PAIRS / f"{name}.{letter}.nfd") for letter in "ab"]


class Equiv:
    """Runs the command in this process; keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.capsys, self.folder = capsys, folder
        self.out = self.err = ""

    def __call__(self, *args: str | Path) -> int:
        code = main(["equiv", *map(str, args)])
        self.out, self.err = self.capsys.readouterr()
        return code

    def document(self, *args: str | Path) -> dict:
        """The JSON, held against the published schema and the exit code."""
        code = self(*args, "--format", "json")
        found = json.loads(self.out)
        Draft202012Validator(json.loads(schema())).validate(found)
        assert code == {"equivalent": 0, "different": 1, "unknown": 3}[found["verdict"]]
        return found

    def model(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture
def equiv(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Equiv:
    return Equiv(capsys, tmp_path)


# Verdicts ---------------------------------------------------------------------------------


def test_equivalent(equiv: Equiv) -> None:
    assert equiv(*pair("key-reversed")) == 0
    assert equiv.out.startswith("equivalent: ")
    assert "proof       induction" in equiv.out
    assert re.search(r"^  \(1\) for all k0, .* a\.seen\) == \(.* in b\.seen\)$", equiv.out, re.M)
    assert re.search(r"^  proved +[0-9.]+ s  equal outputs$", equiv.out, re.M)
    assert "Tested, not proved" in equiv.out
    assert "refuted" not in equiv.out


def test_different(equiv: Equiv) -> None:
    assert equiv(*pair("trap-alias")) == 1
    assert equiv.out.startswith("different: ")
    assert "shortest: 2 packets" in equiv.out
    assert equiv.out.endswith("After packet 2:\n  a sends 1 packet, b nothing\n")
    rows = [line.split() for line in equiv.out.splitlines() if re.match(r"[12ab] ", line)]
    assert [row[0] for row in rows] == ["1", "a", "b", "2", "a", "b"]
    assert "nothing comes out" in equiv.out


@pytest.fixture
def far(equiv: Equiv) -> list[Path]:
    """A pair that nothing decides."""
    return [equiv.model(f"{v}.nfd", FAR.replace("VALUE", str(v))) for v in (1234567, 7654321)]


def test_unknown(equiv: Equiv, far: list[Path]) -> None:
    assert equiv(*far, "--time-limit", "2") == 3
    assert equiv.out.startswith("unknown: ")
    assert re.search(r"no difference in traces of up to \d+ packets", equiv.out)


@pytest.mark.parametrize("name", ["key-reversed", "stateless-prefix"])
def test_a_proof_as_json(equiv: Equiv, name: str) -> None:
    found = equiv.document(*pair(name))
    assert (found["verdict"], found["counterexample"], found["reason"]) == (
        "equivalent",
        None,
        None,
    )
    assert {o["result"] for o in found["proof"]["obligations"]} == {"proved"}
    assert all(o["name"] for o in found["proof"]["obligations"])


def test_a_counterexample_as_json(equiv: Equiv) -> None:
    found = equiv.document(*pair("trap-alias"))
    example = found["counterexample"]
    assert (example["minimal"], example["excluded"], len(example["events"])) == (True, 1, 2)
    assert example["differences"] == ["a sends 1 packet, b nothing"]
    last = example["events"][-1]
    assert [len(last[side]["outputs"]) for side in "ab"] == [1, 0]
    assert [last[side]["entries"] for side in "ab"] == [["nf: line 6"], ["nf: line 5"]]
    assert last["a"]["outputs"][0]["packet"] == last["packet"]


def test_unknown_as_json(equiv: Equiv, far: list[Path]) -> None:
    found = equiv.document(*far, "--time-limit", "1.5")
    assert found["depth"] > 2
    assert found["proof"] is found["counterexample"] is None


@pytest.mark.parametrize("name", ["key-reversed", "nat-pool-off"])
def test_the_same_from_run_to_run(name: str) -> None:
    """In processes of their own, with hashes seeded differently."""

    def once(seed: str) -> dict:
        command = [*NFVERIFY, "equiv", *pair(name), "--format", "json"]
        env = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, env=env, check=False, timeout=90)
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout, parse_float=lambda _: "seconds")

    def timeless(value: object) -> object:
        match value:
            case dict():
                return {k: timeless(v) for k, v in value.items() if k != "seconds"}
            case list():
                return [timeless(v) for v in value]
            case _:
                return value

    assert timeless(once("1")) == timeless(once("2"))


# Models -----------------------------------------------------------------------------------


def test_names_of_the_library_and_of_parts(equiv: Equiv) -> None:
    two = equiv.model("two.nfd", f"{PLAIN} program cut {{ entry {{ action_flow {{ drop; }} }} }}")
    assert equiv("lib:firewall", "lib:firewall") == 0
    assert equiv(f"{two}:plain", f"{two}:cut") == 1
    assert equiv(two, two) == 2
    assert "several NFs" in equiv.err


def test_standard_input(equiv: Equiv) -> None:
    plain = equiv.model("plain.nfd", PLAIN)
    for args in (["-", str(plain)], [str(plain), "-"]):
        command = [*NFVERIFY, "equiv", *args, "--quiet"]
        done = subprocess.run(
            command, input=PLAIN, capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("equivalent: ")
        assert done.stdout.count("\n") == 1
    assert equiv("-", "-") == 2
    assert "standard input" in equiv.err


def test_ports_of_the_same_names_are_paired_by_name(equiv: Equiv) -> None:
    body = "entry { match_flow { f[iface] == left } action_flow { f[output] = right; } }"
    body += "entry { action_flow { f[output] = left; } }"
    a = equiv.model("a.nfd", f"program a {{ iface left, right; {body} }}")
    b = equiv.model("b.nfd", f"program b {{ iface right, left; {body} }}")
    other = body.replace("left", "west").replace("right", "east")
    c = equiv.model("c.nfd", f"program c {{ iface west, east; {other} }}")
    assert equiv.document(a, b)["notes"] == equiv.document(a, a)["notes"]
    notes = equiv.document(a, c)["notes"]
    assert notes[-1] == "ports are compared by number: left is west; right is east"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "entry { action_flow { choose x in 1..3; f[ttl] = x; } }",
            "`choose`, which allows several",
        ),
        (
            "map<IP, int> m timeout 5s; entry { action_state { m[f[sip]] = 1; } }",
            "`timeout` can be",
        ),
        ("set<IP> m max 5; entry { action_state { m = m | {f[sip]}; } }", "maps with `max` can be"),
        (
            "int m<sip> max 5; entry { action_state { m = 1; touch m; } }",
            "models with `touch` can be",
        ),
    ],
)
def test_what_equiv_cannot_do_yet(equiv: Equiv, text: str, says: str) -> None:
    model = equiv.model("model.nfd", f"program model {{ {text} }}")
    assert equiv(model, model) == 2
    assert says in equiv.err
    assert equiv.out == ""
    assert f"{model}:1:" in equiv.err
    other = equiv.model("other.nfd", "program other { entry { action_flow { pass; } } }")
    assert equiv(other, model) == equiv(model, other) == 2
    assert says in equiv.err
    state = equiv.model("state.json", '{"version": 1, "now": 5, "instances": {}}')
    assert equiv(other, model, "--from", state) == 2
    assert says in equiv.err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--refine", "--observe", "packets+state"], "--refine compares packets only"),
        (["--ignore", "sprt"], "did you mean `sport`?"),
        (["--ignore", "size"], "never compared"),
        (["--assume", "f[sprt] == 1"], "--assume:1:1: error: unknown field `sprt`"),
        (["--assume", "f[TCP]"], "a condition is bool"),
        (["--assume", "f[ttl] == 1 f[tos] == 1"], "--assume:1:13"),
        (["--assume", "f[ttl] == 1 && f[ttl] == 2"], "no packet satisfies the assumption"),
        (["--assume", "f[sport] != 0 && f[ICMP] == 1"], "no packet satisfies the assumption"),
        (["--assume", "n == 1"], "unknown name `n`"),
        (["--from", "nowhere.json"], "nowhere.json"),
        (["--ops", "nowhere.py"], "nowhere.py"),
        (["--observe", "bytes"], "--observe"),
        (["--time-limit", "0"], "--time-limit"),
        (["--time-limit", "nan"], "--time-limit"),
        (["--memory-limit", "much"], "--memory-limit"),
        (["--depth", "0"], "--depth"),
        (["--save", __file__], "is no folder"),
    ],
)
def test_wrong_arguments(equiv: Equiv, args: list[str], says: str) -> None:
    plain = equiv.model("plain.nfd", PLAIN)
    assert equiv(plain, plain, *args) == 2
    assert says in equiv.err
    assert equiv.out == ""


# What is compared -------------------------------------------------------------------------


def test_ignored_fields(equiv: Equiv) -> None:
    plain = equiv.model("plain.nfd", PLAIN)
    other = equiv.model("other.nfd", "program o { entry { action_flow { f[ttl] = f[ttl] - 1; } } }")
    assert equiv(plain, other) == 1
    assert "ttl: a 64, b 63" in equiv.out
    assert equiv.document(plain, other, "--ignore", "ttl")["ignored"] == ["ttl"]


def test_an_assumption(equiv: Equiv) -> None:
    plain = equiv.model("plain.nfd", "program p { iface net, lan; entry { } }")
    other = equiv.model(
        "other.nfd",
        "program o { iface net, lan;"
        " entry { match_flow { f[iface] == net && f[dport] == 23 } action_flow { drop; } } }",
    )
    assert equiv(plain, other) == 1
    assert equiv(plain, other, "--assume", "f[dport] == 23") == 1
    assert equiv(plain, other, "--assume", "f[dport] != 23") == 0
    assert equiv(plain, other, "--assume", "f[iface] == lan") == 0
    found = equiv.document(plain, other, "--assume", "f[iface] == net", "--assume", "f[UDP] == 1")
    assert found["assumption"] == "f[iface] == net && f[UDP] == 1"
    assert found["counterexample"]["events"][0]["port"] == "net"
    assert found["counterexample"]["events"][0]["packet"][46:48] == "11"  # UDP


def test_frames_that_are_not_ip(equiv: Equiv) -> None:
    plain = equiv.model("plain.nfd", PLAIN)
    other = equiv.model(
        "other.nfd",
        "program o { entry { match_flow { f[ethertype] == 0x0806 } action_flow { drop; } } }",
    )
    assert equiv(plain, other) == 1
    assert "ethertype 0x0806" in equiv.out
    assert equiv.document(plain, other, "--non-ip", "drop")["non_ip"] == "drop"


def test_state_is_compared_if_asked(equiv: Equiv) -> None:
    plain = equiv.model("plain.nfd", "program p { int n; entry { action_state { n = n + 1; } } }")
    other = equiv.model("other.nfd", "program p { int n; entry { action_state { n = n + 2; } } }")
    assert equiv(plain, other) == 0
    assert "no output depends on" in equiv.out
    found = equiv.document(plain, other, "--observe", "packets+state")
    assert found["verdict"] == "different"
    assert len(found["counterexample"]["events"]) == 1


def test_depth_bounds_the_search_not_the_answer(equiv: Equiv) -> None:
    found = equiv.document(*pair("depth-6"), "--depth", "2", "--time-limit", "20")
    assert found["verdict"] == "different" or found["depth"] == 2
    if found["verdict"] == "different":
        assert not found["counterexample"]["minimal"]


# From a given state -----------------------------------------------------------------------


def test_from_a_state(equiv: Equiv) -> None:
    a = equiv.model("a.nfd", COUNT.replace("LIMIT", "100"))
    b = equiv.model("b.nfd", COUNT.replace("LIMIT", "101").replace("count", "other"))

    def state(n: int) -> Path:
        data = {"version": 1, "now": 7 * 10**9, "instances": {"count": {"n": n}}, "timers": []}
        return equiv.model("state.json", json.dumps(data))

    found = equiv.document(a, b, "--from", state(99), "--save", equiv.folder / "out")
    events = found["counterexample"]["events"]
    assert [event["time"] for event in events] == [7 * 10**9] * 2
    assert found["counterexample"]["minimal"]
    assert run_saved(equiv.folder / "out") == 1
    assert equiv(a, b, "--from", state(101)) == 0
    assert equiv(a, b, "--from", state(-5), "--time-limit", "5") in (1, 3)


def test_the_state_of_a_chain_starts_its_table_too(equiv: Equiv) -> None:
    text = "program %s { int %s; entry { match_state { %s >= 5 } action_flow { drop; } }"
    text += " entry { action_state { %s = %s + 1; } } }"
    chain = text % ("x", *["n"] * 4) + " program y { } chain main = x -> y;"
    chain = equiv.model("chain.nfd", chain)
    table = equiv.model("table.nfd", text % ("t", *["x_n"] * 4))
    data = {"version": 1, "now": 0, "instances": {"x": {"n": 4}}, "timers": []}
    state = equiv.model("state.json", json.dumps(data))
    found = equiv.document(chain, table, "--from", state)
    assert found["verdict"] == "equivalent"
    assert f"both start from the state in {state}" in found["notes"]
    assert not any(" has no " in note for note in found["notes"])


def test_maps_start_with_their_entries(equiv: Equiv) -> None:
    text = """program %s {
        set<IP> %s;
        entry { match_flow { f[dport] == 1 } action_state { %s = %s | {f[sip]}; } }
        entry { match_state { !(f[sip] in %s) } action_flow { drop; } }
    }"""
    a = equiv.model("a.nfd", text % ("a", *["friends"] * 4))
    b = equiv.model("b.nfd", text % ("b", *["others"] * 4))
    assert equiv(a, b) == 0
    data = {"version": 1, "now": 0, "instances": {"a": {"friends": ["10.0.0.9"]}}, "timers": []}
    state = equiv.model("state.json", json.dumps(data))
    found = equiv.document(a, b, "--from", state)
    assert found["counterexample"]["differences"] == ["a sends 1 packet, b nothing"]
    assert "0a000009" in found["counterexample"]["events"][0]["packet"]
    assert f"b has no a.friends, which {state} gives" in found["notes"]


def test_a_state_that_a_run_wrote(equiv: Equiv) -> None:
    packets = Path(__file__).parents[2] / "examples" / "run" / "packets.pcap"
    state = equiv.folder / "state.json"
    assert main(["run", "lib:edge", str(packets), "--state", str(state), "--quiet"]) == 0
    fault = packets.parents[1] / "edge" / "edge-table-fault.nfd"
    found = equiv.document("lib:edge", fault, "--from", state)
    now = json.loads(state.read_text())["now"]
    assert (found["verdict"], found["counterexample"]["events"][0]["time"]) == ("different", now)


def test_a_state_that_fits_neither(equiv: Equiv) -> None:
    plain = equiv.model("plain.nfd", "program p { int n; entry { } }")
    for instances, says in (
        ({"p": {"m": 1}}, "neither model has p.m"),
        ({"p": {"n": "x"}}, "p.n"),
        ([], "instances"),
    ):
        data = {"version": 1, "now": 0, "instances": instances, "timers": []}
        state = equiv.model("state.json", json.dumps(data))
        assert equiv(plain, plain, "--from", state) == 2
        assert says in equiv.err


def test_timers_and_a_state_do_not_go_together_yet(equiv: Equiv) -> None:
    model = equiv.model("m.nfd", "program m { int n; every 5ms { n = 0; } entry { } }")
    data = {"version": 1, "now": 0, "instances": {"m": {"n": 1}}, "timers": []}
    assert equiv(model, model, "--from", equiv.model("s.json", json.dumps(data))) == 2
    assert "timers" in equiv.err


# Saving -----------------------------------------------------------------------------------


def run_saved(folder: Path) -> int:
    """pytest on the saved file, in another folder; its exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder]
    done = subprocess.run(
        [*command, folder / "test_counterexample.py"],
        cwd=folder.parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert " passed" in done.stdout or "assert" in done.stdout, done.stdout + done.stderr
    return done.returncode


def test_a_saved_counterexample(equiv: Equiv) -> None:
    a, b = (shutil.copy(path, equiv.folder) for path in pair("trap-alias"))
    out = equiv.folder / "new" / "out"
    found = equiv.document(a, b, "--save", out)
    names = {"trace.pcap", "a.pcap", "b.pcap", "table.md", "report.txt", "verdict.json"}
    assert {path.name for path in out.iterdir()} == {*names, "test_counterexample.py"}
    events = found["counterexample"]["events"]
    with read(str(out / "trace.pcap")) as capture:
        assert [(r.time_ns, r.frame.hex()) for r in capture] == [
            (event["time"], event["packet"]) for event in events
        ]
    for side in "ab":
        with read(str(out / f"{side}.pcap")) as capture:
            frames = [record.frame.hex() for record in capture]
        assert frames == [o["packet"] for event in events for o in event[side]["outputs"]]
    assert json.loads((out / "verdict.json").read_text()) == found
    assert "nothing comes out" in (out / "table.md").read_text()
    assert run_saved(out) == 1
    shutil.copy(a, b)  # mended
    assert run_saved(out) == 0


def test_a_folder_is_used_again(equiv: Equiv) -> None:
    out = equiv.folder / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert equiv(*pair("trap-alias"), "--save", out) == 1
    assert (out / "test_counterexample.py").exists()
    assert equiv(*pair("renamed"), "--save", out) == 0
    assert {p.name for p in out.iterdir()} == {"mine.txt", "verdict.json", "report.txt"}


def test_several_ports_are_saved_one_by_one(equiv: Equiv) -> None:
    text = "program p { iface in, out; set<IP> s; entry back { match_flow { f[iface] == out }"
    text += " match_state { f[sip] in s } action_flow { %s; } }"
    text += " entry { match_flow { f[iface] == in } action_state { s = s | {f[dip]}; } } }"
    a, b = equiv.model("a.nfd", text % "pass"), equiv.model("b.nfd", text % "drop")
    out = equiv.folder / "out"
    assert equiv(a, b, "--save", out) == 1
    with read(str(out / "trace-in.pcap")) as first, read(str(out / "trace-out.pcap")) as second:
        assert (len(list(first)), len(list(second))) == (1, 1)
    assert run_saved(out) == 1


def test_saved_with_state_operators_and_standard_input(equiv: Equiv) -> None:
    text = (
        "program p { op twice(int) -> int; int n; entry { action_state { n = twice(n) + %s; } } }"
    )
    b = equiv.model("b.nfd", text % "2")
    ops = equiv.model("ops.py", "def twice(x):\n    return 2 * x\n")
    out = equiv.folder / "out"
    command = [
        *NFVERIFY,
        "equiv",
        "-",
        b,
        "--observe",
        "packets+state",
        "--ops",
        ops,
        "--save",
        out,
    ]
    done = subprocess.run(command, input=text % "1", capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert (out / "a.nfd").read_text() == text % "1"
    assert run_saved(out) == 1
    shutil.copy(b, out / "a.nfd")
    assert run_saved(out) == 0
