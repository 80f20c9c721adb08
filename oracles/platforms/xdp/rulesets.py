"""Rulesets for BPF: short lists as comparisons, longer ones as rows that are looked at in order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nfverify.cythonized.resources import Dense, Resources
from nfverify.cythonized.rulesets import ruleset_code, simplified
from nfverify.packet.fields import FIELDS
from nfverify.smat.ruleset import Bounds, Ruleset, full

_MAX_COMPARED = 32  # rows; more are looked at in a loop
_SUPPORT = re.compile(r"^NF_COLD \w+ \w+_(?:init|free|bytes)\(void\) \{.*\}\n", re.MULTILINE)
_SCAN = re.compile(
    r"NF_INL u32 (?P<name>\w+)\((?P<parameters>[^)]*)\) \{\n(?:    \(void\)\w+;\n)*"
    r"    for \(u32 i = 0; i < (?P<rows>\d+); i\+\+\)\n"
    r"        if \((?P<test>.*?)\) return [^;]*;\n    return 0;\n\}\n",
    re.DOTALL,
)


_BOUND = re.compile(r"(?P<name>\w+)\[(?P<count>[24]) \* i(?: \+ (?P<at>\d))?\]")


@dataclass(slots=True)
class BpfResources(Resources):
    """What goes to the head of the program."""

    def dense_read(self, dense: Dense, index: int, key: str, default: str) -> str:
        """By a function that tests the very number that it uses, as the verifier wants it."""
        array = dense.array(index)
        self.once(
            f"NF_INL typeof({array}[0]) {array}_at(u64 key, typeof({array}[0]) otherwise)\n{{\n"
            f"    nf_settled(key);\n    if (key >= {dense.rows}U)\n        return otherwise;\n"
            f"    nf_settled(key);\n    return {array}[key];\n}}"
        )
        return f"{array}_at(<u64>{key}, {default})"

    def ruleset(self, ruleset: Ruleset) -> str:
        if ruleset not in self._rulesets:
            name = f"nf_ruleset_{len(self._rulesets)}"
            if len(simplified(ruleset)) <= _MAX_COMPARED:
                self.header.append(_compared(ruleset, name))
            else:
                text = ruleset_code(ruleset, name, classifier=False).header
                self.header.append(_SCAN.sub(_looped, _SUPPORT.sub("", text)))
            self._rulesets[ruleset] = name
        return self._rulesets[ruleset]


def _compared(ruleset: Ruleset, name: str) -> str:
    """A short list as comparisons in order: what follows the first match isn't looked at."""
    types = [f"u{FIELDS[column].width}" for column in ruleset.columns]
    parameters = zip(types, ruleset.columns, strict=True)
    given = ", ".join(f"{t} {c}" for t, c in parameters) or "void"
    lines = [f"NF_INL u32 {name}({given})", "{"]
    lines += [f"    (void){column};" for column in ruleset.columns]
    for row in simplified(ruleset):
        tests = [
            _within(column, bounds)
            for column, bounds in zip(ruleset.columns, row.bounds, strict=True)
            if bounds != full(column)
        ]
        lines += [f"    if ({' && '.join(tests)})"] if tests else []
        lines.append(f"    {'    ' if tests else ''}return {int(row.accept)};")
    return "\n".join([*lines, "    return 0;", "}", ""])


def _within(column: str, bounds: Bounds) -> str:
    low, high = bounds
    size = high - low + 1
    if size == 1:
        return f"{column} == {_number(low)}"
    if size & size - 1 == 0 and low % size == 0:  # a prefix
        return f"({column} & {_number(full(column)[1] - size + 1)}) == {_number(low)}"
    tests = [f"{column} >= {_number(low)}"] if low else []
    tests += [f"{column} <= {_number(high)}"] if high != full(column)[1] else []
    return " && ".join(tests)


def _number(value: int) -> str:
    if value >> 64:
        return f"((u128){value >> 64:#x}u << 64 | {value & (1 << 64) - 1:#x}u)"
    return f"{value:#x}u"


def _of_row(match: re.Match[str]) -> str:
    """A number of row i, addressed so that the verifier sees that it is inside of the array."""
    count = match["count"]
    return (
        f"((const typeof({match['name']}[0]) (*)[{count}]){match['name']})[i][{match['at'] or 0}]"
    )


def _looped(match: re.Match[str]) -> str:
    """A scan as a function for one row, which the verifier looks at once."""
    name, parameters = match["name"], match["parameters"].split(", ")
    words = -(-int(match["rows"]) // 64)
    columns = [parameter.split(" ") for parameter in parameters]
    members = "".join(f"    {parameter};\n" for parameter in parameters)
    read = "".join(f"    {ctype} {column} = p->{column};\n" for ctype, column in columns)
    used = "".join(f"    (void){column};\n" for _, column in columns)
    given = ", ".join(f".{column} = {column}" for _, column in columns)
    test = _BOUND.sub(_of_row, match["test"]).replace(" && ", "\n        && ")
    return f"""\
typedef struct {name}_packet {{
{members}    u32 accepted;
}} {name}_packet;

static long {name}_row(u64 i, {name}_packet *p)
{{
{read}{used}    if (i >= {match["rows"]})
        return 1;
    nf_settled(i);
    if (!({test}))
        return 0;
    p->accepted = nf_bit({name}_accept, i, {words});
    return 1;
}}

NF_INL u32 {name}({match["parameters"]})
{{
    {name}_packet p = {{{given}}};
    bpf_loop({match["rows"]}, {name}_row, &p, 0);
    return p.accepted;
}}
"""
