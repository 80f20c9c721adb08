"""Each shape of candidate has a broken pair that it would prove, were it believed without proof.

Induction is asked alone, with candidates of that shape only. With its care it proves nothing; once
nothing needs to be preserved by a packet, it proves what is not so.
"""

from pathlib import Path

import prover_faults as faults
import pytest

from nfverify.equivalence import prove
from nfverify.equivalence.prove import Question
from nfverify.equivalence.simulate import START, Arrival, Pair, Simulation, make_packet
from nfverify.equivalence.templates import RANK, Templates
from nfverify.equivalence.verdict import Equivalent, Verdict
from nfverify.packet.fields import Header
from nfverify.smat.load import load

PAIRS = Path(__file__).parent.parent / "pairs"
ELSEWHERE = {"toucher", "filled", "learned", "promise"}  # no template has them
SHAPES = [shape for shape in RANK if shape not in ELSEWHERE]
HELPERS = {"sum": {"sum", "range"}, "merged": {"merged", "range"}}  # alone they may wrap around
FROM_STATES = {"inverse", "merged"}


def one_packet(pair: Pair) -> Simulation:
    """The state after one plain packet: some shapes are read off states that were seen."""
    run = pair.clone()
    packet = make_packet(
        Header.LINK | Header.IP4 | Header.TCP, {"sip": 0x0A000001, "dip": 0x0A000002, "sport": 7}
    )
    assert packet is not None
    run.step(Arrival(START, 0, packet))
    return Simulation([run.snapshot()], [], None)


def ask(shape: str, patch: pytest.MonkeyPatch) -> Verdict:
    faults.proof_alone(patch)
    if shape in FROM_STATES:
        patch.setattr(prove, "simulate", lambda pair, *args, **kw: one_packet(pair))
    real, wanted = Templates.generate, HELPERS.get(shape, {shape})
    patch.setattr(Templates, "generate", lambda self: (c for c in real(self) if c.shape in wanted))
    files = [PAIRS / f"shape-{shape}-broken.{side}.nfd" for side in "ab"]
    assert all("# verdict: different" in file.read_text() for file in files)
    a = load(str(files[0]))
    return prove.equivalent(a, load(str(files[1]), ports=a.ports), Question(time_limit=4.0))


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_is_not_believed(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(ask(shape, monkeypatch), Equivalent)


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_would_prove_it(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.one_goal_forgotten(monkeypatch)
    verdict = ask(shape, monkeypatch)
    assert isinstance(verdict, Equivalent)
    assert verdict.proof.relation
