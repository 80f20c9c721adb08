"""Candidates that no template has: arithmetic between the numbers of a state, read off the states
that simulation came by (in the manner of Daikon: Ernst et al., TSE 2001).

They are guesses, as all candidates are; a wrong one costs time, never soundness.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product
from math import gcd

from nfverify.equivalence.components import Component, at_most, equal, implies, locals_of, number
from nfverify.equivalence.invariants import of_state
from nfverify.equivalence.problem import Side
from nfverify.equivalence.relation import Candidate, Key
from nfverify.equivalence.simulate import Snapshot
from nfverify.equivalence.templates import fit, plain_field
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr

MAX_ROWS = 300
MAX_COMPONENTS = 14  # of one kind of key
MAX_MODULUS = 4096
MAX_FACTOR = 16
FEW = 6  # values that an enumeration may have
SIGNS = ((1, 1, -1), (1, -1, 1), (-1, 1, 1), (1, 1, 1))
WIDEST = 64  # bits of a number that is calculated with


@dataclass(frozen=True, slots=True)
class Column:
    """A number of the state: how it is written, and its values, row by row."""

    component: Component
    expr: ir.Expr
    values: tuple[int, ...]

    @property
    def type(self) -> ir.Bits:
        assert isinstance(self.expr.type, ir.Bits)
        return self.expr.type


def learned(components: Sequence[Component], snapshots: Sequence[Snapshot]) -> Iterator[Candidate]:
    """What was true of all states that were seen, and is not so by itself."""
    for keys, columns in _groups(components, snapshots):
        seen: set[ir.Expr] = set()
        for expr in _claims(columns):
            if expr not in seen:
                seen.add(expr)
                yield Candidate("learned", keys, expr)


def stored(sides: Sequence[Side], components: Sequence[Component]) -> Iterator[Candidate]:
    """What stands under a key is what the text computes of that key when it is written."""
    numbers = {(c.var, c.index): c for c in components if c.keys and c.index is not None}
    for side in sides:
        for instance in side.network.instances:
            body = instance.program.body
            lets = {n.name: n.value for n in ir.walk(body) if isinstance(n, ir.Let)}
            for node in ir.walk(body):
                if not isinstance(node, ir.Write):
                    continue
                name = side.qualify(instance.name, node.var)
                for index, value in enumerate(node.values):
                    component = numbers.get((name, index))
                    if component is not None:
                        yield from _stored(component, node.keys, value, lets)


class _OfMore(Exception):
    """An expression that is not of the key alone."""


def _stored(
    component: Component,
    keys: Sequence[ir.Expr],
    value: ir.Expr,
    lets: Mapping[str, ir.Expr],
) -> Iterator[Candidate]:
    ks = locals_of(component.keys)
    known: dict[str, ir.Expr] = {}
    for expr, k in zip(keys, ks, strict=True):
        name = plain_field(expr)
        if name is not None:
            known[name] = k

    def change(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Local(name=name) if name in lets and name not in seen:
                seen.add(name)
                return mapped_expr(lets[name], change)
            case ir.Field(name=name) if name in known:
                return fit(known[name], node.type)
            case ir.Local() if node in ks:
                return node
            case ir.Field() | ir.Local():
                raise _OfMore
            case _ if not of_state(node) or isinstance(node, ir.Read | ir.Has):
                raise _OfMore
            case _:
                return node

    seen: set[str] = set()
    try:
        made = mapped_expr(value, change)
    except _OfMore:
        return
    if made.type == component.type:
        same = ir.Compare("==", component.at(ks), made)
        yield Candidate("learned", component.keys, same)
        yield Candidate("learned", component.keys, implies(ir.Has(component.var, ks), same))


# Rows -----------------------------------------------------------------------------------------


def _groups(
    components: Sequence[Component], snapshots: Sequence[Snapshot]
) -> Iterator[tuple[tuple[ir.Type, ...], list[Column]]]:
    """The numbers under one kind of key."""
    groups: dict[tuple[ir.Type, ...], list[Component]] = {}
    for one in components:
        if one.index is not None and isinstance(one.type, ir.Bits) and one.type.width <= WIDEST:
            groups.setdefault(one.keys, []).append(one)
    for keys, group in groups.items():
        chosen = group[:MAX_COMPONENTS]
        rows = list(_rows(chosen, snapshots))
        if len(rows) > 2:
            ks = locals_of(keys)
            yield (
                keys,
                [
                    Column(one, one.at(ks), tuple(row[n] for row in rows))
                    for n, one in enumerate(chosen)
                ],
            )


def _rows(group: Sequence[Component], snapshots: Sequence[Snapshot]) -> Iterator[tuple[int, ...]]:
    """Different ones; an absent key reads as its default."""
    seen: set[tuple[int, ...]] = set()
    for snapshot in snapshots:
        keys: dict[Key, None] = {}
        for one in group:
            keys.update(dict.fromkeys(snapshot.get(one.var, {})))
        for key in keys:
            row = tuple(
                int(snapshot.get(one.var, {}).get(key, one.variable.default)[one.index or 0])
                for one in group
            )
            if row not in seen:
                seen.add(row)
                yield row
                if len(seen) == MAX_ROWS:
                    return


# Claims -----------------------------------------------------------------------------------------


def _claims(columns: Sequence[Column]) -> Iterator[ir.Expr]:
    moving = [c for c in columns if len(set(c.values)) > 1]
    for x in moving:
        yield from _alone(x)
    for x, y in permutations(moving, 2):
        yield from _rest(x, (y.expr, y.values))
        yield from _part(x, y)
    for x, y in combinations(moving, 2):
        yield from _line(x, y)
        yield from _apart(x, y)
    for x, y, z in combinations(moving, 3):
        yield from _sum(x, y, z)
    for x, y, z in permutations(moving, 3):
        yield from _packed(x, y, z)
        if x.type == y.type:
            total = tuple(a + b for a, b in zip(x.values, y.values, strict=True))
            both = ir.Arithmetic("+", x.expr, y.expr, x.type)
            yield from _rest(z, (both, total), reverse=True)
    yield from _by_case(columns, moving)


def _alone(x: Column) -> Iterator[ir.Expr]:
    """x % m == r; bits that are always set, or never; one of a few values."""
    first = x.values[0]
    step = gcd(*(value - first for value in x.values))
    if step > 1 and min(x.values) >= 0:
        yield _remainder(x.expr, step, first % step)
    if min(x.values) >= 0:
        ever = always = first
        for value in x.values:
            ever |= value
            always &= value
        never = ((1 << ever.bit_length()) - 1) & ~ever
        if never:
            yield ir.Compare("==", _masked(x.expr, never), number(0, x.type))
        if always:
            yield ir.Compare("==", _masked(x.expr, always), number(always, x.type))
    distinct = sorted(set(x.values))
    if 2 < len(distinct) <= FEW and distinct != list(range(distinct[0], distinct[-1] + 1)):
        yield ir.Or(tuple(ir.Compare("==", x.expr, number(v, x.type)) for v in distinct))


def _rest(
    x: Column, y: tuple[ir.Expr, tuple[int, ...]], *, reverse: bool = False
) -> Iterator[ir.Expr]:
    """x % m == y; with `reverse`, y % m == x."""
    large, small = ((y[0], y[1]), (x.expr, x.values)) if reverse else ((x.expr, x.values), y)
    if min(small[1]) < 0 or large[1] == small[1]:
        return
    least = max(small[1]) + 1
    powers = [1 << n for n in range(1, 13) if 1 << n >= least]
    near = range(max(2, least), min(least + 3, MAX_MODULUS))
    for modulus in dict.fromkeys((*near, *powers)):
        if all(a % modulus == b for a, b in zip(large[1], small[1], strict=True)):
            yield _same(_modulo(large[0], modulus), small[0])


def _part(x: Column, y: Column) -> Iterator[ir.Expr]:
    """x / m == y."""
    if min(*x.values, *y.values) < 0 or x.values == y.values:
        return
    at = max(range(len(x.values)), key=lambda n: x.values[n])
    if not y.values[at]:
        return
    about = x.values[at] // y.values[at]
    for divisor in range(max(2, about - 1), min(about + 2, MAX_MODULUS)):
        if all(a // divisor == b for a, b in zip(x.values, y.values, strict=True)):
            yield _same(ir.Arithmetic("/", x.expr, number(divisor, x.type), x.type), y.expr)


def _line(x: Column, y: Column) -> Iterator[ir.Expr]:
    """q * x == p * y + c, and q * x <= p * y + c where the points lie below a line."""
    if x.type != y.type:
        return
    points = sorted(set(zip(x.values, y.values, strict=True)), key=lambda point: point[1])
    (x0, y0), (x1, y1) = points[0], points[-1]
    if x0 == x1 or y0 == y1:
        return
    divisor = gcd(x1 - x0, y1 - y0)
    p, q = (x1 - x0) // divisor, (y1 - y0) // divisor
    if max(abs(p), q) > MAX_FACTOR or (p, q) == (1, 1):
        return
    c = q * x0 - p * y0
    left, right = _times(x.expr, q), _plus(_times(y.expr, p), c)
    gaps = [q * a - p * b - c for a, b in points]
    if not any(gaps):
        yield ir.Compare("==", left, right)
    elif max(gaps) == 0:
        yield at_most(left, right)
    elif min(gaps) == 0:
        yield at_most(right, left)


def _apart(x: Column, y: Column) -> Iterator[ir.Expr]:
    """(x - y) % m == r, (x + y) % m == r, for powers of 2: these stay true when numbers wrap."""
    if x.type != y.type:
        return
    for op, sign in (("-", -1), ("+", 1)):
        gaps = [a + sign * b for a, b in zip(x.values, y.values, strict=True)]
        step = gcd(*(gap - gaps[0] for gap in gaps))
        step &= -step  # the power of 2 in it
        if step > 1:
            both = ir.Arithmetic(op, x.expr, y.expr, x.type)  # type: ignore[arg-type]  # + or -
            yield ir.Compare("==", _masked(both, step - 1), number(gaps[0] & (step - 1), x.type))


def _sum(x: Column, y: Column, z: Column) -> Iterator[ir.Expr]:
    """x + y == z + c, in all its forms."""
    if not x.type == y.type == z.type:
        return
    rows = list(zip(x.values, y.values, z.values, strict=True))
    for signs in SIGNS:
        totals = {sum(s * v for s, v in zip(signs, row, strict=True)) for row in rows}
        if len(totals) > 1:
            continue
        plus = [c.expr for c, s in zip((x, y, z), signs, strict=True) if s > 0]
        minus = [c.expr for c, s in zip((x, y, z), signs, strict=True) if s < 0]
        left = plus[0]
        for more in plus[1:]:
            left = ir.Arithmetic("+", left, more, x.type)
        (constant,) = totals
        right = _plus(minus[0], constant) if minus else number(constant, x.type)
        yield ir.Compare("==", left, right)


def _packed(x: Column, y: Column, z: Column) -> Iterator[ir.Expr]:
    """z == x * m + y."""
    if not x.type == y.type == z.type or min(y.values) < 0:
        return
    at = next((n for n, value in enumerate(x.values) if value), None)
    if at is None:
        return
    factor, left = divmod(z.values[at] - y.values[at], x.values[at])
    if left or not 1 < factor <= MAX_MODULUS:
        return
    if all(c == a * factor + b for a, b, c in zip(x.values, y.values, z.values, strict=True)):
        scaled = ir.Arithmetic("*", x.expr, number(factor, x.type), x.type)
        yield ir.Compare("==", z.expr, ir.Arithmetic("+", scaled, y.expr, x.type))


def _by_case(columns: Sequence[Column], moving: Sequence[Column]) -> Iterator[ir.Expr]:
    """What is true wherever a number of few values has one of them."""
    for case in columns:
        values = sorted(set(case.values))
        if not 1 < len(values) <= 3:
            continue
        for value in values:
            rows = [n for n, v in enumerate(case.values) if v == value]
            if len(rows) < 3:
                continue
            test = ir.Compare("==", case.expr, number(value, case.type))
            inside = [
                Column(c.component, c.expr, tuple(c.values[n] for n in rows))
                for c in moving
                if c is not case
            ]
            varying = [c for c in inside if len(set(c.values)) > 1]
            for x, y in combinations(varying, 2):
                for claim in (*_line(x, y), *_apart(x, y)):
                    yield implies(test, claim)
            for x, (y, z) in product(varying, combinations(varying, 2)):
                if x is not y and x is not z:
                    for claim in _sum(x, y, z):
                        yield implies(test, claim)


# Terms ------------------------------------------------------------------------------------------


def _same(a: ir.Expr, b: ir.Expr) -> ir.Expr:
    """Equality by value, in the type of one side if that has all values of the other's."""
    if _holds_all(_bits(a), _bits(b)):
        return ir.Compare("==", a, b if a.type == b.type else ir.Cast(b, a.type))
    return (
        ir.Compare("==", ir.Cast(a, b.type), b) if _holds_all(_bits(b), _bits(a)) else equal(a, b)
    )


