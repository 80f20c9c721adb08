"""How a record notices that what it rests on has changed: for each variable one way of several."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from nfverify.fastpath.plan import Policy
from nfverify.smat import ir


@dataclass(frozen=True, slots=True)
class Policies:
    """What was asked for, and what is best where nothing was."""

    asked: Mapping[str, Policy] | Literal["index", "epoch", "guard"] | None
    controlled: Collection[str]
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
        return "epoch" if var in self.controlled else "index"

    def costly(self, var: str) -> bool:
        """Is it a plain variable that traffic writes? To read it again costs less than events."""
        scalar = not self.variables[var].keys and self.forced(var) is None
        return scalar and var not in self.controlled
