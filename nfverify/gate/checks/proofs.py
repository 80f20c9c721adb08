"""Checks that a solver decides: two models that do the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nfverify.equivalence.audit import Audit
from nfverify.equivalence.problem import Options
from nfverify.equivalence.question import Question
from nfverify.equivalence.supervise import supervise
from nfverify.gate.checks.models import functions_of
from nfverify.gate.spec import CheckError, Equiv, Solver
from nfverify.report.as_result import verdict_result
from nfverify.report.results import Result
from nfverify.smat.condition import assumption
from nfverify.smat.ir import Network
from nfverify.smat.pairwise import pair_claims
from nfverify.smat.versions import load_version


def check_equiv(check: Equiv) -> Result:
    """What `nfverify equiv` answers."""
    common = check.common
    a = _network(check.a, common.folder)
    b = _network(check.b, common.folder, a.ports)
    question = Question(
        options=Options(
            observe_state=check.observe == "packets+state",
            ignore=check.ignore,
            assume=assumption(check.assume, a.ports, "assume"),
            drop_non_ip=common.non_ip == "drop",
            proposed=pair_claims(check.invariants, a, b, "invariants"),
        ),
        operators=functions_of(common) or None,
        time_limit=common.time_limit,
        depth=check.depth,
        assumption=" && ".join(check.assume),
        refine=check.refine,
        audit=audit_of(check.cross_check),
    )
    verdict = supervise(a, b, question, memory=common.memory_limit)
    return verdict_result(common.name, verdict, check.a, check.b, (a, b))


def audit_of(solver: Solver) -> Audit | None:
    """What a second solver is asked, if there is one."""
    return None if solver == "" else Audit(solver)


def _network(target: str, folder: str, ports: Sequence[str] = ()) -> Network:
    found = load_version(target, ports=ports, folder=Path(folder))
    if isinstance(found, Network):
        return found
    raise CheckError(f"{target} is a ruleset, and no model; compare rulesets by [[diff]]")
