"""How a record notices that what it rests on has changed: for each variable one way of several."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.fastpath.effects import is_control
from nfverify.equivalence.fastpath.explore import Writer
from nfverify.fastpath.plan import Policy
from nfverify.smat import ir


@dataclass(frozen=True, slots=True)
class Policies:
    """What was asked for, and what is best where nothing was."""

    asked: Mapping[str, Policy] | Literal["index", "epoch", "guard"] | None
    writers: Mapping[str, Sequence[Writer]]
    anyhow: Collection[str]
    variables: Mapping[str, ir.StateVar]

    def forced(self, var: str) -> Policy | None:
        """What was asked for this variable."""
        match self.asked:
            case None:
                return None
            case "guard":
                return None if self.variables[var].constant else "hot"
            case "index" | "epoch":
                return self.asked
            case _:
                return self.asked.get(var)

    def forced_hot(self) -> set[str]:
        return {v for v in self.variables if self.forced(v) == "hot"}

    def forced_cold(self) -> set[str]:
        """Variables that must not be read anew for each packet only because it is cheap; whether
        fast packets write them is another matter."""
        return {v for v in self.variables if self.forced(v) not in (None, "hot")}

    def of(self, var: str) -> Policy:
        """How changes of a cold variable by others are noticed."""
        forced = self.forced(var)
        if forced is not None:
            return forced
        rare = var not in self.anyhow and all(map(is_control, self.writers.get(var, ())))
        return "epoch" if rare else "index"
