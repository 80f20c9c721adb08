"""Every model and chain that is here, on every platform that can express it, against the reference:
frames, ports, order, times and state, which goes from the platform to the reference and back."""

import os
import re
from pathlib import Path

import on_platforms
import pytest
from on_platforms import check, engine, hostile, network_of, solved, traffic
from platforms import require

from nfverify.lang.source import ModelError
from nfverify.oracles.needs import Needs
from nfverify.smat.load import load_text

ROOT = Path(__file__).parents[2]
MODELS = sorted((*(ROOT / "models").glob("*.nfd"), *(ROOT / "benchmarks/models").glob("*.nfd")))
PLATFORMS = ("linux", "dpdk", "xdp", "onvm")
MIXED = (2, 4, 3, 6)  # kinds of traces of a campaign; 3 is one packet again and again
FEWER = (2, 4)  # for those that run the object that linux runs, with other I/O
# Without NFVERIFY_SEEK=1: timers, frames that grow, payloads that change, state.
OTHER_IO = ("encrypt", "firewall", "monitor", "napt", "rate-limiter", "syn-flood", "vxlan")


def runs(platform: str, path: Path) -> bool:
    if path.parent != ROOT / "models":
        return path.stem == "chain" and platform == "xdp"
    every = platform in ("linux", "xdp") or bool(os.environ.get("NFVERIFY_SEEK"))
    return every or path.stem in OTHER_IO


ON = [(platform, path) for platform in PLATFORMS for path in MODELS if runs(platform, path)]


REFUSED = {  # what xdp says of models that it can't express
    "models/decrypt.nfd": "decrypt.nfd:10:24: error: xdp can't express writes of the payload",
    "models/encrypt.nfd": "encrypt.nfd:16:24: error: xdp can't express writes of the payload",
    "models/ids.nfd": "ids.nfd:17:24: error: xdp can't express the operator PatternMatch",
    "models/inspect.nfd": "ids.nfd:17:24: error: xdp can't express the operator PatternMatch",
    "models/vxlan.nfd": "vxlan.nfd:20:13: error: xdp can't express `push vxlan`",
}
UNBOUNDED = {  # what it says of tables without `max`, and without --capacity
    "lib:monitor": "monitor.nfd:13:24: error: xdp can't express packets and bytes without a bound",
    "lib:napt": "napt.nfd:30:69: error: xdp can't express mapping without a bound on its keys",
}
CHAINS = ("models/edge", "models/inspect", "examples/fastpath/c1", "examples/fastpath/wrap")
COMMON = Needs(shortest=14, longest=65_535)  # what all can be given


@pytest.mark.parametrize(
    ("platform", "path"), ON, ids=[f"{p}-{at.parent.relative_to(ROOT)}-{at.stem}" for p, at in ON]
)
def test_models_agree(platform: str, path: Path) -> None:
    require(platform)
    source = str(path)
    refusal = REFUSED.get(str(path.relative_to(ROOT))) if platform == "xdp" else None
    if refusal is not None:
        with pytest.raises(ModelError, match=re.escape(refusal)):
            engine(platform, network_of(source))
        return
    made = engine(platform, network_of(source))
    kinds = MIXED if platform in ("linux", "xdp") else FEWER
    check(made, traffic(source, COMMON, 1, kinds))
    check(made, hostile(source, made.needs, 2, 400))
    check(made, solved(source, COMMON, on_platforms.FEW))


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("platform", ["linux", "dpdk"])
def test_fast_paths_agree(platform: str, chain: str) -> None:
    """Flows that come again and again take their records, and what events change is seen."""
    require(platform)
    source = str(ROOT / f"{chain}.nfd")
    made = engine(platform, network_of(source), fast=True)
    check(made, traffic(source, COMMON, 5, (3, 4, 6, 5)))


@pytest.mark.parametrize("platform", ["linux", "xdp"])
def test_all_public_ports_are_used_up(platform: str) -> None:
    """64,512 new endpoints, and one more: the solver's trace for the last entry."""
    require(platform)
    trace = solved("lib:napt", COMMON, 1 << 17)
    assert len(trace.events) > 64_512
    check(engine(platform, network_of("lib:napt")), trace)


@pytest.mark.parametrize("model", UNBOUNDED)
def test_tables_without_a_bound_are_refused(model: str) -> None:
    require("xdp")
    with pytest.raises(ModelError, match=re.escape(UNBOUNDED[model])):
        engine("xdp", network_of(model), capacity=None)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_frames_that_are_no_ip_may_be_dropped(platform: str) -> None:
    require(platform)
    made = engine(platform, network_of("lib:edge"), non_ip="drop")
    check(made, traffic("lib:edge", COMMON, 3, (2,), "drop"))


@pytest.mark.parametrize("platform", ["linux", "xdp"])
def test_a_fault_is_seen(platform: str) -> None:
    """A NAPT that leaves out every other port is told from the right one."""
    require(platform)
    right = (ROOT / "models/napt.nfd").read_text()
    wrong = load_text(right.replace("next = next + 1;", "next = next + 2;"), "napt.nfd")
    trace = traffic("lib:napt", COMMON, 1, MIXED)
    with pytest.raises(AssertionError, match="they part"):
        check(engine(platform, wrong), trace)
