"""Several workers do what one does: of each flow the same outputs in order, and the same state."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import nfverify
from nfverify.cli.main import main
from nfverify.cythonized.library import Output
from nfverify.lang.source import ModelError
from nfverify.packet.build import build
from nfverify.packet.fields import Header
from nfverify.packet.pcap import Writer
from nfverify.semantics.machine import Machine
from nfverify.semantics.state_json import dump
from nfverify.smat.load import load, load_text

SECOND = 10**9


def frame(number: int) -> bytes:
    values: dict[str, int | bytes] = {
        "sip": 0x0A000001 + number % 13,
        "dip": 0x08080800 + number % 3,
        "sport": 1000 + number % 7,
        "dport": 80,
        "payload": number.to_bytes(4, "big"),
    }
    if number % 2:  # the answer
        for one, other in (("sip", "dip"), ("sport", "dport")):
            values[one], values[other] = values[other], values[one]
    whole = build(Header.IP4 | (Header.TCP if number % 5 else Header.UDP), values)
    return whole[: number % 60] if number % 17 == 0 else whole


FRAMES = [frame(number) for number in range(1000)]
TIMES = [number * SECOND // 50 for number in range(len(FRAMES))]
PORTS = [number % 2 for number in range(len(FRAMES))]

HELD = """
program held {
    map<flow, int> n;
    entry first { match_state { n[f] == 0; } action_flow { f[output] = timer(100ms); }
                  action_state { n[f] = 1; } }
    entry more { action_state { n[f] = n[f] + 1; } }
}
"""


@pytest.mark.parametrize("model", ["lib:monitor", "lib:firewall-stateful", "lib:firewall", HELD])
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_are_as_one(model: str, workers: int) -> None:
    network = load_text(model) if model is HELD else load(model)
    machine = Machine(network)
    many = nfverify.compile(network, workers=workers)
    expected = [machine.step(t, p, f) for t, p, f in zip(TIMES, PORTS, FRAMES, strict=True)]
    made: list[list[Output]] = []
    for at in range(0, len(FRAMES), 300):
        part = slice(at, at + 300)
        made += many.process(FRAMES[part], TIMES[part], PORTS[part])
    later = TIMES[-1] + SECOND
    expected.append(machine.advance(later))
    made.append(many.advance(later))
    if model is HELD:  # the timers of one moment may fire in another order
        assert sorted(o for out in made for o in out) == sorted(o for e in expected for o in e)
    else:
        assert made == expected
    assert many.counters == machine.counters
    assert many.now == machine.now
    assert many.snapshot() == machine.snapshot()


def test_a_state_goes_from_one_to_many_and_back(tmp_path: Path) -> None:
    network = load("lib:firewall-stateful")
    machine = Machine(network)
    half = len(FRAMES) // 2
    one, many = nfverify.compile(network), nfverify.compile(network, workers=2)
    for t, p, f in zip(TIMES[:half], PORTS, FRAMES, strict=False):
        machine.step(t, p, f)
    for function in (one, many):
        function.restore(machine.save())
    many.state.save(tmp_path / "s.bin")
    back = nfverify.compile(network)
    back.state.load(tmp_path / "s.bin")
    expected = [
        machine.step(t, p, f)
        for t, p, f in zip(TIMES[half:], PORTS[half:], FRAMES[half:], strict=True)
    ]
    for function in (one, many, back):
        assert function.process(FRAMES[half:], TIMES[half:], PORTS[half:]) == expected
        assert dump(network, function.save()) == dump(network, machine.save())


def test_reset_and_close() -> None:
    many = nfverify.compile("lib:monitor", workers=2)
    many.process(FRAMES, TIMES)
    many.reset()
    assert many.now is None
    assert set(many.counters.values()) == {0}
    assert many.process(FRAMES[:3], [7, 5, 9])[1][0].time == 7
    many.close()
    for use in (lambda: many.process(FRAMES), lambda: many.counters, lambda: many.save()):
        with pytest.raises(ValueError, match="closed"):
            use()


@pytest.mark.parametrize("workers", [0, -1, 1000])
def test_numbers_that_make_no_sense(workers: int) -> None:
    with pytest.raises(ValueError, match="not 1 to 256"):
        nfverify.compile("lib:monitor", workers=workers)


def test_shared_state_is_refused_with_its_line() -> None:
    with pytest.raises(ModelError, match=r"napt\.nfd:17:\d+: error: next is one for all packets"):
        nfverify.compile("lib:napt", workers=2)


def test_an_operator_that_fails_in_a_worker() -> None:
    text = """op odd(IP) -> bool;
    program p { map<IP, int> n; entry one { match_state { odd(f[sip]) && n[f[sip]] == 0; }
    action_state { n[f[sip]] = 1; } } }"""

    def odd(address: int) -> bool:
        if address == 0x08080801:
            raise RuntimeError("that one")
        return address % 2 == 1

    many = nfverify.compile(load_text(text), workers=2, operators={"odd": odd})
    with pytest.raises(ModelError, match="odd raised RuntimeError: that one"):
        many.process(FRAMES, TIMES)


def capture(folder: Path, frames: Sequence[bytes]) -> Path:
    path = folder / "in.pcap"
    with path.open("wb") as stream:
        writer = Writer(stream, nanosecond=True)
        for time, one in zip(TIMES, frames, strict=True):
            writer.write(time, one)
    return path


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, said, made = capture(tmp_path, FRAMES), [], []
    for number, more in enumerate([[], ["--engine", "cython", "--workers", "3"]]):
        out, state = tmp_path / f"{number}.pcap", tmp_path / f"{number}.json"
        command = ["run", "lib:firewall-stateful", str(source), "-o", str(out)]
        assert main([*command, "--state", str(state), "--until", "+3s", *more]) == 0
        said.append(capsys.readouterr().err)
        made.append((out.read_bytes(), state.read_bytes()))
    assert said[0] == said[1]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("model", "more", "said"),
    [
        ("lib:monitor", ["--workers", "2"], "--workers is of compiled code"),
        ("lib:monitor", ["--workers", "0", "--engine", "cython"], "no number from 1 on"),
        ("lib:napt", ["--workers", "2", "--engine", "cython"], "next is one for all packets"),
    ],
)
def test_command_that_does_not_fit(
    model: str, more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", model, str(capture(tmp_path, FRAMES)), *more]) == 2
    assert said in capsys.readouterr().err
