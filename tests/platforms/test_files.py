"""Captures through engines that can't be given every packet."""

from collections.abc import Sequence
from pathlib import Path

from nfverify.oracles.engines.base import Run
from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.files import run_files
from nfverify.oracles.platforms.job import Job
from nfverify.oracles.trace import Event, capture, read_captures
from nfverify.semantics import state_binary
from nfverify.semantics.machine import Output
from nfverify.semantics.state import SavedState
from nfverify.smat.load import load


class Wire:
    """Sends everything on; frames have 14 bytes at least."""

    name = "wire"
    needs = Needs(shortest=14)

    def run(
        self, trace: Sequence[Event], start: SavedState | None = None, until: int | None = None
    ) -> Run:
        return Run(tuple((Output(event.time, 1, event.frame),) for event in trace))


def test_what_was_before_a_packet_that_cannot_be_given(tmp_path: Path) -> None:
    """It is run and written, as before any other fault of an input."""
    frames = (bytes(60), bytes(14), bytes(13), bytes(60))
    given, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    given.write_bytes(capture(Event(n, 0, frame) for n, frame in enumerate(frames)))
    job = Job(((0, str(given)),), ((None, str(out)),))
    outcome = run_files(Wire(), load("lib:firewall"), job)
    assert outcome.code == 2
    assert outcome.broken == "packet 3 (13 bytes) can't be given to wire"
    assert outcome.summary == "2 packets in, 2 out"
    assert tuple(event.frame for event in read_captures([(0, out)])) == frames[:2]


class Late(Wire):
    """Tells up to when it was run."""

    until: int | None = -1

    def run(
        self, trace: Sequence[Event], start: SavedState | None = None, until: int | None = None
    ) -> Run:
        self.until = until
        return super().run(trace, start)


def test_how_far_time_goes_on(tmp_path: Path) -> None:
    """From the last packet, or the state if that is later; not after an input that breaks off."""
    network = load("lib:firewall")
    given = tmp_path / "in.pcap"
    given.write_bytes(capture([(5, 0, bytes(60))]))
    engine = Late()
    for now, broken, until in ((None, False, 8), (3, False, 8), (20, False, 23), (20, True, None)):
        start = None if now is None else state_binary.dump(network, SavedState(now, {}))
        if broken:
            given.write_bytes(given.read_bytes()[:-1])
        job = Job(((0, str(given)),), start=start, until=(True, 3))
        assert run_files(engine, network, job).code == 2 * broken
        assert engine.until == until
