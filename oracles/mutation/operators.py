"""The mutation operators: by name what each does, and the changes that it makes at one node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal, TypeVar, assert_never

from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped

OPERATORS: Mapping[str, str] = {
    "constant": "a constant plus or minus one, or the other bool; a string's last byte another, or"
    " left out",
    "sign": "a constant negated",
    "comparison": "== for <=, >=, !=; < for <=, !=, >=; <= for <, ==, >; != for ==, <, >",
    "arithmetic": "+ for -, & for |, << for >>, * for /, % for /, and back; ^ for |",
    "field": "the other field of a pair read or written: sip dip, sport dport, syn ack, ...",
    "and-or": "&& for ||, and back",
    "negation": "a negation left out; the condition of an if, while or ?: negated",
    "guard": "the guard of an entry negated",
    "atom": "a conjunct of a guard, an operand of && or ||, or a pattern left out",
    "key-part": "a part of a key replaced by 0 where it is used, or everywhere",
    "key-direction": "a key of the reversed direction",
    "entry-order": "an entry before the one that precedes it",
    "entry": "an entry left out",
    "action": "an action left out",
    "output": "drop for pass, pass for drop or resubmit, drop for ports",
    "rule": "a rule of a ruleset left out, with the other verdict, or after the next",
    "rule-bound": "a bound of a rule of a ruleset moved by one",
    "initial": "the initial value of a variable plus or minus one",
    "limit": "the timeout or max of a map plus or minus one",
}

_Op = Literal["==", "!=", "<", "<=", ">", ">="]
_COMPARISONS: Mapping[ir.CompareOp, tuple[_Op, ...]] = {
    # Of the six comparisons those that a test can tell apart by one boundary value each (Kaminski,
    # Ammann, Offutt: Improving logic-based testing, 2013), and the opposite.
    "==": ("<=", ">=", "!="),
    "!=": ("<", ">", "=="),
    "<": ("<=", "!=", ">="),
    "<=": ("<", "==", ">"),
}
_ARITHMETIC: Mapping[ir.ArithmeticOp, ir.ArithmeticOp] = {
    **{"+": "-", "-": "+", "*": "/", "/": "*", "%": "/"},
    **{"&": "|", "|": "&", "^": "|", "<<": ">>", ">>": "<<"},
}
_PAIRS = (
    ("sip", "dip"), ("sip6", "dip6"), ("sport", "dport"), ("smac", "dmac"), ("seq", "ack_no"),
    ("flag_syn", "flag_ack"), ("flag_fin", "flag_rst"), ("flag_psh", "flag_urg"),
    ("icmp_id", "icmp_seq"), ("icmp_type", "icmp_code"), ("ttl", "tos"), ("IP4", "IP6"),
)  # fmt: skip
OTHER: Mapping[str, str] = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
_DIRECTION = {a: b for pair in _PAIRS[:3] for a, b in (pair, pair[::-1])}

Keyed = ir.Read | ir.Has | ir.Write | ir.Delete | ir.Touch
K = TypeVar("K", bound=Keyed)
Change = tuple[str, ir.Expr]  # the operator, and what stands there instead


def expression_changes(node: ir.Expr) -> Iterator[Change]:
    """Every expression that an operator makes of this node itself, its parts left alone."""
    match node:
        case ir.Const():
            yield from _constants(node)
        case ir.Field(name=name):
            if name in OTHER:
                yield "field", replace(node, name=OTHER[name])
        case ir.Compare():
            yield from (("comparison", c) for c in _comparisons(node))
        case ir.Arithmetic(op=op):
            yield "arithmetic", replace(node, op=_ARITHMETIC[op])
        case ir.And(operands=operands, span=span):
            yield from _junction(node, ir.Or(operands, span=span))
        case ir.Or(operands=operands, span=span):
            yield from _junction(node, ir.And(operands, span=span))
        case ir.Not(operand=operand):
            yield "negation", operand
        case ir.Conditional(condition=condition):
            yield "negation", replace(node, condition=negated(condition))
        case ir.Read() | ir.Has():
            yield from key_changes(node)
        case ir.Apply(op="PatternMatch", args=(payload, *patterns)) if len(patterns) > 1:
            for i in range(len(patterns)):
                rest = (payload, *patterns[:i], *patterns[i + 1 :])
                yield "atom", replace(node, args=rest)
        case ir.Cast() | ir.Match() | ir.Apply() | ir.Tag() | ir.Local() | ir.Now():
            pass
        case (
            ir.Post() | ir.Dropped() | ir.OutputPort() | ir.OutOfBounds() | ir.Since() | ir.Total()
        ):  # fmt: skip
            pass  # of properties
        case _:
            assert_never(node)


def _constants(node: ir.Const) -> Iterator[Change]:
    value, type_ = node.value, node.type
    match type_:
        case ir.Bool():
            yield "constant", replace(node, value=not value)
        case ir.Bytes():
            assert isinstance(value, bytes)
            if value:
                yield "constant", replace(node, value=value[:-1] + bytes([value[-1] ^ 1]))
            if len(value) > 1:
                yield "constant", replace(node, value=value[:-1])
        case ir.Bits():
            assert isinstance(value, int)
            around = dict.fromkeys(ir.wrap(value + n, type_) for n in (1, -1))
            for other in around:
                yield "constant", replace(node, value=other)
            minus = ir.wrap(-value, type_)
            if type_.signed and minus != value and minus not in around:
                yield "sign", replace(node, value=minus)


def _comparisons(node: ir.Compare) -> Iterator[ir.Expr]:
    left, right, span = node.left, node.right, node.span
    for op in _COMPARISONS[node.op]:
        if op in ("==", "!="):
            yield replace(node, op=op)
        elif isinstance(left.type, ir.Bits) and not (_one_bit(left) or _one_bit(right)):
            match op:
                case "<":
                    yield ir.Compare("<", left, right, span=span)
                case "<=":
                    yield ir.Compare("<=", left, right, span=span)
                case ">":
                    yield ir.Compare("<", right, left, span=span)
                case ">=":
                    yield ir.Compare("<=", right, left, span=span)


def _one_bit(node: ir.Expr) -> bool:
    """Of one bit, <= and >= say what == and != say."""
    while isinstance(node, ir.Cast):
        node = node.operand
    return isinstance(node.type, ir.Bool) or node.type == ir.Bits(1)


def _junction(node: ir.And | ir.Or, other: ir.Expr) -> Iterator[Change]:
    if len(node.operands) > 1:
        yield "and-or", other
        for i in range(len(node.operands)):
            rest = node.operands[:i] + node.operands[i + 1 :]
            yield "atom", rest[0] if len(rest) == 1 else replace(node, operands=rest)


def key_changes(node: K) -> Iterator[tuple[str, K]]:
    """The node with a part of its key constant, and with its key reversed."""
    for i, key in enumerate(node.keys):
        if not isinstance(key, ir.Const):
            yield "key-part", with_keys(node, (*node.keys[:i], nothing(key), *node.keys[i + 1 :]))
    reversed_ = tuple(map(reverse, node.keys))
    if reversed_ != node.keys:
        yield "key-direction", with_keys(node, reversed_)


def with_keys(node: K, keys: tuple[ir.Expr, ...]) -> K:
    """The access by another key."""
    return replace(node, keys=keys)


def nothing(key: ir.Expr) -> ir.Const:
    """The 0 of an expression's type."""
    return ir.Const(ir.zero(key.type), key.type, span=key.span)


