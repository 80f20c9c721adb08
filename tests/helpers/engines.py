"""Compiled networks as Runners of the agreement tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from agreement import Maker, NonIp, Runner, Step

import nfverify
from nfverify.cythonized import compiler
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.options import Options
from nfverify.fastpath.plan import Plan
from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Output
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat import ir


@dataclass(slots=True)
class Compiled:
    """A build as a Runner."""

    nf: NetworkFunction

    def run(self, events: Sequence[Event]) -> list[Step]:
        frames = [event.frame for event in events]
        times = [event.time for event in events]
        ports = [event.port for event in events]
        return [
            [Output(*output) for output in step] for step in self.nf.process(frames, times, ports)
        ]

    def advance(self, time: int) -> Step:
        return [Output(*output) for output in self.nf.advance(time)]

    def save(self) -> SavedState:
        return self.nf.save()

    @property
    def counters(self) -> Mapping[str, int]:
        return self.nf.counters


def compiled(options: Options | None = None, fastpath: Plan | None = None) -> Maker:
    """Builds each network once. Its functions are those of the first time that it is asked for."""
    built: dict[tuple[int, str], tuple[ir.Network, NetworkFunction]] = {}

    def make(
        network: ir.Network,
        state: SavedState | None,
        operators: Mapping[str, Function],
        non_ip: NonIp,
    ) -> Runner:
        key = id(network), non_ip
        if key not in built:
            nf = nfverify.compile(
                network,
                options=options or Options(),
                operators=operators,
                non_ip=non_ip,
                fastpath=fastpath,
            )
            built[key] = network, nf
        nf = built[key][1]
        nf.reset()
        if state is not None:
            nf.restore(state)
        return Compiled(nf)

    return make


@contextmanager
def optimised(level: str) -> Iterator[None]:
    """Builds by gcc's `-O0`, say, for the sake of its time."""
    before = compiler._CODE
    compiler._CODE = tuple(level if flag == "-O2" else flag for flag in before)
    try:
        yield
    finally:
        compiler._CODE = before
