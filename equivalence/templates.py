"""Templates for the relation: the shapes that candidates come in (prover.md, 3).

Shapes come from here, constants from the models' text, elimination from simulation, and proof
from the solver. A template that is wrong or useless can cost time, never soundness.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations, product

from nfverify.equivalence.components import (
    MAX_CONSTANTS,
    Component,
    at_most,
    equal,
    implies,
    is_number,
    kindred,
    locals_of,
    negate,
    number,
    orders,
)
from nfverify.equivalence.consolidate.rewrite import rebuild, transform
from nfverify.equivalence.constants import HOLE, Constants, replace_leaf
from nfverify.equivalence.problem import CLOCK, Problem
from nfverify.equivalence.relation import Candidate, Key
from nfverify.equivalence.simulate import Snapshot
from nfverify.smat import ir

RANK = (
    "invariant", "promise", "toucher", "eq", "iff", "permuted", "sum", "diff", "merged", "learned",
    "tag", "range", "fresh", "freshkey", "filled", "inverse", "clock", "thresh", "vpred", "kpred",
    "guard", "keyrange", "le", "imp", "excl", "guarded", "impconst", "enum",
)  # fmt: skip
MAX_SOURCES = 6
MAX_MERGED = 6


class Templates:
    """All other candidates, over the components that a matching left (the quotient)."""

    def __init__(
        self,
        problem: Problem,
        constants: Constants,
        components: Sequence[Component],
        snapshots: Sequence[Snapshot],
    ) -> None:
        self.problem = problem
        self.constants = constants
        self.components = components
        self.snapshots = snapshots
        self.variables = {c.var: c.variable for c in components}
        self.groups: dict[tuple[ir.Type, ...], list[Component]] = defaultdict(list)
        for component in components:
            self.groups[component.keys].append(component)
        self.reordered = self._reordered()

    def _reordered(self) -> dict[tuple[ir.Type, ...], list[Component]]:
        """B's components under the keys of A's in another order, where snapshots suggest one."""
        found: dict[tuple[ir.Type, ...], list[Component]] = defaultdict(list)
        for b in self.components:
            if not b.var.startswith("b.") or len(b.keys) < 2:
                continue
            for a in {c.var: c for c in self.components if c.var.startswith("a.")}.values():
                if sorted(map(repr, a.keys)) != sorted(map(repr, b.keys)):
                    continue
                for order in orders(a.keys, b.keys):
                    one = replace(b, order=order, under=a.keys)
                    same = order == tuple(range(len(order)))
                    if not same and one not in found[a.keys] and self._same_keys(a.var, one):
                        found[a.keys].append(one)
        return found

    def generate(self) -> Iterator[Candidate]:
        """Candidates in no particular order; duplicates are possible."""
        for keys, group in self.groups.items():
            yield from self._alone(keys, group)
            yield from self._pairs(keys, group + self.reordered[keys])
        yield from self._against_plain()
        yield from self._inverses()
        yield from self._predicates()
        yield from self._guards()

    # One component ------------------------------------------------------------------------

    def _bounds(self, component: Component) -> list[int]:
        type_ = component.type
        assert isinstance(type_, ir.Bits)
        values = {0, *component.constants}
        if component.index is not None:
            default = component.variable.default[component.index]
            if isinstance(default, int):
                values.add(int(default))
        near = {v + d for v in values for d in (-1, 0, 1)}
        # 0 is no bound of an unsigned value.
        return sorted(v for v in near if ir.wrap(v, type_) == v and (v or type_.signed))

    def _alone(self, keys: tuple[ir.Type, ...], group: Sequence[Component]) -> Iterator[Candidate]:
        ks = locals_of(keys)
        for component in group:
            if not is_number(component.type) or component.index is None:
                continue
            value = component.at(ks)
            # The tightest first: of one variable only one is tried at a time.
            limits = [number(bound, component.type) for bound in self._bounds(component)]
            for limit in limits:
                yield Candidate("range", keys, ir.Compare("<=", value, limit))
            for limit in reversed(limits):
                yield Candidate("range", keys, ir.Compare("<=", limit, value))
            present = ir.Has(component.var, ks)
            if keys and any(c.index is None and c.var == component.var for c in group):
                for bound in self._bounds(component):
                    limit = number(bound, component.type)
                    for test in (
                        ir.Compare("<=", value, limit),
                        ir.Compare("<=", limit, value),
                        ir.Compare("!=", value, limit),
                    ):
                        yield Candidate("imp", keys, implies(present, test))
            if kindred(component.type, ir.TIME):
                clock = ir.Read(CLOCK, (), 0, ir.TIME)
                yield Candidate("clock", keys, ir.Compare("<=", value, clock))

    # Two components under one key -----------------------------------------------------------

    def _tests(self, component: Component, ks: tuple[ir.Expr, ...]) -> list[ir.Expr]:
        """What can be asked of a component as yes or no."""
        value = component.at(ks)
        if not is_number(component.type):
            return [value] if component.type == ir.BOOL else []
        assert component.index is not None
        values = {0, *component.constants, *self._few(component)}
        default = component.variable.default[component.index]
        values.add(int(default) if isinstance(default, int) else 0)
        assert isinstance(component.type, ir.Bits)
        fitting = sorted(v for v in values if ir.wrap(v, component.type) == v)[:MAX_CONSTANTS]
        return [ir.Compare("==", value, number(v, component.type)) for v in fitting]

    def _few(self, component: Component) -> set[int]:
        """The values that a component was seen to take, if they are few (an enumeration)."""
        assert component.index is not None
        seen: set[int] = set()
        for snapshot in self.snapshots:
            for values in snapshot.get(component.var, {}).values():
                seen.add(int(values[component.index]))
                if len(seen) > 5:
                    return set()
        return seen

    def _thresholds(self, component: Component, ks: tuple[ir.Expr, ...]) -> list[ir.Expr]:
        value = component.at(ks)
        return [
            ir.Compare("<=", number(bound, component.type), value)
            for bound in self._bounds(component)
        ]

    def _pairs(self, keys: tuple[ir.Type, ...], group: Sequence[Component]) -> Iterator[Candidate]:
        ks = locals_of(keys)
        tests = {c: self._tests(c, ks) for c in group}
        for x, y in combinations(group, 2):
            if is_number(x.type) and is_number(y.type):
                yield from self._numbers(keys, ks, x, y)
            for p, q in product(tests[x], tests[y]):
                yield Candidate("tag", keys, ir.Compare("==", p, q))
                yield Candidate("tag", keys, ir.Compare("!=", p, q))
                yield Candidate("imp", keys, implies(p, q))
                yield Candidate("imp", keys, implies(q, p))
                yield Candidate("excl", keys, ir.Or((negate(p), negate(q))))
                yield Candidate("excl", keys, ir.Or((p, q)))
            for one, other in ((x, y), (y, x)):
                if is_number(other.type):
                    for p, q in product(tests[one], self._thresholds(other, ks)):
                        yield Candidate("thresh", keys, ir.Compare("==", p, q))
                        yield Candidate("impconst", keys, implies(p, q))
                        yield Candidate("impconst", keys, implies(negate(p), q))
                        yield Candidate("impconst", keys, implies(p, negate(q)))
                        yield Candidate("impconst", keys, implies(negate(p), negate(q)))
                    if is_number(one.type):
                        for p, q in product(self._thresholds(one, ks), self._thresholds(other, ks)):
                            yield Candidate("thresh", keys, ir.Compare("==", p, q))
        numbers = [c for c in group if is_number(c.type)]
        yield from self._merged(keys, numbers)
        for x, y in combinations(numbers, 2):
            same = equal(x.at(ks), y.at(ks))
            for guard in group:
                for test in tests[guard]:
                    yield Candidate("guarded", keys, implies(test, same))
                    yield Candidate("guarded", keys, implies(negate(test), same))
        for x, y, z in combinations(group, 3):
            for left, right, third in ((x, y, z), (y, x, z), (z, x, y)):
                for p, q, r in product(tests[left][:3], tests[right][:3], tests[third][:3]):
                    if p.type == ir.BOOL:
                        yield Candidate("enum", keys, ir.Compare("==", p, ir.Or((q, r))))
                        yield Candidate("enum", keys, ir.Compare("==", p, ir.And((q, r))))
                        yield Candidate("enum", keys, ir.Compare("==", p, ir.And((q, negate(r)))))
                        yield Candidate("enum", keys, ir.Compare("==", p, ir.And((negate(q), r))))

    def _numbers(
        self, keys: tuple[ir.Type, ...], ks: tuple[ir.Expr, ...], x: Component, y: Component
    ) -> Iterator[Candidate]:
        a, b = x.at(ks), y.at(ks)
        assert x.index is not None
        assert y.index is not None
        if x.type == y.type:
            start_x, start_y = x.variable.default[x.index], y.variable.default[y.index]
            total, gap = {0}, {0}
            total.add(int(start_x) + int(start_y))
            gap.add(int(start_x) - int(start_y))
            for constant in (*x.constants, *y.constants):
                total.add(constant)
                gap.update((constant, -constant))
            for value in sorted(total):
                expr = ir.Compare("==", ir.Arithmetic("+", a, b, x.type), number(value, x.type))
                yield Candidate("sum", keys, expr)
            for value in sorted(gap):
                expr = ir.Compare("==", ir.Arithmetic("-", a, b, x.type), number(value, x.type))
                yield Candidate("diff", keys, expr)
        distance = self._gap(x, y)
        if distance is not None:
            more, less = (a, b) if distance > 0 else (b, a)
            wide = ir.Bits(
                2 + max(t.width for t in (x.type, y.type) if isinstance(t, ir.Bits)), True
            )
            moved = ir.Arithmetic("+", ir.Cast(less, wide), ir.Const(abs(distance), wide), wide)
            same = ir.Compare("==", ir.Cast(more, wide), moved)
            yield Candidate("diff", keys, same)
            if keys:
                yield Candidate("diff", keys, implies(ir.Has(x.var, x.own_key(ks)), same))
        yield Candidate("eq", keys, equal(a, b))
        yield Candidate("le", keys, at_most(a, b))
        yield Candidate("le", keys, at_most(b, a))

    def _seen(self, *components: Component) -> Iterator[tuple[int, ...]]:
        """The values that stood together under one key in a snapshot."""
        first = components[0]
        for snapshot in self.snapshots:
            for own in snapshot.get(first.var, {}):
                key = (
                    tuple(own[first.order.index(i)] for i in range(len(own)))
                    if first.order
                    else own
                )
                values = [snapshot.get(c.var, {}).get(c.own_key(key)) for c in components]
                if all(v is not None for v in values):
                    yield tuple(
                        int(v[c.index])  # type: ignore[index]  # numbers, and present
                        for v, c in zip(values, components, strict=True)
                    )

    def _gap(self, x: Component, y: Component) -> int | None:
        """The constant difference of two components, as far as was seen; 0 is an equality."""
        gaps = set()
        for a, b in self._seen(x, y):
            gaps.add(a - b)
            if len(gaps) > 1:
                return None
        return gaps.pop() if gaps and gaps != {0} else None

    def _merged(
        self, keys: tuple[ir.Type, ...], numbers: Sequence[Component]
    ) -> Iterator[Candidate]:
        """z == x * c + y: two variables packed into one, by a constant that z meets in the text."""
        ks = locals_of(keys)
        for x, y, z in permutations(numbers[:MAX_MERGED], 3):
            for factor in z.constants:
                if factor < 2 or x.type != z.type or y.type != z.type:
                    continue
                seen = list(self._seen(x, y, z))
                if seen and all(c == a * factor + b for a, b, c in seen):
                    scaled = ir.Arithmetic("*", x.at(ks), number(factor, z.type), z.type)
                    packed = ir.Arithmetic("+", scaled, y.at(ks), z.type)
                    yield Candidate("merged", keys, ir.Compare("==", z.at(ks), packed))

    # Maps against plain variables -------------------------------------------------------------

    def _against_plain(self) -> Iterator[Candidate]:
        plain = [c for c in self.groups.get((), []) if is_number(c.type)]
        for component in self.components:
            if not component.keys:
                continue
            ks = locals_of(component.keys)
            present = self._present(component, ks)
            for other in plain:
                limit = other.at(())
                if kindred(component.type, other.type) and component.index is not None:
                    value = component.at(ks)
                    fresh = implies(present, at_most(value, limit, strictly=True))
                    yield Candidate("fresh", component.keys, fresh)
                    below = implies(present, at_most(limit, value, strictly=True))
                    yield Candidate("fresh", component.keys, below)
                    yield Candidate("le", component.keys, at_most(value, limit))
                for k in ks:
                    if kindred(k.type, other.type):
                        below = implies(present, at_most(k, limit, strictly=True))
                        yield Candidate("freshkey", component.keys, below)
                        above = implies(present, at_most(limit, k, strictly=True))
                        yield Candidate("freshkey", component.keys, above)
            for k in ks:
                near = [c for c in plain if kindred(k.type, c.type)]
                if isinstance(k.type, ir.Bits):
                    for bound in self._plain_bounds(near, k.type):
                        limit = number(bound, k.type)
                        low = implies(present, ir.Compare("<=", limit, k))
                        yield Candidate("keyrange", component.keys, low)
                        high = implies(present, ir.Compare("<=", k, limit))
                        yield Candidate("keyrange", component.keys, high)

    def _plain_bounds(self, plain: Sequence[Component], type_: ir.Bits) -> list[int]:
        values = {b for c in plain for b in self._bounds(c)}
        return sorted(v for v in values if ir.wrap(v, type_) == v)

    # What one map's entry says about another's ------------------------------------------------

    def _inverses(self) -> Iterator[Candidate]:
        """has1[k] -> has2[e(k)], and the values there are parts of k or of the value at k.

        Which part of (k, value, constants) stands at each key position of the second map is read
        off the snapshots: a made-up position would be junk.
        """
        maps = {c.var: c for c in self.components if c.keys}
        for x, y in product(maps.values(), repeat=2):
            if x.var == y.var:
                continue
            ks = locals_of(x.keys)
            parts = self._parts(x, ks)
            present = self._present(x, ks)
            for choice in self._choices(x, y, parts):
                keys = tuple(fit(parts[i][0], t) for i, t in zip(choice, y.keys, strict=True))
                yield Candidate("inverse", x.keys, implies(present, self._present(y, keys)))
                for index, type_ in enumerate(y.variable.values):
                    value = ir.Read(y.var, keys, index, type_)
                    for part, _ in parts:
                        if part.type == type_ or kindred(part.type, type_):
                            yield Candidate("inverse", x.keys, implies(present, equal(value, part)))

    def _present(self, component: Component, keys: tuple[ir.Expr, ...]) -> ir.Expr:
        """That something is stored under a key: presence where it matters, of a variable that
        always has the same keys if not of this one; else a value that isn't zero."""
        variable = component.variable
        holders = [c.var for c in self.groups[component.keys] if c.index is None]
        for name in holders:
            if name == component.var or self._same_keys(name, component):
                return ir.Has(name, keys)
        if not variable.values:
            return ir.Has(component.var, keys)
        value = ir.Read(component.var, keys, 0, variable.values[0])
        if isinstance(value.type, ir.Bits):
            return ir.Compare("!=", value, number(0, value.type))
        return value if value.type == ir.BOOL else ir.TRUE

    def _same_keys(self, x: str, y: Component) -> bool:
        """Had the two variables always the same keys (and ever any)?"""
        return any(s.get(x) for s in self.snapshots) and all(
            {y.own_key(key) for key in s.get(x, {})} == s.get(y.var, {}).keys()
            for s in self.snapshots
        )

    def _parts(
        self, x: Component, ks: tuple[ir.Expr, ...]
    ) -> list[tuple[ir.Expr, int | tuple[str, int]]]:
        """Expressions that a key of another map may be made of, and where to find each in a
        snapshot: a key position, (variable under the same key, index), or ("", constant)."""
        parts: list[tuple[ir.Expr, int | tuple[str, int]]] = [(k, i) for i, k in enumerate(ks)]
        siblings = {c.var: c.variable for c in self.groups[x.keys]}
        parts.extend(
            (ir.Read(var, ks, index, type_), (var, index))
            for var, variable in siblings.items()
            for index, type_ in enumerate(variable.values)
        )
        constants = {
            v
            for found in (*self.constants.fields.values(), *self.constants.variables.values())
            for v in found
        }
        parts.extend(
            (ir.Const(v, ir.IP), ("", v)) for v in sorted(constants) if 0xFFFF < v < 1 << 32
        )
        parts.append((ir.Const(0, ir.INT), ("", 0)))
        return parts

    def _choices(
        self,
        x: Component,
        y: Component,
        parts: Sequence[tuple[ir.Expr, int | tuple[str, int]]],
    ) -> list[tuple[int, ...]]:
        """For each key position of y the parts of an entry of x that stood there in snapshots."""
        options: list[list[int]] = []
        for position, type_ in enumerate(y.keys):
            fitting = [
                n
                for n, (part, _) in enumerate(parts)
                if part.type == type_ or kindred(part.type, type_)
            ]
            options.append(
                [n for n in fitting if self._occurs(x, y, position, parts[n][1])][:MAX_SOURCES]
            )
            if not options[-1]:
                return []
        found: list[tuple[int, ...]] = []
        for choice in product(*options):
            if all(isinstance(parts[n][0], ir.Const) for n in choice):
                continue
            if self._supported(x, y, [parts[n][1] for n in choice]):
                found.append(choice)
                if len(found) >= 4:
                    break
        return found

    def _occurs(
        self, x: Component, y: Component, position: int, where: int | tuple[str, int]
    ) -> bool:
        support = 0
        for snapshot in self.snapshots:
            here = {key[position] for key in snapshot.get(y.var, {})}
            for key in snapshot.get(x.var, {}):
                if self._part_value(snapshot, key, where) not in here:
                    return False
                support += 1
        return support > 0

    def _supported(
        self, x: Component, y: Component, where: Sequence[int | tuple[str, int]]
    ) -> bool:
        support = 0
        for snapshot in self.snapshots:
            other = snapshot.get(y.var, {})
            for key in snapshot.get(x.var, {}):
                if tuple(self._part_value(snapshot, key, w) for w in where) not in other:
                    return False
                support += 1
        return support > 0

    def _part_value(self, snapshot: Snapshot, key: Key, where: int | tuple[str, int]) -> ir.Value:
        if isinstance(where, int):
            return key[where]
        var, number = where
        if not var:
            return number
        default = self.variables[var].default
        return snapshot.get(var, {}).get(key, default)[number]

    # Predicates from the text -----------------------------------------------------------------

    def _predicates(self) -> Iterator[Candidate]:
        """has[k] -> P(value at k) and has[k] -> P(k_i), and their negations, for every test P of
        the text over one value of the same width."""
        for component in self.components:
            if not component.keys:
                continue
            ks = locals_of(component.keys)
            present = self._present(component, ks)
            subjects: list[tuple[str, ir.Expr]] = [("kpred", k) for k in ks]
            if component.index is not None:
                subjects.append(("vpred", component.at(ks)))
            for shape, subject in subjects:
                for predicate in self.constants.predicates:
                    if not isinstance(subject.type, ir.Bits):
                        continue
                    if not kindred(subject.type, predicate.type):
                        continue
                    if subject.type.width != predicate.type.width:
                        if shape == "vpred" or subject.type.width < predicate.type.width:
                            continue
                        if predicate.type.width < 8:
                            continue
                    hole = ir.Local(HOLE, predicate.type)
                    test = replace_leaf(predicate.expr, hole, fit(subject, predicate.type))
                    yield Candidate(shape, component.keys, implies(present, test))
                    yield Candidate(shape, component.keys, implies(present, negate(test)))

    def _guards(self) -> Iterator[Candidate]:
        """has[k] -> G(k) and its negation, for every stateless part G of a guard whose fields all
        stand in the key of a write to the map (the fast-path theorem needs whole conjunctions)."""
        names = {c.var for c in self.components if c.keys}
        for side in self.problem.sides:
            guards: list[ir.Expr] = []
            writes: list[tuple[str, ir.Write]] = []
            for instance in side.network.instances:
                for node in ir.walk(instance.program.body):
                    if isinstance(node, ir.Entry) and node.match_flow:
                        guards.append(ir.And(node.match_flow))
                    elif isinstance(node, ir.Write):
                        name = side.qualify(instance.name, node.var)
                        if name in names:
                            writes.append((name, node))
            for name, write in writes:
                component = next(c for c in self.components if c.var == name)
                ks = locals_of(component.keys)
                mapping = {
                    field: k
                    for expr, k in zip(write.keys, ks, strict=True)
                    for field in [plain_field(expr)]
                    if field is not None
                }
                cases = [self._present(component, ks)]
                for stored in self.components:
                    if stored.var == name and is_number(stored.type):
                        cases += self._tests(stored, ks)
                for guard in dict.fromkeys(guards):
                    test = substitute_fields(guard, mapping)
                    if test is not None:
                        for case in cases:
                            yield Candidate("guard", component.keys, implies(case, test))
                            yield Candidate("guard", component.keys, implies(case, negate(test)))


def plain_field(expr: ir.Expr) -> str | None:
    while isinstance(expr, ir.Cast):
        expr = expr.operand
    return expr.name if isinstance(expr, ir.Field) else None


def substitute_fields(expr: ir.Expr, mapping: dict[str, ir.Expr]) -> ir.Expr | None:
    """The expression over key variables; None if it reads anything else."""
    for node in ir.walk((expr,)):
        if isinstance(node, ir.Read | ir.Has | ir.Local | ir.Tag | ir.Now | ir.Apply):
            return None
        if isinstance(node, ir.Field) and node.name not in mapping:
            return None

    def visit(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
        if isinstance(node, ir.Field):
            return fit(mapping[node.name], node.type)
        return rebuild(node, parts)

    return transform(expr, visit)


def fit(expr: ir.Expr, type_: ir.Type) -> ir.Expr:
    return expr if expr.type == type_ else ir.Cast(expr, type_)
