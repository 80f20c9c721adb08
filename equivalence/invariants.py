"""The models' own invariants, and those proposed of both sides, as candidates for the relation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from nfverify.equivalence.consolidate.rewrite import rebuild, transform
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.relation import Candidate
from nfverify.smat import ir


def triable(invariant: ir.Invariant) -> bool:
    """Is it of the state alone (and of packet fields, for all their values)?"""
    return all(map(of_state, ir.walk((invariant.expr,))))


def of_state(node: ir.Node) -> bool:
    """May this stand in a claim on the state? Of the operators, `hash` is the one whose function
    never needs to be named."""
    if isinstance(node, ir.Apply):
        return node.op == "hash"
    return not isinstance(node, ir.Now | ir.Tag | ir.Local)


def own_invariants(problem: Problem) -> Iterator[Candidate]:
    """The models' own `invariant`s and the proposed ones; packet fields in them stand for all
    values."""
    for side in problem.sides:
        for instance in side.network.instances:
            for invariant in instance.program.invariants:
                if triable(invariant):
                    yield _candidate(invariant.expr, partial(side.qualify, instance.name))
    for expr in problem.options.proposed:
        yield _candidate(expr, lambda name: name)


def _candidate(claim: ir.Expr, qualify: Callable[[str], str]) -> Candidate:
    fields: dict[str, ir.Expr] = {}
    for node in ir.walk((claim,)):
        if isinstance(node, ir.Field) and node.name not in fields:
            fields[node.name] = ir.Local(f"k{len(fields)}", node.type)
    types = tuple(k.type for k in fields.values())
    return Candidate("invariant", types, _requalify(claim, fields, qualify), own=True)


def _requalify(expr: ir.Expr, fields: dict[str, ir.Expr], qualify: Callable[[str], str]) -> ir.Expr:
    def visit(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
        match node:
            case ir.Field(name=name):
                return fields[name]
            case ir.Read(var=var, index=index, type=type_):
                return ir.Read(qualify(var), parts, index, type_)
            case ir.Has(var=var):
                return ir.Has(qualify(var), parts)
            case _:
                return rebuild(node, parts)

    return transform(expr, visit)
