"""Platforms on the command line: build, run, test, and counterexamples on them."""

import json
import sys
from pathlib import Path
from random import Random

import pytest
from fake_platforms import GOOD, install
from jsonschema import Draft202012Validator

from nfverify.cli.main import main
from nfverify.oracles.campaign import Campaign
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.needs import Needs
from nfverify.oracles.trace import capture
from nfverify.packet.pcap import read
from nfverify.report import document, fastpath
from nfverify.smat.load import load

PAIRS = Path(__file__).parents[1] / "pairs"
ASKED = """
iface lan, wan;
program asked {
    set<flow> asked;
    entry out {
        match_flow   { f[iface] == lan }
        action_flow  { f[output] := wan; }
        action_state { asked = asked | {reverse(f)}; }
    }
    entry back {
        match_state  { f in asked }
        action_flow  { f[output] := lan; }
    }
    entry else { action_flow { f[output] := DROP; } }
}
"""


class Command:
    """Runs commands in this process; keeps what the last one printed."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self.captured = captured
        self.out = self.err = ""

    def __call__(self, *args: str | Path) -> int:
        code = main([str(arg) for arg in args])
        self.out, self.err = self.captured.readouterr()
        return code


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """In a folder with a model and its traffic, with fake platforms installed."""
    install(tmp_path / "site", "fakes", GOOD)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "fakes", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("asked.nfd").write_text(ASKED)
    Path("slip.nfd").write_text(ASKED.replace("{reverse(f)}", "{f}"))
    return Command(capfd)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """300 packets by two ports, ns stamps."""
    folder = tmp_path_factory.mktemp("traffic")
    (folder / "asked.nfd").write_text(ASKED)
    network = load(str(folder / "asked.nfd"))
    needs = Needs(monotone=True, apart=1, shortest=14, latest=10**18)
    campaign = Campaign(network, reference(network, Setting()), Random(5).randrange(100), needs)
    trace = campaign.trace(4) + campaign.trace(2)
    files = folder / "lan.pcap", folder / "wan.pcap"
    for port, file in enumerate(files):
        rows = [(e.time + n, port, e.frame) for n, e in enumerate(trace) if e.port == port]
        file.write_bytes(capture(rows))
    return files


# build ------------------------------------------------------------------------------------


def test_sources(command: Command) -> None:
    assert command("build", "asked.nfd", "--platform", "right", "-o", "new/folder") == 0
    assert command.out.split() == ["new/folder/Makefile", "new/folder/runtime"]
    assert Path("new/folder/runtime/b.h").is_file()


def test_sources_of_linux_are_the_same_each_time(command: Command) -> None:
    for folder in ("one", "two"):
        assert command("build", "lib:edge", "--platform", "linux", "--fastpath", "-o", folder) == 0
    files = sorted(path.relative_to("one") for path in Path("one").rglob("*") if path.is_file())
    assert Path("Makefile") in files
    assert Path("README.md") in files
    for file in files:
        assert Path("one", file).read_text() == Path("two", file).read_text()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("build", "asked.nfd", "--platform", "fpga"), "no platform 'fpga'; there are linux"),
        (("build", "asked.nfd", "--platform", "right", "--emit", "so"), "exclude each other"),
        (("build", "asked.nfd", "--platform", "right", "--sanitize"), "make SANITIZE=1"),
        (("build", "asked.nfd", "--capacity", "5"), "--capacity is of platforms"),
        (("build", "asked.nfd", "--platform", "right", "--fastpath"), "can't express a fast path"),
        (
            ("build", "asked.nfd", "--platform", "picky"),
            "asked.nfd:4:5: error: picky",
        ),
        (
            ("run", "asked.nfd", "x.pcap", "--engine", "fpga"),
            "no engine 'fpga'; there are clo",
        ),
        (("run", "asked.nfd", "x.pcap", "--count", "5"), "--count is of platforms"),
        (("run", "asked.nfd", "x.pcap", "--engine", "right", "--count", "5"), "needs --live"),
        (("run", "asked.nfd", "x.pcap", "--engine", "right", "--trace"), "doesn't tell which"),
        (("run", "asked.nfd", "x.pcap", "--engine", "right", "--workers", "2"), "--engine cython"),
        (("run", "asked.nfd", "--engine", "right", "--live", "a,b"), "runs captures only"),
        (("run", "asked.nfd", "--engine", "linux", "--live", "a"), "has 2 ports: lan, wan"),
        (("run", "asked.nfd", "--engine", "linux", "--live", "a,a"), "named twice"),
        (
            ("run", "asked.nfd", "x.pcap", "--engine", "linux", "--live", "a,b"),
            "exclude each other",
        ),
        (
            ("run", "asked.nfd", "--engine", "linux", "--live", "a,b", "--option", "mode=native"),
            "linux has no option 'mode'; it has none",
        ),
        (("run", "asked.nfd", "x.pcap", "--engine", "absent"), "apt-get install quantum-dev"),
        (("run", "asked.nfd", "missing.pcap", "--engine", "right"), "missing.pcap: No such file"),
        (
            ("test", "asked.nfd", "--engines", "reference,picky"),
            "asked.nfd:4:5: error: picky",
        ),
        (("test", "asked.nfd", "--engines", "reference,absent"), "absent needs a quantum computer"),
        (
            ("test", "asked.nfd", "--confirm-on", "fpga"),
            "no platform 'fpga'; there are linux",
        ),
        (("equiv", "asked.nfd", "slip.nfd", "--confirm-on", ","), "names no platform"),
        (("equiv", "asked.nfd", "slip.nfd", "--capacity", "9"), "add --confirm-on P"),
        (("equiv", "asked.nfd", "slip.nfd", "--ops", "x.c"), "add --confirm-on P"),
    ],
)
def test_what_is_refused(command: Command, args: tuple[str, ...], told: str) -> None:
    assert command(*args) == 2
    assert told in command.err
    assert "internal" not in command.err


# run --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "engine", ["right", pytest.param("linux", marks=pytest.mark.needs("linux"))]
)
def test_captures(command: Command, traffic: tuple[Path, Path], engine: str) -> None:
    """The same files, state and summary as by the reference; and it goes on from a state."""
    lan, wan = traffic
    options = ["--in", f"lan={lan}", "--in", f"wan={wan}", "--until", "+3s"]
    told = []
    for name in ("closures", engine):
        out = ["-o", f"{name}.pcap", "--out", f"lan={name}-lan.pcap", "--state", f"{name}.json"]
        assert command("run", "asked.nfd", "--engine", name, *options, *out) == 0
        told.append(command.err.partition(";")[0].strip())
    assert told[0] == told[1]
    for suffix in (".pcap", "-lan.pcap"):
        assert list(read(f"closures{suffix}")) == list(read(f"{engine}{suffix}"))
    assert Path("closures.json").read_text() == Path(f"{engine}.json").read_text()
    for name in ("closures", engine):
        again = ["--from", "closures.json", "-o", f"{name}-2.pcap", "--state", f"{name}-2.json"]
        assert command("run", "asked.nfd", str(wan), "--engine", name, *again, "--quiet") == 0
        assert command.err == ""
    assert Path("closures-2.pcap").read_bytes() == Path(f"{engine}-2.pcap").read_bytes()
    assert Path("closures-2.json").read_bytes() == Path(f"{engine}-2.json").read_bytes()


@pytest.mark.parametrize(
    "engine", ["right", pytest.param("linux", marks=pytest.mark.needs("linux"))]
)
def test_a_capture_that_breaks_off(
    command: Command, traffic: tuple[Path, Path], engine: str
) -> None:
    """What was before it is run and written, exit 2."""
    Path("cut.pcap").write_bytes(traffic[0].read_bytes()[:-5])
    for name in ("closures", engine):
        out = ("-o", f"{name}.pcap", "--state", f"{name}.json")
        assert command("run", "asked.nfd", "cut.pcap", "--engine", name, *out) == 2
        assert ": error: cut.pcap: " in command.err
        assert "What was before it was run, and its outputs are written." in command.err
    assert list(read("closures.pcap")) == list(read(f"{engine}.pcap"))
    assert Path("closures.json").read_text() == Path(f"{engine}.json").read_text()


# test and equiv ---------------------------------------------------------------------------


def test_engines(command: Command) -> None:
    assert command("test", "asked.nfd", "--engines", "right,reference", "--examples", "300") == 0
    assert command.out.startswith("agree: right and reference do the same on 300 packets")
    assert command("test", "asked.nfd", "--engines", "reference,wrong", "--examples", "300") == 1
    assert command.out.startswith("different: reference and wrong part at packet 2")


def test_a_finding_on_platforms(command: Command) -> None:
    """Each platform does as the reference, not as the program; or it is said what it does."""
    Path("swallow.py").write_text("import sys\nfor line in sys.stdin: print(flush=True)\n")
    options = ("--against", f"{sys.executable} swallow.py", "--well-formed", "-o", "found")
    on = ("--confirm-on", "right,picky,absent")
    assert command("test", "asked.nfd", *options, *on, "--format", "json") == 1
    answers = {each["platform"]: each for each in json.loads(command.out)["platforms"]}
    assert {name: each["answer"] for name, each in answers.items()} == {
        "right": "confirmed",
        "picky": "refused",
        "absent": "missing",
    }
    assert answers["right"]["sides"][0]["events"][0][0]["port"] == "wan"
    assert "asked.nfd:4:5" in answers["picky"]["why"]
    assert "picky: refused: the model: " in Path(*Path("found").glob("*/report.txt")).read_text()


def test_a_counterexample_on_platforms(command: Command) -> None:
    """Both sides must do what the reference says; the exit code stays that of the verdict."""
    on = ("--confirm-on", "right,wrong,picky,absent,right", "--save", "saved")
    assert command("equiv", "asked.nfd", "slip.nfd", *on) == 1
    shown = command.out.partition("On platforms, at packet 2:\n")[2]
    right, wrong, picky, absent = shown.split("\n  ")[0:1] + [
        part for part in shown.split("\n  ")[1:] if not part.startswith("  ")
    ]
    assert right == "  right: confirmed"
    assert wrong.startswith("wrong: not confirmed: b: at packet 2 it sends nothing, and by the")
    assert "asked.nfd:4:5: error: picky can't express asked" in picky
    assert absent.startswith("absent: missing: a: absent needs a quantum computer")
    assert "right: confirmed" in Path("saved/report.txt").read_text()
    assert command("equiv", "asked.nfd", "slip.nfd", "--format", "json", *on) == 1
    found = json.loads(command.out)
    Draft202012Validator(json.loads(document.schema())).validate(found)
    assert [each["answer"] for each in found["platforms"]] == [
        "confirmed",
        "not confirmed",
        "refused",
        "missing",
    ]


def test_nothing_is_replayed_where_nothing_differs(command: Command) -> None:
    assert command("equiv", "asked.nfd", "asked.nfd", "--confirm-on", "wrong") == 0
    assert "On platforms" not in command.out


# Planted faults on the real ones ----------------------------------------------------------

FAULTS = [
    ("timer-tie", "linux,dpdk"),
    ("trap-drop-goes-on", "linux,xdp"),
    ("trap-alias", "linux,onvm"),
]


@pytest.mark.needs("linux", "dpdk", "xdp")
@pytest.mark.parametrize(("pair", "platforms"), FAULTS, ids=[pair for pair, _ in FAULTS])
def test_planted_faults(command: Command, pair: str, platforms: str) -> None:
    a, b = (PAIRS / f"{pair}.{side}.nfd" for side in "ab")
    options = ("--format", "json")
    assert command("equiv", a, b, "--confirm-on", platforms, *options) == 1
    found = json.loads(command.out)["platforms"]
    assert [(each["platform"], each["answer"]) for each in found] == [
        (name, "confirmed") for name in platforms.split(",")
    ], found


@pytest.mark.needs("linux")
def test_a_fault_in_a_fast_path(command: Command) -> None:
    """It shows where the chain is built with its faulty plan; xdp takes no plan, and says so."""
    chain = Path(__file__).parents[2] / "examples" / "fastpath" / "c6.nfd"
    on = ("--confirm-on", "linux,xdp", "--format", "json")
    fault = ("--fastpath", "--fault", "drop-does-not-win")
    assert command("equiv", chain, *fault, *on) == 1
    found = json.loads(command.out)
    Draft202012Validator(json.loads(fastpath.schema())).validate(found)
    linux, xdp = found["platforms"]
    assert linux["answer"] == "confirmed", linux
    one, other = (side["events"] for side in linux["sides"])
    assert one != other
    assert xdp["answer"] == "refused"


CHOICES = """
program any_port {
    set<port> used;
    entry out {
        action_state { choose p in 1024..65535 where !(p in used); used = used | {p}; }
        action_flow  { f[sport] = p; pass; }
    }
}
"""
FIRST = """
program first_port {
    int next = 1024;
    entry out {
        match_state  { next <= 65535 }
        action_flow  { f[sport] = next; pass; }
        action_state { next = next + 1; }
    }
    entry rest { action_flow { drop; } }
}
"""


def test_what_chooses_is_held_against_the_counterexample(command: Command) -> None:
    """A platform takes the first choice: a run that took another is not confirmed by it."""
    Path("any.nfd").write_text(CHOICES)
    Path("first.nfd").write_text(FIRST)
    on = ("--confirm-on", "right", "--format", "json")
    assert command("equiv", "--refine", "any.nfd", "first.nfd", *on) == 1
    found = json.loads(command.out)
    sent = found["counterexample"]["events"][-1]["a"]["outputs"]
    (right,) = found["platforms"]
    there = right["sides"][0]["events"][-1]
    assert right["answer"] == ("confirmed" if there == sent else "not confirmed")
    assert there != sent
    assert [side["side"] for side in right["sides"]] == ["a"]
    assert "(the model chooses)" in right["why"]


def test_a_counterexample_from_a_state(command: Command, traffic: tuple[Path, Path]) -> None:
    assert command("run", "asked.nfd", str(traffic[0]), "--state", "s.json", "-q") == 0
    on = ("--confirm-on", "right,wrong", "--from", "s.json", "--non-ip", "drop")
    assert command("equiv", "asked.nfd", "slip.nfd", *on) == 1
    assert "\n  right: confirmed\n" in command.out
    assert "\n  wrong: not confirmed: " in command.out


EVERY_OTHER = """
op odd(int) -> bool;
program every_other {
    int n;
    entry odds { match_state { odd(n) } action_flow { drop; } action_state { n = n + 1; } }
    entry rest { action_flow { pass; } action_state { n = n + 1; } }
}
"""


@pytest.mark.needs("linux")
def test_operators_in_c(command: Command) -> None:
    """Of the user's own: as the reference's in Python; a platform takes none in Python alone."""
    Path("other.nfd").write_text(EVERY_OTHER)
    Path("odd.c").write_text("u8 odd(i32 n) { return n & 1; }\n")
    Path("odd.py").write_text("def odd(n): return n % 2 == 1\n")
    on = ("--engines", "reference,linux", "--examples", "200", "--ops", "odd.py")
    assert command("test", "other.nfd", *on, "--ops", "odd.c") == 0, command.err
    assert command("test", "other.nfd", *on) == 2
    assert "other.nfd:5:32: error: linux can't express the operator odd" in command.err
    assert command("run", "other.nfd", "x.pcap", "--engine", "linux", "--ops", "odd.py") == 2
    assert "odd.py: a platform needs operators in C" in command.err


def test_a_difference_in_state_alone(command: Command) -> None:
    for name, step in (("one", 1), ("two", 2)):
        entry = f"entry all {{ action_state {{ n = n + {step}; }} action_flow {{ pass; }} }}"
        Path(f"{name}.nfd").write_text(f"program count {{ int n; {entry} }}\n")
    on = ("--observe", "packets+state", "--confirm-on", "right")
    assert command("equiv", "one.nfd", "two.nfd", *on) == 1
    shown = "right: confirmed: by the states at the end, which are those of the reference"
    assert shown in command.out
