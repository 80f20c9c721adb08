"""Models as a check names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nfverify.gate.spec import Check, Common
from nfverify.lang.source import ModelError
from nfverify.report.as_result import place_of
from nfverify.report.results import Result, Status
from nfverify.semantics.operators import Function
from nfverify.testing.models import operators_of


def functions_of(common: Common) -> Mapping[str, Function]:
    """The operators that the models may use. ModelError."""
    return operators_of([Path(file) for file in common.ops])


def check_models(check: Check) -> Result:
    """What `nfverify check` says of the models."""
    from nfverify.equivalence.check import solver_checks
    from nfverify.smat.check import check_file

    checks = (solver_checks,)
    found = [one for model in check.models for one in check_file(model, extra_checks=checks)]
    errors = [one for one in found if one.severity == "error"]
    if errors:
        raise ModelError(*errors)
    status: Status = "different" if found and check.strict else "passed"
    warnings = f"{len(found)} warning{'s' * (len(found) != 1)}" if found else "no warning"
    places = [place_of(one.span, one.message) for one in found]
    return Result(
        check.common.name,
        "check",
        status,
        title=f"no error, {warnings}",
        targets=check.models,
        lines=tuple(f"{one.span}: {one.message}" for one in found),
        places=tuple(place for place in places if place is not None),
    )
