"""Judging a network that pushes and pops headers and has nothing to choose: it does one thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nfverify.equivalence.evaluation.narrowing import Seen
from nfverify.equivalence.evaluation.verdicts import Allowed, Judgement, NotAllowed, Undecided
from nfverify.semantics.machine import Machine, RunawayError
from nfverify.semantics.state import SavedState
from nfverify.smat import ir


def follows(network: ir.Network) -> bool:
    """Does it push or pop headers, without any choice?"""
    bodies = (i.program.init + i.program.body for i in network.instances)
    nodes = [node for body in bodies for node in ir.walk(body)]
    headers = any(isinstance(node, ir.Push | ir.Pop) for node in nodes)
    return headers and not any(isinstance(node, ir.Choose) for node in nodes)


@dataclass(slots=True)
class Following:
    """As Membership, by a machine that does the same."""

    machine: Machine
    broken: str = ""

    def observe(self, time: int, port: int, frame: bytes, seen: Sequence[Seen]) -> Judgement:
        """The judgement on an event."""
        if self.broken:
            return Undecided(self.broken)
        try:
            sent = self.machine.step(time, port, frame)
        except RunawayError as error:
            self.broken = str(error)
            return Undecided(self.broken)
        same = len(sent) == len(seen) and all(
            s.time in (None, o.time) and (s.port, s.frame) == (o.port, o.frame)
            for s, o in zip(seen, sent, strict=True)
        )
        if same:
            return Allowed((), True)
        self.broken = "an earlier event was not allowed"
        return NotAllowed("something else comes out")

    def states(self, most: int) -> Iterator[SavedState]:
        """The state that it is in."""
        yield self.machine.save()

    def copy(self) -> Following:
        """An independent one that has followed the same trace."""
        return Following(self.machine.clone(), self.broken)
