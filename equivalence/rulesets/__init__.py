"""Do two first-match lists of thousands of rules accept the same packets?

The bounds of both become ranks (ranks.py). If they share most rules, they can differ only inside a
few boxes (matching.py). Those, or else the whole space, are searched by a kernel (kernel.py, in C
_kernel.pyx) that halves boxes and deletes slices that read alike. A difference is read again in the
lists as written before it is said (comparing.py).
"""

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
