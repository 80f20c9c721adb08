"""What stands in a `*.nftest.toml` file, and what is said of what can't."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfverify.lang.render import render
from nfverify.lang.source import ModelError
from nfverify.testing.places import places
from nfverify.testing.reading import read_tests
from nfverify.testing.spec import AnyTest, EngineTest, EquivTest, ReplayTest

Read = Callable[[str], list[AnyTest]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    monkeypatch.chdir(tmp_path)
    for name in ("a.pcap", "b.pcap", "s.json", "ops.py"):
        (tmp_path / name).touch()

    def call(text: str) -> list[AnyTest]:
        (tmp_path / "x.nftest.toml").write_text(text, encoding="utf-8")
        return read_tests(Path("x.nftest.toml"))

    return call


def test_each_kind_with_all_its_keys(read: Read) -> None:
    equiv, engines, replay = read(
        """
        [equal]
        equiv = ["models/a.nfd:nat", "lib:edge"]
        verdict = "different"
        observe = "packets+state"
        assume = "f[TCP] == 1"
        ignore = ["ttl", "sip"]
        non-ip = "drop"
        ops = "ops.py"
        depth = 3
        time-limit = 2.5
        allow-unknown = true

        [engines]
        test = "a.nfd"
        engines = ["reference", "cython"]
        against = "./nf {in} {out}"
        seconds = 3
        seed = 7
        compare = ["per-flow", "l2-ttl"]
        answer-limit = 1
        well-formed = true

        [old-issue]
        replay = "a.nfd"
        in = {inside = "a.pcap", outside = "b.pcap"}
        out = "b.pcap"
        outcome = ["outside", "drop", "inside, outside"]
        state = "s.json"
        engines = "reference"
        """
    )
    here = Path.cwd()
    assert isinstance(equiv, EquivTest)
    assert (equiv.a, equiv.b, equiv.verdict) == ("models/a.nfd:nat", "lib:edge", "different")
    assert equiv.common.ignore == ("sip", "ttl")  # in the order of the language's list
    assert equiv.common.ops == (here / "ops.py",)
    assert (equiv.observe, equiv.assume) == ("packets+state", ("f[TCP] == 1",))
    assert (equiv.refine, equiv.depth, equiv.time_limit) == (False, 3, 2.5)
    assert equiv.allow_unknown
    assert isinstance(engines, EngineTest)
    assert engines.engines == ("reference", "cython")
    assert (engines.against, engines.seconds, engines.seed) == ("./nf {in} {out}", 3.0, 7)
    assert (engines.examples, engines.compare) == (None, ("per-flow", "l2-ttl"))
    assert (engines.answer_limit, engines.well_formed) == (1.0, True)
    assert isinstance(replay, ReplayTest)
    assert replay.inputs == (("inside", here / "a.pcap"), ("outside", here / "b.pcap"))
    assert replay.outputs == (("", here / "b.pcap"),)
    assert replay.outcome == (("outside",), (), ("inside", "outside"))
    assert (replay.state, replay.engines) == (here / "s.json", ("reference",))
    assert [test.common.span.line for test in (equiv, engines, replay)] == [2, 14, 24]


def test_a_refinement_has_verdicts_of_its_own(read: Read) -> None:
    text = '[t]\nequiv = ["a", "b"]\nrefine = true\n'
    for more, verdict in (("", "equivalent"), ('verdict = "not refined"', "different")):
        (test,) = read(text + more)
        assert isinstance(test, EquivTest)
        assert (test.refine, test.verdict) == (True, verdict)


_REPLAY = '[t]\nreplay = "m.nfd"\nin = "a.pcap"\n'
WRONG = [
    ("[t]\nequiv = [lib:edge]\n", ":2:10: error: not TOML: ", "`[its-name]` begins a test"),
    ("[t]\na = 1\na = 2\n", ":3:6: error: not TOML: ", ""),
    ('verdict = "different"\n', ":1:1: error: `verdict` stands in no test", "[its-name]"),
    ("[t]\n", ":1:2: error: `t` doesn't say what is tested", "equiv = [A, B]"),
    ("[a.b]\nequiv = 1\n", ":1:2: error: `a` doesn't say what is tested", "stands in quotes"),
    ('[t]\nequvi = ["a", "b"]\n', ":1:2: error: `t` doesn't say", "did you mean `equiv`?"),
    ('[t]\nequiv = ["a", "b"]\ntest = "a"\n', ":1:2: error: `t` has `equiv` and `test`", ""),
    ('[t]\nequiv = ["a"]\n', ":2:1: error: `equiv` is not two models", '["a.nfd", "lib:edge"]'),
    ("[t]\nequiv = 3\n", ":2:1: error: `equiv` is a number, not strings", ""),
    (
        '[t]\nequiv = ["a", "b"]\nverdict = "diferent"\n',
        ":3:1: error: `verdict` is 'diferent'; did you mean `different`?",
        'it can be "equivalent", "different" or "unknown"',
    ),
    (
        '[t]\nequiv = ["a", "b"]\nverdict = "different"\nrefine = true\n',
        ":3:1: error: `verdict` is 'different'",
        'it can be "refines", "not refined" or "unknown"',
    ),
    ('[t]\nequiv = ["a", "b"]\nrefine = true\nobserve = "packets"\n', ":4:1: error: ", ""),
    (
        '[t]\nequiv = ["a", "b"]\ntimelimit = 3\n',
        ":3:1: error: `timelimit` is no key of a test with `equiv`; did you mean `time-limit`?",
        "it can have verdict, ",
    ),
    ('[t]\nequiv = ["a", "b"]\ntime-limit = 0\n', ":3:1: error: `time-limit` is 0, not a", ""),
    ('[t]\nequiv = ["a", "b"]\ndepth = true\n', ":3:1: error: `depth` is True, not a whole", ""),
    ('[t]\nequiv = ["a", "-"]\n', ":2:1: error: `equiv` can't be standard input", ""),
    ('[t]\nequiv = ["a", "b"]\nignore = "tll"\n', ":3:1: error: `ignore` names 'tll'", "`ttl`"),
    ('[t]\nequiv = ["a", "b"]\nignore = "size"\n', "which is no field on the wire", ""),
    (
        '[t]\ntest = "a"\nengines = ["refrence", "cython"]\n',
        ":3:1: error: `engines` names 'refrence', which is no engine; did you mean `reference`?",
        "there are reference, ",
    ),
    ('[t]\ntest = "a"\nengines = "cython"\n', ":3:1: error: `engines` names one", "`against`"),
    ('[t]\ntest = "a"\nexamples = 5\nseconds = 3\n', ":4:1: error: `seconds` and `examples`", ""),
    ('[t]\ntest = "a"\nexamples = 0\n', ":3:1: error: `examples` is 0, not a whole number", ""),
    (_REPLAY, ":1:2: error: `t` doesn't say what must come of the packets", "outcome = "),
    ('[t]\nreplay = "m"\noutcome = "drop"\n', ":1:2: error: `t` has no packets", "IN.pcap"),
    (
        '[t]\nreplay = "m.nfd"\nin = "c.pcap"\noutcome = "drop"\n',
        ":3:1: error: `in` names 'c.pcap', and there is no such file beside this one",
        "",
    ),
    (_REPLAY + "out = 3\n", ":4:1: error: `out` is a number, not a capture", "PORT"),
    (_REPLAY + "out = {a = 3}\n", ":4:1: error: `out` is a table, not a capture", ""),
    ('["../up"]\nequiv = ["a", "b"]\n', ":1:2: error: '../up' is no name of a test", "letters"),
    ("[t]\nx = " + "[" * 5000 + "]" * 5000, "error: ", ""),
]


@pytest.mark.parametrize(("text", "message", "help_"), WRONG)
def test_what_is_wrong_is_said_at_its_place(
    text: str, message: str, help_: str, read: Read
) -> None:
    with pytest.raises(ModelError) as caught:
        read(text)
    shown = render(caught.value.diagnostics)
    assert message in shown
    assert help_ in shown
    assert shown.startswith("x.nftest.toml:")


def test_all_that_is_wrong_is_said_in_the_order_of_the_file(read: Read) -> None:
    with pytest.raises(ModelError) as caught:
        read('[a]\nequiv = ["x"]\nverdict = 1\n\n[b]\n\n[c]\ntest = 3\n')
    assert [d.span.line for d in caught.value.diagnostics] == [2, 3, 5, 8]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.nftest.toml"
    for data, why in ((b"[t]\n\xff", "byte 4: not UTF-8"), (b"#" * (1 << 20) + b"#", "over 1 MB")):
        path.write_bytes(data)
        with pytest.raises(ModelError, match=why):
            read_tests(path)


def test_places_are_those_of_headers_and_keys() -> None:
    text = '# [no]\n["a b"]  # c\nx = "[y]"\nz.w = """\n[no]\nk = 1"""\n'
    text += "v = [\n  [1], {q = 2}\n]\n[t]\nx=1"
    found = {place: text[slice(*where)] for place, where in places(text).items()}
    assert found == {
        ("a b",): '"a b"',
        ("a b", "x"): "x",
        ("a b", "z.w"): "z.w",
        ("a b", "v"): "v",
        ("t",): "t",
        ("t", "x"): "x",
    }


PIECES = st.sampled_from(
    ["[t]", "[", "]", "\n", "equiv = ", "test = ", '"lib:edge"', '["a", "b"]', "=", "3", "{", "}",
     "in = ", '"""', "'", "#", "verdict = ", "true", ",", "[[t]]", ".", "1979-05-27", "é", "\t"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.nftest.toml"
    path.write_text(text, encoding="utf-8")
    shown = ""
    try:
        shown = " ".join(test.common.name for test in read_tests(path))
    except ModelError as error:
        shown = render(error.diagnostics)
    assert shown or "[" not in text
