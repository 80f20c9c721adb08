"""A whole gate: what is known is taken from the cache, the rest runs side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256

import nfverify
from nfverify.executors import Done, Failed, Job, Outcome, opened
from nfverify.gate.baseline import judge, read_baseline
from nfverify.gate.cache import Cache
from nfverify.gate.keys import Keys, pins_of
from nfverify.gate.recording import Input, input_of
from nfverify.gate.spec import (
    AnyCheck,
    Check,
    Config,
    Coverage,
    Diff,
    Equiv,
    Mutation,
    Prove,
    Solver,
    Test,
)
from nfverify.gate.work import Answer, failed, unknown, work
from nfverify.report.results import EXIT_CODE, Kind, Result, Results

INTERNAL_ERROR = 4
MANY = 64  # properties of one check
SLACK = 30.0  # s beyond the limit of a check that ends by itself
_PROVER = ("nfverify.equivalence.prove", "nfverify.gate.checks.proofs")
_IMPORTS: Mapping[Kind, tuple[str, ...]] = {
    "check": ("nfverify.gate.checks.models",),
    "equiv": _PROVER,
    "diff": (*_PROVER, "nfverify.equivalence.diff.models", "nfverify.gate.checks.changes"),
    "prove": (*_PROVER, "nfverify.gate.checks.promises"),
    "test": ("nfverify.gate.checks.traffic",),
    "coverage": ("nfverify.gate.checks.traffic",),
    "mutation": ("nfverify.gate.checks.traffic",),
}
"""What is loaded once, and not in each check's own process."""
_LONGEST: Sequence[Kind] = ("mutation", "coverage", "test", "prove", "diff", "equiv", "check")
"""Which kinds begin first, so that none is waited for at the end."""
Notify = Callable[[int, int, str], None]
"""How many checks of how many have ended, and the one that has just ended."""


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What the command line says beside the config. `only`: names of checks, all if there is none.

    `solver` is the second one, for all checks; `today` is what dates are held against.
    """

    only: tuple[str, ...] = ()
    cache: bool = True
    jobs: int | None = None
    executor: str | None = None
    solver: Solver = ""
    today: date | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """The result of a check, and the files that it rests on, if they are known."""

    result: Result
    inputs: tuple[Input, ...] | None


def run_gate(
    config: Config,
    options: GateOptions = GateOptions(),  # frozen
    notify: Notify = lambda done, total, name: None,
) -> Results:
    """The results of all chosen checks, in the order of the config.

    ModelError for a wrong baseline, BuildError for a cache that isn't fit, ExecutorError, OSError.
    """
    started = time.monotonic()
    baseline = read_baseline(config.baseline)
    checks = chosen(config, options)
    keys = Keys()
    named = [keys.of(check) for check in checks]
    cache = Cache.default() if options.cache else None
    found: dict[int, _Found] = {}
    unkept: tuple[str, ...] = ()
    for number, (check, key) in enumerate(zip(checks, named, strict=True)):
        hit = _hit(cache, key, check)
        if hit is not None:
            found[number] = hit
            notify(len(found), len(checks), check.common.name)
    rest = [number for number in range(len(checks)) if number not in found]
    for number, one in _run(rest, checks, config, options):
        found[number] = one
        key = named[number]
        if cache is not None and key is not None and one.inputs is not None:
            try:
                cache.add(key, one.inputs, one.result)
            except OSError as error:  # what was found counts all the same
                unkept = (f"results could not be kept: {error.strerror or error}",)
        notify(len(found), len(checks), checks[number].common.name)
    results = [_identified(check, found[n]) for n, check in enumerate(checks)]
    names = [check.common.name for check in config.checks]
    judged = judge(checks, results, baseline, options.today or date.today(), names)
    return replace(
        judged,
        title=str(config.path),
        version=nfverify.__version__,
        seconds=time.monotonic() - started,
        notes=(*judged.notes, *unkept),
    )


def chosen(config: Config, options: GateOptions) -> list[AnyCheck]:
    """The checks that are to be run."""
    found = [c for c in config.checks if not options.only or c.common.name in options.only]
    return [_crossed(check, options.solver) if options.solver else check for check in found]


def known(config: Config, options: GateOptions) -> list[bool]:
    """Of each chosen check, whether its result is in the cache."""
    keys = Keys()
    cache = Cache.default() if options.cache else None
    return [_hit(cache, keys.of(check), check) is not None for check in chosen(config, options)]


def _hit(cache: Cache | None, key: str | None, check: AnyCheck) -> _Found | None:
    found = None if cache is None or key is None else cache.find(key, check)
    return None if found is None else _Found(replace(found[0], cached=True), found[1])


def _crossed(check: AnyCheck, solver: Solver) -> AnyCheck:
    match check:
        case Equiv() | Diff() | Prove():
            return replace(check, cross_check=solver)
    return check


def exit_code(results: Results) -> int:
    """4 if nfverify itself failed anywhere, else that of the worst result."""
    if any(result.internal for result in results.results):
        return INTERNAL_ERROR
    return EXIT_CODE[results.status]


def files_of(config: Config, options: GateOptions = GateOptions()) -> set[str]:
    """All files that recorded runs of the checks have read, relative to here where below it."""
    keys, cache = Keys(), Cache.default()
    named = [keys.of(check) for check in chosen(config, options)]
    return {path for key in named if key is not None for path in cache.files(key)}


# Running ------------------------------------------------------------------------------------


def _run(
    numbers: Sequence[int], checks: Sequence[AnyCheck], config: Config, options: GateOptions
) -> Iterator[tuple[int, _Found]]:
    if not numbers:
        return
    numbers = sorted(numbers, key=lambda number: _LONGEST.index(checks[number].common.kind))
    where = options.executor or _local(options.jobs) or config.executor or _local(config.jobs)
    work_list = [_job(checks[number]) for number in numbers]
    with opened(where) as executor:
        for index, outcome in executor.run(work_list):
            check = checks[numbers[index]]
            yield numbers[index], _found(check, pins_of(check), outcome)


def _local(jobs: int | None) -> str | None:
    return None if jobs is None else f"local:{jobs}"


def _job(check: AnyCheck) -> Job:
    common = check.common
    arguments = check, os.getcwd()
    seconds: float
    memory: int | None
    match check:
        case Test() | Mutation():
            seconds, memory = common.time_limit, common.memory_limit
        case Check() | Coverage():
            seconds, memory = common.time_limit + SLACK, common.memory_limit
        case Prove():  # each property has its own limit, and a process that keeps it
            seconds, memory = MANY * common.time_limit + SLACK, None
        case Equiv() | Diff():  # what the solver may have, supervise sees to
            seconds, memory = common.time_limit + SLACK, None
    return Job(common.name, work, arguments, seconds, memory, _IMPORTS[common.kind])


def _found(check: AnyCheck, pins: tuple[str, ...] | None, outcome: Outcome) -> _Found:
    match outcome:
        case Done(value=Answer() as answer):
            return _believed(check, pins, answer)
        case Done():
            return _Found(failed(check, "the worker gave no answer", internal=True), None)
        case Failed(kind="time" | "memory", reason=reason):
            return _Found(unknown(check, reason), None)
        case Failed(reason=reason):
            return _Found(failed(check, reason, internal=True), None)


def _believed(check: AnyCheck, pins: tuple[str, ...] | None, answer: Answer) -> _Found:
    """An answer to this question, about what is here."""
    result, inputs, common = answer.result, answer.inputs, check.common
    if (result.name, result.kind) != (common.name, common.kind):
        told = "the worker answered another question"
        return _Found(failed(check, told, internal=True), None)
    if inputs is not None and not all(map(_is_here, inputs)):
        told = "the worker read other files than there are here: it needs the same"
        return _Found(failed(check, told), None)
    if pins is not None and answer.pins != pins:
        told = "the worker's git has other revisions than there are here"
        return _Found(failed(check, told), None)
    return _Found(result, inputs)


def _is_here(one: Input) -> bool:
    """Does this process see the same file?"""
    try:
        return input_of(one.path) == one
    except OSError:
        return False


def _identified(check: AnyCheck, found: _Found) -> Result:
    """A difference without `changes` gets a name, which says also between which files it is: what
    is accepted for these is not for others."""
    result, inputs = found.result, found.inputs
    pins = pins_of(check)
    if result.status != "different" or result.changes or inputs is None or pins is None:
        return result
    steps = [(s.time, s.port, s.frame, s.outcomes) for e in result.examples for s in e.steps]
    told = (result.kind, result.targets, result.title, steps, pins, inputs)
    return replace(result, identity=sha256(repr(told).encode()).hexdigest()[:12])
