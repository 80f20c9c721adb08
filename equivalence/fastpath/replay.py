"""The chain and its fast path side by side on real frames: what a plan's trace shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.replay import NotReproduced, differences_of, port_name, step_of
from nfverify.equivalence.simulate import Pair, Trace
from nfverify.equivalence.verdict import Emitted, Event, SideOfEvent
from nfverify.fastpath.machine import FastMachine
from nfverify.fastpath.plan import Plan
from nfverify.packet.codec import deparse
from nfverify.semantics.machine import Emission, Machine, Output
from nfverify.semantics.operators import Function


class FastPair(Pair):
    """A chain beside the same chain with records; frames count whole, checksums and all."""

    def same(self, a: Sequence[Emission], b: Sequence[Emission]) -> bool:
        return len(a) == len(b) and all(
            x.time == y.time and x.port == y.port and deparse(x.packet) == deparse(y.packet)
            for x, y in zip(a, b, strict=True)
        )

    def states_differ(self) -> bool:
        a, b = self.machines
        return a.snapshot() != b.snapshot()

    def clone(self) -> FastPair:
        a, b = self.machines
        return FastPair(self.problem, (a.clone(), b.clone()))


def fast_pair(
    plan: Plan, operators: Mapping[str, Function] | None = None, *, drop_non_ip: bool = False
) -> FastPair:
    """Fresh machines of both, whose outputs and whole state count. Raises ModelError."""
    options = Options(observe_state=True, drop_non_ip=drop_non_ip)
    a, b = Side("a", plan.network), Side("b", plan.network)
    problem = Problem(a, b, options, lambda terms: lambda ruleset, args: terms.true)
    non_ip: Literal["drop", "bypass"] = "drop" if drop_non_ip else "bypass"
    return FastPair(
        problem,
        (
            Machine(plan.network, operators=operators, non_ip=non_ip),
            FastMachine(plan, operators=operators, non_ip=non_ip),
        ),
    )


def replayed(pair: FastPair, trace: Trace) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """The events of a trace on both, and what differs at the last, else NotReproduced."""
    run = pair.clone()
    chain, fast = run.machines
    assert isinstance(fast, FastMachine)
    ports = fast.network.ports
    events: list[Event] = []
    differences: list[str] = []
    for arrival in trace:
        frame = deparse(arrival.packet)
        out, entries = step_of(chain, arrival.time, arrival.port, frame)
        theirs, walked = step_of(fast, arrival.time, arrival.port, frame)
        if fast.last is not None:
            walked = (*walked, f"record: {fast.last.class_}, {fast.last.path}")
        sides = [
            SideOfEvent(tuple(Emitted(o.time, port_name(ports, o.port), o.frame) for o in sent), by)
            for sent, by in ((out, entries), (theirs, walked))
        ]
        events.append(Event(arrival.time, port_name(ports, arrival.port), frame, *sides))
        differences = [*_outputs(pair.problem, out, theirs), *_state(chain, fast)]
    if not differences:
        raise NotReproduced(f"{len(trace)} packets give the same with and without the fast path")
    return tuple(events), tuple(differences)


def _outputs(problem: Problem, a: list[Output], b: list[Output]) -> Iterator[str]:
    found = list(differences_of(problem, a, b))
    yield from found
    if not found and a != b:
        yield "checksums of what is sent"


def _state(a: Machine, b: Machine) -> Iterator[str]:
    left, right = a.snapshot(), b.snapshot()
    for instance, variables in left.items():
        for name, content in variables.items():
            other = right[instance][name]
            for key in sorted({*content, *other}, key=repr):
                if content.get(key) != other.get(key):
                    at = f"[{', '.join(map(str, key))}]" if key else ""
                    here, there = (_row(s.get(key)) for s in (content, other))
                    yield f"{instance}.{name}{at}: a {here}, b {there}"


def _row(row: Sequence[object] | None) -> str:
    if row is None:
        return "absent"
    return str(row[0]) if len(row) == 1 else f"({', '.join(map(str, row))})"
