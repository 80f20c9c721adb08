"""What strategies are aimed at: a model, its pools, and a machine to begin with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nfverify.oracles.pools import Pools, pools_for
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.smat import ir
from nfverify.smat.load import load

Model = str | os.PathLike[str] | ir.Network
"""A network, or a target as on the command line: FILE, FILE:NAME, lib:NAME."""


@dataclass(frozen=True, slots=True)
class Aimed:
    """`start` is a machine before the first packet, to be cloned; None without a model."""

    pools: Pools
    network: ir.Network | None = None
    start: Machine | None = None

    @property
    def starts(self) -> SearchStrategy[int]:
        """When a trace begins, ns."""
        return st.sampled_from(self.pools.starts)

    def machine(self) -> Machine | None:
        return None if self.start is None else self.start.clone()


def network_of(model: Model) -> ir.Network:
    """The network, loaded if it is a target. ModelError."""
    return model if isinstance(model, ir.Network) else load(os.fspath(model))


def aim(model: Model | None, operators: Mapping[str, Function] | None = None) -> Aimed:
    """Pools for a model; for None, plain traffic of every kind. ModelError."""
    if model is None:
        return Aimed(pools_for(None))
    network = network_of(model)
    return Aimed(pools_for(network), network, Machine(network, operators=operators))
