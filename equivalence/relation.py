"""Candidates for the relation between the states of both sides, as expressions of the IR.

A candidate is a claim about one state of the pair, for all values of its key variables (locals
`k0`, `k1`, …). Being IR, it can be printed in the models' language, evaluated on concrete states,
and assumed or proved symbolically at given keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import product
from typing import Any

from nfverify.equivalence.expressions import evaluate_expr
from nfverify.equivalence.state import State, width
from nfverify.equivalence.terms import Term, Terms
from nfverify.semantics.operators import resolve
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset
from nfverify.smat.unparse import Printer
from nfverify.smat.values import Misfit

Key = tuple[ir.Value, ...]
Trigger = tuple[tuple[str, tuple[int | None, ...]], ...]
Places = tuple[tuple[Trigger, ...], tuple[int, ...]]
MAX_INSTANCES = 64


class Missing(Exception):
    """A concrete state says nothing about a key that a candidate reads."""


@dataclass(frozen=True)
class Candidate:
    """`expr` for all k0, k1, … of the types `keys`; `shape` is the template that made it."""

    shape: str
    keys: tuple[ir.Type, ...]
    expr: ir.Expr
    own: bool = field(default=False, compare=False)  # a model's own invariant

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, object]:
        """Without what is cached: in another process, hashes are others."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def _hash(self) -> int:
        """Of a whole expression, and asked for all the time."""
        return hash((self.shape, self.keys, self.expr))

    @cached_property
    def places(self) -> Places:
        """What decides at which keys of a concrete state it is looked at."""
        widths = (
            (-t.width if t.signed else t.width) if isinstance(t, ir.Bits) else 0 for t in self.keys
        )
        return self.triggers, tuple(widths)

    @cached_property
    def triggers(self) -> tuple[Trigger, ...]:
        """Sets of reads that bind all key variables: each read is a variable and, for each of its
        key positions, the number of the key variable that stands there."""
        reads: dict[tuple[str, tuple[int | None, ...]], None] = {}
        for node in ir.walk((self.expr,)):
            if isinstance(node, ir.Read | ir.Has) and node.keys:
                reads[node.var, tuple(_key_number(k) for k in node.keys)] = None
        wanted = set(range(len(self.keys)))
        single = [(r,) for r in reads if {n for n in r[1] if n is not None} == wanted]
        if single or not wanted:
            return tuple(single)
        return tuple(
            (x, y)
            for x in reads
            for y in reads
            if x != y and {n for n in (*x[1], *y[1]) if n is not None} == wanted
        )[:2]

    @cached_property
    def holds(self) -> Callable[..., bool]:
        """Concrete evaluation: holds(state, defaults, k0, k1, …); raises Missing."""
        return _compile(self.expr, len(self.keys))

    @cached_property
    def case(self) -> Callable[..., bool] | None:
        """Of `p -> q` and `p == q` the case p, concretely; None of other claims."""
        match self.expr:
            case ir.Or(operands=(ir.Not(operand=p), _)):
                return _compile(p, len(self.keys))
            case ir.Compare(op="==" | "!=", left=p) if p.type == ir.BOOL:
                return _compile(p, len(self.keys))
            case _:
                return None

    @cached_property
    def variables(self) -> frozenset[str]:
        return frozenset(n.var for n in ir.walk((self.expr,)) if isinstance(n, ir.Read | ir.Has))


def _key_number(expr: ir.Expr) -> int | None:
    while isinstance(expr, ir.Cast):
        expr = expr.operand
    if isinstance(expr, ir.Local) and expr.name[0] == "k" and expr.name[1:].isdigit():
        return int(expr.name[1:])
    return None


def concrete_keys(candidate: Candidate, state: dict[str, dict[Key, Any]]) -> Iterator[Key]:
    """The keys at which a concrete state says something about the candidate."""
    if not candidate.keys:
        yield ()
        return
    count = 0
    for trigger in candidate.triggers:
        pools = [state.get(var, {}) for var, _ in trigger]
        for combination in product(*pools):
            bound: dict[int, ir.Value] = {}
            for (_, positions), key in zip(trigger, combination, strict=True):
                for position, value in zip(positions, key, strict=True):
                    if position is not None:
                        type_ = candidate.keys[position]
                        # The read's key may be wider or narrower than the key variable.
                        bound[position] = (
                            ir.wrap(int(value), type_)
                            if isinstance(type_, ir.Bits) and not isinstance(value, bytes)
                            else value
                        )
            yield tuple(bound[i] for i in range(len(candidate.keys)))
            count += 1
            if count >= MAX_INSTANCES * 4:
                return


# Concrete -----------------------------------------------------------------------------------


