"""The models' own invariants as candidates for the relation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from nfverify.equivalence.consolidate.rewrite import rebuild, transform
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.relation import Candidate
from nfverify.smat import ir


def triable(invariant: ir.Invariant) -> bool:
    """Is it of the state alone (and of packet fields, for all their values)?"""
    return not any(
        isinstance(n, ir.Now | ir.Tag | ir.Local | ir.Apply) for n in ir.walk((invariant.expr,))
    )


def own_invariants(problem: Problem) -> Iterable[Candidate]:
    """The models' own `invariant`s; packet fields in them stand for all values."""
    for side in problem.sides:
        for instance in side.network.instances:
            for invariant in instance.program.invariants:
                if not triable(invariant):
                    continue
                fields: dict[str, ir.Expr] = {}
                for node in ir.walk((invariant.expr,)):
                    if isinstance(node, ir.Field) and node.name not in fields:
                        fields[node.name] = ir.Local(f"k{len(fields)}", node.type)
                types = tuple(k.type for k in fields.values())
                expr = _requalify(invariant.expr, fields, partial(side.qualify, instance.name))
                yield Candidate("invariant", types, expr, own=True)


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
