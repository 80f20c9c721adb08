"""Ways of a packet through a chain, writes to state, and what expressions mean on such a way."""

from __future__ import annotations

from dataclasses import dataclass, field

from nfverify.equivalence.consolidate.path import Path, StateWrite
from nfverify.equivalence.consolidate.rewriter import NotConsolidatable, Rewriter
from nfverify.equivalence.fastpath.headers import LayeredPath
from nfverify.equivalence.fastpath.sight import World, opaque_name
from nfverify.lang.source import NOWHERE, Span
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir


@dataclass(frozen=True, slots=True)
class Assignment:
    """`keys` of a variable get `values`, or are deleted (None): over the packet as it arrives and
    the state before it."""

    instance: str
    var: str
    keys: tuple[ir.Expr, ...]
    values: tuple[ir.Expr, ...] | None


@dataclass(frozen=True, slots=True)
class Way:
    """One way through the chain. `slow` says why no record can stand for it, if so; `idle`: only
    packets take it whose writes change nothing."""

    conditions: tuple[ir.Expr, ...]
    fields: tuple[tuple[str, ir.Expr], ...]
    writes: tuple[Assignment, ...]
    outputs: tuple[ir.Expr, ...]
    entries: tuple[tuple[str, str], ...]
    pushes: tuple[tuple[ir.HeaderKind, tuple[ir.Expr, ...]], ...] = ()
    slow: str = ""
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Writer:
    """Who may write: a served packet or another, or (neither) a timer's dummy; and when, as far as
    the way up to the write tells."""

    assignment: Assignment
    conditions: tuple[ir.Expr, ...]
    served: bool | None


@dataclass(slots=True)
class Exploration:
    """What was found. Of the variables in `anyhow` the writes are not all among `writers`. `plain`:
    only untagged frames of ordinary length are served, for headers are pushed or popped."""

    ways: list[Way] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)
    anyhow: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)  # of values of which nothing is known
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Resolver(Rewriter):
    """A rewriter that never gives up: what it can't tell is a value of which nothing is known."""

    found: Exploration

    def rewrite(self, path: Path, expr: ir.Expr) -> ir.Expr:
        try:
            return super(Resolver, self).rewrite(path, expr)
        except NotConsolidatable:
            return self.opaque(expr.type, "a value that is too long to write down")

    def kept(self, path: Path, expr: ir.Expr) -> ir.Expr:
        return expr

    def opaque(self, type_: ir.Type, reason: str) -> ir.Expr:
        """A value of which nothing is known."""
        name = opaque_name(len(self.found.reasons), type_)
        self.found.reasons[name] = reason
        return ir.Local(name, type_)

    def remember(self, path: Path, var: str, write: StateWrite) -> None:
        super(Resolver, self).remember(path, var, write)
        name = self.variable(path, var)
        if self.conditions.variables[name].aged:
            path.refused = path.refused or f"{name} forgets what is old"
        world = self.conditions
        assert isinstance(world, World)
        self.found.writers.append(
            Writer(
                Assignment(
                    self.network.instances[path.instance].name, name, write.keys, write.values
                ),
                path.asked,
                None if path.dummy else bool(world.served),
            )
        )

    def set_field(self, path: Path, name: str, value: ir.Expr) -> None:
        assert isinstance(path, LayeredPath)
        world = self.conditions
        assert isinstance(world, World)
        if path.under and not FIELDS[name].headers & path.headers:
            return
        if world.plain and name == "vlan" and not path.tags_in_front:
            return
        super(Resolver, self).set_field(path, name, value)

    def field(self, path: LayeredPath, name: str) -> ir.Expr:
        """A field of the packet as it is."""
        return self._field(path, name, NOWHERE)

    def _field(self, path: Path, name: str, span: Span) -> ir.Expr:
        world = self.conditions
        assert isinstance(path, LayeredPath)
        assert isinstance(world, World)
        if path.lost and name != "iface" and not path.dummy:
            return self.opaque(ir.field_type(name), "what is inside other headers")
        if path.base is not None and name != "iface":
            return path.fields.get(name, path.base[name])
        if name in path.fields and name == "vlan" and world.plain:
            return path.fields[name]
        if not path.dummy and name not in path.fields:
            return world.constant_of(name) or ir.Field(name)
        return super(Resolver, self)._field(path, name, span)

    def _read(self, path: Path, node: ir.Read, keys: tuple[ir.Expr, ...]) -> ir.Expr:
        name = self.variable(path, node.var)
        if self.conditions.variables[name].aged:
            return self.opaque(node.type, f"{name} forgets what is old")
        return super(Resolver, self)._read(path, node, keys)

    def _has(self, path: Path, node: ir.Has, keys: tuple[ir.Expr, ...]) -> ir.Expr:
        name = self.variable(path, node.var)
        if self.conditions.variables[name].aged:
            return self.opaque(ir.BOOL, f"{name} forgets what is old")
        return super(Resolver, self)._has(path, node, keys)
