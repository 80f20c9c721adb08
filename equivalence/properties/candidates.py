"""What a property's past may say of the state: candidates for the relation that proves it.

A condition that held once is tied to fields of the packets then (`f[sip] == host`), so what the
network keeps or asks about such a packet can be said of the property's variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from nfverify.equivalence.components import (
    Component,
    at_most,
    equal,
    implies,
    is_number,
    kindred,
    locals_of,
    widened,
)
from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.properties.happening import kept
from nfverify.equivalence.properties.watch import LEAF, Watch
from nfverify.equivalence.relation import Candidate
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr

Known = Mapping[ir.Expr, ir.Expr]
"""What an expression over the fields of a packet is: variables of the looker-on."""

MAX_CANDIDATES = 6000
MANY_RULES = 600
_ABSENT: Known = {
    ir.Field(name): ir.Const(0, ir.field_type(name)) for name in ("icmp_id", "sip6", "dip6")
}
"""Of an IPv4 packet with ports; models write `f[sport] | f[icmp_id]` for whichever there is."""
_SWAPPED = {"sip": "dip", "dip": "sip", "sip6": "dip6", "dip6": "sip6"}
_SWAPPED |= {"sport": "dport", "dport": "sport"}


def candidates(
    watch: Watch, problem: Problem, plain: Sequence[Component], bounds: Sequence[int]
) -> list[Candidate]:
    """Claims about the past; `plain` are the network's variables without keys, `bounds` the
    constants of its text and of the property."""
    found: dict[Candidate, None] = {}
    for candidate in _all(watch, problem, plain, bounds):
        found[candidate] = None
        if len(found) >= MAX_CANDIDATES:
            break
    return list(found)


def _all(
    watch: Watch, problem: Problem, plain: Sequence[Component], bounds: Sequence[int]
) -> Iterator[Candidate]:
    yield from _own(watch, problem)
    yield from _totals(watch, plain, bounds)
    histories = [
        (ir.Read(kept(p.name), (), 0, ir.BOOL), p.node)
        for p in watch.pasts
        if isinstance(p.node, ir.Since)
    ]
    variables = [ir.Read(kept(n), (), 0, t) for n, t in watch.variables]
    for once, node in histories:
        yield _claim(ir.Not(once))
        for other, _ in histories:
            if other != once:
                yield _claim(implies(once, other))
        for known in knowledge(watch, node):
            found = list(facts(problem, known, variables))
            for fact in found:
                yield _claim(implies(once, fact))
                yield _claim(implies(fact, once))
                yield _claim(implies(once, ir.Not(fact)))
            filed = [f for f in found if isinstance(f, ir.Has)]
            for there, test in product(filed, found):
                if not isinstance(test, ir.Has):
                    either = implies(once, ir.Or((there, test)))
                    yield Candidate("guarded", (), either)
            for there in filed:
                yield from _only_there(once, there, problem.variables()[there.var], variables)
        for variable, component in product(variables, plain):
            if kindred(variable.type, component.type) and component.index is not None:
                value = component.at(())
                yield _claim(implies(once, at_most(variable, value, strictly=True)))
                yield _claim(implies(once, at_most(variable, value)))
                yield _claim(implies(once, at_most(value, variable)))
                for bound in bounds if variable.type == ir.TIME else ():
                    if 0 < bound < 1 << 62:
                        later = ir.Arithmetic("+", variable, ir.Const(bound, ir.TIME), ir.TIME)
                        yield _claim(implies(once, at_most(later, value)))
        for variable in variables:
            if variable.type == ir.TIME:
                clock = ir.Read(CLOCK, (), 0, ir.TIME)
                yield _claim(implies(once, at_most(variable, clock)))
        for fact in _asked(watch, node):
            yield _claim(implies(once, fact))
    for once, _ in histories:
        for component in plain:
            if component.type == ir.BOOL:
                yield _claim(implies(once, component.at(())))
                yield _claim(implies(component.at(()), once))


def _only_there(
    once: ir.Expr, there: ir.Has, variable: ir.StateVar, variables: Sequence[ir.Expr]
) -> Iterator[Candidate]:
    """Under no other key is filed what is filed there."""
    ks = locals_of(variable.keys)
    for index, type_ in enumerate(variable.values):
        value = ir.Read(there.var, ks, index, type_)
        for other in variables:
            if kindred(other.type, type_):
                case = ir.And((once, ir.Has(there.var, ks), equal(value, other)))
                for mine, key in zip(ks, there.keys, strict=True):
                    yield Candidate("promise", variable.keys, implies(case, equal(mine, key)))


def _claim(expr: ir.Expr) -> Candidate:
    return Candidate("promise", (), expr)


def _own(watch: Watch, problem: Problem) -> Iterator[Candidate]:
    """A property of the state alone, part by part and for all keys."""
    if not watch.of_state:
        return
    side = problem.a
    numbers = {n: i for i, (n, _) in enumerate(watch.variables)}
    types = tuple(t for _, t in watch.variables)

    def change(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Local(name=name, type=type_):
                return ir.Local(f"k{numbers[name]}", type_)
            case ir.Read(var=var, keys=keys, index=index, type=type_):
                name = side.qualify(side.network.instances[0].name, var)
                return ir.Read(name, keys, index, type_)
            case ir.Has(var=var, keys=keys):
                return ir.Has(side.qualify(side.network.instances[0].name, var), keys)
            case _:
                return node

    whole = mapped_expr(watch.expr, change)
    for part in whole.operands if isinstance(whole, ir.And) else (whole,):
        yield Candidate("invariant", types, part, own=True)


def _totals(watch: Watch, plain: Sequence[Component], bounds: Sequence[int]) -> Iterator[Candidate]:
    """A sum never above a bound, also beside what is left of it in a variable."""
    for past in watch.pasts:
        if not isinstance(past.node, ir.Total):
            continue
        total = ir.Read(kept(past.name), (), 0, past.node.type)
        wide = ir.Bits(80, signed=True)
        for component in plain:
            if is_number(component.type) and component.index is not None:
                yield _claim(equal(total, component.at(())))
                yield _claim(at_most(total, component.at(())))
        for bound in bounds:
            limit = ir.Const(bound, wide)
            yield _claim(ir.Compare("<=", ir.Cast(total, wide), limit))
            for component in plain:
                if isinstance(component.type, ir.Bits) and component.index is not None:
                    left, more = widened(total, component.at(()))
                    both = ir.Arithmetic("+", ir.Cast(left, wide), ir.Cast(more, wide), wide)
                    yield _claim(ir.Compare("==", both, limit))
                    yield _claim(ir.Compare("<=", both, limit))


# What is known of the packets of the past -------------------------------------------------


def knowledge(watch: Watch, node: ir.Since) -> Iterator[Known]:
    """What the fields of packets are, by the equations of a condition that held, and of the
    property now: as they arrived, as they came out, and of their answers."""
    seen: list[Known] = []
    for expr in (node.begun, watch.expr, node.held):
        before, after = equations(watch, expr)
        for known in (before, after, {**before, **after}):
            answer = {mapped_expr(e, _swap): v for e, v in known.items()}
            for one in (known, answer):
                for whole in (dict(one), {**_ABSENT, **_simpler(one), **one}):
                    if one and whole not in seen:
                        seen.append(whole)
                        yield whole


def _simpler(known: Known) -> Known:
    """What follows of x | icmp_id where there is no icmp_id."""
    found: dict[ir.Expr, ir.Expr] = {}
    for expr, value in known.items():
        if isinstance(expr, ir.Arithmetic) and expr.op == "|":
            for part, other in ((expr.left, expr.right), (expr.right, expr.left)):
                if _core(other) == ir.Field("icmp_id"):
                    found[part] = value
                    if _core(part).type == _core(value).type:
                        found[_core(part)] = _core(value)
    return found


def _core(expr: ir.Expr) -> ir.Expr:
    while isinstance(expr, ir.Cast):
        expr = expr.operand
    return expr


def equations(watch: Watch, expr: ir.Expr) -> tuple[Known, Known]:
    """Expressions over fields that are equal to a variable: of the packet as it arrived, and of
    the one that came out."""
    before: dict[ir.Expr, ir.Expr] = {}
    after: dict[ir.Expr, ir.Expr] = {}
    names = {n for n, _ in watch.variables}
    for part in ir.walk((expr,)):
        if not isinstance(part, ir.Compare) or part.op != "==":
            continue
        for side, other in ((part.left, part.right), (part.right, part.left)):
            variable = _variable(other, names)
            if variable is None or _variable(side, names) is not None:
                continue
            into, plain = (after, _unprimed(watch, side)) if _primed(side) else (before, side)
            if plain is not None and not _reads(plain):
                into.setdefault(plain, variable)
    return before, after


def _variable(expr: ir.Expr, names: set[str]) -> ir.Expr | None:
    """The same with the looker-on's variable, if it is one, perhaps converted."""
    if isinstance(expr, ir.Cast):
        inner = _variable(expr.operand, names)
        return None if inner is None else ir.Cast(inner, expr.type)
    if isinstance(expr, ir.Local) and expr.name in names:
        return ir.Read(kept(expr.name), (), 0, expr.type)
    return None


