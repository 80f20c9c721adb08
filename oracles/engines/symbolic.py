"""The symbolic oracle as an engine: the terms that the prover reasons about, evaluated."""

from __future__ import annotations

from nfverify.equivalence.evaluation.oracle import SymbolicOracle
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.reference import Reference
from nfverify.smat.ir import Network


def symbolic(network: Network, setting: Setting) -> Reference:
    """The symbolic oracle of a network."""
    oracle = SymbolicOracle(network, operators=setting.operators, non_ip=setting.non_ip)
    return Reference(oracle, "symbolic")
