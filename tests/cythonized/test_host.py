"""`nfverify.compile` and what it returns, against the reference machine."""

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import nfverify
from nfverify.cythonized.captures import CaptureBroken
from nfverify.cythonized.faults import BuildError
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.library import Library, Output
from nfverify.cythonized.options import Options
from nfverify.lang.source import ModelError
from nfverify.packet.build import build
from nfverify.packet.fields import Header
from nfverify.packet.pcap import Writer, read
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.semantics.state_json import dump
from nfverify.smat.load import load, load_text

SECOND = 10**9
COUNTER = """
program counter {
    int n = 0;
    map<IP, bit<64>> seen;
    set<flow> flows;
    entry count {
        match_flow { f[IP4] == 1; }
        action_state { n = n + 1; seen[f[sip]] = seen[f[sip]] + f[size]; flows = flows ∪ {f}; }
    }
}
"""


def frame(sip: int = 0x0A000001, sport: int = 1000, payload: bytes = b"hello") -> bytes:
    values: dict[str, int | bytes] = {
        "sip": sip,
        "dip": 0x08080808,
        "sport": sport,
        "dport": 80,
        "payload": payload,
    }
    return build(Header.IP4 | Header.UDP, values)


FRAMES = [frame(0x0A000001 + n % 5, 1000 + n % 7) for n in range(300)] + [b"", b"cut", frame()[:30]]


@pytest.fixture
def counter() -> NetworkFunction:
    return nfverify.compile(load_text(COUNTER))


def stepped(machine: Machine, frames: list[bytes], times: list[int], port: int = 0) -> list[object]:
    return [machine.step(t, port, f) for t, f in zip(times, frames, strict=True)]


# Packets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["lib:firewall", "lib:napt", "lib:edge", "lib:rate-limiter"])
def test_process_is_the_machines_step(model: str) -> None:
    network = load(model)
    machine, function = Machine(network), nfverify.compile(network)
    times = [n * SECOND // 7 for n in range(len(FRAMES))]
    assert function.process(FRAMES, times) == stepped(machine, FRAMES, times)
    ports = [n % 2 for n in range(len(FRAMES))]
    expected = [machine.step(t, p, f) for t, p, f in zip(times, ports, FRAMES, strict=True)]
    assert function.process(FRAMES, times, ports) == expected
    assert function.counters == machine.counters
    assert function.now == machine.now
    assert function.advance(100 * SECOND) == machine.advance(100 * SECOND)
    assert function.snapshot() == machine.snapshot()


def test_a_target_is_compiled_like_its_network(tmp_path: Path) -> None:
    (tmp_path / "counter.nfd").write_text(COUNTER)
    for target in (tmp_path / "counter.nfd", f"{tmp_path}/counter.nfd:counter"):
        function = nfverify.compile(target)
        assert function.process([frame()], [5]) == [[Output(5, 1, frame())]]


def test_the_clock_goes_on_by_itself(counter: NetworkFunction) -> None:
    (first,), (second,) = counter.process([frame()]), counter.process([frame()])
    assert 0 < first[0].time <= second[0].time


def test_a_stamp_before_the_last_counts_as_that(counter: NetworkFunction) -> None:
    out = counter.process([frame()] * 3, [7, 5, 9])
    assert [o.time for (o,) in out] == [7, 7, 9]
    assert [o.time for (o,) in counter.process([frame()], [1])] == [9]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"times": [1]}, "1 times for 2 frames"),
        ({"times": [0, -1]}, "time -1 is not in"),
        ({"times": [0, 1 << 62]}, "is not in 0"),
        ({"port": 2}, "no port 2"),
        ({"port": -1}, "no port -1"),
        ({"port": [0, 7]}, "no port 7"),
        ({"port": [0]}, "1 ports for 2 frames"),
    ],
)
def test_wrong_arguments_change_nothing(
    more: dict[str, object], said: str, counter: NetworkFunction
) -> None:
    with pytest.raises(ValueError, match=said):
        counter.process([frame(), frame()], **more)  # type: ignore[arg-type]
    assert counter.now is None
    assert counter.state["counter"]["n"] == 0


