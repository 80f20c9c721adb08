"""Expressions of the IR as terms, in whatever scope gives their leaves a meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, assert_never

from nfverify.equivalence.state import Unsupported as Unsupported
from nfverify.equivalence.state import constant, width
from nfverify.equivalence.terms import BYTES_WIDTH, Term, Terms
from nfverify.semantics.operators import murmur3
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset


class Scope(Protocol):
    """Where an expression is evaluated: what its leaves mean there."""

    def field(self, name: str) -> Term: ...

    def tag(self, name: str) -> Term: ...

    def local(self, name: str) -> Term: ...

    def now(self) -> Term: ...

    def read(self, var: str, keys: tuple[Term, ...], index: int) -> Term: ...

    def has(self, var: str, keys: tuple[Term, ...]) -> Term: ...

    def match(self, ruleset: Ruleset, args: tuple[Term, ...]) -> Term: ...


def evaluate_expr(terms: Terms, scope: Scope, expr: ir.Expr) -> Term:
    """The value of an expression in a scope."""

    def all_(exprs: Sequence[ir.Expr]) -> tuple[Term, ...]:
        return tuple(evaluate_expr(terms, scope, e) for e in exprs)

    match expr:
        case ir.Const(value=value, type=type_):
            return constant(terms, value, type_)
        case ir.Field(name=name):
            return scope.field(name)
        case ir.Tag(name=name):
            return scope.tag(name)
        case ir.Local(name=name):
            return scope.local(name)
        case ir.Now():
            return scope.now()
        case ir.Read(var=var, keys=keys, index=index):
            return scope.read(var, all_(keys), index)
        case ir.Has(var=var, keys=keys):
            return scope.has(var, all_(keys))
        case ir.Not(operand=operand):
            return terms.not_(evaluate_expr(terms, scope, operand))
        case ir.And(operands=operands):
            return terms.all(all_(operands))
        case ir.Or(operands=operands):
            return terms.any(all_(operands))
        case ir.Arithmetic(op=op, left=left, right=right, type=type_):
            assert isinstance(type_, ir.Bits)
            a, b = all_((left, right))
            return arithmetic(terms, op, a, b, type_.signed)
        case ir.Compare(op=op, left=left, right=right):
            a, b = all_((left, right))
            return compare(terms, op, a, b, left.type)
        case ir.Conditional(condition=condition, then=then, otherwise=otherwise):
            return terms.ite(*all_((condition, then, otherwise)))
        case ir.Cast(operand=operand, type=type_):
            return cast(terms, evaluate_expr(terms, scope, operand), operand.type, type_)
        case ir.Match(ruleset=ruleset, args=args):
            return scope.match(ruleset, all_(args))
        case ir.Apply(op=op, args=args, type=type_):
            return apply(terms, op, args, all_(args), type_)
        case (
            ir.Post() | ir.Dropped() | ir.OutputPort() | ir.OutOfBounds() | ir.Since() | ir.Total()
        ):  # fmt: skip
            raise Unsupported("a property's term in a program", expr.span)
        case _:
            assert_never(expr)


_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor", "<<": "shl"}
_COMPARISON = {("<", False): "ult", ("<=", False): "ule", ("<", True): "slt", ("<=", True): "sle"}


def arithmetic(terms: Terms, op: ir.ArithmeticOp, a: Term, b: Term, signed: bool) -> Term:
    """An `ir.Arithmetic`, by its docstring."""
    match op:
        case "/":
            return terms.binary("sdiv" if signed else "udiv", a, b)
        case "%":
            return terms.binary("srem" if signed else "urem", a, b)
        case ">>":
            return terms.binary("ashr" if signed else "lshr", a, b)
        case _:
            return terms.binary(_ARITHMETIC[op], a, b)


def compare(terms: Terms, op: ir.CompareOp, a: Term, b: Term, type_: ir.Type) -> Term:
    """An `ir.Compare`: signed or unsigned by the type of its operands."""
    match op:
        case "==":
            return terms.eq(a, b)
        case "!=":
            return terms.not_(terms.eq(a, b))
        case _:
            assert isinstance(type_, ir.Bits)
            return terms.compare(_COMPARISON[op, type_.signed], a, b)


def cast(terms: Terms, value: Term, source: ir.Type, target: ir.Type) -> Term:
    """An `ir.Cast`: extends by the sign of the source, truncates; bool is 0 or 1."""
    match source, target:
        case ir.Bool(), ir.Bits(width=bits):
            return terms.to_bits(value, bits)
        case ir.Bits(width=bits), ir.Bool():
            return terms.not_(terms.eq(value, terms.const(0, bits)))
        case ir.Bits(signed=signed), ir.Bits(width=bits):
            return terms.resize(value, bits, signed)
        case _:
            return value


def apply(
    terms: Terms, op: str, args: Sequence[ir.Expr], values: Sequence[Term], type_: ir.Type
) -> Term:
    """A pure operator as an uninterpreted function, with what the language says of it."""
    match op:
        case "hash" if all(isinstance(a.type, ir.Bits | ir.Bool) for a in args):
            given = [w for v in values for w in words(terms, v)]
            if all(w.is_const for w in given):
                return terms.const(murmur3(b"".join(w.data.to_bytes(4, "big") for w in given)), 32)
            return terms.uf(f"hash{len(given)}", given, 32)
        case "PatternMatch":
            strings = {number.id: string for string, number in terms.strings.items()}
            found = (
                terms.uf(f"contains {strings[v.id].hex()}", [values[0]], 0)
                if strings[v.id]
                else terms.true
                for v in values[1:]
            )
            return terms.any(found)
        case "Encrypt" | "Decrypt":
            other = "Decrypt" if op == "Encrypt" else "Encrypt"
            data, *rest = values
            if data.op == "ite":
                condition, *branches = data.args
                return terms.ite(
                    condition, *(apply(terms, op, args, [b, *rest], type_) for b in branches)
                )
            kinds = signature(args)
            if data.op == "uf" and data.data == f"{other} {kinds}" and list(data.args[1:]) == rest:
                return data.args[0]
            return terms.uf(f"{op} {kinds}", values, BYTES_WIDTH)
        case _:
            result = signature([ir.Const(ir.zero(type_), type_)])
            return terms.uf(f"op {op} {signature(args)} {result}", values, width(type_))


def signature(args: Sequence[ir.Expr]) -> str:
    """The types of arguments as part of a function's name: the number of a byte string must never
    pass for a number, nor 2^32 - 1 for -1."""
    kinds = []
    for arg in args:
        match arg.type:
            case ir.Bool():
                kinds.append("bool")
            case ir.Bytes():
                kinds.append("bytes")
            case ir.Bits(width=bits, signed=signed):
                kinds.append(f"{'s' if signed else 'u'}{bits}")
    return ",".join(kinds)


def words(terms: Terms, value: Term) -> list[Term]:
    """A value zero-extended to whole 32-bit words, the most significant first (decision 12)."""
    if value.width == 0:
        return [terms.to_bits(value, 32)]
    count = -(-value.width // 32)
    wide = terms.resize(value, 32 * count, False)
    return [
        terms.resize(
            terms.binary("lshr", wide, terms.const(32 * (count - 1 - i), 32 * count)), 32, False
        )
        for i in range(count)
    ]
