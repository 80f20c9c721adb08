"""Constants of a program evaluated, by the reference's own arithmetic.

Not for speed: Cython evaluates what is constant by itself, as Python's numbers (0 - 1 >> 4 of a
u32 is -1), and takes every cast constant for true. So it must see no operation on constants only.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch

from nfverify.semantics.values import arithmetic, bits, cast, compare, number, truth
from nfverify.smat.ir import (
    BOOL,
    FALSE,
    INT,
    TIME,
    TRUE,
    And,
    Apply,
    Arithmetic,
    Bits,
    Bool,
    Cast,
    Choose,
    Compare,
    CompareOp,
    Conditional,
    Const,
    Delay,
    Delete,
    Entry,
    Expr,
    Field,
    Has,
    If,
    Let,
    Match,
    Network,
    Not,
    Now,
    Or,
    Pop,
    Ports,
    Program,
    Push,
    Read,
    SetField,
    SetOutput,
    SetTag,
    Stmt,
    Table,
    Tag,
    Touch,
    While,
    Write,
    walk,
)

BUILT_IN = frozenset({"hash", "PatternMatch", "Encrypt", "Decrypt"})
Range = tuple[int, int]


def folded_network(network: Network) -> Network:
    """The same network of folded programs: what code is generated from."""
    programs = {id(i.program): folded(i.program) for i in network.instances}
    instances = tuple(replace(i, program=programs[id(i.program)]) for i in network.instances)
    return replace(network, instances=instances)


def folded(program: Program) -> Program:
    """The same program; rows that no packet takes stay, with the guard `false`.

    What is left out may have been the only mention of a tag, of the clock or of a link-layer field
    (on which it depends whether the NF sees frames that are no IP): an `if (false)` mentions it.
    """
    init, body = statements(program.init), statements(program.body)
    made = replace(program, init=init, body=body)
    kept = _mentions(made)
    left_out = tuple(statement for statement in _mentions(program) if statement not in kept)
    return replace(made, body=(*body, If(FALSE, left_out, ()))) if left_out else made


def _mentions(program: Program) -> list[Stmt]:
    """A statement that does nothing for each fact on which more than the code depends."""
    nodes = tuple(walk(program.init + program.body))
    tags = {n.name for n in nodes if isinstance(n, Tag | SetTag)}
    found: list[Stmt] = [SetTag(name, Const(0, INT)) for name in sorted(tags)]
    if any(isinstance(n, Now) for n in walk(program.body)):
        found.append(If(Compare("==", Now(), Const(0, TIME)), (), ()))
    if program.sees_non_ip:
        link = Field("ethertype")
        found.append(If(Compare("==", link, Const(0, link.type)), (), ()))
    return found


# Expressions ------------------------------------------------------------------------------


def expressions(nodes: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return tuple(map(expression, nodes))


@singledispatch
def expression(node: Expr) -> Expr:
    """With all that is constant in it evaluated."""
    return node


@expression.register(Read)
@expression.register(Has)
def _keyed(node: Read | Has) -> Expr:
    return replace(node, keys=expressions(node.keys))


@expression.register
def _not(node: Not) -> Expr:
    operand = expression(node.operand)
    if isinstance(operand, Const):
        return _bool(node, not operand.value)
    return replace(node, operand=operand)


@expression.register(And)
@expression.register(Or)
def _junction(node: And | Or) -> Expr:
    """What decides it ends it: nothing behind that is evaluated."""
    decides = isinstance(node, Or)
    kept: list[Expr] = []
    for operand in expressions(node.operands):
        if not isinstance(operand, Const):
            kept.append(operand)
        elif truth(operand.value) is decides:
            if not kept:
                return _bool(node, decides)
            kept.append(operand)
            break
    if kept and isinstance(kept[-1], Const) and not any(map(_may_fail, kept)):
        return _bool(node, decides)
    if not kept:
        return _bool(node, not decides)
    return kept[0] if len(kept) == 1 else replace(node, operands=tuple(kept))


def _may_fail(node: Expr) -> bool:
    """Does it call a user's function, which may raise?"""
    return any(isinstance(n, Apply) and n.op not in BUILT_IN for n in walk((node,)))


@expression.register
def _arithmetic(node: Arithmetic) -> Expr:
    left, right = expression(node.left), expression(node.right)
    if isinstance(left, Const) and isinstance(right, Const):
        value = arithmetic(node.op, number(left.value), number(right.value), bits(node.type))
        return Const(value, node.type, span=node.span)
    return replace(node, left=left, right=right)


@expression.register
def _compare(node: Compare) -> Expr:
    left, right = expression(node.left), expression(node.right)
    if isinstance(left, Const) and isinstance(right, Const):
        return _bool(node, compare(node.op, left.value, right.value))
    if not _may_fail(left) and not _may_fail(right):
        known = _by_ranges(node.op, _range(left), _range(right))
        if known is not None:
            return _bool(node, known)
    return replace(node, left=left, right=right)


