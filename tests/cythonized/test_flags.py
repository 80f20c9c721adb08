"""Each optimisation can be switched off, and no combination changes what comes out."""

from itertools import product
from random import Random

import pytest
from agreement import describe, difference, record, shrink
from engines import compiled, optimised
from ir_flows import flow_chain
from ir_wide import FUNCTIONS, wide_network

from nfverify.cythonized.options import Options
from nfverify.oracles.programs.expressions import Options as Choices
from nfverify.smat import ir
from nfverify.smat.load import load

FLAGS = list(product((False, True), repeat=4))
FEW = [flags for flags in FLAGS if sum(flags) in (0, 3)]  # none, and one of them off
PAIRS = [flags for flags in FLAGS if sum(flags) in (1, 2)][::2]


def networks() -> dict[str, ir.Network]:
    """A chain of the library; one with rulesets and maps that age; one of all, with timers."""
    return {
        "edge": load("lib:edge"),
        "flows": flow_chain(Random(2), 3),
        "wide": wide_network(Random(29), Choices(ports=3), 3),
    }


def names(flags: tuple[bool, ...]) -> str:
    shown = ("batch", "prefetch", "fuse", "classifier")
    return "+".join(n for n, on in zip(shown, flags, strict=True) if on) or "none"


CASES = [
    *(("edge", flags) for flags in (*FEW, *PAIRS, FLAGS[-1])),
    *((name, flags) for name in ("flows", "wide") for flags in FEW),
]


@pytest.mark.parametrize(
    ("name", "flags"), CASES, ids=lambda value: value if isinstance(value, str) else names(value)
)
def test_every_combination_agrees(name: str, flags: tuple[bool, ...]) -> None:
    network = networks()[name]
    trace = record(network, Random(7), 500, operators=FUNCTIONS, many=0.3)
    with optimised("-O1"):
        maker = compiled(Options(*flags))
        found = difference(trace, maker, Random(8))
        if found is not None:
            raise AssertionError(describe(shrink(found, maker)))


@pytest.mark.parametrize("depth", [1, 2, 3, 64])
def test_every_depth_agrees(depth: int) -> None:
    network = load("lib:edge")
    trace = record(network, Random(9), 1000, many=0.3)
    with optimised("-O1"):
        assert difference(trace, compiled(Options(depth=depth)), Random(8)) is None
