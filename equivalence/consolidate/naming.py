"""Names of what the instances of a chain bring into one program (decision 21: `nat_next`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class Taken:
    """Names that are in use."""

    names: set[str] = field(default_factory=set)

    def fresh(self, wanted: str) -> str:
        """`wanted`, or with `_2`, `_3`, … after it."""
        name, number = wanted, 1
        while name in self.names:
            number += 1
            name = f"{wanted}_{number}"
        self.names.add(name)
        return name


def word(text: str, otherwise: str) -> str:
    """`text` if it can be a name in a model."""
    return text if _WORD.fullmatch(text) else otherwise


@dataclass(frozen=True, slots=True)
class Renaming:
    """What the variables, configuration and rulesets of one instance are called in the table."""

    variables: dict[str, str]
    config: dict[str, str]
    rulesets: dict[Ruleset, Ruleset]

    def constant(self, const: ir.Const) -> ir.Const:
        name = self.config.get(const.name, "")
        return const if name == const.name else ir.Const(const.value, const.type, name)

    def variable(self, variable: ir.StateVar) -> ir.StateVar:
        return replace(variable, name=self.variables[variable.name])


def rename_all(network: ir.Network) -> tuple[Renaming, ...]:
    """For each instance; names stay as they are in a network of one."""
    taken = Taken({network.name})
    alone = len(network.instances) == 1
    rulesets: dict[str, Ruleset] = {}
    found = []
    for instance in network.instances:
        prefix = "" if alone else f"{instance.name}_"
        program = instance.program
        variables = {v.name: taken.fresh(prefix + v.name) for v in program.state}
        config = {c.name: taken.fresh(prefix + c.name) for c in program.config}
        found.append(Renaming(variables, config, _rulesets(program, rulesets)))
    return tuple(found)


def _rulesets(program: ir.Program, known: dict[str, Ruleset]) -> dict[Ruleset, Ruleset]:
    """Rulesets keep their names, unless two that differ share one."""
    found: dict[Ruleset, Ruleset] = {}
    invariants = tuple(i.expr for i in program.invariants)
    for node in ir.walk((*program.init, *program.body, *invariants)):
        if isinstance(node, ir.Match) and node.ruleset not in found:
            ruleset, name, number = node.ruleset, node.ruleset.name, 1
            while known.get(name, ruleset) != ruleset:
                number += 1
                name = f"{ruleset.name}_{number}"
            if name not in known:
                renamed = Ruleset(name, ruleset.columns, ruleset.rows)
                known[name] = ruleset if name == ruleset.name else renamed
            found[ruleset] = known[name]
    return found
