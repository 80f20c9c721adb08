"""Expressions of the generated code: read in Cython's notation, as trees that C++ is printed from.

The generator writes C in Cython's notation; nothing else comes here, so what isn't of it is an
error of ours.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_TOKEN = re.compile(
    r"\s*(?:(?P<number>0x[0-9a-fA-F]+[uUlL]*|[0-9]+[uUlL]*)|(?P<name>[A-Za-z_]\w*)"
    r'|(?P<text>"[^"\\#()\[\]\n]*")'
    r"|(?P<op><<|>>|<=|>=|==|!=|[-+*/%&|^~<>()\[\],.]))",
    re.ASCII,
)
_TYPE_WORDS = re.compile(r"(?:const )?[A-Za-z_]\w*(?: ?\*)*", re.ASCII)
MAX_DEPTH = 2000  # levels; a model's expressions have at most 300, of a few brackets each
_BINARY = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), 4),
    "|": 5,
    "^": 6,
    "&": 7,
    **dict.fromkeys(("<<", ">>"), 8),
    **dict.fromkeys("+-", 9),
    **dict.fromkeys("*/%", 10),
}
_COMPARISON = 4
_NOT = 3  # `not x` binds less than a comparison


class NotationError(ValueError):
    """A text that the generator doesn't write."""


@dataclass(frozen=True, slots=True)
class Name:
    text: str


@dataclass(frozen=True, slots=True)
class Number:
    """Or a text in quotation marks, without brackets, `#` and backslashes: what platforms add."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    function: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Index:
    base: Expression
    at: Expression


@dataclass(frozen=True, slots=True)
class Member:
    base: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    op: str  # - ~ & not
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional:
    test: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class CastTo:
    type: str
    operand: Expression


Expression = Name | Number | Call | Index | Member | Unary | Binary | Conditional | CastTo


def parse(text: str) -> Expression:
    """The tree of an expression. NotationError."""
    reader = _Reader(_tokens(text), text)
    with deep():
        found = reader.conditional(0)
    if reader.at < len(reader.tokens):
        raise reader.wrong()
    return found


@contextmanager
def deep() -> Iterator[None]:
    """Room for calls as deep as expressions are."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 20 * MAX_DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotationError(f"no token at {text[at : at + 20]!r} of {text!r}")
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


@dataclass(slots=True)
class _Reader:
    tokens: list[tuple[str, str]]
    text: str
    at: int = 0

    def wrong(self) -> NotationError:
        return NotationError(f"token {self.at} of {self.text!r}")

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        found = self.peek()
        if not found or (wanted and found != wanted):
            raise self.wrong()
        self.at += 1
        return found

    def conditional(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise NotationError(f"nested too deep: {self.text[:80]!r}")
        then = self.binary(1, depth)
        if self.peek() != "if":
            return then
        self.take()
        test = self.binary(1, depth)
        self.take("else")
        return Conditional(test, then, self.conditional(depth + 1))

    def binary(self, least: int, depth: int) -> Expression:
        if self.peek() == "not" and least <= _NOT:
            self.take()
            left: Expression = Unary("not", self.binary(_NOT, depth + 1))
        else:
            left = self.unary(depth)
        compared = False
        while (level := _BINARY.get(self.peek(), 0)) >= least:
            if level == _COMPARISON:
                if compared:
                    raise NotationError(f"a chain of comparisons: {self.text!r}")
                compared = True
            op = self.take()
            left = Binary(op, left, self.binary(level + 1, depth + 1))
        return left

    def unary(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise NotationError(f"nested too deep: {self.text[:80]!r}")
        if self.peek() in ("-", "~", "&"):
            return Unary(self.take(), self.unary(depth + 1))
        if self.peek() == "<":
            self.take()
            words = []
            while self.peek() != ">":
                words.append(self.take())
            self.take(">")
            return CastTo(type_text(" ".join(words)), self.unary(depth + 1))
        return self.postfix(depth)

    def postfix(self, depth: int) -> Expression:
        found = self.atom(depth)
        while (op := self.peek()) in ("(", "[", "."):
            self.take()
            if op == ".":
                found = Member(found, self.take())
            elif op == "[":
                found = Index(found, self.conditional(depth + 1))
                self.take("]")
            else:
                arguments = []
                while self.peek() != ")":
                    arguments.append(self.conditional(depth + 1))
                    if self.peek() != ")":
                        self.take(",")
                self.take(")")
                found = Call(found, tuple(arguments))
        return found

    def atom(self, depth: int) -> Expression:
        if self.at >= len(self.tokens):
            raise self.wrong()
        kind, text = self.tokens[self.at]
        if text == "(":
            self.take()
            found = self.conditional(depth + 1)
            self.take(")")
            return found
        if kind == "op" or text in ("if", "else", "and", "or", "not"):
            raise self.wrong()
        self.take()
        return Name(text) if kind == "name" else Number(text)


def type_text(text: str) -> str:
    """A type in one form: `const u8*`. NotationError."""
    text = re.sub(r"\s*\*\s*", "*", text.strip())
    if not _TYPE_WORDS.fullmatch(text):
        raise NotationError(f"not a type: {text!r}")
    return text
