"""Verdicts, findings, coverage and mutation scores as what every report is written from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Emitted,
    Equivalent,
    Unknown,
    Verdict,
)
from nfverify.lang.source import Span
from nfverify.oracles.engines.base import UNTOLD
from nfverify.oracles.trace import port_names
from nfverify.report.growth import noticed
from nfverify.report.results import Example, Outcome, Place, Ratio, Result, Series, Status, Step
from nfverify.report.text import count_of, excluded, limits, packets_of, wording
from nfverify.report.traces import example_of
from nfverify.semantics.machine import Output
from nfverify.semantics.walk import entry_title
from nfverify.smat.ir import Network, Table, walk

if TYPE_CHECKING:
    from nfverify.oracles.coverage.goals import Goal
    from nfverify.oracles.mutation.grading import Grade
    from nfverify.report.finding import Test

__all__ = [
    "coverage_result", "entry_places", "example_of", "finding_result", "mutation_result",
    "place_of", "start_of", "verdict_result",
]  # fmt: skip
MAX_MISSED = 200  # goals and mutants that are named


# Places -----------------------------------------------------------------------------------


def place_of(span: Span, says: str = "") -> Place | None:
    """A span as a place; None for what stands in no file."""
    source = span.source
    if not source.text or source.name.startswith("<"):
        return None
    line, column = source.position(span.start)
    end_line, end_column = source.position(max(span.start, span.end - 1))
    return Place(source.name, line, column, end_line, end_column, says)


def entry_places(network: Network, entries: Sequence[str], says: str) -> Iterator[Place]:
    """Where the entries stand that a packet took: `instance: entry`, as verdicts name them."""
    spans = {
        f"{instance.name}: {entry_title(entry, place)}": entry.span
        for instance in network.instances
        for table in walk(instance.program.body)
        if isinstance(table, Table)
        for place, entry in enumerate(table.entries, 1)
    }
    for name in dict.fromkeys(entries):
        found = place_of(spans[name], f"{says}: {name}") if name in spans else None
        if found is not None:
            yield found


def rule_places(rules: Sequence[tuple[str, int]], says: str) -> Iterator[Place]:
    """Lines of rulesets, as `SideOfEvent` has them."""
    yield from (Place(file, line, 1, line, says=says) for file, line in rules if file and line)


def start_of(network: Network) -> tuple[Place, ...]:
    """Where a model begins."""
    found = place_of(network.instances[0].program.span, network.name)
    return () if found is None else (found,)


# Verdicts ---------------------------------------------------------------------------------

_STATUS: Mapping[type[Verdict], Status] = {
    Equivalent: "passed",
    Different: "different",
    Unknown: "unknown",
}


def verdict_result(
    name: str,
    verdict: Verdict,
    a: str,
    b: str,
    networks: tuple[Network, Network] | None = None,
) -> Result:
    """What `equiv` answers; with the `networks`, differences have places in their texts."""
    report = verdict.report
    common = Result(
        name,
        "equiv",
        _STATUS[type(verdict)],
        title="",
        targets=(a, b),
        lines=tuple(setting_lines(verdict)),
        seconds=report.seconds,
    )
    match verdict:
        case Equivalent(proof=proof):
            what = f"{b} allows all that {a} does" if report.refine else f"{a} and {b} do the same"
            obligations = count_of(len(proof.obligations), "obligation")
            return replace(
                common,
                title="; but ".join(
                    (f"{what}, for every sequence of packets", *limits(report.notes))
                ),
                lines=(f"proof: {proof.method}, {obligations}", *common.lines),
                relation=proof.relation,
            )
        case Different(counterexample=example):
            does = "does what {b} does not allow" if report.refine else "and {b} part"
            after = packets_of(len(example.events))
            found = f"{a} {does.format(b=b)} after {after}"
            places = () if networks is None else tuple(_places(example, networks))
            lines = (f"trace: {wording(example)}", *common.lines)
            examples = (example_of(example),)
            return replace(common, title=found, lines=lines, places=places, examples=examples)
        case Unknown(reason=reason, depth=depth, obligations=obligations):
            open_ = [f"not shown: {o.name}" for o in obligations if o.result != "proved"]
            return replace(
                common,
                title=f"nobody knows whether {a} and {b} do the same: {reason}",
                lines=(excluded(depth), *open_, *common.lines),
                reason=reason,
            )
        case _:
            assert_never(verdict)


def setting_lines(verdict: Verdict) -> Iterator[str]:
    """Under which conditions a verdict holds, and its notes."""
    report = verdict.report
    if report.observe == "packets+state":
        yield "compared: packets and state"
    if report.ignored:
        yield f"ignored: {', '.join(report.ignored)}, and the checksums over them"
    if report.assumption:
        yield f"assuming: {report.assumption} (of every arriving packet)"
    if report.non_ip == "drop":
        yield "frames that are not IP are dropped"
    yield from report.notes


def _places(found: Counterexample, networks: tuple[Network, Network]) -> Iterator[Place]:
    last = found.events[-1]
    for who, side, network in zip("ab", (last.a, last.b), networks, strict=True):
        entries = tuple(entry_places(network, side.entries, f"{who} takes"))
        rules = tuple(rule_places(side.rules, f"{who}: the rule that decides"))
        yield from (*rules, *entries) or start_of(network)


# Tests ------------------------------------------------------------------------------------


def finding_result(name: str, test: Test, seconds: float = 0.0) -> Result:
    """What `test` found."""
    from nfverify.report.finding import verdict

    result, options = test.result, test.options
    engines = ", ".join(result.engines)
    against = () if options.against is None else (options.against,)
    sent = f"{count_of(result.packets, 'packet')} in {count_of(result.traces, 'trace')}"
    status: Status = {"agree": "passed", "different": "different"}.get(verdict(test), "unknown")  # type: ignore[assignment]
    common = Result(
        name, "test", status, title="", targets=(test.target, *against), seconds=seconds,
        lines=(f"engines: {engines}", f"tested: {sent}"),
    )  # fmt: skip
    if test.story is not None and result.finding is not None:
        found = test.story.divergence
        return replace(
            common,
            title=f"{found.left} and {found.right} part at packet {len(found.trace)}",
            lines=(
                *common.lines,
                f"found: {result.finding.origin}",
                *found.said.splitlines()[-12:],
            ),
            places=_story_places(test),
            examples=(_story(test),),
        )
    if status == "unknown":
        why = "; ".join(result.unsettled[:8]) or "no packet could be sent"
        return replace(common, title=f"not everything is settled: {why}", reason=why)
    return replace(common, title=f"{engines} do the same on {sent}")


def _said(text: str) -> Iterator[str]:
    """The end of what a program wrote to standard error."""
    yield from (f"standard error: {line}" for line in text.splitlines()[-12:])


def _story_places(test: Test) -> tuple[Place, ...]:
    assert test.story is not None
    last = test.story.chapters[-1]
    entries = tuple(entry_places(test.network, last.entries, "the model takes"))
    return (*rule_places(last.rules, "the rule that decides"), *entries) or start_of(test.network)


def _story(test: Test) -> Example:
    story = test.story
    assert story is not None
    found, ports = story.divergence, port_names(test.network)
    steps = []
    for number, chapter in enumerate(story.chapters, 1):
        event, last = chapter.event, number == len(story.chapters)
        parted = last and found.kind == "outputs"
        left = found.left_out if parted else chapter.outputs
        outcomes = [
            Outcome(found.left, _emitted(left, event.time, ports), chapter.entries),
        ]
        if found.seen:
            seen = _emitted(found.seen[number - 1], event.time, ports)
            outcomes = [Outcome(found.right, seen)]
        elif last and found.kind in ("outputs", "state"):
            right = _emitted(found.right_out if parted else chapter.outputs, event.time, ports)
            outcomes.append(Outcome(found.right, right, story.entries or ()))
        steps.append(Step(event.time, ports[event.port], event.frame, tuple(outcomes)))
    return Example(tuple(steps), story.differences, minimal=False)


def _emitted(outputs: Sequence[Output], time: int, ports: Sequence[str]) -> tuple[Emitted, ...]:
    """What an execution doesn't tell is left out: the time is then that of the arrival."""
    return tuple(
        Emitted(
            time if out.time == UNTOLD else out.time,
            "" if out.port == UNTOLD else ports[out.port],
            out.frame,
        )
        for out in outputs
    )


