"""What a change does to traffic."""

from __future__ import annotations

from nfverify.equivalence.diff import DiffQuestion, diff
from nfverify.equivalence.diff.run import as_network
from nfverify.equivalence.problem import Options
from nfverify.equivalence.question import Question
from nfverify.gate.checks.models import functions_of
from nfverify.gate.checks.proofs import audit_of
from nfverify.gate.spec import CheckError, Diff
from nfverify.report.diff import diff_result
from nfverify.report.results import Result
from nfverify.smat.versions import load_version
from nfverify.testing.models import assumption

BOXES = 8  # of each class


def check_diff(check: Diff) -> Result:
    """What `nfverify diff` answers."""
    common = check.common
    old = load_version(check.old)
    before = as_network(old)
    new = load_version(check.new, ports=before.ports)
    if check.reload:
        raise CheckError("`reload` is not there yet")
    asked = Question(
        options=Options(
            assume=assumption(check.assume, before),
            drop_non_ip=common.non_ip == "drop",
        ),
        operators=functions_of(common) or None,
        time_limit=common.time_limit,
        assumption=" && ".join(check.assume),
        audit=audit_of(check.cross_check),
    )
    answer = diff(old, new, DiffQuestion(asked, BOXES), memory=common.memory_limit)
    return diff_result(common.name, answer, check.old, check.new)