def reverse(node: ir.Expr) -> ir.Expr:
    """Sources and destinations swapped."""

    def swap(part: object) -> object:
        if isinstance(part, ir.Field) and part.name in _DIRECTION:
            return replace(part, name=_DIRECTION[part.name])
        return part

    return mapped(node, swap)  # type: ignore[arg-type,return-value]  # an expression stays one


def negated(node: ir.Expr) -> ir.Expr:
    return node.operand if isinstance(node, ir.Not) else ir.Not(node, span=node.span)


def statement_changes(node: ir.Stmt) -> Iterator[tuple[str, ir.Stmt]]:
    """Every statement that an operator makes of this one itself; leaving it out isn't one."""
    match node:
        case ir.SetField(name=name):
            other = OTHER.get(name)
            if other is not None and FIELDS[other].writable:
                yield "field", replace(node, name=other)
        case ir.SetOutput(output=output):
            match output:
                case ir.Forward() | ir.Ports():
                    yield "output", replace(node, output=ir.Drop())
                case ir.Drop() | ir.Resubmit():
                    yield "output", replace(node, output=ir.Forward())
                case ir.Delay():
                    pass  # left out, the packet passes
                case _:
                    assert_never(output)
        case ir.Write() | ir.Delete() | ir.Touch():
            yield from key_changes(node)
        case ir.If(condition=condition) | ir.While(condition=condition):
            yield "negation", replace(node, condition=negated(condition))
        case ir.SetTag() | ir.Push() | ir.Pop() | ir.Let() | ir.Choose() | ir.Table():
            pass
        case _:
            assert_never(node)
