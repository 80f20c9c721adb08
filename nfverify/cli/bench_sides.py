"""What `nfverify bench` measures, one round at a time: a build, an engine, a command."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING, Literal, Protocol

from nfverify.cli.options import UsageError

if TYPE_CHECKING:
    from nfverify.cythonized.bench import Traffic
    from nfverify.cythonized.host import NetworkFunction
    from nfverify.packet.pcap import Record
    from nfverify.semantics.operators import Function
    from nfverify.semantics.tracing import Visit
    from nfverify.smat.ir import Network

NonIp = Literal["bypass", "drop"]
SAMPLE = 20_000  # packets that the reference engines are measured on
ENOUGH = 50_000_000  # ns of a round, so that few packets are measured often
_NS = re.compile(r"\b(?:med_)?ns=([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_TIME_LIMIT = 3600  # seconds of a command


@dataclass(frozen=True, slots=True)
class Round:
    """ns for each packet; `first`: of the pass that found no state; `memory`: bytes of state."""

    ns: float
    first: float | None = None
    memory: int | None = None


class Side(Protocol):
    """What is measured; `packets` is how many it runs in a pass."""

    name: str
    packets: int

    def round(self) -> Round: ...


class BuildSide:
    """A compiled network on packets in memory."""

    def __init__(self, name: str, function: NetworkFunction, traffic: Traffic) -> None:
        from nfverify.smat.ir import SetField, walk

        network = function.network
        bodies = [node for i in network.instances for node in walk(i.program.body)]
        self.name = name
        self.packets = traffic.count
        self._function = function
        self._traffic = traffic
        self._rewrites = any(isinstance(node, SetField) for node in bodies)
        self._timed = _tells_time(network)

    def round(self) -> Round:
        from nfverify.cythonized.bench import measure

        sample = measure(self._function, self._traffic, rewrites=self._rewrites, timed=self._timed)
        return Round(sample.ns, sample.first, sample.memory)


class EngineSide:
    """The reference semantics on the first packets, from frame to frame."""

    def __init__(
        self,
        name: str,
        network: Network,
        engine: str,
        operators: Mapping[str, Function],
        non_ip: NonIp,
        records: Sequence[Record],
    ) -> None:
        self.name = name
        self._arguments = network, operators, engine, non_ip
        self._packets = [(r.time_ns, r.frame) for r in records[:SAMPLE]]
        self.packets = len(self._packets)

    def round(self) -> Round:
        from nfverify.semantics.machine import Machine

        network, operators, engine, non_ip = self._arguments
        took: list[int] = []
        while sum(took) < ENOUGH:
            machine = Machine(network, operators=operators, engine=engine, non_ip=non_ip)
            began = perf_counter_ns()
            for time, frame in self._packets:
                machine.step(time, 0, frame)
            took.append(perf_counter_ns() - began)
        return Round(median(took) / self.packets)

    def entries(self) -> dict[str, int]:
        """How many packets took each entry."""
        from nfverify.semantics.machine import Machine

        network, operators, _, non_ip = self._arguments
        machine = Machine(network, operators=operators, non_ip=non_ip)
        found: dict[str, int] = {}

        def visit(visit: Visit) -> None:
            for entry in visit.entries:
                title = f"{visit.instance}: {entry}"
                found[title] = found.get(title, 0) + 1

        machine.trace = visit
        for time, frame in self._packets:
            machine.step(time, 0, frame)
        return found


class CommandSide:
    """A command of the user's: it says `med_ns=…` or `ns=…`, or else its time is taken whole."""

    def __init__(self, command: str, packets: int) -> None:
        self.name = command
        self.packets = packets

    def round(self) -> Round:
        began = perf_counter_ns()
        try:
            done = subprocess.run(
                self.name,
                shell=True,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIME_LIMIT,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise UsageError(f"--vs {self.name!a} took over {_TIME_LIMIT} s") from None
        took = perf_counter_ns() - began
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:]
            because = f": {said[0][:200]!a}" if said else ""
            raise UsageError(f"--vs {self.name!a} ended with {done.returncode}{because}")
        told = _NS.search(done.stdout)
        return Round(float(told[1]) if told else took / self.packets)


def _tells_time(network: Network) -> bool:
    """Does anything that it does depend on when packets come?"""
    from nfverify.smat.ir import Delay, Now, SetOutput, walk

    programs = [instance.program for instance in network.instances]
    return any(
        program.timers
        or any(variable.timeout is not None for variable in program.state)
        or any(
            isinstance(node, Now)
            or (isinstance(node, SetOutput) and isinstance(node.output, Delay))
            for node in walk(program.init + program.body)
        )
        for program in programs
    )
