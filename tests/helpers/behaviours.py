"""Every behaviour of a network that chooses, by trying each choice on the judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Machine, Output
from nfverify.semantics.state import SavedState
from nfverify.smat import ir

Outputs = tuple[tuple[Output, ...], ...]


class TooMany(Exception):
    """More behaviours than a test can try."""


@dataclass(slots=True)
class Script:
    """Makes the choices as told, then always the first that fits; notes how many there were."""

    told: Sequence[int]
    options: list[int] = field(default_factory=list)

    def __call__(
        self, instance: str, node: ir.Choose, candidates: range, fits: Callable[[int], bool]
    ) -> int | None:
        found = [c for c in candidates if fits(c)]
        at = len(self.options)
        self.options.append(len(found))
        return found[self.told[at] if at < len(self.told) else 0] if found else None


def behaviours(
    network: ir.Network, events: Sequence[Event], most: int = 300
) -> Iterator[tuple[Outputs, SavedState]]:
    """The outputs and the last state of every run of some events. TooMany over `most`."""
    told: list[int] = []
    for _ in range(most):
        script = Script(told)
        machine = Machine(network, engine="walk", chooser=script)
        outputs = tuple(tuple(machine.step(*event)) for event in events)
        yield outputs, machine.save()
        told += [0] * (len(script.options) - len(told))
        while told and told[-1] + 1 >= script.options[len(told) - 1]:
            told.pop()
        if not told:
            return
        told[-1] += 1
    raise TooMany
