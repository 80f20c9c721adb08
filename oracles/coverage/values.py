"""Goals of values: reads that give something else than the default, and remainders that wrap."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.oracles.coverage.conditions import conjunction
from nfverify.smat import ir
from nfverify.smat.unparse import Printer


def telling(
    parts: Sequence[ir.Expr | ir.Stmt], program: ir.Program, out: Printer
) -> list[tuple[ir.Expr, str, ir.Expr]]:
    """For each value in expressions or plain statements: itself, what is wanted of it, and when."""
    found: dict[ir.Expr, tuple[str, ir.Expr]] = {}
    for node in ir.walk(tuple(parts)):
        match node:
            case ir.Read():
                default = program.variable(node.var).default[node.index]
                other = ir.Compare("!=", node, ir.Const(default, node.type))
                if isinstance(node.type, ir.Bool):
                    other = ir.Compare("!=", node, ir.Const(default, ir.BOOL))
                found.setdefault(node, (f"{out.natural(node).text} is not the default", other))
            case ir.Arithmetic(op="%", left=left, type=type_):
                zero = ir.Const(0, type_)
                wraps = conjunction([ir.Compare("==", node, zero), ir.Compare("!=", left, zero)])
                found.setdefault(node, (f"{out.natural(node).text} wraps to 0", wraps))
            case _:
                pass
    return [(node, text, condition) for node, (text, condition) in found.items()]
