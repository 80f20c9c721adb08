"""A model as the NFD paper draws it: Match flow | Match state | Action flow | Action state.

Actions run in the order of the text; where that order can matter, they are numbered.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nfverify.lang.markdown import code
from nfverify.lang.visible import in_json
from nfverify.smat import ir
from nfverify.smat.texts import constant, duration, state_text
from nfverify.smat.unparse import Printer, printer, writes_packet

COLUMNS = ("Entry", "Match flow", "Match state", "Action flow", "Action state")
MIN_COLUMN = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One entry: its name and, for each column, its lines."""

    name: str
    cells: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Section:
    """A table, or statements between tables (then `lines`)."""

    rows: tuple[Row, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """One program, ready to be drawn."""

    name: str
    program: str
    configuration: tuple[str, ...]
    state: tuple[str, ...]
    init: tuple[str, ...]
    sections: tuple[Section, ...]


def pictures(network: ir.Network) -> list[Picture]:
    """One for each instance of the network."""
    return [picture(instance, network.ports) for instance in network.instances]


def picture(instance: ir.Instance, port_names: Sequence[str]) -> Picture:
    program = instance.program
    out = printer(program, port_names)
    config = [f"{c.name} = {constant(c.value, c.type)}" for c in program.config]
    config += [
        f"{name} = {len(ruleset.rows)} rule{'s' * (len(ruleset.rows) != 1)}"
        for ruleset, name in out.rulesets.items()
    ]
    config += [state_text(v).rstrip(";") for v in program.state if v.constant]
    state = [state_text(v).rstrip(";") for v in program.state if not v.constant]
    init = out.statements(program.init, "")
    for timer in program.timers:
        init += [f"f_dmy[{tag}] = {value};" for tag, value in timer.tags]
        init.append(f"f_dmy[output] = timer({duration(timer.delay)});")
    sections: list[Section] = []
    loose: list[str] = []
    for node in program.body:
        if isinstance(node, ir.Table):
            if loose:
                sections.append(Section(lines=tuple(loose)))
                loose = []
            sections.append(Section(rows=tuple([row(out, entry) for entry in node.entries])))
        else:
            loose.extend(out.statement(node))
    if loose:
        sections.append(Section(lines=tuple(loose)))
    parts = (tuple(config), tuple(state), tuple(init), tuple(sections))
    return Picture(instance.name, program.name, *parts)


def row(out: Printer, entry: ir.Entry) -> Row:
    flow, state = (
        tuple([out.natural(part).text for part in parts])
        for parts in (entry.match_flow, entry.match_state)
    )
    columns = [_column(statement) for statement in entry.body]
    plain = all(
        isinstance(statement, ir.SetOutput)
        for statement, column in zip(entry.body, columns, strict=True)
        if column == 0
    )
    numbered = len(set(columns)) > 1 and not plain
    actions: tuple[list[str], list[str]] = ([], [])
    for number, (statement, column) in enumerate(zip(entry.body, columns, strict=True), 1):
        lines = [line.removesuffix(";") for line in out.statement(statement)]
        if numbered:
            lines[0] = f"{number}. {lines[0]}"
        actions[column].extend(lines)
    return Row(entry.name, (flow, state, tuple(actions[0]), tuple(actions[1])))


def _column(statement: ir.Stmt) -> int:
    """0 for the flow, 1 for the state: by what it writes, of a `let` by what it reads."""
    match statement:
        case ir.Let() | ir.Choose():
            nodes = ir.walk((statement,))
            return int(any(isinstance(node, ir.Read | ir.Has) for node in nodes))
        case _:
            return int(not writes_packet(statement))


# Formats ----------------------------------------------------------------------------------


def terminal(network: ir.Network, width: int = 100) -> str:
    """Boxes of at most `width` characters."""
    parts = [_chain(network)] if len(network.instances) > 1 else []
    for one in pictures(network):
        lines = [_title(one)]
        for label, items in _preamble(one):
            lines.extend(
                textwrap.wrap(f"{label}: {'; '.join(items)}", width, subsequent_indent="    ")
            )
        for section in one.sections:
            if section.rows:
                lines.extend(_box(section.rows, width))
            else:
                lines.extend(section.lines)
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _title(one: Picture) -> str:
    return one.name if one.name == one.program else f"{one.name} ({one.program})"


def _preamble(one: Picture) -> list[tuple[str, tuple[str, ...]]]:
    init = tuple([line.removesuffix(";") for line in one.init])
    labelled = (("Configuration", one.configuration), ("State", one.state), ("Init", init))
    return [(label, items) for label, items in labelled if items]


def _chain(network: ir.Network) -> str:
    return "\n".join(
        [f"chain {network.name}: ports {', '.join(network.ports)}"]
        + [f"    {line}" for line in wire_lines(network)]
    )


def wire_lines(network: ir.Network) -> list[str]:
    """a -> b, a.port -> c; one line for each wire."""
    return [
        f"{network.instances[wire.source].name}"
        f"{'' if wire.port is None else '.' + network.ports[wire.port]}"
        f" -> {network.instances[wire.target].name}"
        for wire in network.wires
    ]


def _box(rows: Sequence[Row], width: int) -> list[str]:
    named = any(row.name for row in rows)
    heads = COLUMNS if named else COLUMNS[1:]
    cells = [([(row.name,)] if named else []) + [c or ("*",) for c in row.cells[:2]]
             + [c or ("-",) for c in row.cells[2:]] for row in rows]  # fmt: skip
    widths = _widths(heads, cells, width - 3 * len(heads) - 1)
    rules = {
        place: left + middle.join(["─" * (w + 2) for w in widths]) + right
        for place, left, middle, right in (
            ("top", "┌", "┬", "┐"), ("middle", "├", "┼", "┤"), ("bottom", "└", "┴", "┘"),
        )
    }  # fmt: skip
    lines = [rules["top"], *_line([(head,) for head in heads], widths)]
    for one in cells:
        lines += [rules["middle"], *_line(one, widths)]
    return [*lines, rules["bottom"]]


def _widths(heads: Sequence[str], cells: Sequence[Sequence[Sequence[str]]], room: int) -> list[int]:
    """As wide as the contents, else the room shared fairly: narrow columns take what they need."""
    wanted = [
        max(len(head), *[len(line) for row in cells for line in row[index]])
        for index, head in enumerate(heads)
    ]
    left, widths = room, dict[int, int]()
    for index in sorted(range(len(wanted)), key=lambda i: wanted[i]):
        share = max(MIN_COLUMN, left // (len(wanted) - len(widths)))
        widths[index] = min(wanted[index], share)
        left -= widths[index]
    return [widths[index] for index in range(len(wanted))]


def _line(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    wrapped = [
        [part for line in cell for part in _wrap(line, width)]
        for cell, width in zip(cells, widths, strict=True)
    ]
    height = max(1, *[len(cell) for cell in wrapped])
    return [
        "│ "
        + " │ ".join(
            [
                (cell[index] if index < len(cell) else "").ljust(width)
                for cell, width in zip(wrapped, widths, strict=True)
            ]
        )
        + " │"
        for index in range(height)
    ]


def _wrap(line: str, width: int) -> list[str]:
    indent = len(line) - len(line.lstrip())
    hang = " " * min(indent + 2, width // 2)
    return textwrap.wrap(
        line, width, subsequent_indent=hang, drop_whitespace=True, break_on_hyphens=False
    ) or [""]


def markdown(network: ir.Network) -> str:
    """A heading and a table for each NF."""
    parts = []
    if len(network.instances) > 1:
        wires = "\n".join([f"- `{line}`" for line in wire_lines(network)])
        parts.append(f"# {network.name}\n\n{wires}")
    for one in pictures(network):
        lines = [f"## {_title(one)}", ""]
        for label, items in _preamble(one):
            lines += [f"{label}: {'; '.join([code(item) for item in items])}", ""]
        for section in one.sections:
            if section.rows:
                lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
                for row_ in section.rows:
                    cells = [_cell(c, "*") for c in row_.cells[:2]]
                    cells += [_cell(c, "-") for c in row_.cells[2:]]
                    lines.append(f"| {row_.name} | {' | '.join(cells)} |")
            else:
                lines += ["```", *section.lines, "```"]
            lines.append("")
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts) + "\n"


def _cell(lines: Iterable[str], empty: str) -> str:
    parts = []
    for line in lines:
        space = len(line) - len(line.lstrip())
        parts.append("&nbsp;" * space + code(line.strip()))
    return "<br>".join(parts) or empty.replace("*", "\\*")


def dot(network: ir.Network) -> str:
    """A graph for Graphviz: a node for each NF with its entries, an edge for each wire."""
    lines = ["digraph " + _dot_text(network.name) + " {", "    rankdir=LR;"]
    lines.append('    node [shape=box, fontname="monospace"];')
    lines.append(f"    in [shape=plaintext, label={_dot_text(network.ports[network.ingress])}];")
    lines.append("    out [shape=plaintext];")
    for index, one in enumerate(pictures(network)):
        label = [_title(one)]
        for section in one.sections:
            label.extend(_dot_row(row_, number) for number, row_ in enumerate(section.rows, 1))
            label.extend(section.lines)
        text = "".join([_dot_escape(line) + "\\l" for line in label])
        lines.append(f'    n{index} [label="{text}"];')
    lines.append("    in -> n0;")
    for wire in network.wires:
        port = "" if wire.port is None else f" [label={_dot_text(network.ports[wire.port])}]"
        lines.append(f"    n{wire.source} -> n{wire.target}{port};")
    inner = {wire.source for wire in network.wires if wire.port is None}
    lines += [
        f"    n{index} -> out;" for index in range(len(network.instances)) if index not in inner
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_row(row_: Row, number: int) -> str:
    test = " && ".join([*row_.cells[0], *row_.cells[1]]) or "*"
    actions = [*row_.cells[2], *row_.cells[3]]
    numbered = [re.match(r"\d+", action) for action in actions]
    if all(numbered):
        actions.sort(key=lambda action: int(action.partition(".")[0]))
    return f"{row_.name or number}: {test} => {'; '.join(actions) or '-'}"


def _dot_text(text: str) -> str:
    return f'"{_dot_escape(text)}"'


def _dot_escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def as_json(network: ir.Network) -> str:
    """The same as data; version 1."""
    programs = []
    for one in pictures(network):
        tables = [
            [
                {
                    "name": row_.name,
                    "match_flow": list(row_.cells[0]),
                    "match_state": list(row_.cells[1]),
                    "action_flow": list(row_.cells[2]),
                    "action_state": list(row_.cells[3]),
                }
                for row_ in section.rows
            ]
            if section.rows
            else list(section.lines)
            for section in one.sections
        ]
        programs.append(
            {
                "instance": one.name,
                "program": one.program,
                "configuration": list(one.configuration),
                "state": list(one.state),
                "init": list(one.init),
                "body": tables,
            }
        )
    whole = {
        "version": 1,
        "name": network.name,
        "ports": list(network.ports),
        "wires": wire_lines(network),
        "instances": programs,
    }
    return in_json(json.dumps(whole, indent=2, ensure_ascii=False)) + "\n"
