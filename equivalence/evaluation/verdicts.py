"""What the oracle answers when it is shown what came out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Made:
    """A choice that was come to. `known`: there is only one way it can have gone, and `value` is
    it (None: nothing fitted, and the packet dropped)."""

    instance: str
    name: str
    value: int | None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Allowed:
    """The model can do this. `choices` are those of this event, as far as this event tells;
    `determined` says whether all that the state depends on is known."""

    choices: tuple[Made, ...] = ()
    determined: bool = True


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """Whatever the model chooses, now and before, it can't do this."""

    reason: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither could be shown: never a pass."""

    reason: str


Judgement = Allowed | NotAllowed | Undecided
