"""Every model and chain that is here, on every platform that can express it, against the reference:
frames, ports, order, times and state, which goes from the platform to the reference and back."""

from pathlib import Path

import on_platforms
import pytest
from on_platforms import check, engine, hostile, network_of, solved, traffic
from platforms import require

from nfverify.oracles.needs import Needs

ROOT = Path(__file__).parents[2]
MODELS = sorted((*(ROOT / "models").glob("*.nfd"), *(ROOT / "benchmarks/models").glob("*.nfd")))
PLATFORMS = ("linux", "dpdk", "xdp", "onvm")
MIXED = (2, 4, 3, 6)  # kinds of traces of a campaign; 3 is one packet again and again


COMMON = Needs(shortest=14, longest=65_535)  # what all can be given


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_models_agree(platform: str, path: Path) -> None:
    require(platform)
    source = str(path)
    made = engine(platform, network_of(source))
    check(made, traffic(source, COMMON, 1, MIXED))
    check(made, hostile(source, made.needs, 2, 400))
    check(made, solved(source, COMMON, on_platforms.FEW))
