"""What a change does to traffic: the classes of packets whose treatment it alters, each with an
example; or a proof that there are none."""

from nfverify.equivalence.diff.answer import (
    EXIT_CODE,
    Answer,
    Changed,
    Decider,
    PacketClass,
    Same,
)
from nfverify.equivalence.diff.question import DiffQuestion
from nfverify.equivalence.diff.run import diff

__all__ = [
    "EXIT_CODE",
    "Answer",
    "Changed",
    "Decider",
    "DiffQuestion",
    "PacketClass",
    "Same",
    "diff",
]
