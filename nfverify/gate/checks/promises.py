"""Properties of a model."""

from __future__ import annotations

from nfverify.equivalence.properties.question import Question
from nfverify.equivalence.properties.run import decide
from nfverify.gate.checks.models import functions_of
from nfverify.gate.checks.proofs import audit_of
from nfverify.gate.spec import ALL, CheckError, Prove
from nfverify.report.properties import prove_result
from nfverify.report.results import Result
from nfverify.smat.condition import assumption
from nfverify.smat.stated import load_claims


def check_prove(check: Prove) -> Result:
    """What `nfverify prove` answers; each property has the time limit for itself."""
    common = check.common
    asked = () if check.properties == (ALL,) else check.properties
    network, claims = load_claims(check.model, asked)
    if not claims:
        raise CheckError(f'{check.model} states no property; name some: properties = ["…"]')
    question = Question(
        operators=functions_of(common) or None,
        time_limit=common.time_limit,
        assume=assumption(check.assume, network.ports, "assume"),
        assumption=" && ".join(check.assume),
        drop_non_ip=common.non_ip == "drop",
        audit=audit_of(check.cross_check),
    )
    proved = [
        (claim, decide(claim.network, claim.promise, question, memory=common.memory_limit))
        for claim in claims
    ]
    return prove_result(common.name, check.model, proved)
