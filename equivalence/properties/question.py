"""What `prove` is asked beside a network and a property; loads no solver."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from nfverify.equivalence.audit import Audit
from nfverify.equivalence.properties.verdict import Report
from nfverify.semantics.operators import Function
from nfverify.smat import ir
from nfverify.smat.stated import GIVEN

DEFAULT_TIME = 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """`depth` bounds the search for a trace, packets; `started` is when the clock of `time_limit`
    (s) began (`time.monotonic()`; None: when asked)."""

    operators: Mapping[str, Function] | None = None
    time_limit: float = DEFAULT_TIME
    depth: int | None = None
    assume: ir.Expr | None = None
    assumption: str = ""  # the text of `assume`
    drop_non_ip: bool = False
    started: float | None = None
    audit: Audit | None = None
    executor: str = ""  # where the obligations are proved; here, if empty


def report_on(
    network: ir.Network,
    claim: ir.Property,
    question: Question,
    started: float,
    notes: tuple[str, ...] = (),
    vacuous: bool = False,
) -> Report:
    """What every verdict on a property says."""
    span = claim.span
    text = " ".join(span.source.text[span.start : span.end].split())
    stated = bool(span.source.text) and span.source.name != GIVEN
    if not stated:
        text = claim.title if text.startswith("property") else text
    return Report(
        network.name,
        claim.title or claim.name,
        text,
        span.source.name if stated else "",
        span.line if stated else 0,
        span.column if stated else 0,
        question.assumption,
        "drop" if question.drop_non_ip else "bypass",
        notes,
        time.monotonic() - started,
        vacuous,
    )
