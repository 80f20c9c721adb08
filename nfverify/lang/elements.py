"""pyparsing elements for a grammar over tokens (one character of the string is one token).

What the stock elements match are characters of text; these match tokens, cost a list look-up each,
and raise messages for people. Expressions and types are leaves here, read by code of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pyparsing as pp

from nfverify.lang.expressions import RESERVED, Mode, expression
from nfverify.lang.faults import Fault
from nfverify.lang.tokens import END, Tokens

PORT = "the name of a port"  # which may be `in`
MAX_BLOCKS = 24
MAX_BLOCK_DEPTH = 64

Found = tuple[int, Any]
"""What a parse step returns: the next token, and a list or ParseResults of values."""


class _Leaf(pp.Token):
    """An element that reads tokens itself."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.skipWhitespace = False
        self.callPreparse = False
        self.mayIndexError = False
        self._may_return_empty = False

    def _generateDefaultName(self) -> str:
        return self.label

    def _fail(self, tokens: str, at: int, message: str) -> pp.ParseException:
        return pp.ParseException(tokens, at, message, self)


class Sign(_Leaf):
    """A punctuation mark or fixed word; gives no value."""

    def __init__(self, text: str, where: str = "") -> None:
        super().__init__(f"`{text}`")
        self.text = text
        self.where = where and " " + where

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        tokens = cast(Tokens, instring)
        if tokens.texts[loc] == self.text:
            return loc + 1, []
        found = tokens.found(loc)
        raise self._fail(instring, loc, f"expected {self.label}{self.where}, found {found}")


class Identifier(_Leaf):
    """A name that the text defines or refers to; gives its text."""

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        tokens = cast(Tokens, instring)
        text = tokens.texts[loc]
        if tokens[loc] != "w":
            raise self._fail(instring, loc, f"expected {self.label}, found {tokens.found(loc)}")
        if text in RESERVED or (text == "in" and self.label != PORT):
            raise self._fail(instring, loc, f"`{text}` is a reserved word, not {self.label}")
        return loc + 1, [text]


class Read(_Leaf):
    """A leaf that a function reads: read(tokens, at) -> (value, next)."""

    def __init__(self, label: str, read: Callable[[Tokens, int], tuple[object, int]]) -> None:
        super().__init__(label)
        self.read = read

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        value, after = self.read(cast(Tokens, instring), loc)
        return after, [value]


class Semicolon(_Leaf):
    """The end of a statement or declaration. It may be left out before `}`, if `last_optional`;
    left out before a new line, that is noted and the parse goes on."""

    def __init__(self, after: str, last_optional: bool = False) -> None:
        super().__init__("`;`")
        self.after = after
        self.last_optional = last_optional

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        tokens = cast(Tokens, instring)
        text = tokens.texts[loc]
        if text == ";":
            return loc + 1, []
        if self.last_optional and text == "}":
            return loc, []
        end = tokens.ends[loc - 1]
        found = tokens.found(loc)
        fault = Fault(end, end, f"expected `;` after {self.after}, found {found}")
        if text == "=":
            raise tokens.fault(loc, f"expected `;` after {self.after}, found `=`",
                               "compare with `==`; an assignment has one `=`")  # fmt: skip
        if "\n" in tokens.source.text[end : tokens.starts[loc]] or text in ("}", ""):
            tokens.faults.add(fault)
            return loc, []
        raise fault


class Node(pp.TokenConverter):
    """Calls make(*values, span=span) with what its expression read."""

    def __init__(self, make: Callable[..., object], expr: pp.ParserElement) -> None:
        super().__init__(expr)
        self.make = make
        self.callPreparse = False

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        after, values = self.expr._parse(instring, loc, do_actions, False)
        return after, [self.make(*values, span=cast(Tokens, instring).span(loc, after))]


class Tuple(pp.TokenConverter):
    """Makes one tuple of all values that its expression read."""

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        after, values = self.expr._parse(instring, loc, do_actions, False)
        return after, [tuple(values)]