def _compile(expr: ir.Expr, key_count: int) -> Callable[..., bool]:
    """Only numbers, operators and names made here reach the generated text; values are bound."""
    bound: dict[str, Any] = {"wrap": ir.wrap, "divide": _divide, "shift": _shift}

    def bind(value: Any) -> str:
        name = f"c{len(bound)}"
        bound[name] = value
        return name

    def text(node: ir.Expr) -> str:
        match node:
            case ir.Const(value=value):
                return bind(value)
            case ir.Local():
                number = _key_number(node)
                assert number is not None
                return f"k{number}"
            case ir.Read(var=var, keys=keys, index=index, type=type_):
                key = f"({''.join(text(k) + ',' for k in keys)})"
                default = bind((ir.zero(type_),) * (index + 1))
                return f"s[{bind(var)}].get({key}, d.get({bind(var)}, {default}))[{index}]"
            case ir.Has(var=var, keys=keys):
                key = f"({''.join(text(k) + ',' for k in keys)})"
                return f"({key} in s[{bind(var)}])"
            case ir.Not(operand=operand):
                return f"(not {text(operand)})"
            case ir.And(operands=operands):
                return f"({' and '.join(map(text, operands)) or 'True'})"
            case ir.Or(operands=operands):
                return f"({' or '.join(map(text, operands)) or 'False'})"
            case ir.Compare(op=op, left=left, right=right):
                return f"({text(left)} {op} {text(right)})"
            case ir.Conditional(condition=c, then=a, otherwise=b):
                return f"({text(a)} if {text(c)} else {text(b)})"
            case ir.Cast(operand=operand, type=ir.Bits() as type_):
                return f"wrap({text(operand)} + 0, {bind(type_)})"
            case ir.Cast(operand=operand):
                return f"({text(operand)} != 0)"
            case ir.Arithmetic(op=("/" | "%") as op, left=left, right=right, type=type_):
                return f"wrap(divide({op!r}, {text(left)}, {text(right)}), {bind(type_)})"
            case ir.Arithmetic(op=("<<" | ">>") as op, left=left, right=right, type=type_):
                call = f"shift({op!r}, {text(left)}, {text(right)}, {bind(type_)})"
                return f"wrap({call}, {bind(type_)})"
            case ir.Arithmetic(op=op, left=left, right=right, type=type_):
                return f"wrap({text(left)} {op} {text(right)}, {bind(type_)})"
            case ir.Apply(op="hash", args=args):
                return f"{bind(resolve(node, {}))}({', '.join(map(text, args))})"
            case ir.Match(ruleset=ruleset, args=args):
                return f"{bind(ruleset)}.accepts(({''.join(text(a) + ',' for a in args)}))"
            case _:
                raise TypeError(f"not in a candidate: {node}")

    keys = "".join(f", k{i}" for i in range(key_count))
    source = f"lambda s, d{keys}: {text(expr)}"
    return eval(source, bound)  # type: ignore[no-any-return]


def _divide(op: str, a: int, b: int) -> int:
    if b == 0:
        return 0
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient if op == "/" else a - quotient * b


def _shift(op: str, a: int, b: int, type_: ir.Bits) -> int:
    amount = b & ((1 << type_.width) - 1)
    if amount >= type_.width:
        return 0
    return a << amount if op == "<<" else a >> amount


# Symbolic -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StateScope:
    """A candidate's leaves in one symbolic state, its key variables bound to terms."""

    terms: Terms
    state: State
    keys: tuple[Term, ...]
    encode: Callable[[Ruleset, tuple[Term, ...]], Term]

    def local(self, name: str) -> Term:
        return self.keys[int(name[1:])]

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term:
        return self.state.read(var, keys, index)

    def has(self, var: str, keys: tuple[Term, ...]) -> Term:
        return self.state.has(var, keys)

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        return self.encode(ruleset, args)

    def field(self, name: str) -> Term:
        raise AssertionError(name)

    def tag(self, name: str) -> Term:
        raise AssertionError(name)

    def now(self) -> Term:
        raise AssertionError


def claim(
    terms: Terms,
    state: State,
    candidate: Candidate,
    keys: tuple[Term, ...],
    encode: Callable[[Ruleset, tuple[Term, ...]], Term],
) -> Term:
    """The candidate in a symbolic state at these keys."""
    return evaluate_expr(terms, StateScope(terms, state, keys, encode), candidate.expr)


def bindings(
    terms: Terms,
    candidate: Candidate,
    touched: Iterable[tuple[str, tuple[Term, ...]]],
    all_touched: dict[str, list[tuple[Term, ...]]],
) -> Iterator[tuple[Term, ...]]:
    """Keys at which to assume a candidate: where one of its reads meets a touched key."""
    for var, keys in touched:
        for trigger in candidate.triggers:
            for at, (name, _) in enumerate(trigger):
                if name != var:
                    continue
                pools = [
                    [keys] if i == at else all_touched.get(other, [])
                    for i, (other, _) in enumerate(trigger)
                ]
                yield from _bind_all(terms, candidate, trigger, pools)


def _bind_all(
    terms: Terms,
    candidate: Candidate,
    trigger: tuple[tuple[str, tuple[int | None, ...]], ...],
    pools: list[list[tuple[Term, ...]]],
) -> Iterator[tuple[Term, ...]]:
    for count, combination in enumerate(product(*pools)):
        if count >= MAX_INSTANCES:
            return
        bound: dict[int, Term] = {}
        for (_, positions), keys in zip(trigger, combination, strict=True):
            for position, term in zip(positions, keys, strict=True):
                if position is not None:
                    wanted = width(candidate.keys[position])
                    if wanted and term.width:
                        term = terms.resize(term, wanted, False)
                    bound[position] = term
        yield tuple(bound[i] for i in range(len(candidate.keys)))


def relation_text(candidate: Candidate, variables: dict[str, ir.StateVar]) -> str:
    """A conjunct of the relation in the models' language, with its key variables."""
    try:
        text = Printer(state=variables).text(candidate.expr)
    except Misfit:  # a width that the language has no literals of
        text = str(candidate.expr)
    if not candidate.keys:
        return text
    names = ", ".join(f"k{i}" for i in range(len(candidate.keys)))
    return f"for all {names}: {text}"
