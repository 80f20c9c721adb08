"""Rulesets as C: rows as data or as comparisons, and a function that finds the first match.

Short lists become comparisons without branches; longer ones an index that is built at load time:
bits per 16-bit digit (nf_classify.h), or a tree of boxes (nf_boxes.h) where bits would be large.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nfverify.packet.fields import FIELDS
from nfverify.smat.ruleset import Bounds, Row, Ruleset, full

MAX_TERMS = 8  # comparisons, up to which they beat an index
MAX_COMPARED_ROWS = 32
MAX_CHEAP_TERMS = 8
MAX_BIT_ROWS = 16384
MAX_BIT_BYTES = 64 << 20
FLAT_WORDS = 16  # as NF_FLAT_WORDS
MAX_NUMBERS = 1 << 12  # in an array that is written as numbers
DIGIT: Bounds = (0, 0xFFFF)
_OCTAL = [f"\\{byte:03o}" for byte in range(256)]

Box = tuple[Bounds, ...]


@dataclass(frozen=True, slots=True)
class RulesetCode:
    """`header` defines `function`, and its `_init` (0, or -1: no memory), `_free` and `_bytes`.

    The function takes a value per column, in their order; it is 1 if the first match accepts.
    """

    header: str
    function: str
    kind: str  # "constant", "comparisons", "bits", "boxes" or "scan"


def ruleset_code(ruleset: Ruleset, name: str, *, classifier: bool = True) -> RulesetCode:
    """C of a ruleset: first match, none is 0; without `classifier` a scan of the rows."""
    if not classifier:
        return _scan(ruleset, name)
    rows = simplified(ruleset)
    if not rows or (len(rows) == 1 and rows[0].bounds == _everything(ruleset)):
        return _constant(ruleset, name, rows)
    if len(rows) <= MAX_COMPARED_ROWS and _terms(ruleset, rows) <= MAX_TERMS:
        return _comparisons(ruleset, name, rows)
    return _bits(ruleset, name, rows) or _boxes(ruleset, name, rows)


def few_rows(ruleset: Ruleset) -> bool:
    """Is the code so short that to look twice costs less than a mispredicted branch?"""
    rows = simplified(ruleset)
    return _terms(ruleset, rows) <= MAX_CHEAP_TERMS


# Simplifying ------------------------------------------------------------------------------


def simplified(ruleset: Ruleset) -> list[Row]:
    """Rows with the same verdicts: no row that can't match or decides nothing, neighbours merged.

    If what no row matches is accepted, then because the last row matches everything.
    """
    everything = _everything(ruleset)
    rows: list[Row] = []
    seen: set[Box] = set()
    default = False
    for row in ruleset.rows:
        box = _clipped(row.bounds, everything)
        if box == everything:
            default = row.accept
            break
        if box not in seen and all(lo <= hi for lo, hi in box):
            seen.add(box)
            rows.append(Row(row.accept, box, row.line))
    merged: list[Row] = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end].accept != rows[start].accept:
            merged += _merged(rows[start:end], ruleset.columns)
            start = end
    while merged and merged[-1].accept == default:
        merged.pop()
    return [*merged, Row(True, everything)] if default else merged


def _merged(rows: list[Row], columns: Sequence[str]) -> list[Row]:
    """Rows of one action, in any order: those that differ in one column only and touch are one."""
    for position, column in enumerate(columns):
        if len({row.bounds[position] for row in rows}) == 1:
            continue
        digits = _digits(column)
        groups: dict[Box, list[Row]] = {}
        for row in rows:
            others = row.bounds[:position] + row.bounds[position + 1 :]
            groups.setdefault(others, []).append(row)
        if len(groups) == len(rows):
            continue
        rows = []
        for group in groups.values():
            group.sort(key=lambda row: row.bounds[position])
            rows.append(group[0])
            for row in group[1:]:
                last = rows[-1]
                (lo, hi), (next_lo, next_hi) = last.bounds[position], row.bounds[position]
                union = lo, max(hi, next_hi)
                if next_lo <= hi + 1 and len(_pieces(*union, digits)) == 1:
                    box = (*last.bounds[:position], union, *last.bounds[position + 1 :])
                    rows[-1] = Row(last.accept, box, last.line)
                else:
                    rows.append(row)
    return rows


def _everything(ruleset: Ruleset) -> Box:
    return tuple([full(column) for column in ruleset.columns])


def _clipped(box: Box, everything: Box) -> Box:
    pairs = zip(box, everything, strict=True)
    return tuple([(max(lo, 0), min(hi, top)) for (lo, hi), (_, top) in pairs])


def _digits(column: str) -> int:
    return -(-FIELDS[column].width // 16)


@lru_cache(maxsize=1 << 16)
def _pieces(lo: int, hi: int, digits: int) -> tuple[Box, ...]:
    """lo..hi as disjoint products of ranges of 16-bit digits, high digit first: one if a prefix."""
    if digits == 1:
        return (((lo, hi),),)
    shift = 16 * (digits - 1)
    rest = (1 << shift) - 1
    first, last = lo >> shift, hi >> shift
    if first == last:
        below = _pieces(lo & rest, hi & rest, digits - 1)
        return tuple([((first, first), *piece) for piece in below])
    front: tuple[Box, ...] = ()
    back: tuple[Box, ...] = ()
    if lo & rest:
        front = _pieces(lo, first << shift | rest, digits)
        first += 1
    if hi & rest != rest:
        back = _pieces(last << shift, hi, digits)
        last -= 1
    middle = (((first, last), *[DIGIT] * (digits - 1)),) if first <= last else ()
    return front + middle + back


# Text that all kinds share ----------------------------------------------------------------


def _type(column: str) -> str:
    return {8: "u8", 16: "u16", 32: "u32", 128: "u128"}[FIELDS[column].width]


def _literal(value: int) -> str:
    if value >> 64:
        return f"((u128){value >> 64:#x}u << 64 | {value & (1 << 64) - 1:#x}u)"
    return f"{value:#x}u"


def _array(type_: str, name: str, numbers: Iterable[int]) -> str:
    """A constant array of numbers; a long one as a string, for gcc takes 100 bytes a number."""
    values = list(numbers)
    if len(values) <= MAX_NUMBERS:
        texts = [f"{n}u" for n in values]
        lines = [",".join(texts[i : i + 16]) for i in range(0, len(texts), 16)]
        return f"static const {type_} {name}[] = {{\n" + ",\n".join(lines) + "};\n"
    size = int(type_[1:]) // 8
    data = b"".join([n.to_bytes(size, "little") for n in values])
    lines = [
        f'"{"".join(map(_OCTAL.__getitem__, data[i : i + 128]))}"' for i in range(0, len(data), 128)
    ]
    text = "\n".join(lines)
    return (
        f"static const char {name}_bytes[] __attribute__((aligned(16))) =\n{text};\n"
        f"#define {name} ((const {type_} *)(const void *){name}_bytes)\n"
    )


def _accepting(name: str, rows: Sequence[Row]) -> str:
    """A bit per row, in words of 64."""
    words = [
        sum(row.accept << i for i, row in enumerate(rows[at : at + 64]))
        for at in range(0, len(rows), 64)
    ]
    return _array("u64", f"{name}_accept", words)


def _function(
    ruleset: Ruleset, name: str, used: Iterable[str], body: str, index: str = "", of: str = ""
) -> str:
    """The function, and what builds and frees its index `{name}_index` of type nf_`index`."""
    used = set(used)
    unused = [f"    (void){c};\n" for c in ruleset.columns if c not in used]
    parameters = ", ".join(f"{_type(c)} {c}" for c in ruleset.columns) or "void"
    opened = f"nf_{index}_open(&{name}_index)" if index else "0"
    closed = f" nf_{index}_close(&{name}_index); " if index else ""
    size = f"{name}_index.bytes" if index else "0"
    return (
        f"{of}NF_COLD int {name}_init(void) {{ return {opened}; }}\n"
        f"NF_COLD void {name}_free(void) {{{closed}}}\n"
        f"NF_COLD u64 {name}_bytes(void) {{ return {size}; }}\n"
        f"NF_INL u32 {name}({parameters}) {{\n{''.join(unused)}{body}}}\n"
    )


def _constrained(ruleset: Ruleset, rows: Sequence[Row]) -> list[tuple[int, str]]:
    """(position, column) of those columns that some row constrains."""
    everything = _everything(ruleset)
    return [
        (k, column)
        for k, column in enumerate(ruleset.columns)
        if any(row.bounds[k] != everything[k] for row in rows)
    ]


# No index ---------------------------------------------------------------------------------


def _constant(ruleset: Ruleset, name: str, rows: Sequence[Row]) -> RulesetCode:
    text = _function(ruleset, name, (), f"    return {len(rows)};\n")
    return RulesetCode(text, name, "constant")


def _terms(ruleset: Ruleset, rows: Sequence[Row]) -> int:
    """How many comparisons `_comparisons` writes."""
    everything = _everything(ruleset)
    return sum(
        len({row.bounds[k] for row in rows} - {everything[k]})
        for k, column in _constrained(ruleset, rows)
        if column != "proto"
    )


def _comparisons(ruleset: Ruleset, name: str, rows: Sequence[Row]) -> RulesetCode:
    """A bit per row, in a word: each distinct range of a column clears the rows that it refutes."""
    tables, lines, used = [], [], []
    for k, column in _constrained(ruleset, rows):
        masks: dict[Bounds, int] = {}
        for i, row in enumerate(rows):
            masks[row.bounds[k]] = masks.get(row.bounds[k], 0) | 1 << i
        free = masks.pop(full(column), 0)
        used.append(column)
        if column == "proto" and len(masks) > 2:
            values = [
                sum(mask for (lo, hi), mask in masks.items() if lo <= v <= hi) | free
                for v in range(256)
            ]
            tables.append(_array("u32", f"{name}_proto", values))
            lines.append(f"    m &= {name}_proto[proto];\n")
            continue
        terms = [_literal(free)] if free else []
        terms += [
            f"(-(u32){_within(column, bounds)} & {_literal(mask)})"
            for bounds, mask in masks.items()
        ]
        lines.append(f"    m &= {f'{chr(10)}        | '.join(terms)};\n")
    accept = sum(row.accept << i for i, row in enumerate(rows))
    start = (1 << len(rows)) - 1
    body = f"    u32 m = {_literal(start)};\n{''.join(lines)}"
    body += f"    return (m & -m & {_literal(accept)}) != 0;\n"
    text = "".join(tables) + _function(ruleset, name, used, body)
    return RulesetCode(text, name, "comparisons")


def _within(column: str, bounds: Bounds) -> str:
    lo, hi = bounds
    top = full(column)[1]
    if lo == hi:
        return f"({column} == {_literal(lo)})"
    if lo == 0:
        return f"({column} <= {_literal(hi)})"
    if hi == top:
        return f"({column} >= {_literal(lo)})"
    type_ = _type(column)
    return f"(({type_})({column} - {_literal(lo)}) <= {_literal(hi - lo)})"


def _rows(name: str, ruleset: Ruleset, rows: Sequence[Row], used: Iterable[tuple[int, str]]) -> str:
    """The bounds of the rows, an array per column: low, high; 128 bits as high word, low word."""
    arrays = []
    for k, column in used:
        if FIELDS[column].width <= 32:
            numbers = [bound for row in rows for bound in row.bounds[k]]
            arrays.append(_array("u32", f"{name}_{column}", numbers))
        else:
            words = [w for row in rows for b in row.bounds[k] for w in divmod(b, 1 << 64)]
            arrays.append(_array("u64", f"{name}_{column}", words))
    return "".join(arrays)


def _scan(ruleset: Ruleset, name: str) -> RulesetCode:
    """The rows one by one, as they stand in the ruleset: the check of the others."""
    everything = _everything(ruleset)
    rows = [
        Row(row.accept, _clipped(row.bounds, everything))
        for row in ruleset.rows
        if all(lo <= hi for lo, hi in row.bounds)
    ]
    used = _constrained(ruleset, rows)
    tests = []
    for _, column in used:
        at = f"{name}_{column}"
        if FIELDS[column].width <= 32:
            tests.append(f"{column} >= {at}[2 * i] && {column} <= {at}[2 * i + 1]")
        else:
            low, high = (f"((u128){at}[4 * i + {j}] << 64 | {at}[4 * i + {j + 1}])" for j in (0, 2))
            tests.append(f"{column} >= {low} && {column} <= {high}")
    body = (
        f"    for (u32 i = 0; i < {len(rows)}; i++)\n"
        f"        if ({' && '.join(tests) or '1'}) return {name}_accept[i / 64] >> i % 64 & 1;\n"
        "    return 0;\n"
    )
    data = _rows(name, ruleset, rows, used) + _accepting(name, rows)
    if not rows:
        data, body = "", "    return 0;\n"
    return RulesetCode(data + _function(ruleset, name, (c for _, c in used), body), name, "scan")


# An index ---------------------------------------------------------------------------------


def _bits(ruleset: Ruleset, name: str, rows: Sequence[Row]) -> RulesetCode | None:
    """Bits per class of each digit; None if that would be too large."""
    used = _constrained(ruleset, rows)
    split: list[tuple[Row, Box]] = []
    for row in rows:
        boxes: list[Box] = [()]
        for k, column in used:
            pieces = _pieces(*row.bounds[k], _digits(column))
            boxes = [(*box, *piece) for box in boxes for piece in pieces]
        split += [(row, box) for box in boxes]
        if len(split) > min(MAX_BIT_ROWS, 2 * len(rows) + 64):
            return None
    digits = [(c, 16 * d) for _, c in used for d in reversed(range(_digits(c)))]
    words = -(-len(split) // 64)
    summary = -(-words // 64) if words > FLAT_WORDS else 0
    stride = words + summary if words + summary < 4 else words + summary + 3 & ~3
    arrays: list[str] = []
    plan: list[str] = []
    maps: list[str] = []
    size = 0
    for number, (column, shift) in enumerate(digits):
        values = 256 if column == "proto" else 65536
        ranges = [box[number] for _, box in split]
        if all(r == (0, values - 1) for r in ranges):
            continue
        cuts = {0, *[lo for lo, _ in ranges], *[hi + 1 for _, hi in ranges]} - {values}
        size += len(cuts) * stride * 8
        wide = int(len(cuts) > 256)
        at = len(plan)
        arrays.append(_array("u16", f"{name}_{at}", [b for r in ranges for b in r]))
        plan.append(f"{{{name}_{at}, {values}, {wide}}}")
        value = f"(u32)({column} >> {shift}) & 0xffffu" if _digits(column) > 1 else column
        maps.append(f"nf_bits_of(&{name}_index, {at}, {wide}, {stride}, {value})")
    if size > MAX_BIT_BYTES:
        return None
    search = (
        f"guided(maps, {len(maps)}, {summary}" if summary else f"flat(maps, {len(maps)}, {words}"
    )
    body = (
        f"    const u64 *const maps[] = {{\n        {f',{chr(10)}        '.join(maps)}}};\n"
        f"    return nf_bits_{search}, {name}_accept);\n"
    )
    data = (
        f"{''.join(arrays)}{_accepting(name, [row for row, _ in split])}"
        f"static const nf_dimension {name}_plan[] = {{{', '.join(plan)}}};\n"
        f"static nf_bits {name}_index = {{.rows = {len(split)}, .dimensions = {len(plan)}, "
        f".words = {words}, .summary = {summary}, .plan = {name}_plan}};\n"
    )
    text = _function(ruleset, name, (c for _, c in used), body, "bits", data)
    return RulesetCode('#include "nf_classify.h"\n' + text, name, "bits")


def _boxes(ruleset: Ruleset, name: str, rows: Sequence[Row]) -> RulesetCode:
    """A tree of boxes."""
    used = _constrained(ruleset, rows)
    plan, point = [], []
    for at, (_, column) in enumerate(used):
        if FIELDS[column].width <= 32:
            plan.append(f"{{{name}_{column}, 0}}")
            point.append(column)
        else:
            plan.append(f"{{0, {name}_{column}}}")
            point.append(f"nf_boxes_rank(&{name}_index, {at}, {column})")
    body = (
        f"    const u32 point[] = {{{', '.join(point)}}};\n"
        f"    u32 row = nf_boxes_first(&{name}_index, point, {len(used)});\n"
        f"    return row != UINT32_MAX && {name}_accept[row / 64] >> row % 64 & 1;\n"
    )
    data = (
        f"{_rows(name, ruleset, rows, used)}{_accepting(name, rows)}"
        f"static const nf_column {name}_plan[] = {{{', '.join(plan)}}};\n"
        f"static nf_boxes {name}_index = {{.rows = {len(rows)}, .columns = {len(used)}, "
        f".plan = {name}_plan}};\n"
    )
    text = _function(ruleset, name, (c for _, c in used), body, "boxes", data)
    return RulesetCode('#include "nf_boxes.h"\n' + text, name, "boxes")
