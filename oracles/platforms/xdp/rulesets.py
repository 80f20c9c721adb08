"""Rulesets for BPF: short lists as comparisons, longer ones as rows that are looked at in order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nfverify.cythonized.resources import Dense, Resources
from nfverify.cythonized.rulesets import ruleset_code
from nfverify.smat.ruleset import Ruleset

_SUPPORT = re.compile(r"^NF_COLD \w+ \w+_(?:init|free|bytes)\(void\) \{.*\}\n", re.MULTILINE)
_FOR = re.compile(r"    for \(u32 i = 0;( i < \d+; i\+\+\))\n(        if .*?;)\n", re.DOTALL)


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
            self.header.append(_loops(_SUPPORT.sub("", code.header)))
            self._rulesets[ruleset] = name
        return self._rulesets[ruleset]


def _loops(text: str) -> str:
    """The scan's loop as one that the verifier needn't unroll."""
    patience = "        if (!nf_loop(&nf_state.core))\n            return 0;\n"
    return _FOR.sub(rf"    for (u32 i = nf_zero;\1 {{\n{patience}\2\n    }}\n", text)
