"""What an expression of an NF means on a path: over the packet as it arrived and the state before
it (for guards), or with no more than the names changed (for actions, which keep their order)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nfverify.equivalence.consolidate.conditions import Conditions
from nfverify.equivalence.consolidate.naming import Renaming
from nfverify.equivalence.consolidate.path import Path, StateWrite
from nfverify.equivalence.consolidate.rewrite import (
    comparison,
    conditional,
    conjunction,
    convert,
    depth,
    disjunction,
    rebuild,
    size,
    transform,
    truth,
)
from nfverify.equivalence.terms import Term
from nfverify.lang.source import Diagnostic, ModelError, Span
from nfverify.packet.fields import FIELDS, PORTS, Header
from nfverify.smat import ir

MAX_NODES = 2_000  # of one expression
MAX_DEPTH = 120
LENGTH_KEEPING = ("Encrypt", "Decrypt")


class NotConsolidatable(ModelError):
    """The chain is right, but there is no single table for it here."""


def refusal(message: str, span: Span, hint: str = "") -> NotConsolidatable:
    return NotConsolidatable(Diagnostic("error", "not-consolidatable", message, span, hint))


@dataclass(frozen=True, slots=True)
class Rewriter:
    """`renamings` and `dummy_tags` (names of the tags of timers) are by number of the instance."""

    network: ir.Network
    renamings: tuple[Renaming, ...]
    dummy_tags: tuple[dict[str, str], ...]
    conditions: Conditions

    def known(self, path: Path, test: Term) -> bool | None:
        """Is the condition sure to hold, or not to hold, on this path? None: it depends."""
        if not self.conditions.possible((*path.context, test)):
            return False
        if not self.conditions.possible((*path.context, self.conditions.terms.not_(test))):
            return True
        return None

    # Reading ------------------------------------------------------------------------------

    def rewrite(self, path: Path, expr: ir.Expr) -> ir.Expr:
        """`expr` at this point of the path, over the packet and the state before the chain."""

        def visit(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
            match node:
                case ir.Field(name=name):
                    return self._field(path, name, node.span)
                case ir.Tag(name=name):
                    return self._tag(path, name)
                case ir.Local(name=name):
                    return path.locals[name]
                case ir.Read():
                    return self._read(path, node, parts)
                case ir.Has():
                    return self._has(path, node, parts)
                case _:
                    return self._renamed(path, node, parts)

        result = transform(expr, visit)
        if size(result, MAX_NODES) > MAX_NODES or depth(result) > MAX_DEPTH:
            raise refusal(
                "a value that depends on this one takes an expression too large to read",
                expr.span,
                "consolidate a shorter chain",
            )
        return result

    def kept(self, path: Path, expr: ir.Expr) -> ir.Expr:
        """`expr` as an action of the row: the same text under new names."""

        def visit(node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
            match node:
                case ir.Field(name=name) if path.dummy:
                    return _nought(name)
                case ir.Tag(name=name):
                    value = self._tag(path, name)
                    return value if isinstance(value, ir.Const) else self._own_tag(path, name)
                case ir.Local(name=name, type=type_):
                    return ir.Local(path.renamed[name], type_)
                case ir.Read(var=var, index=index, type=type_):
                    return ir.Read(self.variable(path, var), parts, index, type_)
                case ir.Has(var=var):
                    return ir.Has(self.variable(path, var), parts)
                case _:
                    return self._renamed(path, node, parts)

        return transform(expr, visit)

    def variable(self, path: Path, name: str) -> str:
        """What a variable of the path's instance is called in the table."""
        return self.renamings[path.instance].variables[name]

    def tag_name(self, path: Path, name: str) -> str:
        """Tags of packets keep their names along the chain; those of a timer are its NF's own."""
        return self.dummy_tags[path.instance].get(name, name) if path.dummy else name

    def _own_tag(self, path: Path, name: str) -> ir.Tag:
        return ir.Tag(self.tag_name(path, name))

    def _tag(self, path: Path, name: str) -> ir.Expr:
        if name in path.tags:
            return path.tags[name]
        if path.dummy and name in self.dummy_tags[path.instance]:
            return self._own_tag(path, name)
        return ir.Const(0, ir.INT)

    def _renamed(self, path: Path, node: ir.Expr, parts: tuple[ir.Expr, ...]) -> ir.Expr:
        match node:
            case ir.Const():
                return self.renamings[path.instance].constant(node)
            case ir.Match(ruleset=ruleset):
                known = self.renamings[path.instance].rulesets
                return rebuild(ir.Match(known[ruleset], node.args), parts)
            case _:
                return rebuild(node, parts)

    # Fields: a write counts only where the header is there ---------------------------------

    def set_field(self, path: Path, name: str, value: ir.Expr) -> None:
        path.fields[name] = convert(value, ir.field_type(name))

    def _field(self, path: Path, name: str, span: Span) -> ir.Expr:
        if path.dummy:
            return _nought(name)
        if name not in path.fields:
            return ir.Field(name)
        value, headers = path.fields[name], FIELDS[name].headers
        present = self.conditions.present(headers)
        known = self.known(path, present)
        if known is None and self._nought_without(path, present, value):
            return value
        if known is None and headers is Header.VLAN:
            raise refusal(
                "whether a frame is tagged can't be matched, so f[vlan] can't be read after it"
                " was assigned",
                span,
                "match on f[vlan] before it is assigned",
            )
        if known is None:
            there = self._simplify(path, presence(headers))
            return conditional(there, value, _nought(name))
        return value if known else _nought(name)

    def _nought_without(self, path: Path, present: Term, value: ir.Expr) -> bool:
        """Is the value 0 wherever the header is absent? As f[sip] = f[dip]: both read 0 then."""
        terms = self.conditions.terms
        other = self.conditions.term(comparison("!=", value, _zero(value.type)))
        return not self.conditions.possible((*path.context, terms.not_(present), other))

    def _simplify(self, path: Path, test: ir.Expr) -> ir.Expr:
        """A condition without the parts that are sure on this path."""
        match test:
            case ir.And(operands=operands):
                return conjunction(tuple(self._simplify(path, o) for o in operands))
            case ir.Or(operands=operands):
                return disjunction(tuple(self._simplify(path, o) for o in operands))
            case _:
                known = self.known(path, self.conditions.term(test))
                return test if known is None else truth(known)

    # State: the newest write of the path that hits the keys --------------------------------

    def remember(self, path: Path, var: str, write: StateWrite) -> None:
        name = self.variable(path, var)
        path.writes[name] = (*path.writes.get(name, ()), write)

    def _read(self, path: Path, node: ir.Read, keys: tuple[ir.Expr, ...]) -> ir.Expr:
        name = self.variable(path, node.var)
        variable = self.conditions.variables[name]
        before: ir.Expr = ir.Read(name, keys, node.index, node.type)
        if variable.constant and all(isinstance(k, ir.Const) for k in keys):
            content = dict(variable.entries)
            values = content.get(_values(keys), variable.default)
            before = ir.Const(values[node.index], node.type)
        default = ir.Const(variable.default[node.index], node.type)

        def after(write: StateWrite) -> ir.Expr:
            return default if write.values is None else write.values[node.index]

        return self._through_writes(path, name, keys, before, after)

    def _has(self, path: Path, node: ir.Has, keys: tuple[ir.Expr, ...]) -> ir.Expr:
        name = self.variable(path, node.var)
        return self._through_writes(
            path, name, keys, ir.Has(name, keys), lambda w: truth(w.values is not None)
        )

    def _through_writes(
        self,
        path: Path,
        name: str,
        keys: tuple[ir.Expr, ...],
        before: ir.Expr,
        after: Callable[[StateWrite], ir.Expr],
    ) -> ir.Expr:
        maybe: list[tuple[ir.Expr, ir.Expr]] = []
        result = before
        for write in reversed(path.writes.get(name, ())):
            same = conjunction(
                tuple(comparison("==", a, b) for a, b in zip(write.keys, keys, strict=True))
            )
            known = self.known(path, self.conditions.term(same))
            if known:
                result = after(write)
                break
            if known is None:
                maybe.append((same, after(write)))
        for same, value in reversed(maybe):
            result = conditional(same, value, result)
        return result


