"""Every test of meaning runs on each engine of the reference semantics; later engines join here."""

from collections.abc import Callable
from typing import Any

import pytest
from ir_build import chain

from nfverify.semantics.machine import ENGINES, Machine
from nfverify.smat import ir


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def machine(engine: str) -> Callable[..., Machine]:
    """A machine for a network, or for a pipeline of programs, on the engine under test."""

    def make(*parts: ir.Program | ir.Network, **options: Any) -> Machine:
        network = parts[0] if isinstance(parts[0], ir.Network) else chain(*parts)
        return Machine(network, engine=engine, **options)

    return make
