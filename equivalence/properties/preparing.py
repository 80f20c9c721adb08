"""A network and a property as the question that simulation, search and induction get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from nfverify.equivalence.constants import Constants, collect
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.properties.question import Question
from nfverify.equivalence.properties.watch import Watch, watch
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr
from nfverify.smat.ruleset import full

SMALL = 600
"""Rules up to which a list is spelled out for the solver at once."""
SEEDS = 60
"""Rules of each list that traffic is aimed at."""


def unsided(text: str) -> str:
    """A conjunct without the letters of the sides."""
    return re.sub(r"\b[ab]\.(?=[A-Za-z_])", "", text)


def premise_of(claim: ir.Property) -> ir.Property | None:
    """That the left side of a property never holds."""
    if claim.premise is None:
        return None
    return replace(claim, expr=ir.Not(claim.premise), premise=None)


def bounds(network: ir.Network, watched: Watch) -> list[int]:
    """The numbers in a network's text and in a property."""
    bodies = tuple(s for i in network.instances for s in (*i.program.init, *i.program.body))
    nodes = (*ir.walk(bodies), *ir.walk((watched.claim.expr,)))
    found = {int(n.value) for n in nodes if isinstance(n, ir.Const) and type(n.value) is int}
    found |= {
        int(value)
        for i in network.instances
        for v in i.program.state
        for value in v.default
        if type(value) is int
    }
    return sorted(v for v in found if abs(v) < 1 << 62)


def flattened(expr: ir.Expr) -> ir.Expr:
    """The property as if all of it were about one packet: where its constants are found."""

    def change(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Post(operand=operand):
                return operand
            case ir.Since(held=held, begun=begun):
                return ir.And((held, begun))
            case ir.Total(amount=amount):
                return amount
            case ir.Dropped() | ir.OutOfBounds():
                return ir.FALSE
            case ir.OutputPort():
                return ir.Field("iface")
            case _:
                return node

    return mapped_expr(expr, change)


def prepared(
    network: ir.Network, claim: ir.Property, question: Question, whole: bool = True
) -> tuple[Watch, Problem, Constants]:
    """The property made ready, and the question that the solvers get: about IP packets alone if
    all other frames are dropped, or pass by without any NF looking at them. Without `whole`, large
    lists of rules may be any lists: what is proved then holds of these, too."""
    watched = watch(claim)
    looker = watched.network(network.ports)
    roots = [s for i in network.instances for s in (*i.program.init, *i.program.body)]
    invariants = [v.expr for i in network.instances for v in i.program.invariants]
    nodes = ir.walk((*roots, *invariants, claim.expr))
    rulesets = {n.ruleset.digest: n.ruleset for n in nodes if isinstance(n, ir.Match)}
    spelled = {d for d, r in rulesets.items() if whole or len(r.rows) <= SMALL}
    plan = RulesetPlan(rulesets=rulesets, spelled=spelled)
    only_ip = question.drop_non_ip or not any(i.program.sees_non_ip for i in network.instances)
    options = Options(assume=question.assume, drop_non_ip=only_ip)
    sides = Side("a", network), Side("b", looker)
    problem = Problem(*sides, options, plan, question.audit, question.executor)
    test: ir.Stmt = ir.If(flattened(claim.expr), (), ())
    program = replace(looker.instances[0].program, body=(test,))
    aimed = replace(looker, instances=(ir.Instance(program.name, program),))
    return watched, problem, collect((network, aimed))


def spelled(problem: Problem) -> set[str]:
    """The lists of rules whose content the solvers see."""
    assert isinstance(problem.rulesets, RulesetPlan)
    return problem.rulesets.spelled


def seeds(problem: Problem) -> Iterator[dict[str, int]]:
    """Points that some rules of long lists match: random traffic hardly ever does."""
    assert isinstance(problem.rulesets, RulesetPlan)
    for ruleset in problem.rulesets.rulesets.values():
        step = max(1, len(ruleset.rows) // SEEDS)
        for row in ruleset.rows[::step][:SEEDS]:
            yield {
                column: low
                for column, (low, high) in zip(ruleset.columns, row.bounds, strict=True)
                if (low, high) != full(column) and column != "iface"
            }