# Coverage and mutation --------------------------------------------------------------------


def coverage_result(
    name: str,
    target: str,
    goals: Sequence[Goal],
    reached: Collection[int],
    *,
    unreachable: Collection[int] = (),
    least: float | None = None,
    seconds: float = 0.0,
    series: tuple[Series, ...] = (),
) -> Result:
    """Goals reached, all together and by kind; those that are proved unreachable don't count."""
    from nfverify.oracles.coverage.goals import KINDS
    from nfverify.oracles.coverage.table import PLURAL, line

    asked = [goal for goal in goals if goal.number not in unreachable]
    missed = [goal for goal in asked if goal.number not in reached]
    places = [place_of(goal.span, line(goal)) for goal in missed[:MAX_MISSED]]
    found = tuple(place for place in places if place is not None)
    whole = Ratio("all goals", len(asked) - len(missed), len(asked), least, found)
    ratios = [whole]
    for kind in KINDS:
        total = [goal for goal in asked if goal.kind == kind]
        if total:
            got = sum(goal.number in reached for goal in total)
            ratios.append(Ratio(PLURAL[kind], got, len(total)))
    return Result(
        name,
        "coverage",
        "passed" if enough(whole) else "different",
        title=f"{whole.reached} of {whole.total} goals reached{_asked(whole)}",
        targets=(target,),
        lines=tuple(f"not reached: {line(goal)}" for goal in missed[:MAX_MISSED]),
        seconds=seconds,
        places=() if enough(whole) else found,
        ratios=tuple(ratios),
        series=series,
    )


