"""Expressions of the IR as C expressions in Cython; state look-ups stand before them as cursors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import assert_never

from nfverify.cythonized import access
from nfverify.cythonized.body import Body
from nfverify.cythonized.ctypes_of import carrier, literal, variable
from nfverify.cythonized.layout import size
from nfverify.cythonized.rulesets import few_rows
from nfverify.semantics import values
from nfverify.semantics.engine import unreachable
from nfverify.semantics.values import compare
from nfverify.smat.ir import (
    And,
    Apply,
    Arithmetic,
    Bits,
    Bool,
    Bytes,
    Cast,
    Compare,
    Conditional,
    Const,
    Dropped,
    Expr,
    Field,
    Has,
    Local,
    Match,
    Not,
    Now,
    Or,
    OutOfBounds,
    OutputPort,
    Post,
    Read,
    Since,
    Tag,
    Total,
    Type,
    Value,
    walk,
)

# Constants to C but not to Cython, which refuses code that it takes for unreachable.
YES = "nf_yes()"
NO = "nf_no()"


def expression(body: Body, node: Expr) -> str:
    """The text; it has no effect, and holds as long as nothing is written."""
    if isinstance(node, And | Or | Not | Compare) and body.plan.plain and not body.settled:
        truth = plain_truth(node, body.plan.written)
        if truth is not None:
            body.settled = True
            text = _expression(body, node)
            body.settled = False
            known = f"fast | {_bit(text)}" if truth else f"(fast ^ 1) & {_bit(text)}"
            return f"(({known}) != 0)"
    return _expression(body, node)


def _expression(body: Body, node: Expr) -> str:
    match node:
        case Const(value=value):
            if isinstance(value, bytes):
                return f"nf_slice_of({body.resources.string(value)}, {len(value)})"
            if isinstance(node.type, Bool):
                return YES if value else NO
            return literal(value, node.type)
        case Field(name=name):
            return field(body, name)
        case Tag(name=name):
            return f"p.tags[{body.plan.tags[name]}]"
        case Local(name=name):
            return body.locals[name]
        case Now():
            return "now"
        case Read():
            return access.read(body, node)
        case Has():
            return access.has(body, node)
        case Not(operand=operand):
            return f"(not {body.value(operand)})"
        case And(operands=operands):
            return _chain(body, operands, conjunction=True)
        case Or(operands=operands):
            return _chain(body, operands, conjunction=False)
        case Arithmetic():
            return _arithmetic(body, node)
        case Compare(op=op, left=left, right=right):
            if isinstance(left.type, Bytes):
                same = f"nf_same_bytes({body.value(left)}, {body.value(right)})"
                return same if op == "==" else f"(not {same})"
            if isinstance(left, Const) and isinstance(right, Const):
                return YES if compare(op, left.value, right.value) else NO
            decided = _decided(node)
            return decided or f"({body.value(left)} {op} {body.value(right)})"
        case Conditional():
            return _conditional(body, node)
        case Cast(operand=operand, type=target):
            return cast(body.value(operand), operand.type, target)
        case Match(ruleset=ruleset, args=args):
            return f"{body.resources.ruleset(ruleset)}({', '.join(map(body.value, args))})"
        case Apply():
            return body.plan.visitor.visit_operator(body, node)
        case Post() | Dropped() | OutputPort() | OutOfBounds() | Since() | Total():
            raise unreachable(node)
        case _:
            assert_never(node)


def _decided(node: Compare) -> str:
    """A constant if a bound is at the end of its type, where compilers warn of the comparison."""
    type_ = node.left.type
    if node.op not in ("<", "<=") or not isinstance(type_, Bits):
        return ""
    least = -(1 << type_.width - 1) if type_.signed else 0
    most = least + (1 << type_.width) - 1
    match node.op, node.left, node.right:
        case ("<", _, Const(value=value)) if value == least:
            return NO
        case ("<=", _, Const(value=value)) if value == most:
            return YES
        case ("<", Const(value=value), _) if value == most:
            return NO
        case ("<=", Const(value=value), _) if value == least:
            return YES
    return ""


def field(body: Body, name: str) -> str:
    """A field as it is now: in the packet's head, in a member of its own if the network writes
    it, else in the frame."""
    if name in body.plan.held:
        return f"p.f_{name}"
    return "nf_payload_of(h, fast)" if name == "payload" else f"nf_{name}(h, fast)"


# What is known of plain frames ------------------------------------------------------------------

_PLAIN = {"IP4": 1, "IP6": 0, "L4": 1, "FRAG": 0}
_PLAIN_PROTOCOLS = (6, 17)


def plain_truth(node: Expr, written: Collection[str]) -> bool | None:
    """What a test is for every plain frame (IPv4 with TCP or UDP, no fragment), if it looks at
    nothing else; None: it depends."""
    known = {*_PLAIN, *([] if "proto" in written else ["proto"])}
    if any(
        (isinstance(n, Field) and n.name not in known)
        or not isinstance(n, Field | Const | And | Or | Not | Compare | Cast | Arithmetic)
        for n in walk((node,))
    ):
        return None
    if not any(isinstance(n, Field) for n in walk((node,))):
        return None
    found = {evaluated(node, {**_PLAIN, "proto": proto}) for proto in _PLAIN_PROTOCOLS}
    return bool(found.pop()) if len(found) == 1 else None


def evaluated(node: Expr, fields: Mapping[str, int]) -> Value:
    """The value of an expression over constants and these fields."""
    match node:
        case Const(value=value):
            return value
        case Field(name=name):
            return fields[name]
        case Not(operand=operand):
            return not evaluated(operand, fields)
        case And(operands=operands):
            return all(evaluated(o, fields) for o in operands)
        case Or(operands=operands):
            return any(evaluated(o, fields) for o in operands)
        case Compare(op=op, left=left, right=right):
            return compare(op, evaluated(left, fields), evaluated(right, fields))
        case Cast(operand=operand, type=target):
            return values.cast(evaluated(operand, fields), target)
        case Arithmetic(op=op, left=left, right=right, type=type_):
            one, other = evaluated(left, fields), evaluated(right, fields)
            return values.arithmetic(
                op, values.number(one), values.number(other), values.bits(type_)
            )
    raise TypeError(f"not evaluated: {node}")


# Short circuits -----------------------------------------------------------------------------


def cheap(node: Expr) -> bool:
    """Costs less than a mispredicted branch, and needs nothing computed first."""
    return not any(
        isinstance(n, Read | Has | Apply)
        or (isinstance(n, Match) and not few_rows(n.ruleset))
        or (isinstance(n, Arithmetic) and n.op in ("/", "%"))
        or (isinstance(n, Compare) and isinstance(n.left.type, Bytes))
        or (isinstance(n, Field) and n.name == "payload")
        for n in walk((node,))
    )


def _chain(body: Body, operands: tuple[Expr, ...], *, conjunction: bool) -> str:
    """Operands that are cheap are joined without branches; what must be computed for a later one
    is computed only if it matters."""
    if not operands:
        return YES if conjunction else NO
    if len(operands) == 1:
        return body.value(operands[0])
    if all(map(cheap, operands)):
        joined = " & " if conjunction else " | "
        return f"({joined.join(map(_bit, map(body.value, operands)))})"
    word = " and " if conjunction else " or "
    parts: list[str] = [body.value(operands[0])]
    result = ""
    depth = body.function.depth
    for operand in operands[1:]:
        with body.function.captured() as lines, body.branch():
            text = body.value(operand)
        if not lines:
            parts.append(text)
            continue
        so_far = f"({word.join(parts)})" if len(parts) > 1 else parts[0]
        if not result:
            result = body.function.declare("bint", "c")
        body.emit(f"{result} = {so_far}")
        body.emit(f"if {result}:" if conjunction else f"if not {result}:")
        body.function.lines.extend("    " + line for line in lines)
        body.function.depth += 1
        body.emit(f"{result} = {text}")
        body.function.depth = depth
        parts = [result]
    return f"({word.join(parts)})" if len(parts) > 1 else parts[0]


def _bit(text: str) -> str:
    """A bool as 0 or 1: a comparison is that already, `not x` binds weaker than &."""
    return text if text.startswith("(") else f"({text})"


def _conditional(body: Body, node: Conditional) -> str:
    condition = body.value(node.condition)
    with body.function.captured() as first, body.branch():
        then = body.value(node.then)
    with body.function.captured() as second, body.branch():
        otherwise = body.value(node.otherwise)
    ctype = variable(node.type)
    if not first and not second:
        if isinstance(node.type, Bytes):
            return f"nf_slice_if({condition}, {then}, {otherwise})"
        return f"(<{ctype}>{then} if {condition} else <{ctype}>{otherwise})"
    result = body.function.declare(ctype, "c")
    for head, lines, text in ((f"if {condition}:", first, then), ("else:", second, otherwise)):
        body.emit(head)
        body.function.lines.extend("    " + line for line in lines)
        body.function.depth += 1
        body.emit(f"{result} = {text}")
        body.function.depth -= 1
    return result


# Numbers ------------------------------------------------------------------------------------


def _arithmetic(body: Body, node: Arithmetic) -> str:
    type_ = node.type
    assert isinstance(type_, Bits)
    left, right = body.value(node.left), body.value(node.right)
    bits = max(32, 8 * size(type_))
    unsigned, own = f"u{bits}", f"{'i' if type_.signed else 'u'}{bits}"
    letter = own[0]
    match node.op:
        case "&" | "|" | "^":
            return f"<{carrier(type_)}>({left} {node.op} {right})"
        case "+" | "-" | "*":
            text = f"(<{unsigned}>{left} {node.op} <{unsigned}>{right})"
        case "/" | "%":
            name = "div" if node.op == "/" else "rem"
            text = f"nf_{name}_{letter}{bits}(<{own}>{left}, <{own}>{right})"
        case "<<":
            text = f"nf_shl_u{bits}(<{unsigned}>{left}, {_amount(right, type_)}, {type_.width})"
        case ">>":
            amount = _amount(right, type_)
            text = f"nf_shr_{letter}{bits}(<{own}>{left}, {amount}, {type_.width})"
        case _:
            assert_never(node.op)
    return wrapped(text, bits, type_)


def _amount(text: str, type_: Bits) -> str:
    """The amount of a shift, read as unsigned."""
    unsigned = f"<u{max(32, 8 * size(type_))}>{text}"
    return f"({unsigned} & {_mask(type_.width)})" if type_.signed else unsigned


def _mask(width: int) -> str:
    return literal((1 << width) - 1, Bits(width))


def wrapped(text: str, bits: int, type_: Bits) -> str:
    """A number of `bits` bits (32, 64 or 128) brought into the range of the type."""
    own = carrier(type_)
    if type_.width == 8 * size(type_):
        return f"<{own}>{text}"
    if type_.signed:
        return f"<{own}>nf_sign_{bits}(<u{bits}>{text}, {type_.width})"
    return f"<{own}>({text} & {_mask(type_.width)})"


def cast(text: str, source: Type, target: Type) -> str:
    """By value, as in C."""
    match source, target:
        case _, Bool():
            return text if isinstance(source, Bool) else f"({text} != 0)"
        case Bool(), Bits() as bits:
            number = f"(<{carrier(bits)}>({text}))"
            return f"(-{number})" if bits.signed and bits.width == 1 else number
        case Bits() as old, Bits() as new:
            if _holds(new, old):
                return f"<{carrier(new)}>{text}"
            width = max(32, 8 * size(old), 8 * size(new))
            # The conversion to an unsigned type extends by the operand's own sign.
            return wrapped(f"(<u{width}>{text})", width, new)
        case Bytes(), Bytes():
            return text
    raise TypeError(f"no conversion of {source} to {target}")


def _holds(new: Bits, old: Bits) -> bool:
    if old.signed:
        return new.signed and new.width >= old.width
    return new.width > old.width if new.signed else new.width >= old.width
