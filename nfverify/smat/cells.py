"""The cells of a ruleset's CSV: numbers, addresses, prefixes and ranges as inclusive bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Bounds = tuple[int, int]
WILD = ("*", "any")


class BadCell(Exception):
    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = message, hint


class HostBits(Exception):
    """A prefix with bits behind its length: usable, but hardly what was meant."""

    def __init__(self, bounds: tuple[Bounds, ...], meant: str) -> None:
        self.bounds, self.meant = bounds, meant


def integers(text: str, width: int, names: Mapping[str, int], what: str) -> Bounds:
    """`*`, a name, a number, or a range of numbers."""
    if text in WILD:
        return 0, (1 << width) - 1
    if text.lower() in names:
        return names[text.lower()], names[text.lower()]
    first, dash, last = text.partition("-")
    values = []
    for part in (first, last) if dash else (first,):
        digits = part.strip()
        if not (digits.isascii() and digits.isdigit()):
            also = "a name, " if names else ""
            raise BadCell(f"{shown(text)} is not {what}", f"write *, {also}a number or range a-b")
        value = int(digits) if len(digits) < 8 else 1 << width
        if value >> width:
            raise BadCell(f"{shown(text)} does not fit: {what} is at most {(1 << width) - 1}")
        values.append(value)
    return _ordered(text, values[0], values[-1])


def _ordered(text: str, lo: int, hi: int) -> Bounds:
    if lo > hi:
        raise BadCell(f"the range {shown(text)} is empty: it ends below its start")
    return lo, hi


def address4(text: str) -> Bounds:
    if ":" in text:
        raise BadCell(f"{shown(text)} is IPv6 in a column of IPv4", "use sip6 or dip6")
    return _prefix(text, 32, _parse4, lambda value: ".".join(map(str, value.to_bytes(4, "big"))))


def address6(text: str) -> Bounds:
    if text not in WILD and ":" not in text:
        raise BadCell(f"{shown(text)} is not an IPv6 address")
    return _prefix(text, 128, _parse6, _show6)


def _prefix(
    text: str, width: int, parse: Callable[[str], int | None], show: Callable[[int], str]
) -> Bounds:
    """`*`, an address, a prefix `a/n`, or a range `a-b`."""
    if text in WILD:
        return 0, (1 << width) - 1
    hint = "write *, an address, a prefix a/n, or a range a-b"
    first, dash, last = text.partition("-")
    base, slash, digits = text.partition("/")
    if dash:
        lo, hi = parse(first.strip()), parse(last.strip())
        if lo is None or hi is None:
            raise BadCell(f"{shown(text)} is not a range of addresses", hint)
        return _ordered(text, lo, hi)
    value = parse(base.strip())
    if value is None:
        raise BadCell(f"{shown(text)} is not an address", hint)
    if not slash:
        return value, value
    digits = digits.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= width):
        raise BadCell(f"{shown(text)} has no good prefix length", f"it is from 0 to {width}")
    rest = (1 << width - int(digits)) - 1
    if value & rest:
        raise HostBits(((value & ~rest, value | rest),), f"{show(value & ~rest)}/{digits}")
    return value, value | rest


def _parse4(text: str) -> int | None:
    parts = text.split(".")
    if len(parts) != 4:
        return None
    value = 0
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) <= 3 and int(part) <= 255):
            return None
        if len(part) > 1 and part[0] == "0":
            return None  # octal to some programs, decimal to others
        value = value << 8 | int(part)
    return value


def _parse6(text: str) -> int | None:
    from ipaddress import AddressValueError, IPv6Address  # 5 ms that IPv4 lists need not pay

    try:
        return None if "%" in text else int(IPv6Address(text))
    except AddressValueError:
        return None


def _show6(value: int) -> str:
    from ipaddress import IPv6Address

    return str(IPv6Address(value))


def shown(text: str) -> str:
    """A cell as quoted in a message: short, and with no control characters."""
    return ascii(text if len(text) <= 40 else text[:40] + "...")