def test_advance_before_the_first_packet_does_nothing(counter: NetworkFunction) -> None:
    assert counter.advance(5) == []
    assert counter.now is None
    with pytest.raises(ValueError, match="time -1"):
        counter.advance(-1)


def test_frames_that_are_not_ip(counter: NetworkFunction) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    assert counter.process([arp], [1]) == [[Output(1, 1, arp)]]
    with nfverify.compile(load_text(COUNTER), non_ip="drop") as dropping:
        assert dropping.process([arp], [1]) == [[]]
        assert dropping.counters["non_ip"] == 1


def test_no_frames(counter: NetworkFunction) -> None:
    assert counter.process([]) == []
    assert counter.now is None


@pytest.mark.parametrize("off", ["batch", "prefetch", "fuse", "classifier"])
def test_options_change_no_result(off: str) -> None:
    network = load("lib:edge")
    function = nfverify.compile(network, options=Options(**{off: False}))
    times = list(range(len(FRAMES)))
    assert function.process(FRAMES, times) == stepped(Machine(network), FRAMES, times)


def test_entries_are_counted_on_demand() -> None:
    network = load_text(COUNTER)
    function = nfverify.compile(network, options=Options(count_entries=True))
    function.process([frame()] * 5, range(5))
    (taken,) = function.hits.items()
    assert taken[0].startswith("counter")
    assert taken[1] == 5
    assert nfverify.compile(network).hits == {}


# Lives ------------------------------------------------------------------------------------


def test_two_of_one_model_share_nothing(counter: NetworkFunction) -> None:
    other = nfverify.compile(load_text(COUNTER))
    counter.process([frame()])
    assert (counter.state["counter"]["n"], other.state["counter"]["n"]) == (1, 0)


def test_reset_is_a_fresh_start(counter: NetworkFunction) -> None:
    counter.process([frame(), b"cut"])
    counter.reset()
    assert counter.now is None
    assert set(counter.counters.values()) == {0}
    assert counter.snapshot() == Machine(load_text(COUNTER)).snapshot()


def test_closed_is_closed(counter: NetworkFunction) -> None:
    with counter:
        counter.process([frame()])
    counter.close()
    uses: list[Callable[[], object]] = [
        lambda: counter.process([frame()]),
        lambda: counter.counters,
        lambda: counter.save_binary(),
        lambda: counter.state["counter"]["n"],
        lambda: counter.advance(1),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="closed"):
            use()


def test_calls_release_the_interpreter(counter: NetworkFunction) -> None:
    """Threads with a function each come to the same results as one after the other."""
    assert not isinstance(counter.library.calls, ctypes.PyDLL)
    functions = [nfverify.compile(load_text(COUNTER)) for _ in range(4)]
    times = list(range(len(FRAMES)))
    threads = [threading.Thread(target=f.process, args=(FRAMES, times)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counter.process(FRAMES, times)
    assert all(f.snapshot() == counter.snapshot() for f in functions)


# State ------------------------------------------------------------------------------------


def test_state_is_read_by_name(counter: NetworkFunction) -> None:
    counter.process([frame(sip=1), frame(sip=2), frame(sip=1)])
    assert list(counter.state) == ["counter"]
    variables = counter.state["counter"]
    assert list(variables) == ["n", "seen", "flows"]
    assert variables["n"] == 3
    assert variables["seen"] == {1: 66, 2: 33}
    flows = variables["flows"]
    assert isinstance(flows, set)
    assert len(flows) == 2
    for missing in ("m", "flow"):
        with pytest.raises(KeyError):
            variables[missing]
    with pytest.raises(KeyError):
        counter.state["other"]


def test_state_is_set_by_name(counter: NetworkFunction) -> None:
    counter.process([frame(sip=1)], [7])
    counter.state["counter"]["n"] = -5
    counter.state["counter"]["seen"] = {1: 100, 9: 1 << 63}
    counter.process([frame(sip=1)], [8])
    assert counter.state["counter"]["n"] == -4
    assert counter.state["counter"]["seen"] == {1: 133, 9: 1 << 63}
    assert counter.now == 8


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("n", 1 << 31, ValueError),
        ("n", "1", TypeError),
        ("n", {1: 2}, TypeError),
        ("n", (1, 2), ValueError),
        ("seen", {-1: 5}, ValueError),
        ("seen", {1: True}, ValueError),
        ("seen", {1}, TypeError),
        ("flows", {1: 2}, TypeError),
        ("flows", {1}, ValueError),
        ("m", 1, KeyError),
    ],
)
def test_what_does_not_fit_is_not_set(
    name: str, content: object, error: type[Exception], counter: NetworkFunction
) -> None:
    counter.process([frame()])
    before = counter.save()
    with pytest.raises(error):
        counter.state["counter"][name] = content  # type: ignore[assignment]
    assert counter.save() == before


