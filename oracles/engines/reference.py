"""The reference semantics as an engine: what every other is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nfverify.oracles.engines.base import Failure, Run, Setting
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Machine, Output, RunawayError
from nfverify.smat.ir import Network


@dataclass(slots=True)
class MachineSession:
    """A machine that is fed event by event."""

    machine: Machine

    def step(self, event: Event) -> tuple[Output, ...] | Failure:
        try:
            return tuple(self.machine.step(*event))
        except RunawayError as error:
            return Failure("refused", str(error))

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`fresh` is a machine before its first packet, which is never run itself."""

    fresh: Machine
    name: str = "reference"

    def start(self) -> MachineSession:
        return MachineSession(self.fresh.clone())

    def run(self, trace: Sequence[Event]) -> Run:
        session = self.start()
        steps: list[tuple[Output, ...]] = []
        for event in trace:
            out = session.step(event)
            if isinstance(out, Failure):
                return Run(tuple(steps), failure=out)
            steps.append(out)
        return Run(tuple(steps), session.machine.save())


def reference(network: Network, setting: Setting) -> Reference:
    """The reference by its faster engine."""
    return _reference(network, setting, "closures", "reference")


def walk(network: Network, setting: Setting) -> Reference:
    """The definition itself: the model walked node by node."""
    return _reference(network, setting, "walk", "walk")


def _reference(
    network: Network, setting: Setting, engine: Literal["closures", "walk"], name: str
) -> Reference:
    machine = Machine(network, operators=setting.operators, engine=engine, non_ip=setting.non_ip)
    return Reference(machine, name)
