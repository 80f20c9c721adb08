"""Bounded search for the shortest trace that breaks a property, from the initial state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nfverify.equivalence.concrete import NotRealisable
from nfverify.equivalence.properties.watch import Watch
from nfverify.equivalence.search import Search
from nfverify.equivalence.simulate import Trace
from nfverify.equivalence.state import width
from nfverify.smat import ir

Values = Mapping[str, ir.Value]


@dataclass(slots=True)
class BreachSearch(Search):
    """As the search for a difference; a trace is one when `breaks` (the reference) says so, and its
    values are in `values`."""

    watch: Watch = None  # type: ignore[assignment]  # always given
    breaks: Callable[[Trace, Values], bool] = lambda trace, values: False
    values: Values = None  # type: ignore[assignment]  # of what was found last

    def _confirmed(self) -> Trace | None:
        """The model's trace, if the reference breaks the property at its very last packet."""
        try:
            trace = self._concrete()
        except NotRealisable:
            return None
        if not all(map(self.allowed, trace)):
            return None
        values = self._values()
        if not self.breaks(trace, values):
            return None
        self.values = values
        return trace

    def _values(self) -> Values:
        """Those of the property's variables in the solver's model."""
        found: dict[str, ir.Value] = {}
        for name, type_ in self.watch.variables:
            raw = self._solver.value(self.terms.var(f"any {name}", width(type_)))
            match type_:
                case ir.Bits():
                    found[name] = ir.wrap(int(raw), type_)
                case _:
                    found[name] = bool(raw)
        return found
