"""`nfverify bench`: what it runs, counts and says; its figures are whatever they are."""

import json
from array import array
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.cythonized.bench import LINE, Memory, Traffic, measure
from nfverify.cythonized.host import compile as compile_
from nfverify.smat.load import load, load_text

TRACE = str(Path(__file__).parents[2] / "examples" / "run" / "packets.pcap")
COUNTER = """
program counter {
    int n;
    map<IP, int> seen;
    every 1us { n = n + 1; }
    entry first { match_state { f[sip] not in seen } action_state { seen[f[sip]] = 1; } }
    entry { match_flow { f[dport] == 80 } action_flow { f[ttl] = f[ttl] - 1; } }
    entry { action_flow { drop; } }
}
"""


def bench(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, object]:
    """The document of a run that succeeds."""
    assert main(["bench", *args, "--format", "json", "--rounds", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    document = json.loads(captured.out)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("engine", ["cython", "closures", "walk"])
def test_document(capsys: pytest.CaptureFixture[str], engine: str) -> None:
    found = bench(capsys, "lib:napt", TRACE, "--engine", engine)
    assert {name: found[name] for name in ("version", "packets", "bytes", "rounds")} == {
        "version": 1,
        "packets": 5,
        "bytes": 222,
        "rounds": 2,
    }
    (result,) = found["results"]
    assert result["name"] == engine
    ns = result["ns"]
    assert 0 < ns["min"] <= ns["median"] <= ns["max"]
    assert result["packets_per_second"] == pytest.approx(1e9 / ns["median"])
    assert result["ratio"] == 1
    taken = {entry["entry"]: (entry["packets"], entry["share"]) for entry in found["entries"]}
    assert {name: n for name, n in taken.items() if n[0]} == {
        "napt: out_new": (2, 0.4),
        "napt: in_known": (1, 0.2),
    }


def test_everything_takes_its_turn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    say = f"echo x >> {log}; echo 'first_ns=9 med_ns=12.5 min_ns=1'"
    found = bench(
        capsys,
        *("lib:napt", TRACE, "--engine", "closures", "--against-engine", "walk"),
        *("--against", "lib:monitor", "--vs", say, "--vs", "true"),
    )
    results = {result["name"]: result for result in found["results"]}
    assert list(results) == ["closures", "walk", "lib:monitor", say, "true"]
    assert log.read_text() == "x\nx\n"
    assert results[say]["ns"]["median"] == 12.5
    base = results["closures"]["ns"]["median"]
    assert results[say]["ratio"] == pytest.approx(base / 12.5)
    assert results["true"]["ns"]["min"] > 0


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["lib:napt", TRACE, "--engine", "walk", "--rounds", "1", "--packets", "4"]
    assert main(["bench", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "lib:napt on packets.pcap: 4 packets of 42 bytes, from memory; 1 round"
    assert lines[2].split() == [
        *("ns/packet", "min", "median", "max", "first", "packets/s", "memory", "ratio")
    ]
    assert lines[3].startswith("walk ")
    assert lines[5:] == ["packets that each entry took", "  napt: out_new   50.0 %"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lib:napt", "nothing.pcap"], "nothing.pcap: No such file or directory"),
        (["lib:nap", TRACE], "the library has no `nap`"),
        (["lib:napt", TRACE, "--engine", "walk", "--vs", "exit 3"], "'exit 3' ended with 3"),
        (["lib:napt", TRACE, "--rounds", "0"], "'0' is no number from 1 on"),
    ],
)
def test_errors(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_capture_without_packets(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    empty = tmp_path / "empty.pcap"
    empty.write_bytes(Path(TRACE).read_bytes()[:24])
    assert main(["bench", "lib:napt", str(empty), "--engine", "walk"]) == 2
    assert "empty.pcap: no packets" in capsys.readouterr().err


def test_memory_is_aligned_and_zeroed() -> None:
    memory, other = Memory(100), Memory(100)
    assert memory.address % (2 << 20) == 0
    assert memory.read(0, 100) == bytes(100)
    other.copy(memory)
    assert other.read(0, 100) == bytes(100)


def test_traffic_begins_each_frame_on_a_line() -> None:
    traffic = Traffic([b"a" * 64, b"b" * 65, b"c"], [5, 6, 9])
    assert list(traffic.starts) == [0, LINE, 3 * LINE]
    assert [traffic.frame(i) for i in range(3)] == [b"a" * 64, b"b" * 65, b"c"]

    def times() -> list[int]:
        return list(array("Q", traffic.times.read(0, 24)))

    traffic.later()
    assert times() == [10, 11, 14]
    traffic.later()
    assert times() == [15, 16, 19]
    traffic.start()
    assert times() == [5, 6, 9]


@pytest.mark.parametrize("burst", [1, 2, 32, 256, 1024, 9999])
def test_measured_packets_are_what_the_model_makes_of_them(burst: int) -> None:
    from yardstick import traffic as packets

    frames = packets(700)
    network = load("lib:edge")
    function = compile_(network)
    wanted = compile_(network).process(frames, range(700))
    traffic = Traffic(frames, range(700))
    seen: list[list[bytes]] = []

    def look() -> None:
        verdicts = traffic.verdicts
        seen.extend([traffic.frame(i)] if verdicts[i] >= 0 else [] for i in range(700))

    sample = measure(function, traffic, burst=burst, passes=2, enough=0, after_first=look)
    assert sample.passes == 2
    assert seen == [[output.frame for output in outputs] for outputs in wanted]


def test_a_network_with_timers() -> None:
    from yardstick import traffic as packets

    frames = packets(300)
    function = compile_(load_text(COUNTER))
    sample = measure(function, Traffic(frames, range(0, 300_000, 1000)), passes=3, enough=0)
    assert sample.passes == 3
    assert function.snapshot()["counter"]["n"][()][0] > 4 * 298