class Cases(pp.MatchFirst):
    """One of several elements, chosen by looking ahead: choose(tokens, at) is its key."""

    def __init__(
        self,
        cases: Mapping[str, pp.ParserElement],
        choose: Callable[[Tokens, int], str],
    ) -> None:
        super().__init__(list(cases.values()))
        self.cases = cases
        self.choose = choose
        self.skipWhitespace = False
        self.callPreparse = False

    def streamline(self) -> pp.ParserElement:
        """Each case for itself: nothing may be merged into or out of them."""
        if not self.streamlined:
            self.streamlined = True
            for case in self.cases.values():
                case.streamline()
        return self

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        case = self.cases[self.choose(cast(Tokens, instring), loc)]
        return cast(Found, case._parse(instring, loc, do_actions, False))


class Repeat(pp.TokenConverter):
    """Items up to a `}` or the end of the text, as one tuple; after an error in one of them, its
    error is noted and the next item is tried."""

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        tokens = cast(Tokens, instring)
        texts = tokens.texts
        items: list[object] = []
        while texts[loc] != "}" and tokens[loc] != END:
            if texts[loc] == ";":
                loc += 1
                continue
            try:
                after, values = self.expr._parse(instring, loc, do_actions, False)
            except pp.ParseBaseException as error:
                hint = "compare with `==`" if tokens.texts[error.loc] == "=" else ""
                fault = tokens.fault(error.loc, error.msg, hint)
            except Fault as error:
                fault = error
            else:
                items.extend(values)
                loc = after
                continue
            tokens.faults.add(fault)
            if fault.code == "limit":
                tokens.faults.stop()
            loc = _recover(tokens, loc, fault)
        return loc, [tuple(items)]


def _recover(tokens: Tokens, first: int, fault: Fault) -> int:
    """The token at which to go on after a fault in the item that begins at token `first`: after
    the next `;` or block at the item's own level, or before the `}` that ends the list of items."""
    texts, ends = tokens.texts, tokens.ends
    depth = 0
    at = first
    while tokens[at] != END:
        text = texts[at]
        past = ends[at] >= fault.start
        if text == "{":
            depth += 1
        elif text == "}":
            depth -= 1
            if depth < 0:
                return at
            if depth == 0 and past:
                return at + 1
        elif text == ";" and depth == 0 and past:
            return at + 1
        at += 1
    return at


class Nested(pp.TokenConverter):
    """A block inside a statement: one level deeper. Python's own depth grows with the blocks, the
    tree's with the blocks and with the `else if`s of a chain."""

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        tokens = cast(Tokens, instring)
        blocks, depth = tokens.blocks, tokens.depth
        if blocks >= MAX_BLOCKS or depth >= MAX_BLOCK_DEPTH:
            message = f"blocks are nested more than {MAX_BLOCKS} deep"
            if depth >= MAX_BLOCK_DEPTH:
                message = f"more than {MAX_BLOCK_DEPTH} `else if`s and blocks in one another"
            fault = tokens.fault(loc - 1, message)
            fault.code = "limit"
            raise fault
        tokens.blocks, tokens.depth = blocks + 1, depth + 1
        try:
            return cast(Found, self.expr._parse(instring, loc, do_actions, False))
        finally:
            tokens.blocks, tokens.depth = blocks, depth


class Chained(pp.TokenConverter):
    """else if (…) {…}, as often as it comes: a tuple. Each makes the tree one level deeper."""

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> Found:
        tokens = cast(Tokens, instring)
        texts, depth = tokens.texts, tokens.depth
        links: list[object] = []
        try:
            while texts[loc] == "else" and texts[loc + 1] == "if":
                tokens.depth += 1
                loc, values = self.expr._parse(instring, loc, do_actions, False)
                links.extend(values)
        finally:
            tokens.depth = depth
        return loc, [tuple(links)]


def expression_element(mode: Mode = "plain") -> pp.ParserElement:
    """An expression as a leaf of the grammar."""
    return Read("an expression", lambda tokens, at: expression(tokens, at, mode))


def separated(element: pp.ParserElement) -> pp.ParserElement:
    """element, element, …: one or more, as one tuple."""
    return Tuple(element + pp.ZeroOrMore(Sign(",") - element))
