"""A node of the IR with other parts: what `ir.children` takes apart, put together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nfverify.smat import ir

Part = ir.Expr | ir.Stmt | ir.Entry


def with_parts(node: Part, parts: tuple[Part, ...]) -> Part:
    """`node` with these children, in the order of `ir.children` and of the same number."""
    match node:
        case (
            ir.Const() | ir.Field() | ir.Tag() | ir.Local() | ir.Now() | ir.Dropped()
            | ir.OutputPort() | ir.OutOfBounds() | ir.Pop()
        ):  # fmt: skip
            return node
        case ir.Read() | ir.Has() | ir.Delete() | ir.Touch():
            return replace(node, keys=parts)  # type: ignore[arg-type]  # parts keep their kinds
        case ir.Not() | ir.Cast() | ir.Post():
            return replace(node, operand=parts[0])  # type: ignore[arg-type]
        case ir.And() | ir.Or():
            return replace(node, operands=parts)  # type: ignore[arg-type]
        case ir.Arithmetic() | ir.Compare():
            return replace(node, left=parts[0], right=parts[1])  # type: ignore[arg-type]
        case ir.Since():
            return replace(node, held=parts[0], begun=parts[1])  # type: ignore[arg-type]
        case ir.Total():
            return replace(node, amount=parts[0])  # type: ignore[arg-type]
        case ir.Conditional():
            test, then, other = parts
            return replace(node, condition=test, then=then, otherwise=other)  # type: ignore[arg-type]
        case ir.Match() | ir.Apply() | ir.Push():
            return replace(node, args=parts)  # type: ignore[arg-type]
        case ir.SetField() | ir.SetTag() | ir.Let():
            return replace(node, value=parts[0])  # type: ignore[arg-type]
        case ir.SetOutput(output=ir.Ports()):
            return replace(node, output=ir.Ports(parts))  # type: ignore[arg-type]
        case ir.SetOutput(output=ir.Delay()):
            return replace(node, output=ir.Delay(parts[0]))  # type: ignore[arg-type]
        case ir.SetOutput():
            return node
        case ir.Write(keys=keys):
            cut = len(keys)
            return replace(node, keys=parts[:cut], values=parts[cut:])  # type: ignore[arg-type]
        case ir.Choose():
            low, high, where = parts
            return replace(node, low=low, high=high, where=where)  # type: ignore[arg-type]
        case ir.If(then=then_):
            cut = 1 + len(then_)
            test, body, other_ = parts[0], parts[1:cut], parts[cut:]
            return replace(node, condition=test, then=body, otherwise=other_)  # type: ignore[arg-type]
        case ir.While():
            return replace(node, condition=parts[0], body=parts[1:])  # type: ignore[arg-type]
        case ir.Entry(match_flow=flow, match_state=state):
            a, b = len(flow), len(flow) + len(state)
            return replace(node, match_flow=parts[:a], match_state=parts[a:b], body=parts[b:])  # type: ignore[arg-type]
        case ir.Table():
            return replace(node, entries=parts)  # type: ignore[arg-type]


def mapped(node: Part, change: Callable[[Part], Part]) -> Part:
    """`node` with `change` applied to each of its nodes, from the leaves up; what doesn't change
    stays the same object."""
    parts = ir.children(node)
    changed = tuple(mapped(part, change) for part in parts)
    if any(a is not b for a, b in zip(parts, changed, strict=True)):
        node = with_parts(node, changed)
    return change(node)


def mapped_expr(expr: ir.Expr, change: Callable[[ir.Expr], ir.Expr]) -> ir.Expr:
    """As `mapped`: an expression has expressions as parts only."""
    return mapped(expr, change)  # type: ignore[arg-type, return-value]
