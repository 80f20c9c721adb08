"""What `diff` is asked, apart from how it is answered; loads no solver."""

from __future__ import annotations

from dataclasses import dataclass, field

from nfverify.equivalence.question import Question


@dataclass(frozen=True, slots=True)
class DiffQuestion:
    """`asked` is as for an equivalence. `boxes`: how many boxes of each class are listed."""

    asked: Question = field(default_factory=Question)
    boxes: int = 0
