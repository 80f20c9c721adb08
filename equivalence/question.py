"""What `equiv` is asked, apart from how it is answered; loads no solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nfverify.equivalence.audit import Audit
from nfverify.equivalence.problem import Options
from nfverify.equivalence.verdict import Report
from nfverify.semantics.operators import Function
from nfverify.smat import ir

DEFAULT_TIME = 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """What `equivalent` is asked beyond the two networks.

    `started` is when the clock of `time_limit` began (`time.monotonic()`; None: when asked).
    `claims` may help a proof, and are proved like all else: each is the types of k0, k1, … and what
    may hold for all of them, over `a.x` and `b.x`.
    """

    options: Options = field(default_factory=Options)
    operators: Mapping[str, Function] | None = None
    time_limit: float = DEFAULT_TIME
    depth: int | None = None
    assumption: str = ""  # the text of options.assume
    refine: bool = False  # not whether both do the same, but whether B allows all that A does
    started: float | None = None
    claims: tuple[tuple[tuple[ir.Type, ...], ir.Expr], ...] = ()
    audit: Audit | None = None  # a second solver, or files, for each obligation
    executor: str = ""  # where the obligations are proved; here, if empty


def report_on(
    a: ir.Network, b: ir.Network, question: Question, notes: tuple[str, ...], seconds: float
) -> Report:
    """What every verdict on a question says."""
    options = question.options
    return Report(
        a.name,
        b.name,
        "packets+state" if options.observe_state else "packets",
        options.ignore,
        question.assumption,
        "drop" if options.drop_non_ip else "bypass",
        notes,
        seconds,
        question.refine,
    )
