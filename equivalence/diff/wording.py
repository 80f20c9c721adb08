"""Rules, boxes of points and outcomes in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from nfverify.equivalence.diff.answer import Decider
from nfverify.equivalence.verdict import Event, SideOfEvent
from nfverify.smat.ruleset import PROTOCOLS, Bounds, Row, Ruleset, full

NAMES = {number: name for name, number in reversed(PROTOCOLS.items())}
FEW = 4  # earlier rules that are named
DEFAULT = "no rule: drop"


def box_text(box: Mapping[str, Bounds], ports: Sequence[str] = ()) -> str:
    """The bounds of each column that is not free: prefixes, numbers, ranges."""
    parts = [
        f"{column} {bounds_text(column, bounds, ports)}"
        for column, bounds in box.items()
        if bounds != full(column)
    ]
    return ", ".join(parts) or "any packet"


def bounds_text(column: str, bounds: Bounds, ports: Sequence[str] = ()) -> str:
    """Inclusive bounds of one column as people write them."""
    low, high = bounds
    match column:
        case "sip" | "dip" | "sip6" | "dip6":
            return _addresses(low, high, 128 if column[-1] == "6" else 32)
        case "proto" if low == high:
            return NAMES.get(low, str(low))
        case "iface" if low == high and low < len(ports):
            return ports[low]
        case _:
            return str(low) if low == high else f"{low}-{high}"


def _addresses(low: int, high: int, width: int) -> str:
    show = IPv4Address if width == 32 else IPv6Address
    if low == high:
        return str(show(low))
    size = high - low + 1
    if size & (size - 1) == 0 and low % size == 0:
        return f"{show(low)}/{width - size.bit_length() + 1}"
    return f"{show(low)}-{show(high)}"


def row_text(ruleset: Ruleset, row: Row) -> str:
    """A rule as `accept sip 10.0.0.0/8, dport 80`."""
    box = dict(zip(ruleset.columns, row.bounds, strict=True))
    return f"{'accept' if row.accept else 'drop'} {box_text(box)}"


def rule_decider(ruleset: Ruleset, index: int | None, name: str = "") -> Decider:
    """A row of a ruleset as what decided; None: no row held the packet. `name` is of the ruleset in
    a model that has it."""
    of = f"{name} " if name else ""
    if index is None:
        return Decider(f"{of}{DEFAULT}", f"{name}|default", file=ruleset.file)
    row = ruleset.rows[index]
    place = f"line {row.line}" if row.line else f"rule {index + 1}"
    text = row_text(ruleset, row)
    return Decider(f"{of}{place}: {text}", f"{name}|{text}", file=ruleset.file, line=row.line)


def earlier_text(old: Ruleset, new: Ruleset, rows: tuple[Sequence[int], Sequence[int]]) -> str:
    """What earlier rules take of a region, of either list."""
    parts = []
    for which, ruleset, found in zip(("old", "new"), (old, new), rows, strict=True):
        if found:
            numbers = [str(ruleset.rows[n].line or n + 1) for n in found[:FEW]]
            more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
            unit = "line" if ruleset.rows[found[0]].line else "rule"
            many = "s" if len(found) > 1 else ""
            parts.append(f"{unit}{many} {', '.join(numbers)}{more} of the {which} list")
    return f"what {' and '.join(parts)} take{'s' if sum(map(len, rows)) == 1 else ''}" * bool(parts)


def outcome_text(event: Event, side: SideOfEvent, ports: bool) -> str:
    """What became of a packet; with `ports`, by which one it came out."""
    if not side.outputs:
        return "dropped"
    if len(side.outputs) > 1:
        return f"{len(side.outputs)} packets out, by {listed([o.port for o in side.outputs])}"
    (output,) = side.outputs
    by = f"out by {output.port}" if ports else "forwarded"
    return by if output.time == event.time else f"{by} later"


def listed(words: Sequence[str]) -> str:
    """Some words as `a, b and c`."""
    return ", ".join(words[:-1]) + (" and " if words[1:] else "") + words[-1]
