"""Types: bool, bit<N>, set<T>, map<K,V>, (T, U), …"""

from __future__ import annotations

from nfverify.lang import ast
from nfverify.lang.faults import did_you_mean
from nfverify.lang.literals import integer
from nfverify.lang.tokens import Tokens

NAMED = ("bool", "int", "IP", "IP6", "MAC", "port", "time", "bytes", "flow", "rule", "ruleset")
TYPE_WORDS = (*NAMED, "bit", "set", "map")
MAX_TYPE_DEPTH = 16


def type_(tokens: Tokens, at: int, depth: int = 0) -> tuple[ast.Type, int]:
    """The type that begins at token `at`, and the token after it; Fault if there is none."""
    if depth > MAX_TYPE_DEPTH:
        fault = tokens.fault(at, f"the type is nested more than {MAX_TYPE_DEPTH} deep")
        fault.code = "limit"
        raise fault
    text = tokens.texts[at]
    if text in NAMED:
        return ast.NamedType(text, span=tokens.span(at, at + 1)), at + 1
    match text:
        case "bit":
            after = _expect(tokens, at + 1, "<")
            width = integer(tokens, after)
            end = _expect(tokens, after + 1, ">")
            return ast.BitType(width, span=tokens.span(at, end)), end
        case "set":
            element, after = type_(tokens, _expect(tokens, at + 1, "<"), depth + 1)
            end = _expect(tokens, after, ">")
            return ast.SetType(element, span=tokens.span(at, end)), end
        case "map":
            key, after = type_(tokens, _expect(tokens, at + 1, "<"), depth + 1)
            value, after = type_(tokens, _expect(tokens, after, ","), depth + 1)
            end = _expect(tokens, after, ">")
            return ast.MapType(key, value, span=tokens.span(at, end)), end
        case "(":
            first, after = type_(tokens, at + 1, depth + 1)
            items = [first]
            while tokens.texts[after] == ",":
                item, after = type_(tokens, after + 1, depth + 1)
                items.append(item)
            if len(items) == 1:
                raise tokens.fault(after, f"expected `,`: a tuple has two items or more, "
                                          f"found {tokens.found(after)}")  # fmt: skip
            end = _expect(tokens, after, ")")
            return ast.TupleType(tuple(items), span=tokens.span(at, end)), end
    if tokens[at] == "w":
        hint = "types are bool int IP IP6 MAC port time bytes flow bit<N> set<T> map<K,V> (T, U)"
        raise tokens.fault(at, f"unknown type `{text}`{did_you_mean(text, TYPE_WORDS)}", hint)
    raise tokens.fault(at, f"expected a type, found {tokens.found(at)}")


def _expect(tokens: Tokens, at: int, sign: str) -> int:
    if tokens.texts[at] != sign:
        raise tokens.fault(at, f"expected `{sign}` in the type, found {tokens.found(at)}")
    return at + 1
