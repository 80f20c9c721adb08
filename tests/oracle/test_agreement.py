"""The symbolic oracle against the reference: the library, and programs of every construct."""

from itertools import islice
from pathlib import Path
from random import Random

import pytest
from agreement import check, describe, difference, record_events
from ir_arithmetic import arithmetic_network, operands
from ir_flows import flow_chain
from ir_wide import FUNCTIONS, wide_network
from symbolic_runner import symbolic

from nfverify import Machine, SymbolicOracle, load, load_text
from nfverify.equivalence.evaluation import passes
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.packet.build import build
from nfverify.packet.fields import Header

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.nfd"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_agree(path: Path) -> None:
    check(load(str(path)), symbolic, Random(1), 1000, judge="closures", many=0.5)


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_random_networks_agree(seed: int) -> None:
    check(random_network(Random(seed), Options()), symbolic, Random(seed), 60)


@pytest.mark.parametrize("seed", range(2))
def test_programs_of_every_construct_agree(seed: int) -> None:
    """With operators of the user's."""
    network = wide_network(Random(seed), Options(ports=8), 8)
    check(network, symbolic, Random(seed), 120, operators=FUNCTIONS)


@pytest.mark.parametrize("seed", range(200, 206))
def test_programs_as_people_write_them_agree(seed: int) -> None:
    check(flow_chain(Random(seed), (1, 2, 3)[seed % 3]), symbolic, Random(seed), 300, many=0.5)


def test_all_arithmetic_agrees() -> None:
    trace = record_events(arithmetic_network(), list(islice(operands(Random(1)), 150)))
    found = difference(trace, symbolic, Random(1))
    assert found is None, describe(found)


def test_frames_that_are_no_ip_may_be_dropped() -> None:
    trace = check(load("lib:edge"), symbolic, Random(3), 300, non_ip="drop")
    assert trace.counters["non_ip"] > 0


LOOPS = """
    program nf {
        map<int, int> m max 700 evict oldest; int i = 0;
        entry {
            match_flow { f[sport] == 7 }
            action_flow { resubmit; }
        }
        entry {
            action_state {
                i = f[dport] % 3;
                while (i < 300) bound 400 { m[i * 7 % 1000] = m[i] + f[sport] + i; i = i + 1; }
                f[dport] = m[f[dport]];
            }
        }
    }"""


def test_long_loops_and_passes_without_end() -> None:
    """What doesn't fit the terms of a whole pass is evaluated while they are made."""
    network = load_text(LOOPS)
    oracle, judge = SymbolicOracle(network), Machine(network)
    for time, sport in enumerate((1, 2, 7, 130)):
        fields = {"sport": sport, "dport": 7 * sport, "proto": 17}
        frame = build(Header.LINK | Header.IP4 | Header.UDP, fields)
        assert oracle.step(time, 0, frame) == judge.step(time, 0, frame)
    assert oracle.counters == judge.counters
    assert oracle.save().instances == judge.save().instances


@pytest.mark.parametrize("seed", range(2000, 2008))
def test_what_is_evaluated_while_it_is_made_agrees(seed: int, monkeypatch) -> None:
    monkeypatch.setattr(passes, "MOST_TERMS", -1)
    check(random_network(Random(seed), Options()), symbolic, Random(seed), 60)
