"""What a change does to traffic."""

from __future__ import annotations

from pathlib import Path

from nfverify.equivalence.diff import DiffQuestion, diff
from nfverify.equivalence.diff.run import as_network
from nfverify.equivalence.problem import Options
from nfverify.equivalence.question import Question
from nfverify.gate.checks.models import functions_of
from nfverify.gate.checks.proofs import audit_of
from nfverify.gate.spec import ANY_STATE, NO_RELOAD, CheckError, Diff
from nfverify.report.diff import diff_result
from nfverify.report.results import Result
from nfverify.smat.condition import assumption
from nfverify.smat.versions import load_version

BOXES = 8  # of each class
MAX_STATE = 64 << 20  # bytes


def check_diff(check: Diff) -> Result:
    """What `nfverify diff` answers."""
    common = check.common
    folder = Path(common.folder)
    old = load_version(check.old, folder=folder)
    before = as_network(old)
    new = load_version(check.new, ports=before.ports, folder=folder)
    asked = Question(
        options=Options(
            ignore=check.ignore,
            assume=assumption(check.assume, before.ports, "assume"),
            drop_non_ip=common.non_ip == "drop",
        ),
        operators=functions_of(common) or None,
        time_limit=common.time_limit,
        assumption=" && ".join(check.assume),
        audit=audit_of(check.cross_check),
    )
    state = None
    if check.reload not in (NO_RELOAD, ANY_STATE):
        state = (check.reload, _text(check.reload))
    question = DiffQuestion(asked, BOXES, reload=check.reload != NO_RELOAD, state=state)
    answer = diff(old, new, question, memory=common.memory_limit)
    return diff_result(common.name, answer, check.old, check.new)


def _text(path: str) -> str:
    with open(path, "rb") as stream:
        data = stream.read(MAX_STATE + 1)
    if len(data) > MAX_STATE:
        raise CheckError(f"{path}: over {MAX_STATE >> 20} MB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CheckError(f"{path}: byte {error.start}: not UTF-8") from None