def _primed(expr: ir.Expr) -> bool:
    return any(isinstance(n, ir.Local) and n.name.startswith(LEAF) for n in ir.walk((expr,)))


def _unprimed(watch: Watch, expr: ir.Expr) -> ir.Expr | None:
    """The same expression of the packet that came out, if it is of nothing else."""
    bad: list[ir.Expr] = []

    def change(node: ir.Expr) -> ir.Expr:
        if isinstance(node, ir.Local):
            leaf = watch.leaves.get(node.name)
            if isinstance(leaf, ir.Post) and isinstance(leaf.operand, ir.Field):
                return leaf.operand
            bad.append(node)
        elif isinstance(node, ir.Field):
            bad.append(node)
        return node

    found = mapped_expr(expr, change)
    return None if bad else found


def _reads(expr: ir.Expr) -> bool:
    return any(
        isinstance(n, ir.Read | ir.Has | ir.Local | ir.Now | ir.Tag) for n in ir.walk((expr,))
    )


def _swap(node: ir.Expr) -> ir.Expr:
    if isinstance(node, ir.Field) and node.name in _SWAPPED:
        return ir.Field(_SWAPPED[node.name])
    return node


# What the network says of them ------------------------------------------------------------


def facts(problem: Problem, known: Known, variables: Sequence[ir.Expr]) -> Iterator[ir.Expr]:
    """What the network's tests and look-ups say, where all that they depend on is known."""
    done: set[ir.Expr] = set()
    side = problem.a
    for instance in side.network.instances:
        lets = {n.name: n.value for n in ir.walk(instance.program.body) if isinstance(n, ir.Let)}

        def fill(expr: ir.Expr, at: str = instance.name) -> ir.Expr | None:
            return _filled(expr, known, lambda var: side.qualify(at, var), lets)  # noqa: B023

        for node in ir.walk(instance.program.body):
            match node:
                case ir.Entry(match_flow=flow):
                    for part in (*flow, ir.And(flow)):
                        if _long(part):
                            continue
                        test = fill(part)
                        if test is not None and test not in done and flow:
                            done.add(test)
                            yield test
                case ir.Has() | ir.Write(keys=(_, *_)) | ir.Delete():
                    keys = [fill(k) for k in node.keys]
                    if any(k is None for k in keys):
                        continue
                    name = side.qualify(instance.name, node.var)
                    whole = tuple(k for k in keys if k is not None)
                    variable = instance.program.variable(node.var)
                    test = ir.Has(name, whole)
                    if variable.constant or test in done:
                        continue
                    done.add(test)
                    yield test
                    yield from _values(variable, name, whole, variables)
                case ir.Read(keys=(_, *_)):
                    keys = [fill(k) for k in node.keys]
                    if any(k is None for k in keys):
                        continue
                    name = side.qualify(instance.name, node.var)
                    whole = tuple(k for k in keys if k is not None)
                    variable = instance.program.variable(node.var)
                    mark = ir.Read(name, whole, -1, ir.BOOL)
                    if variable.constant or mark in done:
                        continue
                    done.add(mark)
                    yield from _values(variable, name, whole, variables)
                case ir.Compare():
                    test = fill(node)
                    if test is not None and test not in done:
                        done.add(test)
                        yield test
                case _:
                    pass


