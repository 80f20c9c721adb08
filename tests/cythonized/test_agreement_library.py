"""Every model and chain that is here, compiled, against the reference semantics."""

import os
from pathlib import Path
from random import Random

import pytest
from agreement import check
from engines import compiled

from nfverify.smat.load import load

ROOT = Path(__file__).parents[2]
ELSEWHERE = ("fastpath", "speedybox")  # test_fastpath_agreement, tests/speedybox
MODELS = sorted(
    (
        *(ROOT / "models").glob("*.nfd"),
        *(p for p in (ROOT / "examples").glob("*/*.nfd") if p.parent.name not in ELSEWHERE),
        *(ROOT / "benchmarks/models").glob("*.nfd"),
    )
)
EVENTS = 2500 if os.environ.get("NFVERIFY_SEEK") else 1000


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_agree(path: Path) -> None:
    """Few ends, which meet; then ends without end, so that tables grow."""
    network = load(str(path))
    maker = compiled()
    check(network, maker, Random(1), EVENTS, judge="closures")
    check(network, maker, Random(2), EVENTS, judge="closures", many=0.8)


def test_frames_that_are_no_ip_may_be_dropped() -> None:
    trace = check(load("lib:edge"), compiled(), Random(3), 500, non_ip="drop")
    assert trace.counters["non_ip"] > 0