def _by_ranges(op: CompareOp, left: Range | None, right: Range | None) -> bool | None:
    """What a comparison of anything in two ranges gives, if it is always the same."""
    if left is None or right is None:
        return None
    apart = left[1] < right[0] or right[1] < left[0]
    match op:
        case "<":
            return True if left[1] < right[0] else False if left[0] >= right[1] else None
        case "<=":
            return True if left[1] <= right[0] else False if left[0] > right[1] else None
        case "==":
            return False if apart else None
        case "!=":
            return True if apart else None


def _range(node: Expr) -> Range | None:
    """Bounds of a number, inclusive; None for what is none."""
    match node:
        case Const(value=int(value), type=Bits()):
            return value, value
        case Cast(operand=operand, type=Bits() as type_):
            inner = (0, 1) if isinstance(operand.type, Bool) else _range(operand)
            limits = _limits(type_)
            fits = inner is not None and limits[0] <= inner[0] and inner[1] <= limits[1]
            return inner if fits else limits
        case Arithmetic(op="&", right=Const(value=int(mask))) if mask >= 0:
            return 0, mask
        case Arithmetic(op="&", left=Const(value=int(mask))) if mask >= 0:
            return 0, mask
    return _limits(node.type) if isinstance(node.type, Bits) else None


def _limits(type_: Bits) -> Range:
    if type_.signed:
        return -(1 << type_.width - 1), (1 << type_.width - 1) - 1
    return 0, (1 << type_.width) - 1


@expression.register
def _conditional(node: Conditional) -> Expr:
    condition = expression(node.condition)
    then, otherwise = expression(node.then), expression(node.otherwise)
    if isinstance(condition, Const):
        return then if truth(condition.value) else otherwise
    return replace(node, condition=condition, then=then, otherwise=otherwise)


@expression.register
def _cast(node: Cast) -> Expr:
    operand = expression(node.operand)
    if isinstance(operand, Const):
        return Const(cast(operand.value, node.type), node.type, operand.name, span=node.span)
    return replace(node, operand=operand)


@expression.register
def _match(node: Match) -> Expr:
    args = expressions(node.args)
    values = [number(arg.value) for arg in args if isinstance(arg, Const)]
    if len(values) == len(args):
        return _bool(node, node.ruleset.accepts(values))
    return replace(node, args=args)


@expression.register
def _apply(node: Apply) -> Expr:
    """Not evaluated: a call is no operation that Cython knows."""
    return replace(node, args=expressions(node.args))


def _bool(node: Expr, value: object) -> Const:
    return Const(bool(value), BOOL, span=node.span)


# Statements -------------------------------------------------------------------------------


def statements(nodes: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """With what is constant in them evaluated; an `if` of a constant becomes one of its sides."""
    return tuple(made for node in nodes for made in _statement(node))


def _statement(node: Stmt) -> tuple[Stmt, ...]:
    match node:
        case Pop():
            return (node,)
        case Push(args=args):
            return (replace(node, args=expressions(args)),)
        case SetField() | SetTag() | Let():
            return (replace(node, value=expression(node.value)),)
        case Write():
            keys, values = expressions(node.keys), expressions(node.values)
            return (replace(node, keys=keys, values=values),)
        case Delete(keys=keys) | Touch(keys=keys):
            return (replace(node, keys=expressions(keys)),)
        case SetOutput(output=Ports(ports=ports)):
            return (replace(node, output=Ports(expressions(ports))),)
        case SetOutput(output=Delay(delay=delay)):
            return (replace(node, output=Delay(expression(delay))),)
        case SetOutput():
            return (node,)
        case Choose():
            return (
                replace(
                    node,
                    low=expression(node.low),
                    high=expression(node.high),
                    where=expression(node.where),
                ),
            )
        case If():
            return _if(node)
        case While():
            condition = expression(node.condition)
            if condition == FALSE:
                return ()
            return (replace(node, condition=condition, body=statements(node.body)),)
        case Table():
            return (replace(node, entries=tuple(map(_entry, node.entries))),)


def _if(node: If) -> tuple[Stmt, ...]:
    condition = expression(node.condition)
    then, otherwise = statements(node.then), statements(node.otherwise)
    if isinstance(condition, Const):
        return then if truth(condition.value) else otherwise
    return (replace(node, condition=condition, then=then, otherwise=otherwise),)


def _entry(entry: Entry) -> Entry:
    """Conjuncts that hold anyway go; one that never does stands for the whole guard."""
    flow = tuple(test for test in expressions(entry.match_flow) if test != TRUE)
    state = tuple(test for test in expressions(entry.match_state) if test != TRUE)
    body = statements(entry.body)
    if FALSE in flow + state and not any(map(_may_fail, flow + state)):
        flow, state = (FALSE,), ()
    return replace(entry, match_flow=flow, match_state=state, body=body)
