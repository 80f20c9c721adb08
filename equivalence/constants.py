"""The constants of the models' text, by the field or variable that they are held against.

Traffic is biased to them, and candidates for the relation take their bounds from them
(prover.md, 4.3 and 4.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

Leaf = ir.Field | ir.Read | ir.Local | ir.Tag
HOLE = "_"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A test of one value out of a model's text, over the local HOLE."""

    type: ir.Bits
    expr: ir.Expr


def leaves(expr: ir.Expr) -> list[Leaf]:
    """The fields, variables, locals and tags that a value depends on at its top (not in keys)."""
    found: list[Leaf] = []
    stack: list[ir.Expr] = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Leaf):
            found.append(node)
        else:
            stack.extend(c for c in ir.children(node) if isinstance(c, ir.Expr))
    return found


def replace_leaf(expr: ir.Expr, leaf: Leaf, by: ir.Expr) -> ir.Expr:
    """The expression with every occurrence of `leaf` replaced; only through Cast and Arithmetic."""
    if expr == leaf:
        return by
    match expr:
        case ir.Cast(operand=operand, type=type_):
            return ir.Cast(replace_leaf(operand, leaf, by), type_)
        case ir.Arithmetic(op=op, left=left, right=right, type=type_):
            return ir.Arithmetic(
                op, replace_leaf(left, leaf, by), replace_leaf(right, leaf, by), type_
            )
        case ir.Compare(op=op, left=left, right=right):
            return ir.Compare(op, replace_leaf(left, leaf, by), replace_leaf(right, leaf, by))
        case _:
            return expr


def constant_folded(expr: ir.Expr) -> int | None:
    """The value of a constant, also under casts."""
    match expr:
        case ir.Const(value=value) if isinstance(value, int):
            return int(value)
        case ir.Cast(operand=operand, type=ir.Bits() as type_):
            inner = constant_folded(operand)
            return None if inner is None else ir.wrap(inner, type_)
        case _:
            return None


@dataclass(slots=True)
class Constants:
    """What two networks compare with, write and declare."""

    fields: defaultdict[str, set[int]]
    variables: defaultdict[tuple[str, str], set[int]]  # (network letter + instance, var)
    predicates: dict[Predicate, None]
    rulesets: dict[str, tuple[Ruleset, tuple[ir.Expr, ...]]]


def _programs(networks: tuple[ir.Network, ...]) -> Iterator[tuple[str, ir.Program]]:
    for letter, network in zip("ab", networks, strict=False):
        for instance in network.instances:
            yield f"{letter}.{instance.name}", instance.program


def collect(networks: tuple[ir.Network, ...]) -> Constants:
    """Walks the bodies of all programs once."""
    found = Constants(defaultdict(set), defaultdict(set), {}, {})
    for where, program in _programs(networks):
        lets = {n.name: n.value for n in ir.walk(program.body) if isinstance(n, ir.Let)}
        chosen = dict(_chosen(found, program))
        for node in ir.walk(program.body):
            match node:
                case ir.Compare(left=left, right=right):
                    _comparison(found, where, node, left, right, lets)
                    _comparison(found, where, node, right, left, lets)
                case ir.Arithmetic(op=("%" | "/" | "&"), left=left, right=right):
                    # x % n and x & mask bound what a counter that runs round can be.
                    _comparison(found, where, node, left, right, lets)
                case ir.Write(var=var, values=values):
                    for value in values:
                        number = constant_folded(value)
                        if number is not None:
                            found.variables[where, var].add(number)
                        for leaf in leaves(value) if chosen else ():
                            if isinstance(leaf, ir.Local):
                                found.variables[where, var].update(chosen.get(leaf.name, ()))
                case ir.SetField(name=name, value=value):
                    number = constant_folded(value)
                    if number is not None:
                        found.fields[name].add(number)
                case ir.Match(ruleset=ruleset, args=args):
                    found.rulesets.setdefault(ruleset.digest, (ruleset, args))
                case _:
                    pass
        for variable in program.state:
            for key, initial in variable.entries:
                numbers = {int(part) for part in (*key, *initial) if isinstance(part, int)}
                found.variables[where, variable.name] |= numbers
    return found


def _chosen(found: Constants, program: ir.Program) -> Iterator[tuple[str, list[int]]]:
    """The bounds of what is chosen, by local; they are tests of it, too."""
    for node in ir.walk(program.body):
        if isinstance(node, ir.Choose) and isinstance(node.type, ir.Bits):
            hole = ir.Local(HOLE, node.type)
            low, high = constant_folded(node.low), constant_folded(node.high)
            if low is not None:
                test = ir.Compare("<=", ir.Const(low, node.type), hole)
                found.predicates[Predicate(node.type, test)] = None
            if high is not None:
                test = ir.Compare("<=", hole, ir.Const(high, node.type))
                found.predicates[Predicate(node.type, test)] = None
            yield node.name, [n for n in (low, high) if n is not None]


def _comparison(
    found: Constants,
    where: str,
    node: ir.Compare | ir.Arithmetic,
    side: ir.Expr,
    other: ir.Expr,
    lets: dict[str, ir.Expr],
) -> None:
    number = constant_folded(other)
    if number is None:
        return
    tops = set(leaves(side))
    for leaf in tops:
        origin: ir.Expr = leaf
        for _ in range(8):  # a let of a let of …: far enough for people
            if not isinstance(origin, ir.Local) or origin.name not in lets:
                break
            deeper = leaves(lets[origin.name])
            if len(deeper) != 1:
                break
            origin = deeper[0]
        match origin:
            case ir.Field(name=name):
                found.fields[name].add(number)
            case ir.Read(var=var):
                found.variables[where, var].add(number)
            case _:
                pass
    if len(tops) == 1 and isinstance(node, ir.Compare):
        leaf = next(iter(tops))
        if isinstance(leaf.type, ir.Bits) and leaf.type.width > 1:
            hole = ir.Local(HOLE, leaf.type)
            test = replace_leaf(node, leaf, hole)
            plain = (ir.Const, ir.Local, ir.Cast, ir.Arithmetic, ir.Compare)
            if all(isinstance(n, plain) for n in ir.walk((test,))) and leaf not in leaves(test):
                found.predicates[Predicate(leaf.type, test)] = None
