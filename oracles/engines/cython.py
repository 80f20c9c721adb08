"""A build as an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nfverify.cythonized.host import NetworkFunction, RunawayError
from nfverify.oracles.engines.base import Failure, Run, Setting
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Output
from nfverify.smat.ir import Network


@dataclass(slots=True)
class CythonSession:
    """The only state of a build, begun anew."""

    function: NetworkFunction

    def step(self, event: Event) -> tuple[Output, ...] | Failure:
        try:
            (out,) = self.function.process([event.frame], [event.time], [event.port])
        except RunawayError as error:
            return Failure("refused", str(error))
        return tuple(Output(*sent) for sent in out)

    def close(self) -> None:
        """The build stays."""


@dataclass(frozen=True, slots=True)
class Cython:
    """One build; its sessions must not overlap."""

    function: NetworkFunction
    name: str = "cython"

    def start(self) -> CythonSession:
        self.function.reset()
        return CythonSession(self.function)

    def run(self, trace: Sequence[Event]) -> Run:
        self.function.reset()
        frames = [event.frame for event in trace]
        times = [event.time for event in trace]
        ports = [event.port for event in trace]
        try:
            out = self.function.process(frames, times, ports)
        except RunawayError:
            return self._slowly(trace)
        steps = tuple(tuple(Output(*sent) for sent in step) for step in out)
        return Run(steps, self.function.save())

    def _slowly(self, trace: Sequence[Event]) -> Run:
        """Packet by packet, to say where it refuses to go on."""
        session = self.start()
        steps: list[tuple[Output, ...]] = []
        for event in trace:
            out = session.step(event)
            if isinstance(out, Failure):
                return Run(tuple(steps), failure=out)
            steps.append(out)
        return Run(tuple(steps), self.function.save())


def fastpath(network: Network, setting: Setting) -> Cython:
    """The network compiled with the fast path that is derived of it."""
    from nfverify.cythonized.host import compile
    from nfverify.equivalence.fastpath.derive import derive

    plan = derive(network)
    made = compile(network, operators=setting.operators, non_ip=setting.non_ip, fastpath=plan)
    return Cython(made, "fastpath")


def cython(network: Network, setting: Setting) -> Cython:
    """The network compiled. BuildError if that can't be done here."""
    from nfverify.cythonized.host import compile

    return Cython(compile(network, operators=setting.operators, non_ip=setting.non_ip))
