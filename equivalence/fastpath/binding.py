"""Binding time: what is the same for all packets of a flow as long as no event comes, and what of
it a record holds."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from nfverify.equivalence.consolidate.rewrite import convert, parts_of, rebuild
from nfverify.equivalence.fastpath.sight import World
from nfverify.fastpath.plan import FLOW_KEY, Value
from nfverify.smat import ir

FREE_NODES = 6  # a value over the key alone that is no larger is worked out again instead


def fixed(expr: ir.Expr, hot: AbstractSet[str]) -> bool:
    """Does it hold nothing but the key's fields and cold state?"""
    return not any(
        (isinstance(n, ir.Field) and n.name not in FLOW_KEY)
        or isinstance(n, ir.Now | ir.Tag | ir.Local)
        or (isinstance(n, ir.Read | ir.Has) and n.var in hot)
        for n in ir.walk((expr,))
    )


def _free(expr: ir.Expr) -> bool:
    """Is it as quick to work out as to look up?"""
    nodes = list(ir.walk((expr,)))
    costly = (ir.Read, ir.Has, ir.Apply, ir.Match)
    return len(nodes) <= FREE_NODES and not any(isinstance(n, costly) for n in nodes)


@dataclass(slots=True)
class Recorder:
    """Puts values of the record in the place of what a flow fixes."""

    world: World
    hot: AbstractSet[str]
    values: dict[tuple[int, ir.Type], Value] = field(default_factory=dict)

    def bound(self, expr: ir.Expr, instance: str) -> ir.Expr:
        """The expression over the packet, the record and hot state."""
        if isinstance(expr, ir.Const):
            return expr
        if fixed(expr, self.hot):
            return expr if _free(expr) else self._value(expr, instance)
        parts = parts_of(expr)
        return rebuild(expr, tuple(self.bound(p, instance) for p in parts)) if parts else expr

    def _value(self, expr: ir.Expr, instance: str) -> ir.Expr:
        inner = expr
        while isinstance(inner, ir.Cast) and _widens(inner.operand.type, inner.type):
            inner = inner.operand
        if isinstance(inner, ir.Const) or _free(inner):
            return expr
        key = (self.world.term(inner).id, inner.type)
        if key not in self.values:
            self.values[key] = Value(f"r{len(self.values)}", inner, instance)
        local: ir.Expr = ir.Local(self.values[key].name, inner.type)
        casts = []
        while expr is not inner:
            assert isinstance(expr, ir.Cast)
            casts.append(expr.type)
            expr = expr.operand
        for type_ in reversed(casts):
            local = convert(local, type_)
        return local


def _widens(source: ir.Type, target: ir.Type) -> bool:
    match source, target:
        case ir.Bool(), ir.Bits():
            return True
        case ir.Bits(width=narrow), ir.Bits(width=wide):
            return narrow <= wide
        case _:
            return False
