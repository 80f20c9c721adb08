"""Terms as straight-line Python: shared ones in variables, the rest inline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.evaluation.meaning import CHEAP, Meaning
from nfverify.equivalence.evaluation.stores import candidates
from nfverify.equivalence.symbolic import Choice
from nfverify.equivalence.terms import Term, signed, subterms

MOST_HEIGHT = 12  # operators inside each other in one expression
MOST_TEXT = 1500  # characters of one expression

Known = dict[int, str]  # by the id of a term, the text that gives its value at this place

_INFIX = {"and": "&", "or": "|", "xor": "^"}
_WRAPS = {"add": "+", "sub": "-", "mul": "*"}


@dataclass(frozen=True, slots=True)
class Symbolic:
    """A choice whose value is the symbol `value`, and `none` if nothing fits."""

    choice: Choice
    value: Term
    none: Term
    fits: Term


@dataclass(slots=True)
class Writer:
    """Writes the lines of one function. A term's value is the same wherever it is asked for, so
    what is costly is asked for when it is needed, and remembered."""

    meaning: Meaning
    choices: Mapping[int, Symbolic]  # by the ids of both of its symbols
    lines: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # variables that begin as not known yet
    inputs: dict[int, str] = field(default_factory=dict)  # symbols that stand in variables
    _made: int = 0

    def name(self, letter: str) -> str:
        self._made += 1
        return f"{letter}{self._made}"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def texts(
        self, roots: Sequence[Term], uses: Mapping[int, int], known: Known, depth: int
    ) -> list[str]:
        """Expressions for the roots; writes what they share before, and adds it to `known`."""
        text: dict[int, str] = {}
        height: dict[int, int] = {}
        for term in self._order(roots, known):
            key = term.id
            if key in known:
                text[key], height[key] = known[key], 1
                continue
            if term.op == "const":
                text[key], height[key] = self.meaning.constant(term), 0
                continue
            if term.op == "var":
                text[key], height[key] = self._symbol(term, uses, known, depth), 1
                continue
            text[key] = self._operator(term, [text[a.id] for a in term.args])
            height[key] = 1 + max((height[a.id] for a in term.args), default=0)
            long = height[key] > MOST_HEIGHT or len(text[key]) > MOST_TEXT
            kind = term.data.partition(" ")[0] if term.op == "uf" else ""
            if kind and kind not in (*CHEAP, "row") and not long:
                if uses.get(key, 0) > 1:
                    text[key] = known[key] = self._remembered(text[key])
            elif kind == "row" or long or uses.get(key, 0) > 1:
                name = self.name("t")
                self.line(depth, f"{name} = {text[key]}")
                text[key] = known[key] = name
                height[key] = 0
        return [text[r.id] for r in roots]

    def _order(self, roots: Sequence[Term], known: Known) -> list[Term]:
        """Arguments before users, without what is below the known."""
        seen: set[int] = set()
        order: list[Term] = []
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            term, done = stack.pop()
            if done:
                order.append(term)
            elif term.id not in seen:
                seen.add(term.id)
                stack.append((term, True))
                if term.id not in known:
                    stack.extend((a, False) for a in term.args if a.id not in seen)
        return order

    def _remembered(self, text: str) -> str:
        name = self.name("c")
        self.unknown.append(name)
        return f"({name} if {name} is not U else ({name} := {text}))"

    def _symbol(self, term: Term, uses: Mapping[int, int], known: Known, depth: int) -> str:
        if term.id in self.inputs:
            return self.inputs[term.id]
        if term.id in self.choices:
            return self._choice(self.choices[term.id], term, uses, known, depth)
        text = self.meaning.symbol(term.data)
        if term.data.startswith("count "):
            text = known[term.id] = self._remembered(text)
        return text

    def _choice(
        self, it: Symbolic, term: Term, uses: Mapping[int, int], known: Known, depth: int
    ) -> str:
        """A choice by an engine: the first that fits."""
        depends = _dependent((it.fits,), it.value)
        outside: dict[int, Term] = {}
        for inner in subterms((it.fits,)):
            if inner.id in depends:
                outside.update((a.id, a) for a in inner.args if a.id not in depends)
        if it.fits.id not in depends:
            outside[it.fits.id] = it.fits
        below = [it.choice.low, it.choice.high, *outside.values()]
        counted = {key: n + uses.get(key, 0) for key, n in count_uses(below).items()}
        texts = self.texts(below, counted, known, depth)
        inside = Writer(self.meaning, self.choices, _made=self._made)
        candidate, function = inside.name("x"), inside.name("f")
        given: Known = {it.value.id: candidate}
        for shared, text in zip(outside.values(), texts[2:], strict=True):
            if not shared.is_const:
                name = inside.name("t")
                self.line(depth, f"{name} = {text}")
                given[shared.id] = name
        [result] = inside.texts([it.fits], count_uses([it.fits]), given, depth + 1)
        self._made = inside._made
        self.line(depth, f"def {function}({candidate}):")
        for name in inside.unknown:
            self.line(depth + 1, f"{name} = U")
        self.lines += inside.lines
        self.line(depth + 1, f"return {result}")
        node = it.choice.node
        choose = self.meaning.object(
            ("choose", it.value.id), lambda: candidates(self.meaning.context, node)
        )
        found = self._remembered(f"{choose}({texts[0]}, {texts[1]}, {function})")
        known[it.value.id], known[it.none.id] = found, f"({found} is None)"
        return known[term.id]

    def _operator(self, term: Term, args: list[str]) -> str:
        mask, bits = (1 << term.width) - 1, term.args[0].width if term.args else 0
        match term.op:
            case "uf":
                return self.meaning.apply(term, args)
            case "not":
                return f"(not {args[0]})"
            case "all":
                return f"({' and '.join(args)})"
            case "any":
                return f"({' or '.join(args)})"
            case "ite":
                return f"({args[1]} if {args[0]} else {args[2]})"
            case "eq":
                return f"({args[0]} == {args[1]})"
            case "ult":
                return f"({args[0]} < {args[1]})"
            case "ule":
                return f"({args[0]} <= {args[1]})"
            case "slt" | "sle":
                half = 1 << (bits - 1)  # flipping the sign bits turns one order into the other
                sign = "<" if term.op == "slt" else "<="
                return f"(({args[0]} ^ {half}) {sign} ({args[1]} ^ {half}))"
            case "trunc":
                return f"({args[0]} & {mask})"
            case "zext":
                return args[0]
            case "sext":
                half = 1 << (bits - 1)
                return f"((({args[0]} ^ {half}) - {half}) & {mask})"
            case op if op in _INFIX:
                return f"({args[0]} {_INFIX[op]} {args[1]})"
            case op if op in _WRAPS:
                return f"({args[0]} {_WRAPS[op]} {args[1]} & {mask})"
            case op:
                name = self.meaning.object(op, lambda: OPERATIONS[op])
                return f"{name}({args[0]}, {args[1]}, {term.width})"


def count_uses(roots: Iterable[Term]) -> dict[int, int]:
    """How often each term below the roots is asked for."""
    found: dict[int, int] = {}
    roots = list(roots)
    for root in roots:
        found[root.id] = found.get(root.id, 0) + 1
    for term in subterms(roots):
        for arg in term.args:
            found[arg.id] = found.get(arg.id, 0) + 1
    return found


def _dependent(roots: Sequence[Term], symbol: Term) -> set[int]:
    """The ids of the terms below the roots that hold the symbol."""
    found = {symbol.id}
    for term in subterms(roots):
        if any(a.id in found for a in term.args):
            found.add(term.id)
    return found


def _shift_left(a: int, b: int, width: int) -> int:
    return a << b & (1 << width) - 1 if b < width else 0


def _shift_right(a: int, b: int, width: int) -> int:
    return a >> b if b < width else 0


def _shift_signed(a: int, b: int, width: int) -> int:
    return signed(a, width) >> b & (1 << width) - 1 if b < width else 0


def _divide(a: int, b: int, width: int) -> int:
    return a // b if b else 0


def _remainder(a: int, b: int, width: int) -> int:
    return a % b if b else 0


def _divide_signed(a: int, b: int, width: int) -> int:
    if not b:
        return 0
    x, y = signed(a, width), signed(b, width)
    quotient = abs(x) // abs(y)
    return (quotient if (x < 0) == (y < 0) else -quotient) & (1 << width) - 1


def _remainder_signed(a: int, b: int, width: int) -> int:
    if not b:
        return 0
    x, y = signed(a, width), signed(b, width)
    rest = abs(x) % abs(y)
    return (-rest if x < 0 else rest) & (1 << width) - 1


OPERATIONS = {
    "shl": _shift_left,
    "lshr": _shift_right,
    "ashr": _shift_signed,
    "udiv": _divide,
    "urem": _remainder,
    "sdiv": _divide_signed,
    "srem": _remainder_signed,
}
