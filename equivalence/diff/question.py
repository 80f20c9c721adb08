"""What `diff` is asked, apart from how it is answered; loads no solver."""

from __future__ import annotations

from dataclasses import dataclass, field

from nfverify.equivalence.question import Question


@dataclass(frozen=True, slots=True)
class DiffQuestion:
    """`asked` is as for an equivalence. `boxes`: how many boxes of each class are listed. `reload`:
    the new model takes over the old one's state, any that it can be in, or `state`: the name and
    text of a saved one."""

    asked: Question = field(default_factory=Question)
    boxes: int = 0
    reload: bool = False
    state: tuple[str, str] | None = None