def _long(expr: ir.Expr) -> bool:
    """Does it ask a list that is too long to be asked for each candidate?"""
    nodes = ir.walk((expr,))
    return any(isinstance(n, ir.Match) and len(n.ruleset.rows) > MANY_RULES for n in nodes)


def _values(
    variable: ir.StateVar, name: str, keys: tuple[ir.Expr, ...], variables: Sequence[ir.Expr]
) -> Iterator[ir.Expr]:
    """What is filed there is this or that variable."""
    for index, type_ in enumerate(variable.values):
        value = ir.Read(name, keys, index, type_)
        if type_ == ir.BOOL:
            yield value
            continue
        for other in variables:
            if kindred(other.type, type_):
                yield equal(value, other)
        if isinstance(type_, ir.Bits):
            yield ir.Compare("!=", value, ir.Const(0, type_))


def _filled(
    expr: ir.Expr, known: Known, qualify: object, lets: Mapping[str, ir.Expr], depth: int = 0
) -> ir.Expr | None:
    """The expression with what is known in place of fields; None if anything is left open."""
    if expr in known:
        return known[expr]
    if depth > 40:
        return None
    match expr:
        case ir.Const():
            return expr
        case ir.Local(name=name) if name in lets:
            return _filled(lets[name], known, qualify, lets, depth + 1)
        case ir.Field() | ir.Tag() | ir.Local() | ir.Now() | ir.Apply():
            return None
        case ir.Read(var=var, keys=keys, index=index, type=type_):
            parts = [_filled(k, known, qualify, lets, depth + 1) for k in keys]
            if any(p is None for p in parts):
                return None
            return ir.Read(qualify(var), tuple(p for p in parts if p is not None), index, type_)  # type: ignore[operator]
        case ir.Has(var=var, keys=keys):
            parts = [_filled(k, known, qualify, lets, depth + 1) for k in keys]
            if any(p is None for p in parts):
                return None
            return ir.Has(qualify(var), tuple(p for p in parts if p is not None))  # type: ignore[operator]
        case _:
            from nfverify.smat.rebuild import with_parts

            inner = [_filled(c, known, qualify, lets, depth + 1) for c in ir.children(expr)]  # type: ignore[arg-type]
            if any(c is None for c in inner):
                return None
            return with_parts(expr, tuple(c for c in inner if c is not None))  # type: ignore[return-value]


def _asked(watch: Watch, node: ir.Since) -> Iterator[ir.Expr]:
    """Parts of a condition that held which speak of the property's variables alone, when what the
    variables are equal to is put in."""
    before, after = equations(watch, node.begun)
    for known in (before, after):
        for part in node.begun.operands if isinstance(node.begun, ir.And) else (node.begun,):
            if any(isinstance(n, ir.Read | ir.Has) for n in ir.walk((part,))):
                continue  # of the state then, not now
            found = _filled(part, known, lambda var: var, {})
            if found is not None and not isinstance(found, ir.Const):
                yield found
