"""NAT(f): sugar for state that gives each flow an address of a pool (decision 11)."""

from __future__ import annotations

from collections.abc import Iterator

from nfverify.lang import ast
from nfverify.lang.source import Span
from nfverify.smat import ir, values
from nfverify.smat.expressions import typed
from nfverify.smat.scope import Context, Variable
from nfverify.smat.types import FLOW, FLOW_LAYOUT, Set
from nfverify.smat.values import literal, scalar


def before(cx: Context, node: ast.Statement) -> list[ir.Stmt]:
    """For each NAT(x) in a statement: give x an address if it has none (decision 11)."""
    found: list[ir.Stmt] = []
    for call in _calls(node):
        if call.name == "NAT" and len(call.args) == 1:
            if isinstance(node, ast.While):
                hint = "take the address before the loop"
                raise cx.fail(call.span, "nat", "`NAT` can't stand in a loop's condition", hint)
            if cx.mode != "action":
                raise cx.fail(call.span, "nat", "`NAT` stands in the actions of an entry")
            size = _pool(cx, call.span)
            flow = typed(cx, call.args[0], FLOW, "the argument of `NAT`").parts
            span = call.span
            turn = ir.Read("NAT_next", (), 0, ir.INT, span=span)
            take = values.compare("<", scalar(turn), literal(size), span)
            fresh = ir.Not(ir.Has("NAT_given", flow, span=span), span=span)
            address = ir.Read("NAT_pool", (turn,), 0, ir.IP, span=span)
            more = values.arithmetic("+", scalar(turn), literal(1), span).parts
            give = ir.Write("NAT_given", flow, (address,), span=span)
            count = ir.Write("NAT_next", (), more, span=span)
            found.append(ir.If(ir.And((fresh, take), span=span), (give, count), (), span=span))
    return found


def _pool(cx: Context, span: Span) -> int:
    """The number of addresses in the pool; declares NAT's state at its first use."""
    symbol = cx.symbols.get("pool")
    if not isinstance(symbol, Variable) or symbol.type not in (ir.IP, Set(ir.IP)):
        hint = "write `set<IP> pool = {203.0.113.7, 203.0.113.8};`"
        raise cx.fail(span, "nat", "`NAT` takes its addresses from a configuration `pool`", hint)
    cx.used.add("pool")
    addresses: list[ir.Value]
    if symbol.value is not None and isinstance(symbol.value.parts[0], ir.Const):
        addresses = [symbol.value.parts[0].value]
    elif symbol.state is not None and symbol.state.constant:
        addresses = [key for (key,), _ in symbol.state.entries]
    else:
        raise cx.fail(span, "nat", "the `pool` of `NAT` is configuration, and this one is assigned")
    if not cx.hidden:
        entries = tuple([((index,), (address,)) for index, address in enumerate(addresses)])
        cx.hidden += [
            ir.StateVar("NAT_pool", (ir.INT,), (ir.IP,), (0,), "map", entries, constant=True),
            ir.StateVar("NAT_given", FLOW_LAYOUT, (ir.IP,), (0,), "map"),
            ir.StateVar("NAT_next", (), (ir.INT,), (0,), "plain"),
        ]
    return len(addresses)


def _calls(node: ast.Statement) -> Iterator[ast.Call]:
    """The calls in a statement's own expressions."""
    stack: list[object] = []
    match node:
        case ast.Assign(target=target, value=value):
            stack += [target, value]
        case ast.Let(value=value):
            stack.append(value)
        case ast.Push(args=args):
            stack.extend(args)
        case ast.ExprStatement(expr=expr):
            stack.append(expr)
        case ast.If(condition=test) | ast.While(condition=test):
            stack.append(test)
        case _:
            return
    while stack:
        part = stack.pop()
        match part:
            case ast.Call(args=args):
                yield part
                stack.extend(args)
            case ast.Index(base=base, index=index):
                stack += [base, index]
            case ast.SetLiteral(items=items) | ast.TupleLiteral(items=items):
                stack.extend(items)
            case ast.Unary(operand=operand):
                stack.append(operand)
            case ast.Binary(left=left, right=right):
                stack += [left, right]
            case ast.Logical(operands=operands):
                stack.extend(operands)
            case ast.Conditional(condition=test, then=then, otherwise=other):
                stack += [test, then, other]
            case _:
                pass