def keeps_length(payload: ir.Expr) -> bool:
    """Is a payload over the arriving packet sure to be as long as that packet's?"""
    stack = [payload]
    while stack:
        match stack.pop():
            case ir.Field(name="payload"):
                pass
            case ir.Apply(op=op, args=(first, *_)) if op in LENGTH_KEEPING:
                stack.append(first)
            case ir.Conditional(then=then, otherwise=ir.Const(value=b"")):
                stack.append(then)  # without IP there is no payload, and the write is ignored
            case _:
                return False
    return True


def _values(keys: tuple[ir.Expr, ...]) -> tuple[ir.Value, ...]:
    return tuple(k.value for k in keys if isinstance(k, ir.Const))


def _zero(type_: ir.Type) -> ir.Const:
    return ir.Const(ir.zero(type_), type_)


def _nought(name: str) -> ir.Const:
    return _zero(ir.field_type(name))


def _is(name: str, value: int) -> ir.Expr:
    type_ = ir.field_type(name)
    return ir.Compare("==", ir.Field(name), ir.Const(value, type_))


def presence(headers: Header) -> ir.Expr:
    """Has the arriving packet any of these headers, by what a model can read of it?

    A packet's `L4` says that it has the header that its `proto` names (decisions 10, 18-20).
    """
    ip4, ip6, l4 = _is("IP4", 1), _is("IP6", 1), _is("L4", 1)
    tests: list[ir.Expr] = []
    for header in Header:
        if header not in headers:
            continue
        match header:
            case Header.LINK:
                tests.append(ir.TRUE)
            case Header.IP4:
                tests.append(ip4)
            case Header.IP6:
                tests.append(ip6)
            case Header.TCP:
                tests.append(_is("proto", 6))
            case Header.UDP:
                tests.append(_is("proto", 17))
            case Header.ICMP:
                icmp4, icmp6 = (ip4, _is("proto", 1)), (ip6, _is("proto", 58))
                tests.append(ir.Or((ir.And(icmp4), ir.And(icmp6))))
            case _:
                raise AssertionError(f"no test for {header}")
    found = disjunction(tuple(tests))
    return conjunction((l4, found)) if headers & (PORTS | Header.ICMP) else found
