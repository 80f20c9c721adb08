"""`prove` in a process of its own, which can be stopped whatever it is doing. Loads no solver."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from nfverify.equivalence.properties.question import Question, report_on
from nfverify.equivalence.properties.verdict import Unknown, Verdict
from nfverify.equivalence.supervise import DEFAULT_MEMORY, Known, Notify, supervised
from nfverify.smat import ir


def decide(
    network: ir.Network,
    claim: ir.Property,
    question: Question = Question(),  # noqa: B008  # frozen
    *,
    memory: int = DEFAULT_MEMORY,
    notify: Callable[[str], None] = lambda what: None,
) -> Verdict:
    """The verdict on one property of a network, at most about half a second after the time limit.

    `memory` bounds the child's address space, bytes. Raises ModelError for what cannot be proved.
    However else the child ends without a verdict, the answer is `Unknown`.
    """
    started = time.monotonic() if question.started is None else question.started
    asked = replace(question, started=started)

    def answer(notify: Notify, known: Known) -> Verdict:
        from nfverify.equivalence.properties.prove import prove

        return prove(network, claim, asked, notify, known)

    def unknown(reason: str, depth: int) -> Verdict:
        return Unknown(report_on(network, claim, asked, started), reason, depth)

    return supervised(answer, unknown, asked.time_limit, started, memory=memory, notify=notify)
