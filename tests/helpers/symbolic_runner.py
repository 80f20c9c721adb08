"""The symbolic oracle as a Runner of the agreement tests."""

from __future__ import annotations

from collections.abc import Mapping

from agreement import NonIp, Reference, Runner

from nfverify.equivalence.evaluation.oracle import SymbolicOracle
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat import ir


def symbolic(
    network: ir.Network,
    state: SavedState | None,
    operators: Mapping[str, Function],
    non_ip: NonIp,
) -> Runner:
    """An oracle that evaluates terms."""
    return Reference(SymbolicOracle(network, operators=operators, non_ip=non_ip, state=state))
