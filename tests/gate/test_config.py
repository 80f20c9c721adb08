"""What can stand in nfverify.toml, and what is said of what can't."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfverify.gate import spec
from nfverify.gate.config import parse_config, read_config
from nfverify.lang.render import render
from nfverify.lang.source import ModelError, Source

Read = Callable[[str], spec.Config]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    monkeypatch.chdir(tmp_path)
    for name in ("a.pcap", "s.json", "ops.py", "edge.nfd"):
        (tmp_path / name).touch()
    (tmp_path / "suite").mkdir()

    def call(text: str) -> spec.Config:
        (tmp_path / "nfverify.toml").write_text(text, encoding="utf-8")
        return read_config(Path("nfverify.toml"))

    return call


EVERYTHING = """
[gate]
time-limit = 30
memory-limit = "2G"
cross-check = true
jobs = 3
executor = "local:2"
baseline = "known.toml"

[[equiv]]
name = "refactoring"
a = "HEAD~1:./edge.nfd:main"
b = "edge.nfd:main"
observe = "packets+state"
ignore = ["ttl"]
assume = "f[TCP] == 1"
depth = 4
invariants = ["a.n == b.n"]
cross-check = false

[[check]]
models = ["edge.nfd", "lib:edge"]
warnings = "refuse"

[[diff]]
old = "origin/main:rules.csv"
new = "rules.csv"
allow = ["0123456789ab"]
reload = "s.json"

[[prove]]
model = "edge.nfd"
properties = ["never_loops", "isolated(lan, wan)"]
time-limit = 5.5

[[test]]
model = "edge.nfd"
engines = ["reference", "cython"]
packets = 77
seed = 0
compare = ["per-flow"]
suite = "suite"
traces = "a.pcap"
well-formed = true
non-ip = "drop"
ops = "ops.py"

[[coverage]]
model = "lib:nat"
level = "full"
suite = "generated"
least = 0.95

