"""What the library's models state is true of them."""

import os
from pathlib import Path

import pytest

from nfverify.equivalence.properties.prove import prove
from nfverify.equivalence.properties.question import Question
from nfverify.equivalence.properties.verdict import Holds
from nfverify.smat.ready import READY
from nfverify.smat.stated import Claim, load_claims

ROOT = Path(__file__).parents[2]
SLOW = {"nat_return_maps_back", "established_return_ok_LAN"}  # of napt: some ten seconds each


def stated() -> list[tuple[str, Claim]]:
    found = []
    for path in sorted((ROOT / "models").glob("*.nfd")):
        target = f"lib:{path.stem}"
        network, claims = load_claims(target)
        if len(network.instances) == 1:
            found += [(target, claim) for claim in claims]
    return found


STATED = stated()


def test_every_ready_made_property_is_stated_somewhere() -> None:
    names = " ".join(claim.title for _, claim in STATED)
    assert [name for name in READY if name not in names] == []


@pytest.mark.parametrize(
    ("target", "claim"), STATED, ids=[f"{t} {c.promise.name}" for t, c in STATED]
)
def test_it_holds(target: str, claim: Claim) -> None:
    if claim.promise.name in SLOW and not os.environ.get("NFVERIFY_SEEK"):
        pytest.skip("takes long: NFVERIFY_SEEK=1")
    verdict = prove(claim.network, claim.promise, Question(time_limit=120))
    assert isinstance(verdict, Holds), verdict
    assert not verdict.report.vacuous
    assert verdict.report.notes == ()
