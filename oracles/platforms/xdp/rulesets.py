"""Rulesets for BPF: short lists as comparisons, longer ones as rows that are looked at in order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nfverify.cythonized.resources import Dense, Resources
from nfverify.cythonized.rulesets import ruleset_code
from nfverify.smat.ruleset import Ruleset

_SUPPORT = re.compile(r"^NF_COLD \w+ \w+_(?:init|free|bytes)\(void\) \{.*\}\n", re.MULTILINE)
_SCAN = re.compile(
    r"NF_INL u32 (?P<name>\w+)\((?P<parameters>[^)]*)\) \{\n(?:    \(void\)\w+;\n)*"
    r"    for \(u32 i = 0; i < (?P<rows>\d+); i\+\+\)\n"
    r"        if \((?P<test>.*?)\) return (?P<accepts>[^;]*);\n    return 0;\n\}\n",
    re.DOTALL,
)


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
            code = ruleset_code(ruleset, name)
            if code.kind not in ("constant", "comparisons"):
                code = ruleset_code(ruleset, name, classifier=False)
            self.header.append(_SCAN.sub(_looped, _SUPPORT.sub("", code.header)))
            self._rulesets[ruleset] = name
        return self._rulesets[ruleset]


def _looped(match: re.Match[str]) -> str:
    """A scan as a function for one row, which the verifier looks at once."""
    name, parameters = match["name"], match["parameters"].split(", ")
    columns = [parameter.split(" ") for parameter in parameters]
    members = "".join(f"    {parameter};\n" for parameter in parameters)
    read = "".join(f"    {ctype} {column} = p->{column};\n" for ctype, column in columns)
    used = "".join(f"    (void){column};\n" for _, column in columns)
    given = ", ".join(f".{column} = {column}" for _, column in columns)
    test = match["test"].replace(" && ", "\n        && ")
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
    p->accepted = {match["accepts"]};
    return 1;
}}

NF_INL u32 {name}({match["parameters"]})
{{
    {name}_packet p = {{{given}}};
    bpf_loop({match["rows"]}, {name}_row, &p, 0);
    return p.accepted;
}}
"""