def mutation_result(
    name: str, target: str, grade: Grade, *, least: float | None = None
) -> Result:  # fmt: skip
    """Mutants killed, all together and by operator; those that are proved equivalent don't count,
    undecided ones count as noticed by nobody."""
    killed, undecided = grade.count("killed"), grade.count("undecided")
    alive = [o for o in grade.outcomes if o.fate in ("different", "undecided")]
    words = [f"{o.mutant.instance}: {o.mutant.text} ({o.mutant.operator}): {o.fate}" for o in alive]
    places = [place_of(o.mutant.span, w) for o, w in zip(alive, words, strict=True)][:MAX_MISSED]
    found = tuple(place for place in places if place is not None)
    total = len(grade.outcomes) - grade.count("equivalent")
    whole = Ratio("all mutants", killed, total, least, found)
    ratios = [whole]
    for operator, counts in grade.by_operator().items():
        asked = counts.total() - counts["equivalent"]
        if asked:
            ratios.append(Ratio(operator, counts["killed"], asked))
    # It could still be enough, if the undecided ones were equivalent.
    hope = replace(whole, total=total - undecided)
    status: Status = "passed" if enough(whole) else "unknown" if enough(hope) else "different"
    title = f"{killed} of {total} mutants noticed{_asked(whole)}"
    return Result(
        name,
        "mutation",
        status,
        title=title,
        targets=(target,),
        lines=tuple(f"not noticed: {what}" for what in words[:MAX_MISSED]),
        seconds=grade.seconds,
        places=() if status == "passed" else found,
        ratios=tuple(ratios),
        series=noticed(grade),
        reason=f"{undecided} mutants are undecided" if status == "unknown" else "",
    )


def enough(ratio: Ratio) -> bool:
    """Is the threshold met? Without one it is, and so it is of nothing."""
    return ratio.least is None or ratio.reached >= ratio.least * ratio.total


def _asked(ratio: Ratio) -> str:
    return "" if ratio.least is None else f", {100 * ratio.least:g} % asked for"
