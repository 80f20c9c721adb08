"""Expressions: operator precedence with explicit stacks, so that no input deepens Python's.

Precedence is Python's (decision 6), with `?:` below `||` and `->` below all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, cast

from nfverify.lang import ast
from nfverify.lang.faults import Fault
from nfverify.lang.literals import integer, literal
from nfverify.lang.source import Span
from nfverify.lang.tokens import END, Tokens

MAX_DEPTH = 100
MAX_PREFIXES = 64

# Precedences, loosest first.
OPEN, ARROW, TERNARY, OR, AND, NOT, COMPARE = range(7)
UNION, XOR, INTERSECTION, SHIFT, SUM, PRODUCT, TIGHT = range(7, 14)

# How an infix sign is spelt: (operator of the tree, precedence).
INFIX: dict[str, tuple[str, int]] = {
    "->": ("->", ARROW),
    "||": ("||", OR), "or": ("||", OR), "∨": ("||", OR),
    "&&": ("&&", AND), "and": ("&&", AND), "∧": ("&&", AND),
    "==": ("==", COMPARE), "!=": ("!=", COMPARE), "≠": ("!=", COMPARE),
    "<": ("<", COMPARE), ">": (">", COMPARE),
    "<=": ("<=", COMPARE), "≤": ("<=", COMPARE), ">=": (">=", COMPARE), "≥": (">=", COMPARE),
    "in": ("in", COMPARE), "∈": ("in", COMPARE), "∉": ("not in", COMPARE),
    "matches": ("matches", COMPARE), "⊏": ("matches", COMPARE), "⊑": ("matches", COMPARE),
    "mismatches": ("mismatches", COMPARE), "⋢": ("mismatches", COMPARE),
    "|": ("|", UNION), "∪": ("|", UNION), "\\": ("\\", UNION),
    "^": ("^", XOR), "&": ("&", INTERSECTION), "∩": ("&", INTERSECTION),
    "<<": ("<<", SHIFT), "+": ("+", SUM), "-": ("-", SUM),
    "*": ("*", PRODUCT), "×": ("*", PRODUCT), "/": ("/", PRODUCT), "%": ("%", PRODUCT),
}  # fmt: skip
PREFIX: dict[str, tuple[str, int]] = {
    "!": ("!", TIGHT), "~": ("~", TIGHT), "-": ("-", TIGHT), "not": ("!", NOT), "¬": ("!", NOT),
}  # fmt: skip
_CLOSERS = {"(": ")", "call": ")", "[": "]", "{": "}", "{:": "}", "?": ""}
KEYWORDS = ("DROP", "IFACE", "resubmit")
NOT_OPERANDS = frozenset({"and", "or", "matches", "mismatches", "not"})
RESERVED = frozenset({*KEYWORDS, *NOT_OPERANDS, "true", "false", "f", "f_dmy"})

Mode = Literal["plain", "match", "property"]
"""In a match `=` reads as `==`; in a property `->` is implication."""


class _Operand(NamedTuple):
    node: ast.Expr
    depth: int
    start: int  # characters, parentheses included
    end: int
    bare: bool  # not in parentheses


class _Frame:
    """An operator or an open bracket that waits for what comes to its right."""

    __slots__ = ("at", "base", "count", "op", "precedence", "start")

    def __init__(self, op: str, precedence: int, at: int, start: int, base: int = 0) -> None:
        self.op = op
        self.precedence = precedence
        self.at = at  # token
        self.start = start  # character where the node that it makes begins
        self.base = base  # brackets: how many operands there were when it opened
        self.count = 2  # && and ||: how many operands they join


def expression(tokens: Tokens, at: int, mode: Mode = "plain") -> tuple[ast.Expr, int]:
    """The expression that begins at token `at`, and the token after it; Fault if there is none."""
    parser = _Parser(tokens, at, mode)
    node = parser.run()
    return node, parser.at


class _Parser:
    __slots__ = ("at", "frames", "mode", "operands", "prefixes", "tokens")

    def __init__(self, tokens: Tokens, at: int, mode: Mode) -> None:
        self.tokens = tokens
        self.at = at
        self.mode = mode
        self.operands: list[_Operand] = []
        self.frames: list[_Frame] = []
        self.prefixes = 0

    def run(self) -> ast.Expr:
        while True:
            self._operand()
            if self._operators():
                self._reduce(OPEN)
                return self.operands.pop().node

    # Operands ---------------------------------------------------------------------------

    def _operand(self) -> None:
        """Read up to and including the next operand that is no bracketed one: after it, an
        operator must follow."""
        tokens = self.tokens
        texts = tokens.texts
        while True:
            at = self.at
            kind, text = tokens[at], texts[at]
            start = tokens.starts[at]
            if kind == "w":
                if text in PREFIX:
                    self._prefix(text, at, start)
                    continue
                if texts[at + 1] == "(" and text not in RESERVED and text != "in":
                    self.at = at + 2
                    if texts[at + 2] == ")":
                        self._push(ast.Call(text, (), span=tokens.span(at, at + 3)), 1, at, at + 3)
                        return
                    self.frames.append(_Frame("call", OPEN, at, start, len(self.operands)))
                    continue
                self._word(text, at)
                return
            if kind != "o":
                if kind == END:
                    raise self._expected_operand()
                self._push(literal(tokens, at), 1, at, at + 1)
                return
            if text == "(":
                if tokens[at + 1] == "w" and texts[at + 2] == ":":
                    rule, after = rule_literal(tokens, at + 1)
                    if texts[after] != ")":
                        raise tokens.fault(
                            after, f"expected `)` after the rule, found {tokens.found(after)}"
                        )
                    self._push(rule, 2, at, after + 1)
                    return
                self.frames.append(_Frame("(", OPEN, at, start, len(self.operands)))
            elif text == "{":
                if texts[at + 1] == "}":
                    self._push(ast.SetLiteral((), span=tokens.span(at, at + 2)), 1, at, at + 2)
                    return
                self.frames.append(_Frame("{", OPEN, at, start, len(self.operands)))
            elif text == "ε":
                self._push(ast.Keyword("DROP", span=tokens.span(at, at + 1)), 1, at, at + 1)
                return
            elif text in PREFIX:
                self._prefix(text, at, start)
                continue
            else:
                raise self._expected_operand()
            self.at = at + 1

    def _prefix(self, text: str, at: int, start: int) -> None:
        self.prefixes += 1
        if self.prefixes > MAX_PREFIXES:
            raise self._too_deep(at)
        self.frames.append(_Frame(PREFIX[text][0], PREFIX[text][1], at, start))
        self.frames[-1].count = 1
        self.at = at + 1

    def _word(self, text: str, at: int) -> None:
        tokens = self.tokens
        texts = tokens.texts
        if text == "f" or text == "f_dmy":
            primed = texts[at + 1] == "'"
            bracket = at + 1 + primed
            if texts[bracket] == "[" and tokens[bracket + 1] == "w" and texts[bracket + 2] == "]":
                packet = cast('Literal["f", "f\'", "f_dmy"]', "f'" if primed else text)
                if primed and text == "f_dmy":
                    raise tokens.fault(at + 1, "`f_dmy` has no value after the step")
                after = bracket + 3
                self._push(
                    ast.FieldRef(texts[bracket + 1], packet, span=tokens.span(at, after)),
                    1,
                    at,
                    after,
                )
                return
        elif text in ("true", "false"):
            self._push(ast.Boolean(text == "true", span=tokens.span(at, at + 1)), 1, at, at + 1)
            return
        elif text in KEYWORDS:
            keyword = cast('Literal["DROP", "IFACE", "resubmit"]', text)
            self._push(ast.Keyword(keyword, span=tokens.span(at, at + 1)), 1, at, at + 1)
            return
        elif text in NOT_OPERANDS:
            raise self._expected_operand()
        after = at + 1
        primed = texts[after] == "'"
        after += primed
        self._push(ast.Name(text, primed, span=tokens.span(at, after)), 1, at, after)

    def _push(self, node: ast.Expr, depth: int, first: int, after: int) -> None:
        starts, ends = self.tokens.starts, self.tokens.ends
        self.operands.append(_Operand(node, depth, starts[first], ends[after - 1], True))
        self.at = after

    # Operators --------------------------------------------------------------------------

    def _operators(self) -> bool:
        """Read what follows an operand; True if the expression has ended, False if an operand must
        come next."""
        tokens = self.tokens
        texts = tokens.texts
        while True:
            at = self.at
            text = texts[at]
            if text == "[":
                self.frames.append(_Frame("[", OPEN, at, tokens.starts[at], len(self.operands)))
                self.at = at + 1
                return False
            if text == ">" and texts[at + 1] == ">" and tokens.ends[at] == tokens.starts[at + 1]:
                self._infix(">>", SHIFT, at)
                self.at = at + 2
                return False
            infix = INFIX.get(text)
            if infix is None:
                if text == "not" and texts[at + 1] == "in":
                    self._infix("not in", COMPARE, at)
                    self.at = at + 2
                    return False
                if text == "=" and self.mode == "match":
                    self._infix("=", COMPARE, at)
                    self.at = at + 1
                    return False
            elif text != "->" or self.mode == "property":
                self._infix(*infix, at)
                self.at = at + 1
                return False
            if text == "?":
                self._reduce(TERNARY)
                self.frames.append(
                    _Frame("?", OPEN, at, self.operands[-1].start, len(self.operands))
                )
                self.at = at + 1
                return False
            match text:
                case ")" | "]" | "}" | "," | ":":
                    outcome = self._close(text, at)
                    if outcome == "end":
                        return True
                    if outcome == "operand":
                        return False
                case "'":
                    raise tokens.fault(
                        at, "`'` follows the name of a variable", "write `m'[k]`, not `m[k]'`"
                    )
                case _:
                    frame = self._open_frame()
                    if frame is not None:
                        raise self._in_bracket(frame, at)
                    return True

    def _infix(self, op: str, precedence: int, at: int) -> None:
        if precedence == ARROW:
            self._reduce(ARROW)  # groups to the right
        elif precedence == COMPARE:
            self._reduce(COMPARE)
            if self.frames and self.frames[-1].precedence == COMPARE:
                raise self.tokens.fault(
                    at, "comparisons don't chain", "write `a < b && b < c`, or use parentheses"
                )
        elif precedence in (AND, OR):
            self._reduce(precedence)
            if self.frames and self.frames[-1].precedence == precedence:
                self.frames[-1].count += 1
                return
        else:
            self._reduce(precedence - 1)
        self.frames.append(_Frame(op, precedence, at, self.operands[-1].start))

    def _open_frame(self) -> _Frame | None:
        return next((f for f in reversed(self.frames) if f.precedence == OPEN), None)

    def _close(self, text: str, at: int) -> Literal["end", "operand", "operator"]:
        """A closing bracket, comma or colon: it belongs to the innermost open frame, or to
        whoever reads the expression."""
        self._reduce(OPEN)
        if not self.frames:
            return "end"
        frame = self.frames[-1]
        texts = self.tokens.texts
        inside = len(self.operands) - frame.base
        if frame.op == "?":
            if text != ":":
                raise self._in_bracket(frame, at)
            frame.op, frame.precedence = ":", TERNARY
        elif text == "," and frame.op in ("(", "{", "{:", "call"):
            if frame.op == "{:" and inside % 2:
                raise self.tokens.fault(at, "expected `:` after the key, found `,`")
            self.at = at + 1
            if texts[at + 1] == _CLOSERS[frame.op] and frame.op != "(":
                return self._closed(frame, at + 1)  # a trailing comma
            return "operand"
        elif text == ":" and inside % 2 and (frame.op == "{:" or (frame.op == "{" and inside == 1)):
            frame.op = "{:"
        elif text == _CLOSERS[frame.op]:
            return self._closed(frame, at)
        else:
            raise self._in_bracket(frame, at)
        self.at = at + 1
        return "operand"

    def _closed(self, frame: _Frame, at: int) -> Literal["operator"]:
        """The bracket of `frame` closes at token `at`: make its node."""
        tokens, operands = self.tokens, self.operands
        self.frames.pop()
        self.at = at + 1
        end = tokens.ends[at]
        inside = operands[frame.base :]
        if frame.op == "[":
            base, index = operands[-2:]
            del operands[-2:]
            self._make(
                lambda span: ast.Index(base.node, index.node, span=span), (base, index),
                base.start, end, at,
            )  # fmt: skip
            return "operator"
        del operands[frame.base :]
        if frame.op == "(" and len(inside) == 1:
            inner = inside[0]
            operands.append(inner._replace(start=frame.start, end=end, bare=False))
            return "operator"
        nodes = tuple(operand.node for operand in inside)
        make: Callable[[Span], ast.Expr]
        match frame.op:
            case "(":
                make = lambda span: ast.TupleLiteral(nodes, span=span)  # noqa: E731
            case "{":
                make = lambda span: ast.SetLiteral(nodes, span=span)  # noqa: E731
            case "{:":
                if len(nodes) % 2:
                    raise tokens.fault(at, "expected `:` and a value after the key, found `}`")
                pairs = tuple(zip(nodes[::2], nodes[1::2], strict=True))
                make = lambda span: ast.MapLiteral(pairs, span=span)  # noqa: E731
            case _:
                name = tokens.texts[frame.at]
                make = lambda span: ast.Call(name, nodes, span=span)  # noqa: E731
        self._make(make, tuple(inside), frame.start, end, at)
        return "operator"

    # Reduction --------------------------------------------------------------------------

    def _reduce(self, limit: int) -> None:
        """Make the nodes of all waiting operators that bind tighter than `limit`."""
        frames, operands = self.frames, self.operands
        while frames and frames[-1].precedence > limit:
            frame = frames.pop()
            op = frame.op
            if frame.count == 1:
                operand = operands.pop()
                self.prefixes -= 1
                unary = cast("ast.UnaryOp", op)
                self._make(
                    lambda span, u=unary, o=operand: ast.Unary(u, o.node, span=span),  # type: ignore[misc]
                    (operand,), frame.start, operand.end, frame.at,
                )  # fmt: skip
                continue
            count = 3 if op == ":" else frame.count
            parts = operands[-count:]
            del operands[-count:]
            start, end = parts[0].start, parts[-1].end
            depth = 1 + max([part.depth for part in parts])
            if depth > MAX_DEPTH:
                raise self._too_deep(frame.at)
            span = Span(self.tokens.source, start, end)
            node: ast.Expr
            if op == ":":
                node = ast.Conditional(parts[0].node, parts[1].node, parts[2].node, span=span)
            elif frame.precedence in (AND, OR, ARROW):
                logical = cast('Literal["&&", "||", "->"]', op)
                node = ast.Logical(logical, tuple([part.node for part in parts]), span=span)
            else:
                binary = cast("ast.BinaryOp", "==" if op == "=" else op)
                node = ast.Binary(binary, parts[0].node, parts[1].node, op == "=", span=span)
            operands.append(_Operand(node, depth, start, end, True))

    def _make(
        self,
        make: Callable[[Span], ast.Expr],
        parts: tuple[_Operand, ...],
        start: int,
        end: int,
        at: int,
    ) -> None:
        depth = 1 + max([part.depth for part in parts], default=0)
        if depth > MAX_DEPTH:
            raise self._too_deep(at)
        node = make(Span(self.tokens.source, start, end))
        self.operands.append(_Operand(node, depth, start, end, True))

    # Errors -----------------------------------------------------------------------------

    def _too_deep(self, at: int) -> Fault:
        fault = self.tokens.fault(
            at, f"the expression is nested more than {MAX_DEPTH} deep",
            "name parts of it with `let`, or use a map or a ruleset",
        )  # fmt: skip
        fault.code = "limit"
        return fault

    def _expected_operand(self) -> Fault:
        tokens, at = self.tokens, self.at
        hint = ""
        before = tokens.texts[at - 1] if at else ""
        if tokens.texts[at] == "=" and before in ("=", "<", ">", "!", ":", "==", "!=", "+", "-"):
            hint = "compare with `==`, assign with `=`"
        return tokens.fault(at, f"expected an expression, found {tokens.found(at)}", hint)

    def _in_bracket(self, frame: _Frame, at: int) -> Fault:
        """Something stands where the innermost bracket should close or go on."""
        tokens = self.tokens
        found = tokens.found(at)
        if tokens.texts[at] == "=":
            return tokens.fault(at, "`=` assigns and has no place here", "compare with `==`")
        match frame.op:
            case "?":
                return tokens.fault(
                    at, f"expected `:` and what `?` gives otherwise, found {found}",
                    "write `condition ? a : b`",
                )  # fmt: skip
            case "[":
                expected = "`]`"
            case "(" | "call":
                expected = "`,` or `)`"
            case _:
                expected = "`,` or `}`"
        opener = frame.at + (frame.op == "call")
        line = tokens.span(opener, opener + 1).line
        here = line == tokens.span(at, at + 1).line
        hint = "" if here else f"`{tokens.texts[opener]}` was opened at line {line}"
        return tokens.fault(at, f"expected an operator, {expected}, found {found}", hint)


# Rules ------------------------------------------------------------------------------------


def rule_literal(tokens: Tokens, at: int) -> tuple[ast.RuleLiteral, int]:
    """sip:10.0.0.0/8, dport:80-90, … from token `at` on, and the token after it."""
    fields: list[ast.RuleField] = []
    first = at
    while True:
        if tokens[at] != "w":
            raise tokens.fault(
                at, f"expected a field of the rule, found {tokens.found(at)}",
                "a rule is `sip:10.0.0.0/8, dport:80-90, proto:tcp`",
            )  # fmt: skip
        if tokens.texts[at + 1] != ":":
            field, found = tokens.texts[at], tokens.found(at + 1)
            raise tokens.fault(
                at + 1, f"expected `:` after the rule's field `{field}`, found {found}"
            )
        value, after = _rule_value(tokens, at + 2)
        fields.append(ast.RuleField(tokens.texts[at], value, span=tokens.span(at, after)))
        at = after
        if tokens.texts[at] != ",":
            return ast.RuleLiteral(tuple(fields), span=tokens.span(first, at)), at
        at += 1


def _rule_value(
    tokens: Tokens, at: int
) -> tuple[ast.Number | ast.Range | ast.Wildcard | ast.Address4 | ast.Address6 | ast.Name, int]:
    span = tokens.span(at, at + 1)
    kind, text = tokens[at], tokens.texts[at]
    if text == "*":
        return ast.Wildcard(span=span), at + 1
    if kind == "w":
        return ast.Name(text, span=span), at + 1
    if kind == "n":
        if tokens.texts[at + 1] == "-":
            low, high = integer(tokens, at), integer(tokens, at + 2)
            if low > high:
                raise Fault(
                    tokens.starts[at], tokens.ends[at + 2], f"the range {low}-{high} is empty",
                    "the smaller number comes first",
                )  # fmt: skip
            return ast.Range(low, high, span=tokens.span(at, at + 3)), at + 3
        integer(tokens, at)
    value = literal(tokens, at) if kind in "n46" else None
    if isinstance(value, ast.Number | ast.Address4 | ast.Address6):
        return value, at + 1
    raise tokens.fault(
        at, f"expected a number, range, address, name or `*`, found {tokens.found(at)}"
    )
