"""One check, run in a process of its own; nothing heavy is loaded before it is."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import assert_never

from nfverify.cythonized.cache import default_folder
from nfverify.cythonized.faults import BuildError
from nfverify.gate import spec
from nfverify.gate.keys import pins_of
from nfverify.gate.recording import Input, Recorder
from nfverify.gate.spec import AnyCheck
from nfverify.lang.revision import versioned
from nfverify.lang.source import ModelError, Span
from nfverify.report.results import Place, Result

MAX_SAID = 20  # diagnostics that are told


@dataclass(frozen=True, slots=True)
class Answer:
    """A result and what it was made from; `inputs` None: it must not be used again. `pins` are the
    commits of its revisions."""

    result: Result
    inputs: tuple[Input, ...] | None
    pins: tuple[str, ...] = ()


def work(check: AnyCheck, folder: str) -> Answer:
    """The check in that working folder. What is wrong with its files is a result, too."""
    os.chdir(folder)
    started = time.monotonic()
    pins = pins_of(check)
    recorder = Recorder((str(default_folder()),))
    recorder.start(probe for target in spec.targets(check) for probe in _probes(target))
    result = _guarded(check)
    result = replace(result, name=check.common.name, seconds=time.monotonic() - started)
    inputs = recorder.inputs()
    if pins is None or pins != pins_of(check):  # a branch has moved meanwhile
        return Answer(result, None, pins or ())
    return Answer(result, inputs, pins)


def _probes(target: str) -> list[str]:
    """Paths that a target would mean if they were there."""
    return [] if target.startswith("lib:") or ":" not in target else [target]


def _guarded(check: AnyCheck) -> Result:
    from nfverify.oracles.generate.manifest import BadManifest
    from nfverify.packet.pcap import CaptureError

    try:
        return _run(check)
    except ModelError as error:
        return wrong(check, error)
    except (BuildError, CaptureError, BadManifest, spec.CheckError) as error:
        return failed(check, str(error))
    except OSError as error:
        name = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return failed(check, f"{name}{error.strerror or error}")


def _run(check: AnyCheck) -> Result:
    match check:
        case spec.Check():
            from nfverify.gate.checks.models import check_models

            return check_models(check)
        case spec.Equiv():
            from nfverify.gate.checks.proofs import check_equiv

            return check_equiv(check)
        case spec.Diff():
            from nfverify.gate.checks.changes import check_diff

            return check_diff(check)
        case spec.Prove():
            from nfverify.gate.checks.promises import check_prove

            return check_prove(check)
        case spec.Test():
            from nfverify.gate.checks.traffic import check_test

            return check_test(check)
        case spec.Coverage():
            from nfverify.gate.checks.traffic import check_coverage

            return check_coverage(check)
        case spec.Mutation():
            from nfverify.gate.checks.traffic import check_mutation

            return check_mutation(check)
        case _:
            assert_never(check)


# Without a verdict --------------------------------------------------------------------------


def wrong(check: AnyCheck, error: ModelError) -> Result:
    """A check whose models can't be used."""
    from nfverify.lang.render import render

    told = [one for one in error.diagnostics if one.severity == "error"] or error.diagnostics
    first = told[0]
    at = f"{first.span}: " if first.span.source.text else ""
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    found = failed(check, f"{at}{first.message}{more}")
    places = [place for one in told[:MAX_SAID] if (place := _place(one.span, one.message))]
    lines = tuple(render(told[:MAX_SAID]).splitlines())
    return replace(found, lines=lines, places=tuple(places) or found.places)


def _place(span: Span, says: str) -> Place | None:
    name = span.source.name
    if not span.source.text or not (os.path.exists(name) or versioned(name)):
        return None  # a text of the config, or of none

    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(max(span.start, span.end - 1))
    return Place(name, line, column, end_line, end_column, says)


def failed(check: AnyCheck, reason: str, *, internal: bool = False) -> Result:
    """A check that could not be done: nfverify's own fault if it is `internal`."""
    common = check.common
    return Result(
        common.name,
        common.kind,
        "error",
        title=f"internal error: {reason}" if internal else reason,
        targets=tuple(spec.targets(check)),
        places=(replace(common.place, says=reason),),
        reason=reason,
        internal=internal,
    )


def unknown(check: AnyCheck, reason: str) -> Result:
    """A check that came to no end."""
    common = check.common
    return Result(
        common.name,
        common.kind,
        "unknown",
        title=f"unknown: {reason}",
        targets=tuple(spec.targets(check)),
        reason=reason,
    )
