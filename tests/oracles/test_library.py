"""All engines do the same on all models of the library, 10,000 packets each."""

from pathlib import Path

import pytest

from nfverify.oracles.tester import DEFAULT_ENGINES, Options, examine
from nfverify.smat.load import load

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.nfd"))
PACKETS = 10_000


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_engines_agree(path: Path) -> None:
    result = examine(load(f"lib:{path.stem}"), Options(examples=PACKETS))
    assert result.engines == DEFAULT_ENGINES
    assert result.packets == PACKETS
    assert result.finding is None
    assert not result.unsettled
