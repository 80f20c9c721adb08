"""Networks between two interfaces: 5,000 packets each way, none lost, the same as from a file."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from random import Random

import hostile_frames
import pytest
from namespaces import Namespace, Wire, carried
from on_platforms import CAPACITY, engine, network_of
from platforms import require

from nfverify.oracles.frames import answer
from nfverify.oracles.platforms.platform import PlatformEngine
from nfverify.oracles.states import shape
from nfverify.oracles.trace import Event
from nfverify.semantics import state_json
from nfverify.semantics.machine import Machine, Output
from nfverify.semantics.state import SavedState
from nfverify.smat import ir

COUNT = 5000  # packets each way
WINDOW = 100  # packets that are under way, at most: the queue of a virtual interface holds 256
INTERFACES = ("p0", "p1")
WAYS = (
    ("linux", ()),
    ("dpdk", ()),
    ("xdp", ("--option", "mode=generic")),
    ("xdp", ("--option", "mode=native")),
)
each_way = pytest.mark.parametrize(
    ("platform", "options"), WAYS, ids=lambda x: "".join(x[-1:]) if isinstance(x, tuple) else x
)


@dataclass(slots=True)
class Live:
    """`nfverify run --live` on a platform, and wires to its interfaces."""

    lab: Namespace
    process: subprocess.Popen[str]
    wires: tuple[Wire, Wire]
    state_file: Path

    def send(self, port: int, frames: Sequence[bytes], out: Sequence[int]) -> None:
        """Frames by a port, never too many at once: `out` of each leave by the other."""
        wire, other = self.wires[port], self.wires[1 - port]
        before = len(other.frames)
        due = list(accumulate(out, initial=0))
        for at in range(0, len(frames), WINDOW // 2):
            other.wait(before + due[max(0, at - WINDOW // 2)])
            wire.send(frames[at : at + WINDOW // 2], 0)
        other.wait(before + due[-1])

    def end(self, *, code: int = 0) -> str:
        """What it said, when it has ended."""
        try:
            _, said = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
            for wire in self.wires:
                wire.close()
        assert self.process.returncode == code, said
        return said

    def state(self, network: ir.Network) -> SavedState:
        return state_json.load(network, self.state_file.read_text(), "the state")


@pytest.fixture(scope="module")
def lab() -> Iterator[Namespace]:
    require("namespaces")
    with Namespace(INTERFACES) as made:
        yield made


def start(
    lab: Namespace, folder: Path, platform: str, model: str, *options: str, count: int | None = None
) -> Live:
    """Begins a run, and waits until it listens. The platform's build is in the cache by then."""
    state = folder / "end.json"
    command = [sys.executable, "-m", "nfverify", "run", model, "--engine", platform, *options]
    command += ["--live", ",".join(INTERFACES), "--state", str(state)]
    command += ["--capacity", str(CAPACITY)] if platform == "xdp" else []
    command += [] if count is None else ["--count", str(count), "--idle", "20"]
    wires = lab.wire(INTERFACES[0]), lab.wire(INTERFACES[1])
    process = subprocess.Popen(lab.command(*command), stderr=subprocess.PIPE, text=True)
    lab.until_heard(process, INTERFACES)
    for wire in wires:
        wire.listen()
    return Live(lab, process, wires, state)


def reference(network: ir.Network, events: Sequence[Event]) -> tuple[list[list[Output]], Machine]:
    machine = Machine(network)
    return [machine.step(*event) for event in events], machine


def frames_for(rng: Random) -> Iterator[bytes]:
    """What interfaces carry: hostile frames that the kernel has no hand in."""
    while True:
        frame = hostile_frames.frame(rng)
        if carried(frame):
            yield frame


def timeless(network: ir.Network, state: SavedState) -> dict[str, object]:
    found = shape(network, state)
    del found["now"]
    return found


def from_file(made: PlatformEngine, events: Sequence[Event]) -> list[tuple[Output, ...]]:
    run = made.run(events)
    assert run.failure is None
    return list(run.steps)


