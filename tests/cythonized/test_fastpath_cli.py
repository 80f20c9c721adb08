"""`--fastpath` of build, run and bench, `nfverify.compile(fastpath=)`, the engine `fastpath`."""

from pathlib import Path
from random import Random

import pytest

import nfverify
from nfverify.cli.main import main
from nfverify.cythonized.auto import Measured, measured
from nfverify.cythonized.library import Library
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.table import make
from nfverify.oracles.returning import Returning
from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.packet.pcap import Writer
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load

CHAIN = str(Path(nfverify.__file__).resolve().parents[1] / "examples/fastpath/c6.nfd:c6")


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flows that come again and again."""
    file = tmp_path_factory.mktemp("fast") / "in.pcap"
    traffic = Returning(load(CHAIN), Random(1))
    with file.open("wb") as stream:
        writer = Writer(stream, nanosecond=True)
        for number in range(300):
            writer.write(number, traffic.event().frame)
    return file


def test_a_build_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", CHAIN, "--fastpath", "-o", str(tmp_path), "--emit", "pyx"]) == 0
    assert "nf_mat_find" in (tmp_path / "c6.pyx").read_text()
    assert main(["build", CHAIN, "-o", str(tmp_path), "--emit", "pyx"]) == 0
    assert "nf_mat_find" not in (tmp_path / "c6.pyx").read_text()
    assert main(["build", CHAIN, "--fastpath", "-o", str(tmp_path)]) == 0
    assert Library(tmp_path / "c6.so").name == "c6"


def test_auto_takes_the_faster(
    trace: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = ["build", CHAIN, "--fastpath=auto", "--trace", str(trace), "-o", str(tmp_path)]
    for found, which in ((Measured(2.0, 1.0), "with"), (Measured(1.0, 1.5), "without")):
        monkeypatch.setattr("nfverify.cythonized.auto.measured", lambda *_, found=found: found)
        assert main([*arguments, "--emit", "pyx"]) == 0
        text = f"{found.fast} ns a packet with the fast path, {found.chain} without"
        assert capsys.readouterr().err == f"{text}: built {which} it\n"
        assert ("nf_mat_find" in (tmp_path / "c6.pyx").read_text()) == (which == "with")


def test_both_are_measured_from_the_first_packet_on(
    trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nfverify.cythonized.auto.ENOUGH", 0)
    chain, fast = nfverify.compile(CHAIN), nfverify.compile(CHAIN, fastpath=True)
    found = measured(chain, fast, [trace.read_bytes()[40:100]] * 10, list(range(10)))
    assert found.chain > 0 < found.fast
    assert found.better == (found.fast < found.chain)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fastpath", "no"], "only `auto` may follow"),
        (["--fastpath=auto"], "go together"),
        (["--trace", "x.pcap"], "go together"),
        (["--fault", "stale-backend"], "--fault needs --fastpath"),
        (["--policy", "epoch"], "--policy needs --fastpath"),
        (["--fastpath", "--fault", "none"], "there is no fault 'none'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", CHAIN, *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["closures", "cython"])
def test_run_does_the_same(
    engine: str, trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / name for name in ("plain.pcap", "fast.pcap", "plain.json", "fast.json")]
    run = ["run", CHAIN, str(trace), "--engine", engine]
    assert main([*run, "-o", str(files[0]), "--state", str(files[2])]) == 0
    assert main([*run, "-o", str(files[1]), "--state", str(files[3]), "--fastpath"]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[2].read_bytes() == files[3].read_bytes()


@pytest.mark.parametrize("engine", ["closures", "cython"])
def test_run_with_a_fault_does_not(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, fast, trace = (tmp_path / name for name in ("plain.json", "fast.json", "in.pcap"))
    with trace.open("wb") as stream:  # few, so that each is asked for its record
        writer = Writer(stream, nanosecond=True)
        for number in range(3):
            writer.write(number, build(Header.IP4 | Header.TCP, {"sip": 1, "dip": 2, "sport": 7}))
    run = ["run", CHAIN, str(trace), "--engine", engine]
    assert main([*run, "--state", str(plain)]) == 0
    faulty = ["--fastpath", "--fault", "function-skipped"]
    assert main([*run, "--state", str(fast), *faulty]) == 0
    assert plain.read_bytes() != fast.read_bytes()


def test_run_refuses_what_records_do_not_tell(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", CHAIN, str(trace), "--fastpath", "--trace"]) == 2
    assert "takes no entries" in capsys.readouterr().err


def test_bench_shows_both(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", CHAIN, str(trace), "--fastpath", "--rounds", "1"]) == 0
    assert "\nfast path " in capsys.readouterr().out
    assert main(["bench", CHAIN, str(trace), "--fastpath", "--engine", "walk"]) == 2


def test_the_engine_and_the_derived_plan_do_as_the_judge() -> None:
    network = load(CHAIN)
    traffic, judge = Returning(network, Random(2)), Machine(network)
    events = [traffic.event() for _ in range(200)]
    expected = tuple(tuple(judge.step(*event)) for event in events)
    engine = make("fastpath", network, Setting())
    assert engine.name == "fastpath"
    assert engine.run(events).steps == expected
    made = nfverify.compile(network, fastpath=True)
    frames, times, ports = zip(*[(e.frame, e.time, e.port) for e in events], strict=True)
    assert tuple(map(tuple, made.process(frames, times, ports))) == expected
