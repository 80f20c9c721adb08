"""`diff` in a process of its own, as `supervise`."""

from __future__ import annotations

import time
from dataclasses import replace

from nfverify.equivalence.diff.answer import Answer
from nfverify.equivalence.diff.question import DiffQuestion
from nfverify.equivalence.question import report_on
from nfverify.equivalence.supervise import DEFAULT_MEMORY, Known, Notify, supervised
from nfverify.equivalence.verdict import Unknown
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

FILTER = "filter"
RULES = "rules"


def diff(
    old: ir.Network | Ruleset,
    new: ir.Network | Ruleset,
    question: DiffQuestion = DiffQuestion(),  # noqa: B008  # frozen
    *,
    memory: int = DEFAULT_MEMORY,
    notify: Notify = lambda what: None,
) -> Answer:
    """What a change from `old` to `new` does to traffic; a ruleset is the filter that it describes.

    As `supervise`: never much later than its time limit, and whatever goes wrong is `Unknown`.
    Raises ModelError for models that can't be compared.
    """
    started = time.monotonic() if question.asked.started is None else question.asked.started
    question = replace(question, asked=replace(question.asked, started=started))
    a, b = as_network(old), as_network(new)

    def answer(notify: Notify, known: Known) -> Answer:
        from nfverify.equivalence.diff.models import diff_networks
        from nfverify.equivalence.diff.upgrade import upgrade

        return (upgrade if question.reload else diff_networks)(a, b, question, notify, known)

    def unknown(reason: str, depth: int) -> Answer:
        report = report_on(a, b, question.asked, (), time.monotonic() - started)
        return Unknown(report, reason, depth, ())

    limit = question.asked.time_limit
    return supervised(answer, unknown, limit, started, memory=memory, notify=notify)


def as_network(side: ir.Network | Ruleset) -> ir.Network:
    """A ruleset alone is a filter: what it accepts passes, all else is dropped."""
    if isinstance(side, ir.Network):
        return side
    side = Ruleset(RULES, side.columns, side.rows, side.file)  # what changes has the same name
    args = tuple(ir.Field(column) for column in side.columns)
    entries = (
        ir.Entry("accept", (ir.Match(side, args),), (), (ir.SetOutput(ir.Forward()),)),
        ir.Entry("drop", (), (), (ir.SetOutput(ir.Drop()),)),
    )
    body = (ir.Table(entries),)
    program = ir.Program(FILTER, (), (), (), (), (), body)
    return ir.Network(FILTER, ("0", "1"), (ir.Instance(FILTER, program),), ())
