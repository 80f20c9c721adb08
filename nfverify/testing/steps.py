"""A trace as the reference runs it, packet by packet, and as the table that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nfverify.oracles.engines.base import Setting
from nfverify.oracles.trace import Event, port_names
from nfverify.packet.codec import Malformed, parse
from nfverify.packet.packet import Packet
from nfverify.report.packets import changes, clock, summary
from nfverify.report.traces import aligned
from nfverify.semantics.machine import Machine
from nfverify.semantics.tracing import Visit
from nfverify.smat.ir import Network

MAX_SHOWN = 40  # packets of a table: the last ones


@dataclass(frozen=True, slots=True, repr=False)
class Sent:
    """A frame that came out: time in ns, name of the port ("" where it isn't known)."""

    time: int
    port: str
    frame: bytes

    @property
    def packet(self) -> Packet | Malformed:
        """Its header fields, by the language's names."""
        return parse(self.frame)

    def __repr__(self) -> str:
        return f"<{summary(self.frame)} by {self.port or '?'}>"


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """A frame that arrived, what came out, and `instance: entry` for each table that it passed."""

    number: int
    time: int
    port: str
    frame: bytes
    outputs: tuple[Sent, ...]
    entries: tuple[str, ...] = ()

    @property
    def packet(self) -> Packet | Malformed:
        """Its header fields, by the language's names."""
        return parse(self.frame)

    @property
    def dropped(self) -> bool:
        """Did nothing come out?"""
        return not self.outputs

    def __repr__(self) -> str:
        return f"<packet {self.number}>"


class Runner:
    """The reference semantics of a network, from its initial state."""

    def __init__(self, network: Network, setting: Setting) -> None:
        self.names = port_names(network)
        self.machine = Machine(network, operators=setting.operators, non_ip=setting.non_ip)
        self.visits: list[Visit] = []
        self.machine.trace = self.visits.append
        self.count = 0

    def step(self, event: Event) -> Step:
        """The next event."""
        self.visits.clear()
        self.count += 1
        outputs = tuple(Sent(o.time, self.name(o.port), o.frame) for o in self.machine.step(*event))
        entries = tuple(
            f"{visit.instance}: {entry}"
            for visit in self.visits
            if not visit.dummy
            for entry in visit.entries or ("no entry",)
        )
        port = self.name(event.port)
        return Step(self.count, event.time, port, event.frame, outputs, entries)

    def name(self, port: int) -> str:
        """Of a port by its number."""
        return self.names[port] if 0 <= port < len(self.names) else str(port)

    def number(self, name: str) -> int:
        """Of a port by what `name` calls it."""
        return self.names.index(name) if name in self.names else int(name)


def execute(network: Network, trace: Sequence[Event], setting: Setting) -> tuple[Step, ...]:
    """All steps of a trace. RunawayError."""
    runner = Runner(network, setting)
    return tuple(map(runner.step, trace))


Sides = Mapping[str, tuple[Sent, ...]]  # who -> what came out


def table(steps: Sequence[Step], last: Sides | None = None) -> str:
    """The steps in columns; at the last one, what each of several came to, if they differ."""
    if not steps:
        return "No packet arrives."
    hidden = len(steps) - MAX_SHOWN
    rows: list[tuple[str, ...]] = [("", "time", "port", "packet", "entries")]
    if hidden > 0:
        rows.append(("…", "", "", f"{hidden} packets before", ""))
    for step in steps[max(0, hidden) :]:
        rows.append((str(step.number), clock(step.time), step.port, summary(step.frame), ""))
        sides: Sides = {"": step.outputs}
        if last is not None and step is steps[-1]:
            sides = last
        for number, (who, outputs) in enumerate(sides.items()):
            entries = ", ".join(step.entries) or "no table"
            yield_entries = entries if number == 0 else ""
            rows += _outputs(step, who, outputs, yield_entries)
    return "\n".join(aligned(rows))


def _outputs(
    step: Step, who: str, outputs: Sequence[Sent], entries: str
) -> Iterator[tuple[str, ...]]:
    if not outputs:
        yield (who, "", "", "nothing comes out", entries)
    for number, sent in enumerate(outputs):
        later = clock(sent.time) if sent.time > step.time else ""
        what = changes(step.frame, sent.frame)
        yield (who if not number else "", later, sent.port, what, entries if not number else "")
