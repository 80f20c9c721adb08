"""Over 500 random programs that use every construct, compiled, against the reference semantics."""

from collections import Counter
from itertools import islice
from random import Random

import ir_wraps
import pytest
from agreement import check, describe, difference, record_events, shrink
from constructs import all_constructs, constructs
from engines import compiled, optimised
from ir_arithmetic import arithmetic_network, operands
from ir_flows import flow_chain
from ir_wide import FUNCTIONS, wide_network

from nfverify.oracles.programs.expressions import Options
from nfverify.smat import ir

# Seed 39 makes packets that wait, come out and wait again: a minute of the reference's time; the
# others that are left out are the slowest.
WIDE = tuple(s for s in range(45) if s not in (14, 38, 39))  # networks of 8 programs side by side
FLOWS = range(100, 132)  # pipelines of 1 to 5 programs
PROGRAMS = 8


def wide(seed: int) -> ir.Network:
    return wide_network(Random(seed), Options(ports=PROGRAMS), PROGRAMS)


def flows(seed: int) -> ir.Network:
    return flow_chain(Random(seed), (1, 2, 3, 5)[seed % 4])


@pytest.mark.parametrize("seed", WIDE)
def test_programs_of_every_construct_agree(seed: int) -> None:
    with optimised("-O1"):
        check(wide(seed), compiled(), Random(seed), 400, operators=FUNCTIONS)


@pytest.mark.parametrize("seed", FLOWS)
def test_programs_as_people_write_them_agree(seed: int) -> None:
    """Many ends in every other one."""
    with optimised("-O1"):
        check(flows(seed), compiled(), Random(seed), 600, many=0.7 * (seed % 2))


def test_all_arithmetic_agrees() -> None:
    network = arithmetic_network()
    trace = record_events(network, list(islice(operands(Random(1)), 1000)))
    with optimised("-O1"):
        maker = compiled()
        found = difference(trace, maker, Random(1))
        if found is not None:
            raise AssertionError(describe(shrink(found, maker)))


def test_these_are_500_programs_of_every_construct() -> None:
    wrapping = [ir_wraps.network(Random(seed)) for seed in range(10)]  # run by test_wraps.py
    networks = [*map(wide, WIDE), *map(flows, FLOWS), *wrapping, arithmetic_network()]
    programs = sum(len({id(i.program) for i in network.instances}) for network in networks)
    assert programs >= 500
    found = Counter(name for network in networks for name in constructs(network))
    assert all_constructs() - set(found) == set()