def _holds_all(wide: ir.Bits, narrow: ir.Bits) -> bool:
    if wide.signed == narrow.signed:
        return wide.width >= narrow.width
    return wide.signed and wide.width > narrow.width


def _bits(expr: ir.Expr) -> ir.Bits:
    assert isinstance(expr.type, ir.Bits)
    return expr.type


def _masked(expr: ir.Expr, mask: int) -> ir.Expr:
    return ir.Arithmetic("&", expr, number(mask, _bits(expr)), _bits(expr))


def _modulo(expr: ir.Expr, modulus: int) -> ir.Expr:
    """By a power of 2 as a mask, which is right for negative numbers and when numbers wrap."""
    if modulus & (modulus - 1):
        return ir.Arithmetic("%", expr, number(modulus, _bits(expr)), _bits(expr))
    return _masked(expr, modulus - 1)


def _remainder(expr: ir.Expr, modulus: int, rest: int) -> ir.Expr:
    return ir.Compare("==", _modulo(expr, modulus), number(rest, _bits(expr)))


def _times(expr: ir.Expr, factor: int) -> ir.Expr:
    if factor == 1:
        return expr
    return ir.Arithmetic("*", number(factor, _bits(expr)), expr, _bits(expr))


def _plus(expr: ir.Expr, constant: int) -> ir.Expr:
    if not constant:
        return expr
    op: ir.ArithmeticOp = "+" if constant > 0 else "-"
    return ir.Arithmetic(op, expr, number(abs(constant), _bits(expr)), _bits(expr))
