"""A program against a model with `choose`: what it does must be something that the model may do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nfverify.oracles.engines.base import UNTOLD, Failure, Setting, Stepping
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Output
from nfverify.smat.ir import Choose, Network, walk


class Refused(NamedTuple):
    """Where a program did what the model can't, or where nobody knows (`undecided`): what came out
    at each event up to there."""

    seen: tuple[tuple[Output, ...], ...]
    reason: str
    undecided: bool


def chooses(network: Network) -> bool:
    """Has the network a `choose`?"""
    return any(
        isinstance(node, Choose)
        for instance in network.instances
        for node in walk(instance.program.init + instance.program.body)
    )


def refused(
    network: Network, setting: Setting, other: Stepping, trace: Sequence[Event]
) -> Refused | tuple[int, Failure] | None:
    """The first event at which the program does what the model can't do, or fails."""
    from nfverify.equivalence.evaluation.oracle import SymbolicOracle
    from nfverify.equivalence.evaluation.verdicts import Allowed, NotAllowed, Undecided

    oracle = SymbolicOracle(network, operators=setting.operators, non_ip=setting.non_ip)
    session = other.start()
    seen: list[tuple[Output, ...]] = []
    try:
        for at, event in enumerate(trace):
            out = session.step(event)
            if isinstance(out, Failure):
                return at, out
            seen.append(out)
            told = [(o.port, o.frame) if o.time == UNTOLD else o for o in out]
            answer = oracle.allows(event.time, event.port, event.frame, told)
            match answer:
                case Allowed():
                    continue
                case NotAllowed(reason=reason):
                    return Refused(tuple(seen), reason, False)
                case Undecided(reason=reason):
                    return Refused(tuple(seen), reason, True)
    finally:
        session.close()
    return None
