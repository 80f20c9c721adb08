"""Random programs on linux and xdp, against the reference; what xdp refuses, it refuses by name."""

import os
from random import Random

import pytest
from ir_flows import flow_chain
from on_platforms import check, engine, joined, recorded
from platforms import needs

from nfverify.lang.source import ModelError
from nfverify.oracles.campaign import Campaign
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.platforms.platform import PlatformEngine
from nfverify.oracles.programs.expressions import NUMBERS, Options
from nfverify.oracles.programs.networks import random_network
from nfverify.smat import ir

MANY = 40 if os.environ.get("NFVERIFY_SEEK") else 1  # times as many, with other seeds
# What XDP has a chance to express; four in five are so.
NARROW = tuple(number for number in NUMBERS if number != ir.IP6)
FITTING = Options(payload=False, operators=False, headers=False, numbers=NARROW, ports=2)
STILL = Options(
    **{name: getattr(FITTING, name) for name in ("payload", "operators", "headers", "numbers")},
    timers=False,
    ports=2,
)
ANY = Options(operators=False)  # those are functions of Python


def agrees(made: PlatformEngine, network: ir.Network, seed: int) -> None:
    campaign = Campaign(network, reference(network, Setting()), seed, made.needs)
    events = joined([campaign.trace(number) for number in (2, 4, 1)])
    check(made, recorded(network, events, made.needs, rest=5000))


@needs("linux")
@pytest.mark.parametrize("seed", range(5 * MANY))
def test_on_linux(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every construct, or as people write them."""
    monkeypatch.setenv("CXXFLAGS", "-O1")
    rng = Random(seed)
    network = random_network(rng, ANY) if seed % 2 else flow_chain(rng, 1 + seed % 3)
    agrees(engine("linux", network), network, seed)


@needs("xdp")
@pytest.mark.parametrize("part", range(2))
def test_on_xdp(part: int) -> None:
    """Three kinds in turn; most of those without timers are expressed."""
    run, refused = 0, []
    seeds = range(part, 24 * MANY, 2)
    for seed in seeds:
        rng = Random(seed)
        match seed % 12:
            case 0 | 1:
                network = flow_chain(rng, 1 + seed % 2)
            case 2 | 3:
                network = random_network(rng, FITTING)
            case _:
                network = random_network(rng, STILL)
        try:
            made = engine("xdp", network, capacity=4096)
        except ModelError as error:
            refused.append(str(error))
            continue
        agrees(made, network, seed)
        run += 1
    assert run > len(seeds) // 2
    assert all("xdp can't express" in why for why in refused)