[[mutation]]
model = "lib:nat"
traces = ["a.pcap"]
least = 1
prove-limit = 3
"""


def test_each_kind_with_all_its_keys(read: Read) -> None:
    config = read(EVERYTHING)
    assert (config.jobs, config.executor, str(config.baseline)) == (3, "local:2", "known.toml")
    equiv, check, diff, prove, test, coverage, mutation = config.checks
    assert isinstance(equiv, spec.Equiv)
    assert (equiv.a, equiv.b) == ("HEAD~1:./edge.nfd:main", "edge.nfd:main")
    assert (equiv.observe, equiv.ignore, equiv.assume) == (
        "packets+state",
        ("ttl",),
        ("f[TCP] == 1",),
    )
    assert (equiv.depth, equiv.cross_check) == (4, "")
    assert equiv.common.name == "refactoring"
    assert (equiv.common.time_limit, equiv.common.memory_limit) == (30, 2 << 30)
    assert equiv.common.place.line == 10
    assert isinstance(check, spec.Check)
    assert check.strict
    assert isinstance(diff, spec.Diff)
    assert (diff.old, diff.new, diff.reload) == ("origin/main:rules.csv", "rules.csv", "s.json")
    assert (diff.allow, diff.cross_check) == (("0123456789ab",), "cvc5")
    assert diff.common.name == "diff origin/main:rules.csv rules.csv"
    assert isinstance(prove, spec.Prove)
    assert prove.properties == ("never_loops", "isolated(lan, wan)")
    assert prove.common.time_limit == 5.5
    assert isinstance(test, spec.Test)
    assert (test.engines, test.packets, test.seed) == (("reference", "cython"), 77, 0)
    assert (test.suite, test.traces, test.well_formed) == ("suite", ("a.pcap",), True)
    assert (test.common.non_ip, test.common.ops) == ("drop", ("ops.py",))
    assert isinstance(coverage, spec.Coverage)
    assert (coverage.level, coverage.suite, coverage.least) == ("full", None, 0.95)
    assert isinstance(mutation, spec.Mutation)
    assert (mutation.least, mutation.prove_limit) == (1, 3)


def test_paths_are_seen_from_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "nfverify.toml").write_text(
        '[[equiv]]\na = "v1:./edge.nfd"\nb = "../lib/edge.nfd"\n'
        '[[diff]]\nold = "v1:../edge.nfd"\nnew = ":edge.nfd"\n'
    )
    monkeypatch.chdir(tmp_path)
    config = read_config(Path("sub/nfverify.toml"))
    equiv, diff = config.checks
    assert isinstance(equiv, spec.Equiv)
    assert isinstance(diff, spec.Diff)
    assert (equiv.a, equiv.b) == ("v1:./edge.nfd", "lib/edge.nfd")
    assert (diff.old, diff.new) == ("v1:../edge.nfd", ":edge.nfd")
    assert diff.common.folder == "sub"  # where git begins
    assert str(config.baseline) == "sub/nfverify-baseline.toml"


PAIR = '[[equiv]]\na = "lib:nat"\nb = "lib:edge"\n'


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "1:1", "the file names no check"),
        ("[gate\n", "1:6", "not TOML"),
        ("x = 1\n", "1:1", "'x' is no kind of check"),
        (PAIR + "[gat]\n", "4:2", "'gat' is no kind of check; did you mean `gate`?"),
        ("[equiv]\na = 'x'\n", "1:2", "`equiv` is no list of checks"),
        ("equiv = 3\n", "1:1", "`equiv` is no list of checks"),
        ("gate = 3\n" + PAIR, "1:1", "`gate` is no table"),
        (PAIR + "time_limit = 3\n", "4:1", "is no key of [[equiv]]; did you mean `time-limit`?"),
        (PAIR + "asume = 'x'\n", "4:1", "did you mean `assume`?"),
        (PAIR + "time-limit = 0\n", "4:1", "not a time in seconds"),
        (PAIR + "memory-limit = '5'\n", "4:1", "not a size from 1M on"),
        (PAIR + "cross-check = 'z3'\n", "4:1", '`cross-check` is \'z3\''),
        (PAIR + "refine = true\nobserve = 'packets+state'\n", "5:1", "exclude each other"),
        (PAIR + "name = ''\n", "4:1", "`name` is an empty string"),
        (PAIR + "name = 'a\\u001b'\n".replace("'", '"'), "4:1", "`name` is no name"),
        (2 * (PAIR + "name = 'x'\n"), "5:3", "two checks are named 'x', the first in line 1"),
        ('[[equiv]]\na = "-"\nb = "lib:nat"\n', "2:1", "can't be standard input"),
        ("[[equiv]]\na = 'x.nfd'\n", "1:3", "`b` is not there"),
        ("[[check]]\n", "1:3", "names no models"),
        ("[[coverage]]\nmodel = 'lib:nat'\n", "1:3", "how much is enough"),
        ("[[coverage]]\nmodel = 'lib:nat'\nleast = 95\n", "3:1", "not a share from 0 to 1"),
        ("[[coverage]]\nmodel = 'lib:nat'\nleast = nan\n", "3:1", "not a share from 0 to 1"),
        ("[[mutation]]\nmodel = 'x'\nleast = 1\nsuite = 'no'\n", "4:1", "names no folder"),
        ("[[test]]\nmodel = 'lib:nat'\nengines = 'cython'\n", "3:1", "two are needed"),
        ("[[test]]\nmodel = 'lib:nat'\ntraces = 'no.pcap'\n", "3:1", "no such file"),
        (PAIR + "[gate]\njobs = 0\n", "5:1", "not a whole number from 1"),
        (PAIR + "[[equiv]]\na = 1\nb = 2\n", "5:1", "`a` is a number, not a string"),
        ("a = " + "[" * 5000, "1:1", "nested too deep"),
        ("a = 1" + "0" * 9000, "1:1", "not TOML"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_at_its_place(read: Read, text: str, place: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        read(text)
    told = render(caught.value.diagnostics)
    assert f"nfverify.toml:{place}: error: " in told
    assert said in told


def test_a_check_without_a_name_gets_one(read: Read) -> None:
    config = read(PAIR + PAIR + PAIR + '[[prove]]\nmodel = "lib:nat"\nproperties = "a(b)"\n')
    first = "equiv lib:nat lib:edge"
    assert [check.common.name for check in config.checks] == [
        first, f"{first} (2)", f"{first} (3)", "prove lib:nat a(b)",
    ]  # fmt: skip


def test_a_file_that_is_too_large_is_not_read(read: Read) -> None:
    with pytest.raises(ModelError, match="over 1 MB"):
        read("#" * ((1 << 20) + 1))


@given(st.text(alphabet=st.sampled_from('[]{}="\n.#a-equiv1é\0'), max_size=60))
def test_any_text_is_a_config_or_a_mistake(text: str) -> None:
    for whole in (text, PAIR + text):
        with suppress(ModelError):
            parse_config(Source("nfverify.toml", whole), Path("nfverify.toml"))
