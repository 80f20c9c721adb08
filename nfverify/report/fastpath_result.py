"""What is found of a fast path, in the shape that every report is written from."""

from __future__ import annotations

from typing import assert_never

from nfverify.equivalence.fastpath.verdict import (
    FastDifferent,
    FastEquivalent,
    FastIdle,
    FastUnknown,
    FastVerdict,
)
from nfverify.report.as_result import example_of
from nfverify.report.results import Result
from nfverify.report.text import count_of, excluded, packets_of, wording


def fast_result(name: str, verdict: FastVerdict, target: str) -> Result:
    """The verdict on the chain `target` and its fast path."""
    report = verdict.report
    targets, seconds = (target,), report.seconds
    match verdict:
        case FastEquivalent(obligations=obligations):
            title = f"{target} does the same with its fast path, for every sequence of packets"
            lines = (f"proof: {count_of(len(obligations), 'obligation')}", *report.notes)
            return Result(name, "equiv", "passed", title, targets, lines, seconds)
        case FastIdle():
            title = f"{target} does the same with its fast path, which does not serve all it could"
            return Result(name, "equiv", "different", title, targets, report.notes, seconds)
        case FastDifferent(counterexample=found):
            title = f"{target} and its fast path part after {packets_of(len(found.events))}"
            lines = (f"trace: {wording(found)}", *report.notes)
            examples = (example_of(found, ("chain", "fast path")),)
            return Result(
                name, "equiv", "different", title, targets, lines, seconds, examples=examples
            )
        case FastUnknown(reason=reason, depth=depth):
            title = f"nobody knows whether {target} does the same with its fast path: {reason}"
            lines = (excluded(depth), *report.notes)
            return Result(name, "equiv", "unknown", title, targets, lines, seconds, reason=reason)
        case _:
            assert_never(verdict)
