"""`--assume`: which arrivals are looked at, for the solver and for the reference semantics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nfverify.equivalence.expressions import evaluate_expr
from nfverify.equivalence.packets import arriving_packet
from nfverify.equivalence.problem import MAX_TIME_BITS, PacketScope, Problem
from nfverify.equivalence.simulate import Arrival
from nfverify.equivalence.solver import Solver, Translator
from nfverify.equivalence.terms import Terms
from nfverify.lang.source import Diagnostic, ModelError
from nfverify.semantics import walk
from nfverify.semantics.engine import DROP, Context
from nfverify.semantics.operators import Function
from nfverify.smat import ir

RLIMIT = 50_000_000


def check_satisfiable(problem: Problem, deadline: float) -> None:
    """ModelError if no packet at all satisfies the assumption: every verdict would be vacuous.

    If the solver cannot tell, the question goes on: an `equivalent` shows by its certificate that
    its assumptions hold of something.
    """
    assume = problem.options.assume
    if assume is None:
        return
    terms = Terms()
    packet, facts = arriving_packet(terms, "", problem.port_count, problem.options.drop_non_ip)
    now = terms.var("now", 64)
    facts.append(terms.compare("ult", now, terms.const(1 << MAX_TIME_BITS, 64)))
    facts.append(
        evaluate_expr(terms, PacketScope(terms, packet, now, problem.rulesets(terms)), assume)
    )
    solver = Solver(Translator(), "", deadline=deadline, rlimit=RLIMIT)
    solver.add(*facts)
    if solver.check() == "unsat":
        hint = "f[sport] and the like are 0 in a packet without their header"
        message = "no packet satisfies the assumption"
        raise ModelError(Diagnostic("error", "assume", message, assume.span, hint))


def judge(problem: Problem, operators: Mapping[str, Function]) -> Callable[[Arrival], bool]:
    """Does an arrival satisfy the assumption, as the reference semantics evaluates it?"""
    assume = problem.options.assume
    if assume is None:
        return lambda arrival: True
    refuse = ir.If(assume, (), (ir.SetOutput(ir.Drop()),))
    program = ir.Program("assumption", (), (), (), (), (), (refuse,))
    body = walk.build(program, Context(problem.port_count, {}, operators)).body

    def holds(arrival: Arrival) -> bool:
        packet = arrival.packet.copy()
        packet.iface = arrival.port
        return body(packet, [], arrival.time, [], {}) != DROP

    return holds
