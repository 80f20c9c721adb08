"""Conditions made short, by what else is known to hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.consolidate.rewrite import (
    comparison,
    conjunction,
    conjuncts,
    disjunction,
    negation,
    parts_of,
    rebuild,
    transform,
)
from nfverify.equivalence.fastpath.sight import World
from nfverify.equivalence.terms import Term
from nfverify.smat import ir


def normal(condition: ir.Expr) -> ir.Expr:
    """Negations moved inward; what stays below them is no junction and no order."""
    match condition:
        case ir.And(operands=operands):
            return conjunction(tuple(map(normal, operands)))
        case ir.Or(operands=operands):
            return disjunction(tuple(map(normal, operands)))
        case ir.Not(operand=ir.And(operands=operands)):
            return disjunction(tuple(normal(negation(o)) for o in operands))
        case ir.Not(operand=ir.Or(operands=operands)):
            return conjunction(tuple(normal(negation(o)) for o in operands))
        case ir.Not(operand=ir.Not(operand=operand)):
            return normal(operand)
        case ir.Not(operand=ir.Compare(op="<", left=left, right=right)):
            return comparison("<=", right, left)
        case ir.Not(operand=ir.Compare(op="<=", left=left, right=right)):
            return comparison("<", right, left)
        case _:
            return condition


def reads(expr: ir.Expr) -> int:
    """How often it reads state."""
    return sum(isinstance(n, ir.Read | ir.Has) for n in ir.walk((expr,)))


@dataclass(frozen=True, slots=True)
class Shaper:
    """Conditions over the packet of a world."""

    world: World
    _about: dict[tuple[int, bool], frozenset[str]] = field(default_factory=dict)

    def holds(self, given: Iterable[Term], condition: Term) -> bool:
        """Is it sure to hold, where the others do?"""
        return not self.world.possible((*given, self.world.terms.not_(condition)))

    def parts(self, conditions: Iterable[ir.Expr]) -> list[ir.Expr]:
        """The conjuncts, each once."""
        found: dict[int, ir.Expr] = {}
        for condition in conditions:
            for part in conjuncts(normal(condition)):
                term = self.world.term(part)
                if term is not self.world.terms.true:
                    found.setdefault(term.id, part)
        return list(found.values())

    def shortened(
        self,
        conditions: Iterable[ir.Expr],
        given: Sequence[Term] = (),
        focus: frozenset[str] | None = None,
    ) -> tuple[ir.Expr, ...]:
        """What says the same where `given` holds: without what the rest implies. With `focus`
        only conditions about any of these fields and variables are tried."""
        kept = self._units(self.parts(conditions), given)
        kept = self._without_impossible(kept, given, focus)
        return self._without_implied(kept, given, focus)

    def _units(self, parts: list[ir.Expr], given: Sequence[Term]) -> list[ir.Expr]:
        """Alternatives that another conjunct or a given one rules out, or makes idle, go."""
        term, not_ = self.world.term, self.world.terms.not_
        known = {t.id for t in given}
        while True:
            live = {term(p).id: p for p in parts}
            for number, part in list(live.items()):
                if not isinstance(part, ir.Or):
                    continue
                sure = known | (live.keys() - {number})
                if any(term(o).id in sure for o in part.operands):
                    del live[number]
                    continue
                left = tuple(o for o in part.operands if not_(term(o)).id not in sure)
                if len(left) < len(part.operands):
                    live[number] = disjunction(left)
            found = self.parts(live.values())
            if found == parts:
                return parts
            parts = found

    def _without_impossible(
        self, parts: list[ir.Expr], given: Sequence[Term], focus: frozenset[str] | None
    ) -> list[ir.Expr]:
        world = self.world
        known = self.about(given)
        for i, part in enumerate(parts):
            if not isinstance(part, ir.Or) or self._is_off(world.term(part), focus):
                continue
            others = [world.term(p) for j, p in enumerate(parts) if j != i]
            elsewhere = known | self.about(others)
            left = tuple(
                o
                for o in part.operands
                if not self._decisive(world.term(o)) <= elsewhere
                or world.possible((*given, *others, world.term(o)))
            )
            if len(left) < len(part.operands):
                parts[i] = disjunction(left)
        return self._units(self.parts(parts), given)

    def _without_implied(
        self, parts: list[ir.Expr], given: Sequence[Term], focus: frozenset[str] | None
    ) -> tuple[ir.Expr, ...]:
        """Those that read most state are the first to go."""
        order = sorted(range(len(parts)), key=lambda i: (-reads(parts[i]), -_nodes(parts[i]), -i))
        kept = {i: self.world.term(p) for i, p in enumerate(parts)}
        known = self.about(given)
        for i in order:
            if self._is_off(kept[i], focus):
                continue
            others = [t for j, t in kept.items() if j != i]
            elsewhere = known | self.about(others)
            if any(self._decisive(t) <= elsewhere for t in _alternatives(kept[i])) and self.holds(
                (*given, *others), kept[i]
            ):
                del kept[i]
        return tuple(parts[i] for i in sorted(kept))

    def _is_off(self, term: Term, focus: frozenset[str] | None) -> bool:
        return focus is not None and focus.isdisjoint(self._symbols(term, True))

    def about(self, terms: Iterable[Term]) -> frozenset[str]:
        """The fields and variables that they are about, apart from those in keys only."""
        return frozenset[str]().union(*(self._symbols(t, True) for t in terms))

    def _decisive(self, term: Term) -> frozenset[str]:
        """Those of which it says something whatever the others are."""
        return self._symbols(term, False)

    def _symbols(self, term: Term, through: bool) -> frozenset[str]:
        found = self._about.get((term.id, through))
        if found is None:
            found = self._about[term.id, through] = _symbols(term, through)
        return found

    def folded(self, expr: ir.Expr, given: Sequence[Term]) -> ir.Expr:
        """The value where `given` holds, with known conditions and values put in."""
        world = self.world
        known: dict[int, ir.Const] = {}
        for term in given:
            for part in term.args if term.op == "all" else (term,):
                known[part.id] = ir.TRUE
                known[world.terms.not_(part).id] = ir.FALSE
        equal = {}
        for term in given:
            if term.op == "eq":
                a, b = term.args
                if b.is_const and b.width:
                    equal[a.id] = b
                elif a.is_const and a.width:
                    equal[b.id] = a

        def visit(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
            if isinstance(node, ir.Conditional) and not isinstance(parts[0], ir.Const):
                test = world.term(parts[0])
                if test.id in known:
                    parts = (known[test.id], *parts[1:])
                elif self.holds(given, test):
                    parts = (ir.TRUE, *parts[1:])
                elif self.holds(given, world.terms.not_(test)):
                    parts = (ir.FALSE, *parts[1:])
            same = all(a is b for a, b in zip(parts, parts_of(node), strict=True))
            result = node if same else rebuild(node, parts)
            if isinstance(result, ir.Const):
                return result
            term = world.term(result)
            if isinstance(result.type, ir.Bool) and term.id in known:
                return known[term.id]
            if isinstance(result.type, ir.Bits) and term.id in equal and parts_of(result):
                return ir.Const(ir.wrap(equal[term.id].data, result.type), result.type)
            return result

        return transform(expr, visit)


def _alternatives(term: Term) -> tuple[Term, ...]:
    return term.args if term.op == "any" else (term,)


def _symbols(term: Term, through: bool) -> frozenset[str]:
    found: set[str] = set()
    stack, seen = [term], {term.id}
    while stack:
        node = stack.pop()
        if node.op == "var":
            found.add(str(node.data))
        elif node.op == "uf":
            found.add(str(node.data).rsplit(".", 1)[0].rstrip("?"))
        elif node.op != "ite" or through:
            new = [a for a in node.args if a.id not in seen]
            seen.update(a.id for a in new)
            stack += new
    return frozenset(found)


def _nodes(expr: ir.Expr) -> int:
    return sum(1 for _ in ir.walk((expr,)))
