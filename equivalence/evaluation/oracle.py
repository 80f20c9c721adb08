"""The symbolic oracle: what the terms of the prover's semantics say of concrete packets.

oracle = SymbolicOracle(network)
outputs = oracle.step(time_ns, port, frame)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nfverify.equivalence.evaluation.passes import build
from nfverify.semantics.engine import Key, Values
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network


class SymbolicOracle(Machine):
    """A machine that evaluates the symbolic semantics. Raises ModelError."""

    __slots__ = ()

    def __init__(
        self,
        network: Network,
        *,
        operators: Mapping[str, Function] | None = None,
        non_ip: Literal["bypass", "drop"] = "bypass",
        state: SavedState | Mapping[str, Mapping[str, Mapping[Key, Values]]] | None = None,
    ) -> None:
        super().__init__(network, operators=operators, engine=build, non_ip=non_ip, state=state)
