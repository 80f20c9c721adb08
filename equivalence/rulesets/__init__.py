"""Deciding whether two rulesets accept the same packets (method: docs, rulesets)."""

from nfverify.equivalence.rulesets.comparing import compare, difference_boxes
from nfverify.equivalence.rulesets.verdict import (
    Box,
    Budget,
    Different,
    Equal,
    InternalError,
    Unknown,
    Verdict,
)

__all__ = [
    "Box",
    "Budget",
    "Different",
    "Equal",
    "InternalError",
    "Unknown",
    "Verdict",
    "compare",
    "difference_boxes",
]
