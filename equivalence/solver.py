"""Z3 behind the prover: terms become Z3's through its C API, checks run under resource limits.

Resource limits, not seconds, bound a search, so that an answer is the same from run to run
(decision 29); the wall clock only ever turns an answer into unknown.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import z3
from z3 import z3core as c_api

from nfverify.equivalence.terms import Term

# Ctrl-C is Python's: as an `unknown` of one query it would be lost, and the search would go on.
z3.set_param("ctrl_c", False)

Answer = Literal["sat", "unsat", "unknown"]

_NARY = {"all": c_api.Z3_mk_and, "any": c_api.Z3_mk_or}
_BINARY = {
    "eq": c_api.Z3_mk_eq,
    "add": c_api.Z3_mk_bvadd,
    "sub": c_api.Z3_mk_bvsub,
    "mul": c_api.Z3_mk_bvmul,
    "and": c_api.Z3_mk_bvand,
    "or": c_api.Z3_mk_bvor,
    "xor": c_api.Z3_mk_bvxor,
    "shl": c_api.Z3_mk_bvshl,
    "lshr": c_api.Z3_mk_bvlshr,
    "ult": c_api.Z3_mk_bvult,
    "ule": c_api.Z3_mk_bvule,
    "slt": c_api.Z3_mk_bvslt,
    "sle": c_api.Z3_mk_bvsle,
}
_DIVISION = {
    "udiv": c_api.Z3_mk_bvudiv,
    "urem": c_api.Z3_mk_bvurem,
    "sdiv": c_api.Z3_mk_bvsdiv,
    "srem": c_api.Z3_mk_bvsrem,
}


class OutOfTime(Exception):
    """The wall-clock limit of the whole question has passed."""


class Translator:
    """Terms of one `Terms` table as Z3 expressions of one context."""

    def __init__(self) -> None:
        self.ctx = z3.Context()
        self._ref = self.ctx.ref()
        self._sorts: dict[int, Any] = {0: z3.BoolSort(self.ctx)}
        self._done: dict[int, Any] = {}
        self._functions: dict[tuple[Any, ...], Any] = {}

    def sort(self, width: int) -> Any:
        if width not in self._sorts:
            self._sorts[width] = z3.BitVecSort(width, self.ctx)
        return self._sorts[width]

    def function(self, term: Term) -> Any:
        """The declaration behind an uninterpreted term; keyed by name and all its widths."""
        key = (term.data, term.width, *[a.width for a in term.args])
        if key not in self._functions:
            name = "!".join(map(str, key))
            sorts = [self.sort(a.width) for a in term.args] + [self.sort(term.width)]
            self._functions[key] = z3.Function(name, *sorts)
        return self._functions[key]

    def __call__(self, term: Term) -> Any:
        done = self._done
        found = done.get(term.id)
        if found is not None:
            return found
        for sub in subterms_missing(term, done):
            done[sub.id] = self._translate(sub, [done[a.id] for a in sub.args])
        return done[term.id]

    def _translate(self, term: Term, args: list[Any]) -> Any:
        ref, op = self._ref, term.op
        if op == "const":
            if term.width == 0:
                return z3.BoolVal(term.data, self.ctx)
            return z3.BitVecVal(term.data, term.width, self.ctx)
        if op == "var":
            return z3.Const(f"{term.data}!{term.width}", self.sort(term.width))
        if op == "uf":
            declaration = self.function(term)
            raw = c_api.Z3_mk_app(ref, declaration.ast, len(args), _array([a.ast for a in args]))
        elif op in _NARY:
            raw = _NARY[op](ref, len(args), _array([a.ast for a in args]))
        elif op in _BINARY:
            raw = _BINARY[op](ref, args[0].ast, args[1].ast)
        elif op == "not":
            raw = c_api.Z3_mk_not(ref, args[0].ast)
        elif op == "ite":
            raw = c_api.Z3_mk_ite(ref, args[0].ast, args[1].ast, args[2].ast)
        elif op == "trunc":
            raw = c_api.Z3_mk_extract(ref, term.width - 1, 0, args[0].ast)
        elif op == "zext":
            raw = c_api.Z3_mk_zero_ext(ref, term.width - term.args[0].width, args[0].ast)
        elif op == "sext":
            raw = c_api.Z3_mk_sign_ext(ref, term.width - term.args[0].width, args[0].ast)
        elif op in _DIVISION:
            # The language says x / 0 = x % 0 = 0; SMT-LIB says otherwise.
            plain = self._wrap(_DIVISION[op](ref, args[0].ast, args[1].ast), term.width)
            if term.args[1].is_const:
                return plain
            nought = z3.BitVecVal(0, term.width, self.ctx)
            return z3.If(args[1] == nought, nought, plain)
        elif op == "ashr":
            # Shifts by the width or more give 0, whatever the sign.
            plain = self._wrap(c_api.Z3_mk_bvashr(ref, args[0].ast, args[1].ast), term.width)
            if term.args[1].is_const and term.args[1].data < term.width:
                return plain
            width = z3.BitVecVal(term.width, term.width, self.ctx)
            return z3.If(z3.ULT(args[1], width), plain, z3.BitVecVal(0, term.width, self.ctx))
        else:
            raise AssertionError(f"no translation for {op}")
        return self._wrap(raw, term.width)

    def _wrap(self, raw: Any, width: int) -> Any:
        return z3.BoolRef(raw, self.ctx) if width == 0 else z3.BitVecRef(raw, self.ctx)


def _array(items: Sequence[Any]) -> Any:
    return (z3.Ast * len(items))(*items)


def subterms_missing(root: Term, done: dict[int, Any]) -> list[Term]:
    """The terms below `root` that have no translation yet, arguments first."""
    seen: set[int] = set()
    order: list[Term] = []
    stack = [(root, False)]
    while stack:
        term, expanded = stack.pop()
        if expanded:
            order.append(term)
        elif term.id not in done and term.id not in seen:
            seen.add(term.id)
            stack.append((term, True))
            stack.extend((a, False) for a in term.args)
    return order


class Solver:
    """One incremental Z3 solver over terms, with a resource limit for each check."""

    def __init__(
        self,
        translator: Translator,
        logic: str = "QF_UFBV",
        *,
        deadline: float,
        rlimit: int,
        plain_models: bool = False,
        refuted: Callable[[tuple[Term, ...]], None] = lambda asserted: None,
    ) -> None:
        """`rlimit` is of one check. Plain models are full of zeros and absent keys. `refuted` hears
        of all that can't hold together."""
        self.refuted = refuted
        self.translate = translator
        self.deadline = deadline
        self.rlimit = rlimit
        self._core: set[int] = set()
        self._asserted: list[list[Term]] = [[]]  # by level
        self._solver = (
            z3.SolverFor(logic, ctx=translator.ctx) if logic else z3.Solver(ctx=translator.ctx)
        )
        if plain_models:
            self._solver.set("smt.phase_selection", 0)
        self._model: Any = None
        self._values: dict[int, int | bool] = {}  # of terms in the last model

    def add(self, *terms: Term) -> None:
        for term in terms:
            if term.op != "const" or not term.data:
                self._solver.add(self.translate(term))
                self._asserted[-1].append(term)

    def push(self) -> None:
        self._solver.push()
        self._asserted.append([])

    def pop(self) -> None:
        self._solver.pop()
        self._asserted.pop()

    def asserted(self) -> tuple[Term, ...]:
        """All that is asserted now."""
        return tuple(term for level in self._asserted for term in level)

    def check(
        self, assumptions: Iterable[Term] = (), *, rlimit: int | None = None, patience: int = 0
    ) -> Answer:
        """sat, unsat or unknown (the resource limit); raises OutOfTime past the deadline.

        `patience` is the limit of a second try, by another method, after an unknown.
        """
        self._values = {}
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise OutOfTime
        self._solver.set("rlimit", rlimit or self.rlimit)
        self._solver.set("timeout", max(1, int(left * 1000)))
        given = tuple(assumptions)
        literals = [self.translate(t) for t in given]
        result = self._solver.check(*literals)
        if result == z3.unknown and patience:
            result = self._afresh(literals, patience)
        else:
            self._model = self._solver.model() if result == z3.sat else None
            self._core = {a.get_id() for a in self._solver.unsat_core()} if literals else set()
        if result == z3.unknown and time.monotonic() >= self.deadline:
            raise OutOfTime
        if result == z3.unsat:
            self.refuted((*self.asserted(), *given))
        return "sat" if result == z3.sat else "unsat" if result == z3.unsat else "unknown"

    def feasible(self, term: Term) -> bool:
        """Can the term hold beside the assertions? True if the solver can't say."""
        if term.is_const:
            return bool(term.data)
        self.push()
        self.add(term)
        answer = self.check()
        self.pop()
        return answer != "unsat"

    def _afresh(self, literals: list[Any], patience: int) -> Any:
        """The same question to a SAT solver behind preprocessing, which is better at sums."""
        ctx = self.translate.ctx
        steps = ("simplify", "propagate-values", "solve-eqs", "ackermannize_bv", "bit-blast", "sat")
        solver = z3.Then(*steps, ctx=ctx).solver()
        solver.set("rlimit", patience)
        solver.set("timeout", max(1, int((self.deadline - time.monotonic()) * 1000)))
        solver.add(*self._solver.assertions(), *literals)
        result = solver.check()
        self._model = solver.model() if result == z3.sat else None
        self._core = {literal.get_id() for literal in literals}
        return result

    def core(self) -> set[int]:
        """Z3 ids of the assumptions that the last unsat answer used (all of them, if not known)."""
        return self._core

    @property
    def has_model(self) -> bool:
        """Was the last answer `sat`?"""
        return self._model is not None

    def value(self, term: Term) -> int | bool:
        """The value of a term in the last model (completed); unsigned."""
        if term.is_const:
            return cast(int | bool, term.data)
        known = self._values.get(term.id)
        if known is None:
            known = self._values[term.id] = self._evaluated(term)
        return known

    def _evaluated(self, term: Term) -> int | bool:
        """By the C API: the Python one takes ten times as long."""
        ref = self.translate.ctx.ref()
        found = (z3.Ast * 1)()
        c_api.Z3_model_eval(ref, self._model.model, self.translate(term).ast, True, found)
        if term.width == 0:
            return bool(c_api.Z3_get_bool_value(ref, found[0]) == 1)
        if term.width <= 64:
            number = ctypes.c_uint64()
            c_api.Z3_get_numeral_uint64(ref, found[0], ctypes.byref(number))
            return number.value
        return int(c_api.Z3_get_numeral_string(ref, found[0]))
