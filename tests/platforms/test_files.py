"""Captures through engines that can't be given every packet."""

from collections.abc import Sequence
from pathlib import Path

from nfverify.oracles.engines.base import Run
from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.files import run_files
from nfverify.oracles.platforms.job import Job
from nfverify.oracles.trace import Event, capture, read_captures
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
