"""Terms of the symbolic semantics: a hash-consed DAG over bools and bit vectors.

Equal terms are one object, so that `is` decides syntactic equality, which the logs of map writes
live on. Every constructor folds constants. A term becomes Z3's only when a solver needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

BYTES_WIDTH = 32
"""Byte strings are numbered: no formula has 2^32 terms, so none can tell numbers from strings."""


@dataclass(slots=True, eq=False)  # not frozen: a million are made, and a frozen one costs threefold
class Term:
    """`op` applied to `args`; width 0 is bool. `data` is a constant's value or a symbol's name."""

    op: str
    args: tuple[Term, ...]
    width: int
    data: Any
    id: int

    @property
    def is_const(self) -> bool:
        return self.op == "const"

    def __repr__(self) -> str:
        if self.op in ("const", "var"):
            return str(self.data)
        inner = " ".join(map(repr, self.args))
        return f"({self.data if self.op == 'uf' else self.op} {inner})"


def signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) & 1 else value


def _truncate_toward_zero(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


_FOLD: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda a, b, w: a + b,
    "sub": lambda a, b, w: a - b,
    "mul": lambda a, b, w: a * b,
    "and": lambda a, b, w: a & b,
    "or": lambda a, b, w: a | b,
    "xor": lambda a, b, w: a ^ b,
    "shl": lambda a, b, w: a << b if b < w else 0,
    "lshr": lambda a, b, w: a >> b if b < w else 0,
    "ashr": lambda a, b, w: signed(a, w) >> b if b < w else 0,
    "udiv": lambda a, b, w: a // b if b else 0,
    "urem": lambda a, b, w: a % b if b else 0,
    "sdiv": lambda a, b, w: _truncate_toward_zero(signed(a, w), signed(b, w)) if b else 0,
    "srem": lambda a, b, w: (
        signed(a, w) - _truncate_toward_zero(signed(a, w), signed(b, w)) * signed(b, w) if b else 0
    ),
}
_COMPARE: dict[str, Callable[[int, int, int], bool]] = {
    "ult": lambda a, b, w: a < b,
    "ule": lambda a, b, w: a <= b,
    "slt": lambda a, b, w: signed(a, w) < signed(b, w),
    "sle": lambda a, b, w: signed(a, w) <= signed(b, w),
}


class Terms:
    """The one table of terms of a proof; all constructors are its methods."""

    def __init__(self) -> None:
        self._table: dict[tuple[Any, ...], Term] = {}
        self._strings: dict[bytes, Term] = {}
        self.true = self._make("const", (), 0, True)
        self.false = self._make("const", (), 0, False)

    def __len__(self) -> int:
        return len(self._table)

    def _make(self, op: str, args: tuple[Term, ...], width: int, data: Any = None) -> Term:
        key = (op, width, data, *[a.id for a in args])
        term = self._table.get(key)
        if term is None:
            term = Term(op, args, width, data, len(self._table))
            self._table[key] = term
        return term

    # Leaves

    def const(self, value: int, width: int) -> Term:
        return self._make("const", (), width, value & ((1 << width) - 1))

    def boolean(self, value: bool) -> Term:
        return self.true if value else self.false

    def string(self, value: bytes) -> Term:
        """The number of a literal byte string; the empty one is 0."""
        if not self._strings:
            self._strings[b""] = self.const(0, BYTES_WIDTH)
        if value not in self._strings:
            self._strings[value] = self.const(len(self._strings), BYTES_WIDTH)
        return self._strings[value]

    @property
    def strings(self) -> Mapping[bytes, Term]:
        return self._strings

    def var(self, name: str, width: int) -> Term:
        return self._make("var", (), width, name)

    def uf(self, name: str, args: Sequence[Term], width: int) -> Term:
        """An uninterpreted function; `name` must determine the widths."""
        return self._make("uf", tuple(args), width, name)

    def applications(self) -> list[Term]:
        """All uninterpreted applications made so far."""
        return [t for t in self._table.values() if t.op == "uf"]

    # Booleans

    def not_(self, a: Term) -> Term:
        if a.is_const:
            return self.false if a.data else self.true
        if a.op == "not":
            return a.args[0]
        return self._make("not", (a,), 0)

    def and_(self, *terms: Term) -> Term:
        return self.all(terms)

    def or_(self, *terms: Term) -> Term:
        return self.any(terms)

    def all(self, terms: Iterable[Term]) -> Term:
        return self._junction("all", terms, self.true, self.false)

    def any(self, terms: Iterable[Term]) -> Term:
        return self._junction("any", terms, self.false, self.true)

    def _junction(self, op: str, terms: Iterable[Term], unit: Term, zero: Term) -> Term:
        seen: dict[int, Term] = {}
        for term in terms:
            # Long junctions stay nested: flattening a table's growing guard would be quadratic.
            for part in term.args if term.op == op and len(term.args) <= 8 else (term,):
                if part is zero:
                    return zero
                if part is not unit:
                    seen[part.id] = part
        for part in seen.values():
            if part.op == "not" and part.args[0].id in seen:
                return zero
        if not seen:
            return unit
        if len(seen) == 1:
            return next(iter(seen.values()))
        return self._make(op, tuple(seen.values()), 0)

    def implies(self, a: Term, b: Term) -> Term:
        return self.any((self.not_(a), b))

    def ite(self, c: Term, a: Term, b: Term) -> Term:
        if c.is_const:
            return a if c.data else b
        if a is b:
            return a
        if c.op == "not":
            return self.ite(c.args[0], b, a)
        if a.op == "ite" and a.args[0] is c:
            a = a.args[1]
        if b.op == "ite" and b.args[0] is c:
            b = b.args[2]
        if a is b:
            return a
        if a.width == 0:
            if a is self.true:
                return self.or_(c, b)
            if a is self.false:
                return self.and_(self.not_(c), b)
            if b is self.true:
                return self.or_(self.not_(c), a)
            if b is self.false:
                return self.and_(c, a)
        return self._make("ite", (c, a, b), a.width)

    def eq(self, a: Term, b: Term) -> Term:
        assert a.width == b.width, (a, b)
        if a is b:
            return self.true
        if a.is_const and b.is_const:
            return self.false
        if a.width == 0:
            if a.is_const:
                a, b = b, a
            if b.is_const:
                return a if b.data else self.not_(a)
        if a.is_const or (b.op == "ite" and a.op != "ite" and not b.is_const):
            a, b = b, a
        if b.is_const and a.op == "ite" and (a.args[1].is_const or a.args[2].is_const):
            return self.ite(a.args[0], self.eq(a.args[1], b), self.eq(a.args[2], b))
        if b.is_const and a.op == "zext":
            inner = a.args[0]
            if b.data >> inner.width:
                return self.false
            return self.eq(inner, self.const(b.data, inner.width))
        if a.id > b.id:
            a, b = b, a
        return self._make("eq", (a, b), 0)

    # Bit vectors

    def binary(self, op: str, a: Term, b: Term) -> Term:
        """add sub mul and or xor shl lshr ashr udiv urem sdiv srem, as language.md has them."""
        width = a.width
        assert width == b.width, (op, a, b)
        if a.is_const and b.is_const:
            return self.const(_FOLD[op](a.data, b.data, width), width)
        if b.is_const and b.data == 0 and op in ("add", "sub", "or", "xor", "shl", "lshr", "ashr"):
            return a
        if a.is_const and a.data == 0 and op in ("add", "or", "xor"):
            return b
        if op in ("and", "mul", "udiv", "urem", "sdiv", "srem") and (
            (a.is_const and a.data == 0) or (b.is_const and b.data == 0)
        ):
            return self.const(0, width)
        if op == "and" and b.is_const and b.data == (1 << width) - 1:
            return a
        if op in ("mul", "udiv", "sdiv") and b.is_const and b.data == 1:
            return a
        if op in ("add", "sub") and b.is_const and a.op == "add" and a.args[1].is_const:
            delta = a.args[1].data + (b.data if op == "add" else -b.data)
            return self.binary("add", a.args[0], self.const(delta, width))
        if op == "sub" and b.is_const:
            return self.binary("add", a, self.const(-b.data, width))
        if op == "add" and a.is_const:
            a, b = b, a
        return self._make(op, (a, b), width)

    def compare(self, op: str, a: Term, b: Term) -> Term:
        """ult ule slt sle."""
        assert a.width == b.width, (op, a, b)
        if a.is_const and b.is_const:
            return self.boolean(_COMPARE[op](a.data, b.data, a.width))
        if a is b:
            return self.boolean(op in ("ule", "sle"))
        if op == "ult" and b.is_const and b.data == 0:
            return self.false
        if op == "ule" and a.is_const and a.data == 0:
            return self.true
        return self._make(op, (a, b), 0)

    def resize(self, a: Term, width: int, sign: bool) -> Term:
        """Truncates, or extends by the sign bit or zeros."""
        if width == a.width:
            return a
        if a.is_const:
            return self.const(signed(a.data, a.width) if sign else a.data, width)
        if width < a.width:
            if a.op in ("zext", "sext"):
                inner = a.args[0]
                return self.resize(inner, width, a.op == "sext")
            return self._make("trunc", (a,), width)
        if a.op == "zext":
            return self._make("zext", (a.args[0],), width)
        if a.op == "ite" and (a.args[1].is_const or a.args[2].is_const):
            c, x, y = a.args
            return self.ite(c, self.resize(x, width, sign), self.resize(y, width, sign))
        return self._make("sext" if sign else "zext", (a,), width)

    def to_bits(self, a: Term, width: int) -> Term:
        """A bool as 0 or 1."""
        return self.ite(a, self.const(1, width), self.const(0, width))


def subterms(roots: Iterable[Term]) -> list[Term]:
    """Every term below the roots, each once, arguments before users."""
    seen: set[int] = set()
    order: list[Term] = []
    stack = [(root, False) for root in roots]
    while stack:
        term, done = stack.pop()
        if done:
            order.append(term)
        elif term.id not in seen:
            seen.add(term.id)
            stack.append((term, True))
            stack.extend((a, False) for a in term.args if a.id not in seen)
    return order


def evaluate(
    roots: Sequence[Term],
    var: Callable[[Term], int | bool],
    uf: Callable[[str, tuple[int | bool, ...], Term], int | bool],
) -> list[int | bool]:
    """The values of the roots where `var` and `uf` give those of symbols (unsigned ints)."""
    value: dict[int, Any] = {}
    for term in subterms(roots):
        value[term.id] = _value(term, [value[a.id] for a in term.args], var, uf)
    return [value[r.id] for r in roots]


def _value(
    term: Term,
    args: list[Any],
    var: Callable[[Term], int | bool],
    uf: Callable[[str, tuple[int | bool, ...], Term], int | bool],
) -> int | bool:
    match term.op:
        case "const":
            return cast(int | bool, term.data)
        case "var":
            return var(term)
        case "uf":
            return uf(term.data, tuple(args), term)
        case "not":
            return not args[0]
        case "all":
            return all(args)
        case "any":
            return any(args)
        case "ite":
            return cast(int | bool, args[1] if args[0] else args[2])
        case "eq":
            return bool(args[0] == args[1])
        case "trunc" | "zext":
            return int(args[0]) & ((1 << term.width) - 1)
        case "sext":
            return signed(args[0], term.args[0].width) & ((1 << term.width) - 1)
        case op if op in _COMPARE:
            return _COMPARE[op](args[0], args[1], term.args[0].width)
        case op:
            return _FOLD[op](args[0], args[1], term.width) & ((1 << term.width) - 1)
