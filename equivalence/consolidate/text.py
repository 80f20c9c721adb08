"""A consolidated table as a model that people read; long rulesets as CSV files beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from nfverify.lang.formatter import format_text
from nfverify.lang.source import Source
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset, full
from nfverify.smat.unparse import printer, program_text, ruleset_text

INLINE_ROWS = 100


@dataclass(frozen=True, slots=True)
class TableText:
    """The model, and the files that it loads, by name."""

    model: str
    files: dict[str, str]


def table_text(program: ir.Program, network: ir.Network, stem: str | None) -> TableText:
    """The text of `program`, the table of `network`. Rulesets of over INLINE_ROWS go to files
    called `stem`-NAME.csv, or with None stay in the text."""
    text = program_text(program, network.ports)
    files: dict[str, str] = {}
    for ruleset, name in printer(program, network.ports).rulesets.items():
        content = csv_text(ruleset) if stem and len(ruleset.rows) > INLINE_ROWS else None
        if content is not None:
            files[f"{stem}-{name}.csv"] = content
            declaration = "\n".join(f"    {line}" for line in ruleset_text(name, ruleset))
            load = f'    ruleset {name} = load("{stem}-{name}.csv");'
            text = text.replace(declaration, load, 1)
    text = re.sub(r"\n(?=    entry )", "\n\n", text)
    text = f"// {_about(network)}\n{text}"
    return TableText(format_text(Source(stem or network.name, text)), files)


def _about(network: ir.Network) -> str:
    names = [instance.name for instance in network.instances]
    if len(names) == 1:
        return f"{names[0]} as one table, by nfverify consolidate."
    chain = all((w.source + 1, w.port) == (w.target, None) for w in network.wires)
    way = " -> ".join(names) if chain else ", ".join(names)
    return f"{network.name} ({way}) as one table, by nfverify consolidate."


def csv_text(ruleset: Ruleset) -> str | None:
    """A CSV that is read as the same ruleset; None if it tests ports of the network, whose names
    it can't know."""
    if "iface" in ruleset.columns:
        return None
    lines = [",".join(("action", *ruleset.columns))]
    for row in ruleset.rows:
        cells = map(_cell, ruleset.columns, row.bounds)
        lines.append(",".join(("accept" if row.accept else "drop", *cells)))
    return "\n".join(lines) + "\n"


def _cell(column: str, bounds: tuple[int, int]) -> str:
    low, high = bounds
    if bounds == full(column):
        return "*"
    show = {"sip": IPv4Address, "dip": IPv4Address, "sip6": IPv6Address, "dip6": IPv6Address}
    if column not in show:
        return str(low) if low == high else f"{low}-{high}"
    address, size = show[column], high - low + 1
    if size & (size - 1) == 0 and low % size == 0:
        width = 32 if address is IPv4Address else 128
        prefix = f"/{width - size.bit_length() + 1}" if size > 1 else ""
        return f"{address(low)}{prefix}"
    return f"{address(low)}-{address(high)}"
