"""Texts of what needs no context: constants, types, declarations of state and rulesets."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from nfverify.smat import ir
from nfverify.smat.ruleset import Row, Ruleset, full
from nfverify.smat.types import FLOW_LAYOUT, show

_UNITS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3))


def constant(value: ir.Value, type_: ir.Type) -> str:
    """A value as a model or a person writes it, by how its type is shown."""
    match value, type_:
        case bool(), _:
            return "true" if value else "false"
        case bytes(), _:
            return quoted(value)
        case int(), ir.Bits(shown="ip", width=32):
            return str(IPv4Address(value))
        case int(), ir.Bits(shown="ip6", width=128):
            return str(IPv6Address(value))
        case int(), ir.Bits(shown="mac", width=48):
            return value.to_bytes(6, "big").hex(":")
        case int(), ir.Bits(shown="time", width=64):
            return duration(value)
        case _:
            return str(value)


def duration(nanoseconds: int) -> str:
    """In the largest unit that gives an integer."""
    if nanoseconds >> 62:
        return str(nanoseconds)
    for unit, scale in _UNITS:
        if nanoseconds and nanoseconds % scale == 0:
            return f"{nanoseconds // scale}{unit}"
    return f"{nanoseconds}ns"


def quoted(data: bytes) -> str:
    """A string literal of those bytes."""
    plain = {ord('"'): '\\"', ord("\\"): "\\\\", 10: "\\n", 13: "\\r", 9: "\\t"}
    parts = [plain.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data]
    return f'"{"".join(parts)}"'


def type_text(types: Sequence[ir.Type]) -> str:
    """One scalar, a flow or a tuple."""
    if len(types) == 1:
        return show(types[0])
    return "flow" if tuple(types) == FLOW_LAYOUT else f"({', '.join(map(show, types))})"


def state_text(variable: ir.StateVar) -> str:
    """The declaration of a state variable or constant table."""
    name = variable.name

    def several(parts: Sequence[ir.Value], types: Sequence[ir.Type]) -> str:
        texts = [constant(p, t) for p, t in zip(parts, types, strict=True)]
        return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"

    zeros = tuple([ir.zero(type_) for type_ in variable.values])
    value = several(variable.default, variable.values) if variable.default != zeros else ""
    match variable.kind:
        case "plain":
            head = f"{type_text(variable.values)} {name}"
        case "granular":
            head = f"{type_text(variable.values)} {name}<{', '.join(variable.granularity)}>"
        case "set":
            head = f"set<{type_text(variable.keys)}> {name}"
            if variable.entries:
                keys = [several(key, variable.keys) for key, _ in variable.entries]
                value = f"{{{', '.join(keys)}}}"
        case "map":
            head = f"map<{type_text(variable.keys)}, {type_text(variable.values)}> {name}"
            if variable.entries:
                if value:
                    raise ValueError(f"{name} has both a default and entries")
                pairs = [
                    f"{several(k, variable.keys)}: {several(v, variable.values)}"
                    for k, v in variable.entries
                ]
                value = f"{{{', '.join(pairs)}}}"
    tail = f" = {value}" if value else ""
    if variable.timeout is not None:
        tail += f" timeout {duration(variable.timeout)}"
    if variable.capacity is not None:
        tail += f" max {variable.capacity} {variable.overflow}"
    return f"{head}{tail};"


def ruleset_text(name: str, ruleset: Ruleset) -> list[str]:
    """The declaration of a ruleset with its rules written out."""
    rows = [f"    ({_row(row, ruleset.columns)})," for row in ruleset.rows]
    return [f"ruleset {name} = {{", *rows, "};"]


def _row(row: Row, columns: Sequence[str]) -> str:
    tests = []
    for column, (low, high) in zip(columns, row.bounds, strict=True):
        tests.append(f"{column}:{_bounds(column, low, high)}")
    if not row.accept:
        tests.append("action:drop")
    return ", ".join(tests) or "sip:*"


def _bounds(column: str, low: int, high: int) -> str:
    if (low, high) == full(column):
        return "*"
    if column.rstrip("6") in ("sip", "dip"):
        width = 128 if column.endswith("6") else 32
        address = IPv6Address if width == 128 else IPv4Address
        size = high - low + 1
        if size & (size - 1) == 0 and low % size == 0:
            length = width - size.bit_length() + 1
            return str(address(low)) if size == 1 else f"{address(low)}/{length}"
    return str(low) if low == high else f"{low}-{high}"
