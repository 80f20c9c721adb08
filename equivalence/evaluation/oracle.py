"""The symbolic oracle: what the terms of the prover's semantics say of concrete packets.

oracle = SymbolicOracle(network)
outputs = oracle.step(time_ns, port, frame)
judgement = oracle.allows(time_ns, port, frame, outputs)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from nfverify.equivalence.evaluation.following import Following, follows
from nfverify.equivalence.evaluation.membership import Membership
from nfverify.equivalence.evaluation.narrowing import Seen
from nfverify.equivalence.evaluation.passes import build
from nfverify.equivalence.evaluation.verdicts import Allowed, Judgement, NotAllowed, Undecided
from nfverify.semantics.engine import Key, Values
from nfverify.semantics.machine import Machine, Output
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network

__all__ = ["Allowed", "Judgement", "NotAllowed", "SymbolicOracle", "Undecided"]


class SymbolicOracle(Machine):
    """A machine that evaluates the symbolic semantics; where the model may choose, `step` takes the
    first that fits, and `allows` judges what something else took. Raises ModelError."""

    __slots__ = ("_membership",)

    def __init__(
        self,
        network: Network,
        *,
        operators: Mapping[str, Function] | None = None,
        non_ip: Literal["bypass", "drop"] = "bypass",
        state: SavedState | Mapping[str, Mapping[str, Mapping[Key, Values]]] | None = None,
    ) -> None:
        self._membership: Membership | Following | None = None
        super().__init__(network, operators=operators, engine=build, non_ip=non_ip, state=state)

    def allows(
        self,
        time: int,
        port: int,
        frame: bytes,
        outputs: Sequence[Output | tuple[int, bytes]],
    ) -> Judgement:
        """May the network, at the packet `frame`, give these outputs: (time, port, frame), or
        (port, frame) whenever it likes?

        The first call starts from the machine's state; from then on the oracle follows all that
        the trace leaves possible, apart from what `step` does. After a NotAllowed or Undecided it
        can't go on.
        """
        if self._membership is None:
            self._membership = self._followed()
        seen = [Seen(*o) if len(o) == 3 else Seen(None, *o) for o in outputs]
        return self._membership.observe(time, port, frame, seen)

    def _followed(self) -> Membership | Following:
        if follows(self.network):
            return Following(self.clone())
        return Membership(self.network, self._context, self.non_ip, self.save())

    def states(self, most: int = 1) -> Iterator[SavedState]:
        """Up to `most` of the states that `allows` has left possible."""
        if self._membership is None:
            yield self.save()
        else:
            yield from self._membership.states(most)

    def restore(self, state: SavedState | Mapping[str, Mapping[str, Mapping[Key, Values]]]) -> None:
        """As Machine.restore; `allows` starts from there."""
        super().restore(state)
        self._membership = None

    def clone(self) -> SymbolicOracle:
        """An independent oracle in the same state, of the machine and of `allows`; shares the
        code."""
        other = super().clone()
        followed = self._membership
        other._membership = None if followed is None else followed.copy()
        return other
