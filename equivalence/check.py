"""Checks of one program that need a solver: entries that no packet reaches, packets that no entry
takes, resubmission without end. They have a budget, and say what they did not decide."""

from __future__ import annotations

import time
from collections.abc import Iterator

from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.packets import arriving_packet
from nfverify.equivalence.predicates import RulesetPlan, matches_of
from nfverify.equivalence.problem import Model, Options, Problem, Side
from nfverify.equivalence.solver import OutOfTime, Solver, Translator
from nfverify.equivalence.state import MAX_ENTRIES
from nfverify.equivalence.symbolic import Taken
from nfverify.equivalence.terms import Term, Terms
from nfverify.lang.source import Diagnostic
from nfverify.smat import ir

BUDGET = 1.0  # s of one program
RLIMIT = 1_000_000
MANY = 200
"""Entries beyond which only the guards of the first table are looked at."""


def solver_checks(network: ir.Network) -> Iterator[Diagnostic]:
    """Warnings about a program on its own (a chain's programs are checked one by one)."""
    if len(network.instances) != 1:
        return
    program = network.instances[0].program
    deadline = time.monotonic() + BUDGET
    terms, translator = Terms(), Translator()
    solver = Solver(translator, "", deadline=deadline, rlimit=RLIMIT)
    side = Solver(translator, "", deadline=deadline, rlimit=RLIMIT)
    plan = RulesetPlan({m.ruleset.digest: m.ruleset for m in matches_of(network)})
    problem = Problem(Side("a", network), Side("b", network), Options(), plan)
    model = Model(problem, terms, side.feasible)
    executor = model.executors[0]
    state, _ = model.arbitrary_state()
    packet, facts = arriving_packet(terms, "", problem.port_count, False, problem.tunnels)
    solver.add(*facts)
    now = terms.var("now", 64)
    try:
        nodes = list(ir.walk(program.body))
        opaque = any(isinstance(n, ir.Choose | ir.Touch) for n in nodes)
        opaque = opaque or any(v.aged or len(v.entries) > MAX_ENTRIES for v in program.state)
        if opaque or sum(isinstance(n, ir.Entry) for n in nodes) > MANY:
            executor.only_guards(state, packet, now)
        else:
            executor.packet_step(state, packet, now)
    except Unsupported as exception:
        yield _undecided(program, str(exception))
        return
    except OutOfTime:
        yield _undecided(program, "time ran out")
        return
    if packet.arrived is not None:
        solver.add(*packet.arrived.facts())
    seen = Reached(terms, solver, tuple(executor.taken))
    yield from seen.unreachable()
    yield from seen.gaps()
    for asked, overrun in executor.overruns:
        try:
            if solver.feasible(asked):
                message = (
                    f"a packet may be resubmitted more than {ir.MAX_PASSES} times: it is dropped"
                )
                hint = "mark with a tag what was resubmitted, and match on it"
                yield Diagnostic("warning", "resubmit", message, overrun.span, hint)
        except OutOfTime:
            yield _undecided(program, "how often a packet is resubmitted")


def _undecided(program: ir.Program, why: str) -> Diagnostic:
    message = f"which entries are reached was not decided: {why}"
    return Diagnostic("warning", "undecided", message, program.span)


class Reached:
    """The entries and gaps of the tables that one step runs through."""

    def __init__(self, terms: Terms, solver: Solver, taken: tuple[Taken, ...]) -> None:
        self.terms = terms
        self.solver = solver
        self.entries: dict[int, tuple[ir.Entry, list[Term]]] = {}
        self.left: dict[int, tuple[ir.Table, list[Term]]] = {}
        for one in taken:
            if one.entry is not None:
                self.entries.setdefault(id(one.entry), (one.entry, []))[1].append(one.guard)
            else:
                self.left.setdefault(id(one.table), (one.table, []))[1].append(one.guard)
        self.tables = [table for table, _ in self.left.values()]

    def unreachable(self) -> Iterator[Diagnostic]:
        """Entries whose guard no packet satisfies in any state, the earlier ones considered."""
        for table in self.tables:
            for entry in table.entries:
                _, guards = self.entries.get(id(entry), (entry, []))
                try:
                    reached = self.solver.feasible(self.terms.any(guards))
                except OutOfTime:
                    message = (
                        "not decided in time: whether a packet gets here, and to later entries"
                    )
                    yield Diagnostic("warning", "undecided", message, entry.span)
                    return
                if not reached:
                    message = "no packet gets here: the entries before take all that match"
                    yield Diagnostic("warning", "unreachable", message, entry.span)

    def gaps(self) -> Iterator[Diagnostic]:
        """Tables with no entry for some packet in some state."""
        for table, guards in self.left.values():
            span = table.entries[-1].span
            try:
                open_ = self.solver.feasible(self.terms.any(guards))
            except OutOfTime:
                message = "not decided in time: whether every packet finds an entry"
                yield Diagnostic("warning", "undecided", message, span)
                return
            if open_:
                message = "a packet that no entry matches is forwarded unchanged"
                hint = "end with `entry { action_flow { pass; } }` or `drop`"
                yield Diagnostic("warning", "gap", message, span, hint)
