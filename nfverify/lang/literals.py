"""Literal tokens to syntax nodes: numbers, durations, addresses, strings."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from nfverify.lang import ast
from nfverify.lang.tokens import Tokens

UNITS = ("ns", "us", "ms", "s", "m", "h")
_LARGEST = (1 << 128) - 1  # an IPv6 address
_NUMBER = re.compile(r"(?P<hex>0[xX][0-9A-Fa-f]+)|(?P<dec>[0-9]+)(?P<unit>[a-z]*)")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\"}

Literal = ast.Number | ast.Address4 | ast.Address6 | ast.MacAddress | ast.String


def literal(tokens: Tokens, at: int) -> Literal:
    """The node of a literal token (kinds n 4 6 m s); Fault if it is none."""
    match tokens[at]:
        case "n":
            return number(tokens, at)
        case "4":
            return _address4(tokens, at)
        case "6":
            return _address6(tokens, at)
        case "m":
            digits = tokens.texts[at].replace(":", "")
            return ast.MacAddress(int(digits, 16), span=tokens.span(at, at + 1))
        case _:
            return string(tokens, at)


def number(tokens: Tokens, at: int) -> ast.Number:
    """A decimal, hexadecimal or duration literal."""
    text = tokens.texts[at]
    if len(text) > 64:
        raise tokens.fault(at, "the number is too large", "a literal has at most 128 bits")
    match = _NUMBER.fullmatch(text)
    if match is None or (text[:2] in ("0x", "0X") and not match["hex"]):
        raise tokens.fault(
            at, f"`{text}` is no number", "numbers are decimal (80) or hexadecimal (0x50)"
        )
    span = tokens.span(at, at + 1)
    if match["hex"]:
        value, unit = int(text, 16), ""
    else:
        value, unit = int(match["dec"]), match["unit"]
        if len(match["dec"]) > 1 and text[0] == "0":
            raise tokens.fault(
                at, f"`{text}` begins with 0", "write it without leading zeros, or as 0x… in hex"
            )
        if unit and unit not in UNITS:
            raise tokens.fault(at, f"unknown unit `{unit}`", f"durations end in {' '.join(UNITS)}")
    if value > _LARGEST:
        raise tokens.fault(at, "the number is too large", "a literal has at most 128 bits")
    return ast.Number(value, unit, bool(match["hex"]), span=span)


def integer(tokens: Tokens, at: int) -> int:
    """A plain number, where a duration or an expression would make no sense."""
    if tokens[at] != "n":
        raise tokens.fault(at, f"expected a number, found {tokens.found(at)}")
    value = number(tokens, at)
    if value.unit:
        raise tokens.fault(at, f"expected a plain number, found the duration `{tokens.texts[at]}`")
    return value.value


def _address4(tokens: Tokens, at: int) -> ast.Address4:
    text, slash, length = tokens.texts[at].partition("/")
    try:
        value = int(IPv4Address(text))
    except AddressValueError:
        if text.count(".") == 1:
            raise tokens.fault(
                at, f"`{_short(text)}` is no number: there are no fractions"
            ) from None
        hint = "an address is four numbers from 0 to 255, without leading zeros"
        raise tokens.fault(at, f"`{_short(text)}` is no IPv4 address", hint) from None
    return ast.Address4(value, _length(tokens, at, length, 32) if slash else None,
                        span=tokens.span(at, at + 1))  # fmt: skip


def _address6(tokens: Tokens, at: int) -> ast.Address6:
    text, slash, length = tokens.texts[at].partition("/")
    try:
        value = int(IPv6Address(text))
    except AddressValueError:
        hint = "eight groups of up to four hex digits, `::` at most once for groups of zeros"
        raise tokens.fault(at, f"`{_short(text)}` is no IPv6 address", hint) from None
    return ast.Address6(value, _length(tokens, at, length, 128) if slash else None,
                        span=tokens.span(at, at + 1))  # fmt: skip


def _length(tokens: Tokens, at: int, digits: str, largest: int) -> int:
    if len(digits) > 3 or int(digits) > largest:
        raise tokens.fault(
            at, f"a prefix length of {_short(digits)} is too long", f"from /0 to /{largest}"
        )
    return int(digits)


def string(tokens: Tokens, at: int) -> ast.String:
    r"""A double-quoted literal. \xHH from 80 on is kept as the lone surrogate U+DCHH, so that
    `value.encode("utf-8", "surrogateescape")` gives the bytes."""
    if tokens[at] != "s":
        raise tokens.fault(at, f"expected a string in double quotes, found {tokens.found(at)}")
    text = tokens.texts[at][1:-1]

    def character(match: re.Match[str]) -> str:
        if match[1]:
            byte = int(match[1], 16)
            return chr(byte if byte < 0x80 else 0xDC00 + byte)
        if match[2] not in _ESCAPES:
            raise tokens.fault(
                at, f"unknown escape `\\{match[2]}` in a string", r"known: \n \t \r \0 \" \\ \xHH"
            )
        return _ESCAPES[match[2]]

    value = _ESCAPE.sub(character, text) if "\\" in text else text
    return ast.String(value, span=tokens.span(at, at + 1))


def _short(text: str) -> str:
    return text if len(text) <= 45 else text[:42] + "..."
