"""Rulesets: ordered first-match lists of boxes over packet fields, and the CSV files of them.

A CSV's first line names its columns (any subset of `action sip dip sip6 dip6 sport dport proto
iface`); each further line is a rule. Blank lines and lines that start with `#` are skipped.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path

from nfverify.lang.files import DISK, Files
from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.packet.fields import FIELDS
from nfverify.smat.cells import WILD, BadCell, HostBits, address4, address6, integers, shown
from nfverify.smat.cells import Bounds as Bounds

COLUMNS = ("sip", "dip", "sip6", "dip6", "sport", "dport", "proto", "iface")
ACTIONS = {
    **dict.fromkeys(("accept", "permit", "allow", "pass"), True),
    **dict.fromkeys(("drop", "deny", "reject", "block"), False),
}
PROTOCOLS = {
    **{"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51},
    **{"icmp6": 58, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "sctp": 132},
}
MAX_BYTES = 64 << 20
MAX_LINES = 1 << 20
MAX_LINE = 4096
MAX_ERRORS = 20

Reader = Callable[[str], tuple[Bounds, ...]]


def full(column: str) -> Bounds:
    """The inclusive bounds of a column that is not constrained."""
    return 0, (1 << FIELDS[column].width) - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: what its match says, inclusive bounds per column, and its line in the source."""

    accept: bool
    bounds: tuple[Bounds, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Ruleset:
    """A first-match list; no match is False. Equal and hashed by content, whatever the name."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...] = field(repr=False)
    digest: str = field(init=False)
    file: str = field(default="", repr=False)  # that the rows' lines are of
    _index: dict[int, _Block] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not set(self.columns) <= set(COLUMNS) or len(set(self.columns)) != len(self.columns):
            raise ValueError(f"not columns of a ruleset: {self.columns}")
        content = repr((self.columns, [(row.accept, row.bounds) for row in self.rows]))
        object.__setattr__(self, "digest", blake2b(content.encode(), digest_size=20).hexdigest())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ruleset) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def scan(self, values: Sequence[int]) -> int | None:
        """Index of the first row that holds the point (a value per column): the definition."""
        for index, row in enumerate(self.rows):
            if all(lo <= v <= hi for (lo, hi), v in zip(row.bounds, values, strict=True)):
                return index
        return None

    def first_match(self, values: Sequence[int]) -> int | None:
        """As `scan`, by an index that is built at the first call, block by block."""
        size = 4096 if len(self.rows) <= 1 << 15 else 256  # bounds the memory of the masks
        for number in range(-(-len(self.rows) // size)):
            block = self._index.get(number)
            if block is None:
                rows = self.rows[number * size : (number + 1) * size]
                block = self._index[number] = _Block.build(rows, self.columns)
            found = block.first_match(values)
            if found is not None:
                return number * size + found
        return None

    def accepts(self, values: Sequence[int]) -> bool:
        """The verdict of the first matching row; False if there is none."""
        index = self.first_match(values)
        return index is not None and self.rows[index].accept


@dataclass(frozen=True, slots=True)
class _Block:
    """Bit i of `masks[k]` says whether row i allows the k-th elementary interval of a column."""

    rows: int
    columns: list[tuple[int, list[int], list[int]]]  # (position, starts of intervals, masks)

    @staticmethod
    def build(rows: Sequence[Row], columns: Sequence[str]) -> _Block:
        index = []
        for position, column in enumerate(columns):
            toggles = {0: 0}
            for number, row in enumerate(rows):
                lo, hi = row.bounds[position]
                if lo <= hi:
                    toggles[lo] = toggles.get(lo, 0) ^ 1 << number
                    toggles[hi + 1] = toggles.get(hi + 1, 0) ^ 1 << number
            starts = sorted(toggles)
            if starts == [0, full(column)[1] + 1] and toggles[0] == (1 << len(rows)) - 1:
                continue  # constrained by no row
            masks, mask = [], 0
            for start in starts:
                mask ^= toggles[start]
                masks.append(mask)
            index.append((position, starts, masks))
        return _Block(len(rows), index)

    def first_match(self, values: Sequence[int]) -> int | None:
        alive = (1 << self.rows) - 1
        for position, starts, masks in self.columns:
            alive &= masks[bisect_right(starts, values[position]) - 1]
            if not alive:
                return None
        return (alive & -alive).bit_length() - 1


# Reading CSV ------------------------------------------------------------------------------


def load_csv(
    path: str,
    base: Path,
    ifaces: Mapping[str, int],
    span: Span,
    *,
    name: str = "",
    warnings: list[Diagnostic] | None = None,
    files: Files = DISK,
    title: str = "",
) -> Ruleset:
    """The ruleset in a CSV file at `path` relative to the model's folder `base`.

    `span` is the `load` in the model; port names of column iface are looked up in `ifaces`.
    `title` is what people call the file. Raises ModelError; warnings are appended to `warnings`.
    """
    source = read_source(path, base, span, files)
    loader = _Loader(source, ifaces, [] if warnings is None else warnings)
    return loader.load(name or path, title or path)


def read_cells(
    path: str, base: Path, span: Span, files: Files = DISK
) -> list[list[tuple[str, Span]]]:
    """The cells of a CSV file, row by row, stripped, each with its place. Raises ModelError."""
    source = read_source(path, base, span, files)
    rows, offset = [], 0
    for line in source.text.split("\n"):
        if not _skipped(line):
            rows.append(_place(source, offset, line))
        offset += len(line) + 1
    if not rows:
        raise _error("csv-empty", "the file is empty", Span(source, 0, 0))
    return rows


def read_source(path: str, base: Path, span: Span, files: Files = DISK) -> Source:
    """The text of a CSV file inside the folder tree `base`, links resolved. Raises ModelError."""
    if "\0" in path or not path.lower().endswith(".csv"):
        raise _error("load-name", "only files named *.csv can be loaded", span)
    try:
        root = base.resolve()
        file = (root / path).resolve()
        if not file.is_relative_to(root) or file.suffix.lower() != ".csv":
            hint = "put the file beside the model or in a folder below it"
            raise _error("load-outside", f"{shown(path)} leaves the model's folder", span, hint)
        if not files.is_file(file):
            raise _error("load-missing", f"there is no file {shown(path)}", span)
        data = files.read(file, MAX_BYTES + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        why = error.strerror if isinstance(error, OSError) else "links in a circle"
        raise _error("load-failed", f"cannot read {shown(path)}: {why}", span) from error
    if len(data) > MAX_BYTES or data.count(b"\n") > MAX_LINES:
        message = f"{shown(path)} has over {MAX_BYTES >> 20} MB or {MAX_LINES:,} lines"
        raise _error("csv-size", message, span)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        source = Source(path, data.decode("utf-8", "replace"))
        offset = len(data[: error.start].decode("utf-8", "replace"))
        raise _error("csv-utf8", "not UTF-8", Span(source, offset, offset + 1)) from error
    source = Source(path, text)
    if (offset := text.find("\0")) >= 0:
        raise _error("csv-nul", "a NUL character", Span(source, offset, offset + 1))
    return source


@dataclass(slots=True)
class _Loader:
    source: Source
    ifaces: Mapping[str, int]
    warnings: list[Diagnostic]
    errors: list[Diagnostic] = field(default_factory=list)

    def load(self, name: str, title: str) -> Ruleset:
        lines = self.source.text.split("\n")
        first = next((i for i, line in enumerate(lines) if not _skipped(line)), None)
        if first is None:
            raise _error("csv-empty", "the file is empty", Span(self.source, 0, 0), _HEADER_HINT)
        offset = sum(len(line) + 1 for line in lines[:first])
        names = self.header(_place(self.source, offset, lines[first]))
        wide = ":" in self.source.text
        columns: list[str] = []
        readers: list[Reader] = []
        for column in names:
            if column == "action":
                readers.append(_action)
            elif column in ("sip", "dip") and wide and column + "6" not in names:
                columns += [column, column + "6"]
                readers.append(_either_address)
            else:
                columns.append(column)
                readers.append(self.reader(column))
        action = names.index("action") if "action" in names else None
        start = offset + len(lines[first]) + 1
        rows = self.rows(lines[first + 1 :], first + 2, start, readers, action)
        if self.errors:
            raise ModelError(*self.errors)
        if not rows:
            self.warn("csv-no-rules", "no rules: nothing matches", Span(self.source, 0, 0))
        order = sorted(range(len(columns)), key=lambda i: COLUMNS.index(columns[i]))
        order = [i for i in order if columns[i] in names or any(r[1][i] != _ANY6 for r in rows)]
        if order != list(range(len(columns))):
            rows = [(a, tuple([bounds[i] for i in order]), n) for a, bounds, n in rows]
        chosen = tuple([columns[i] for i in order])
        ruleset = Ruleset(name, chosen, tuple([Row(*row) for row in rows]), title)
        self.check_ports(ruleset)
        return ruleset

    def header(self, cells: list[tuple[str, Span]]) -> list[str]:
        """The names of the columns; each unknown or doubled one is an error."""
        names: list[str] = []
        for text, span in cells:
            column = text.lower()
            if column != "action" and column not in COLUMNS:
                near = get_close_matches(column[:40], ("action", *COLUMNS), 1)
                hint = f"did you mean {near[0]}?" if near else _HEADER_HINT
                self.fail("csv-column", f"unknown column {shown(text)}", span, hint)
            elif column in names:
                self.fail("csv-column", f"column {column} stands twice", span)
            names.append(column)
        if self.errors:
            raise ModelError(*self.errors)
        return names

    def rows(
        self,
        lines: Sequence[str],
        number: int,
        offset: int,
        readers: Sequence[Reader],
        action: int | None,
    ) -> list[tuple[bool, tuple[Bounds, ...], int]]:
        """(accept, bounds per column, line) of each rule; lines begin at `number`, `offset`."""
        rows = []
        caches: list[dict[str, tuple[Bounds, ...]]] = [{} for _ in readers]
        for line in lines:
            if not _skipped(line):
                parts = self.row(line, offset, readers, caches)
                if parts is not None:
                    accept = True if action is None else parts.pop(action) == _ACCEPT
                    rows.append((accept, tuple([b for part in parts for b in part]), number))
            number += 1
            offset += len(line) + 1
        return rows

    def row(
        self,
        line: str,
        offset: int,
        readers: Sequence[Reader],
        caches: Sequence[dict[str, tuple[Bounds, ...]]],
    ) -> list[tuple[Bounds, ...]] | None:
        """One rule's bounds per cell, or None and an error for each cell that is wrong."""
        cells = line.split(",") if len(line) <= MAX_LINE else []
        if len(cells) != len(readers):
            message = f"{len(cells)} cells where the first line has {len(readers)} columns"
            places = _place(self.source, offset, line)
            self.fail("csv-cells", message, places[0][1].to(places[-1][1]))
            return None
        parts = []
        for position, cell in enumerate(cells):
            part = caches[position].get(cell)  # most texts were seen before in their column
            if part is None:
                try:
                    part = readers[position](cell.strip())
                except BadCell as bad:
                    text, span = _place(self.source, offset, line)[position]
                    self.fail("csv-value", bad.message, span, bad.hint)
                    continue
                except HostBits as loose:
                    part = loose.bounds
                    text, span = _place(self.source, offset, line)[position]
                    message = f"{shown(text)} has bits set behind its prefix"
                    self.warn("host-bits", message, span, f"it is read as {loose.meant}")
                caches[position][cell] = part
            parts.append(part)
        return parts if len(parts) == len(readers) else None

    def reader(self, column: str) -> Reader:
        match column:
            case "sip" | "dip":
                return lambda text: (address4(text),)
            case "sip6" | "dip6":
                return lambda text: (address6(text),)
            case "proto":
                return lambda text: (integers(text, 8, PROTOCOLS, "a protocol"),)
            case "iface":
                return lambda text: (self.iface(text),)
            case _:
                return lambda text: (integers(text, 16, {}, "a port"),)

    def iface(self, text: str) -> Bounds:
        if text in WILD:
            return full("iface")
        if text not in self.ifaces:
            known = ", ".join(self.ifaces) or "none is declared"
            raise BadCell(f"unknown port {shown(text)}", f"the model's ports: {known}")
        return self.ifaces[text], self.ifaces[text]

    def check_ports(self, ruleset: Ruleset) -> None:
        """Warn of port ranges that hold 0, which is also what packets without ports have."""
        ports = [i for i, c in enumerate(ruleset.columns) if c in ("sport", "dport")]
        proto = ruleset.columns.index("proto") if "proto" in ruleset.columns else None
        with_ports = ((6, 6), (17, 17))
        found = [
            row.line
            for row in ruleset.rows
            if any(row.bounds[i][0] == 0 and row.bounds[i][1] < 65535 for i in ports)
            and (proto is None or row.bounds[proto] not in with_ports)
        ]
        if found:
            more = f" (and {len(found) - 1} more rules)" if len(found) > 1 else ""
            message = f"a port range with 0 also matches packets that have no ports{more}"
            lines = self.source.text.split("\n")
            start = sum(len(line) + 1 for line in lines[: found[0] - 1])
            span = Span(self.source, start, start + len(lines[found[0] - 1]))
            self.warn("port-zero", message, span, "name a proto, or begin at 1")

    def fail(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.errors.append(Diagnostic("error", code, message, span, hint))
        if len(self.errors) >= MAX_ERRORS:
            raise ModelError(*self.errors)

    def warn(self, code: str, message: str, span: Span, hint: str = "") -> None:
        if sum(w.code == code for w in self.warnings) < MAX_ERRORS:
            self.warnings.append(Diagnostic("warning", code, message, span, hint))


# Cells ------------------------------------------------------------------------------------

_HEADER_HINT = f"the first line names the columns: any of action, {', '.join(COLUMNS)}"
_ANY6 = full("sip6")
_ACCEPT, _DROP = ((1, 1),), ((0, 0),)  # what a cell of column action is read as


def _action(text: str) -> tuple[Bounds, ...]:
    accept = ACTIONS.get(text.lower())
    if accept is None:
        raise BadCell(f"unknown action {shown(text)}", "write accept or drop")
    return _ACCEPT if accept else _DROP


def _either_address(text: str) -> tuple[Bounds, ...]:
    """Bounds of (sip, sip6): the text's own family is constrained, the other one free."""
    try:
        if ":" in text:
            return full("sip"), address6(text)
        return address4(text), _ANY6
    except HostBits as loose:
        (own,) = loose.bounds
        both = (full("sip"), own) if ":" in text else (own, _ANY6)
        raise HostBits(both, loose.meant) from None


def _skipped(line: str) -> bool:
    return not line or line.isspace() or line.lstrip().startswith("#")


def _place(source: Source, offset: int, line: str) -> list[tuple[str, Span]]:
    """The stripped cells of a line that starts at `offset`, each with its span."""
    if len(line) > MAX_LINE:
        span = Span(source, offset, offset + 1)
        raise _error("csv-line", f"a line of over {MAX_LINE} characters", span)
    cells = []
    for raw in line.split(","):
        text = raw.strip()
        start = offset + len(raw) - len(raw.lstrip()) if text else offset
        cells.append((text, Span(source, start, start + len(text))))
        offset += len(raw) + 1
    return cells


def _error(code: str, message: str, span: Span, hint: str = "") -> ModelError:
    return ModelError(Diagnostic("error", code, message, span, hint))
