"""What the compiled kernel offers: kernel.solve, with the same meaning and result."""

from array import array
from collections.abc import Sequence

from nfverify.equivalence.rulesets.kernel import Outcome

def solve(
    dims: Sequence[int],
    a: array[int],
    rest_a: bool,
    b: array[int],
    rest_b: bool,
    *,
    nodes: int,
    memory: int,
    deadline: float,
    sieve: int = ...,
    tidy: int = ...,
    cells: int = ...,
) -> Outcome: ...
