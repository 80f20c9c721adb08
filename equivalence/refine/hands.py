"""Who makes the choices of a machine on the reference semantics."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from nfverify.semantics.engine import Chooser
from nfverify.smat import ir

Fits = Callable[[int], bool]
Policy = Literal["first", "last", "random", "onward"]
POLICIES: tuple[Policy, ...] = ("first", "last", "random")
TRIES = 12


class Misfit(Exception):
    """A choice was to be made that the model does not allow; `fitting` does where none should."""

    def __init__(self, what: str, fitting: int | None = None) -> None:
        super().__init__(what)
        self.fitting = fitting


def first(instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
    """As engines choose."""
    return next(filter(fits, candidates), None)


@dataclass(slots=True)
class Hand:
    """A machine's chooser, which can be exchanged between its steps; `effort` counts how often it
    was asked whether a value fits."""

    decide: Chooser = first
    effort: int = 0

    def __call__(self, instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
        def counted(value: int) -> bool:
            self.effort += 1
            return fits(value)

        return self.decide(instance, node, candidates, counted)


@dataclass(slots=True)
class Free:
    """Any value that fits, by a policy; the same from run to run."""

    policy: Policy
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    latest: dict[tuple[str, str], int] = field(default_factory=dict)

    def __call__(self, instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
        if not candidates or self.policy == "first":
            return next(filter(fits, candidates), None)
        if self.policy == "last":
            return next(filter(fits, reversed(candidates)), None)
        if self.policy == "onward":
            return self._onward((instance, node.name), candidates, fits)
        for _ in range(TRIES):
            value = self.rng.choice(candidates)
            if fits(value):
                return value
        start = self.rng.randrange(len(candidates))
        return next(filter(fits, chain(candidates[start:], candidates[:start])), None)

    def _onward(self, place: tuple[str, str], candidates: range, fits: Fits) -> int | None:
        """The next one that fits, round and round."""
        latest = self.latest.get(place, candidates.start - 1)
        start = latest + 1 - candidates.start if latest + 1 in candidates else 0
        value = next(filter(fits, chain(candidates[start:], candidates[:start])), None)
        if value is not None:
            self.latest[place] = value
        return value


@dataclass(slots=True)
class Scripted:
    """The values of a script, one for each choice; None is that none fits. Misfit if the model
    doesn't allow that, or if the script is too short."""

    script: Sequence[int | None]
    used: int = 0

    def __call__(self, instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
        if self.used >= len(self.script):
            raise Misfit("more choices than in the script")
        value = self.script[self.used]
        self.used += 1
        if value is None:
            other = next(filter(fits, candidates), None)
            if other is not None:
                raise Misfit(f"{node.name} in {instance}: {other} fits", other)
        elif value not in candidates or not fits(value):
            raise Misfit(f"{node.name} in {instance}: {value} is not allowed")
        return value