@each_way
def test_both_ways_at_once(
    lab: Namespace, tmp_path: Path, platform: str, options: tuple[str, ...]
) -> None:
    """Of a network whose state is the same in whatever order the two directions come."""
    require(platform, "namespaces")
    network = network_of("lib:monitor")
    made = engine(platform, network)
    sent = [list(islice(frames_for(Random(port)), COUNT)) for port in (0, 1)]
    events = [Event(k, port, frame) for port in (0, 1) for k, frame in enumerate(sent[port])]
    events.sort(key=lambda event: event.time)
    steps, machine = reference(network, events)
    assert from_file(made, events) == list(map(tuple, steps))
    out = [[len(s) for e, s in zip(events, steps, strict=True) if e.port == p] for p in (0, 1)]
    live = start(lab, tmp_path, platform, "lib:monitor", *options, count=2 * COUNT)
    senders = [
        threading.Thread(target=live.send, args=(port, sent[port], out[port])) for port in (0, 1)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    said = live.end()
    for port in (0, 1):
        expected = [o.frame for step in steps for o in step if o.port == port]
        assert live.wires[port].frames == expected, said
    assert timeless(network, live.state(network)) == timeless(network, machine.save())


@each_way
def test_there_and_back(
    lab: Namespace, tmp_path: Path, platform: str, options: tuple[str, ...]
) -> None:
    """What goes out changes what comes in: answers to all that came out, and strangers."""
    require(platform, "namespaces")
    network = network_of("lib:napt")
    made = engine(platform, network)
    rng = Random(7)
    machine = Machine(network)
    events: list[Event] = []
    steps: list[tuple[Output, ...]] = []

    def step(port: int, frame: bytes) -> None:
        events.append(Event(len(events), port, frame))
        steps.append(tuple(machine.step(*events[-1])))

    strange = frames_for(rng)
    while len(events) < COUNT:
        step(0, next(strange) if rng.random() < 0.3 else inside(rng))
    replies = [answer(out.frame) for found in steps for out in found]
    while len(events) < 2 * COUNT:
        frame = rng.choice(replies)
        step(1, frame if carried(frame) and rng.random() < 0.8 else next(strange))
    assert from_file(made, events) == steps
    live = start(lab, tmp_path, platform, "lib:napt", *options, count=2 * COUNT)
    for port, some in ((0, slice(0, COUNT)), (1, slice(COUNT, None))):
        live.send(port, [event.frame for event in events[some]], [len(s) for s in steps[some]])
    said = live.end()
    for port, some in ((1, slice(0, COUNT)), (0, slice(COUNT, None))):
        assert live.wires[port].frames == [o.frame for s in steps[some] for o in s], said
    assert timeless(network, live.state(network)) == timeless(network, machine.save())


def inside(rng: Random) -> bytes:
    """A frame of a host inside, mostly of one that was there before."""
    source = bytes((10, 0, 0, rng.randrange(256)))
    while True:
        frame = bytearray(hostile_frames.frame(rng))
        if frame[12:15] == b"\x08\0\x45" and 60 < len(frame) <= 1514:
            frame[26:30] = source
            return bytes(frame)


@each_way
def test_a_signal_ends_it_in_order(
    lab: Namespace, tmp_path: Path, platform: str, options: tuple[str, ...]
) -> None:
    """The state is saved, and goes on in the next run; nothing is left at the interfaces."""
    require(platform, "namespaces")
    network = network_of("lib:monitor")
    engine(platform, network)
    frame = next(
        f for f in frames_for(Random(1)) if f[12:14] == b"\x08\0" and Machine(network).step(0, 0, f)
    )
    numbers = (signal.SIGTERM, signal.SIGINT) if platform == "linux" else (signal.SIGHUP,)
    for run, number in enumerate((*numbers, signal.SIGTERM), 1):
        before = () if run == 1 else ("--from", str(tmp_path / "first.json"))
        live = start(lab, tmp_path, platform, "lib:monitor", *options, *before)
        live.send(0, [frame] * 10, [1] * 10)
        live.process.send_signal(number)
        live.end(code=128 + number)
        assert live.wires[1].frames == [frame] * 10
        (count,) = live.state(network).instances["monitor"]["packets"].values()
        assert count == (10 * run,)
        live.state_file.rename(tmp_path / "first.json")
        assert not lab.heard(INTERFACES)