@pytest.mark.parametrize("model", ["lib:napt", "lib:edge", "lib:rate-limiter"])
@pytest.mark.parametrize("name", ["s.json", "s.bin"])
def test_state_goes_between_engines(model: str, name: str, tmp_path: Path) -> None:
    network = load(model)
    machine, function = Machine(network), nfverify.compile(network)
    times = list(range(0, SECOND * 3, SECOND * 3 // len(FRAMES)))[: len(FRAMES)]
    function.process(FRAMES, times)
    function.state.save(tmp_path / name)
    assert [f.name for f in tmp_path.iterdir()] == [name]
    machine.restore(function.save())
    assert machine.snapshot() == function.snapshot()
    again = nfverify.compile(network)
    again.state.load(tmp_path / name)
    assert dump(network, again.save()) == dump(network, function.save())
    later = [t + 4 * SECOND for t in times]
    expected = stepped(machine, FRAMES, later)
    assert function.process(FRAMES, later) == expected
    assert again.process(FRAMES, later) == expected
    back = nfverify.compile(network)
    back.restore(machine.save())
    assert back.snapshot() == machine.snapshot() == again.snapshot()


@pytest.mark.parametrize(
    "data", [b"", b"{", b"NFVSTATE", b"\xff\xfe", b'{"version": 1, "instances": {"x": {}}}']
)
def test_what_is_no_state_changes_nothing(
    data: bytes, tmp_path: Path, counter: NetworkFunction
) -> None:
    counter.process([frame()])
    before = counter.save()
    (tmp_path / "s").write_bytes(data)
    with pytest.raises(ModelError) as caught:
        counter.state.load(tmp_path / "s")
    assert str(tmp_path / "s") in str(caught.value)
    assert counter.save() == before


def test_another_networks_state_is_refused(counter: NetworkFunction) -> None:
    state = nfverify.compile("lib:napt").save_binary()
    with pytest.raises(ModelError):
        counter.load_binary(state)


# Captures ---------------------------------------------------------------------------------


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "in.pcap"
    with path.open("wb") as stream:
        writer = Writer(stream, nanosecond=True)
        for number, one in enumerate(FRAMES):
            writer.write(number * SECOND, one, len(one) + 5 * (number % 3 == 0))
    return path


@pytest.mark.parametrize("model", ["lib:napt", "lib:rate-limiter"])
def test_run_pcap(model: str, capture: Path, tmp_path: Path) -> None:
    network, out = load(model), tmp_path / "out.pcap"
    passed = nfverify.compile(network).run_pcap(capture, out)
    machine = Machine(network)
    expected = [o for n, f in enumerate(FRAMES) for o in machine.step(n * SECOND, 0, f)]
    with read(out) as records:
        assert [(r.time_ns, r.frame) for r in records] == [(o.time, o.frame) for o in expected]
    assert passed == (len(FRAMES), len(expected))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["in.pcap", "out.pcap"]
    with nfverify.compile(network) as counting:
        assert counting.run_pcap(capture) == passed


def test_a_capture_that_breaks_off(capture: Path, tmp_path: Path, counter: NetworkFunction) -> None:
    capture.write_bytes(capture.read_bytes()[:500])
    with pytest.raises(CaptureBroken, match=r"in\.pcap: byte \d+: the file ends inside"):
        counter.run_pcap(capture, tmp_path / "out.pcap")
    with read(tmp_path / "out.pcap") as records:
        written = len(list(records))
    assert written == counter.state["counter"]["n"] > 0


def test_what_is_no_capture(tmp_path: Path, counter: NetworkFunction) -> None:
    (tmp_path / "in.pcap").write_bytes(b"no capture at all, for sure")
    with pytest.raises(CaptureBroken, match="not a capture"):
        counter.run_pcap(tmp_path / "in.pcap", tmp_path / "out.pcap")
    with pytest.raises(FileNotFoundError):
        counter.run_pcap(tmp_path / "none.pcap")
    assert [f.name for f in tmp_path.iterdir()] == ["in.pcap"]


# Errors -----------------------------------------------------------------------------------

OPERATORS = """
op twice(int) -> int;
program p { int n = 0; entry one { action_state { n = twice(n) + 1; } } }
"""


def test_operators_in_python() -> None:
    network = load_text(OPERATORS)
    function = nfverify.compile(network, operators={"twice": lambda n: 2 * n})
    function.process([frame()] * 5)
    assert function.state["p"]["n"] == 31
    function.reset()
    function.process([frame()] * 3)
    assert function.state["p"]["n"] == 7


def test_operators_in_c() -> None:
    source = ("twice.c", "i32 twice(i32 n) { return 2 * n; }\n")
    function = nfverify.compile(load_text(OPERATORS), c_operators=[source])
    function.process([frame()] * 5)
    assert function.state["p"]["n"] == 31


def test_operators_that_are_missing_or_wrong() -> None:
    network = load_text(OPERATORS, "ops.nfd")
    with pytest.raises(ModelError, match=r"ops\.nfd:3:\d+: error: operator twice has no"):
        nfverify.compile(network)
    with pytest.raises(BuildError, match=r"twice\.c:1:.*error"):
        nfverify.compile(network, c_operators=[("twice.c", "i32 twice(i32 n) { return }\n")])
    with pytest.raises(BuildError, match=r"conflicting types for .twice"):
        nfverify.compile(network, c_operators=[("twice.c", "i64 twice(i64 n) { return n; }\n")])


def test_an_operator_that_fails_ends_the_run_before_its_packet() -> None:
    def twice(n: int) -> int:
        if n > 2:
            raise RuntimeError("too much")
        return 2 * n

    function = nfverify.compile(load_text(OPERATORS, "ops.nfd"), operators={"twice": twice})
    with pytest.raises(ModelError, match=r"ops\.nfd:3:\d+: .*twice raised RuntimeError: too much"):
        function.process([frame()] * 5)
    assert function.state["p"]["n"] == 3
    function.restore({"p": {"n": {(): (0,)}}})
    function.process([frame()])
    assert function.state["p"]["n"] == 1


def test_ctrl_c_in_an_operator_is_heard() -> None:
    def twice(n: int) -> int:
        raise KeyboardInterrupt

    function = nfverify.compile(load_text(OPERATORS), operators={"twice": twice})
    with pytest.raises(KeyboardInterrupt):
        function.process([frame()])


def test_timers_without_end() -> None:
    text = """program p { int n = 0;
    entry again { action_state { n = n + 1; } action_flow { f[output] = timer(1ns); } } }"""
    function = nfverify.compile(load_text(text, "again.nfd"))
    with pytest.raises(RunawayError, match=r"again\.nfd:2:"):
        function.process([frame(), frame()], [1, SECOND])


def test_a_file_that_is_no_build(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_bytes(b"nothing")
    with pytest.raises(OSError, match=r"x\.so"):
        Library(tmp_path / "x.so")
