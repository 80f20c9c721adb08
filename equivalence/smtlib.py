"""Terms as SMT-LIB 2 text, by a printer of its own: Z3 and its translator take no part in it.

A term with several users is a `define-fun` without parameters, so that a text is as small as the
DAG. Division and shifts get the language's own cases (x / 0 = 0), as `Terms` documents them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from nfverify.equivalence.terms import Term, subterms

Expected = Literal["sat", "unsat"]

_SAME = {
    "not": "not", "all": "and", "any": "or", "ite": "ite", "eq": "=",
    "add": "bvadd", "sub": "bvsub", "mul": "bvmul", "and": "bvand", "or": "bvor", "xor": "bvxor",
    "shl": "bvshl", "lshr": "bvlshr",
    "ult": "bvult", "ule": "bvule", "slt": "bvslt", "sle": "bvsle",
}  # fmt: skip
_DIVISION = {"udiv": "bvudiv", "urem": "bvurem", "sdiv": "bvsdiv", "srem": "bvsrem"}


@dataclass(slots=True)
class _Writer:
    """One script: names of symbols, and of terms that have several users."""

    lines: list[str] = field(default_factory=list)
    symbols: dict[tuple[object, ...], str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    written: dict[int, str] = field(default_factory=dict)

    def define(self, roots: Sequence[Term]) -> None:
        """Declares and defines what the roots need."""
        order = subterms(roots)
        users = Counter(a.id for term in order for a in term.args)
        users.update(root.id for root in roots)
        for term in order:
            text = self._text(term)
            if term.args and users[term.id] > 1:
                name = f"t{len(self.written)}"
                self.lines.append(f"(define-fun {name} () {sort(term.width)} {text})")
                text = name
            self.written[term.id] = text

    def _text(self, term: Term) -> str:
        args = [self.written[a.id] for a in term.args]
        match term.op:
            case "const":
                return constant(term.data, term.width)
            case "var":
                return self._symbol(term)
            case "uf":
                name = self._symbol(term)
                return f"({name} {' '.join(args)})" if args else name
            case "trunc":
                return f"((_ extract {term.width - 1} 0) {args[0]})"
            case "zext" | "sext":
                how = "zero_extend" if term.op == "zext" else "sign_extend"
                return f"((_ {how} {term.width - term.args[0].width}) {args[0]})"
            case "ashr":
                nought, limit = constant(0, term.width), constant(term.width, term.width)
                return f"(ite (bvult {args[1]} {limit}) (bvashr {args[0]} {args[1]}) {nought})"
            case op if op in _DIVISION:
                nought = constant(0, term.width)
                quotient = f"({_DIVISION[op]} {args[0]} {args[1]})"
                return f"(ite (= {args[1]} {nought}) {nought} {quotient})"
            case op:
                return f"({_SAME[op]} {' '.join(args)})"

    def _symbol(self, term: Term) -> str:
        """Declared at its first use; a symbol is its name and all its widths."""
        key = (term.op, term.data, term.width, *[a.width for a in term.args])
        found = self.symbols.get(key)
        if found is None:
            plain = "".join(
                c if c.isascii() and c.isprintable() and c not in "|\\" else f"<{ord(c):x}>"
                for c in str(term.data)
            )
            found = name = f"|{plain}|"
            while found in self.taken:
                found = f"|{plain} {len(self.taken)}|"
            del name
            self.taken.add(found)
            self.symbols[key] = found
            sorts = " ".join(sort(a.width) for a in term.args)
            self.lines.append(f"(declare-fun {found} ({sorts}) {sort(term.width)})")
        return found


def sort(width: int) -> str:
    """The sort of terms of a width; 0 is Bool."""
    return f"(_ BitVec {width})" if width else "Bool"


def constant(value: int | bool, width: int) -> str:
    """A literal."""
    if not width:
        return "true" if value else "false"
    return f"#x{value:0{width // 4}x}" if width % 4 == 0 else f"#b{value:0{width}b}"


def comment(text: str) -> str:
    """Lines of comment; whatever the text holds, nothing of it is read."""
    shown = (
        "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line) for line in text.split("\n")
    )
    return "".join(f"; {line}".rstrip() + "\n" for line in shown)


def script(assertions: Sequence[Term], expected: Expected, claims: str) -> str:
    """A whole file: what it claims, the assertions, and one `check-sat`."""
    writer = _Writer()
    writer.define(assertions)
    return "".join(
        (
            comment(claims),
            comment(f"Expected answer: {expected}"),
            "(set-info :smt-lib-version 2.6)\n",
            "(set-logic QF_UFBV)\n",
            *(f"{line}\n" for line in writer.lines),
            *(f"(assert {writer.written[term.id]})\n" for term in assertions),
            "(check-sat)\n",
        )
    )
