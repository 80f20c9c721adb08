"""A test with `test`: all engines, and a program of the user's, do the same on the same traces."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from nfverify.lang.source import Diagnostic, ModelError
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.engines.command import CommandError
from nfverify.oracles.story import tell
from nfverify.oracles.tester import DEFAULT_ENGINES, SILENCE, Options, contest_of, examine
from nfverify.report.finding import Test, text
from nfverify.smat.load import load
from nfverify.testing.models import setting_of, suite
from nfverify.testing.settings import DEFAULT_SEED, Settings
from nfverify.testing.spec import EngineTest
from nfverify.testing.stored import Store, keep, relative

EXAMPLES = 1000  # packets


def check_engines(test: EngineTest, settings: Settings, store: Store) -> None:
    """pytest's Failed where two part, Skipped where that is unknown and allowed to be. ModelError,
    BuildError, OSError."""
    network = load(test.model)
    setting = setting_of(test.common)
    options = Options(
        engines=_engines(test, settings),
        against=None if test.against is None else command(test.against, test.folder),
        comparison=Comparison.of(test.compare, test.common.ignore),
        examples=test.examples or EXAMPLES,
        seconds=test.seconds,
        seed=_first(settings.seed, test.seed, DEFAULT_SEED),
        non_ip=setting.non_ip,
        operators=setting.operators,
        silence=test.answer_limit or SILENCE,
        well_formed=test.well_formed,
    )
    given = [(relative(stored.path), stored.trace) for stored in store.load(network)]
    given += suite(test.suite, network, test.common)
    try:
        result = examine(network, options, given)
    except CommandError as error:
        raise ModelError(
            Diagnostic("error", "test", f"`against`: {error}", test.common.span)
        ) from None
    if result.finding is None:
        report = text(Test(test.model, network, options, result, None)).rstrip()
        if result.packets and not result.unsettled:
            return
        if settings.allow_unknown:
            pytest.skip(f"allowed: {report.partition(chr(10))[0]}")
        pytest.fail(report, pytrace=False)
    story = tell(contest_of(network, options), result.finding.divergence)
    report = text(Test(test.model, network, options, result, story)).rstrip()
    kept = keep(store, result.finding.divergence.trace, report)
    pytest.fail(f"{report}\n\n{kept}", pytrace=False)


def _engines(test: EngineTest, settings: Settings) -> tuple[str, ...]:
    """As the command line says, else the test; to compare with, the reference."""
    if settings.engines is None:
        default = DEFAULT_ENGINES if test.against is None else DEFAULT_ENGINES[:1]
        return test.engines or default
    if test.against is not None or len(set(settings.engines)) > 1:
        return settings.engines
    if settings.engines == DEFAULT_ENGINES[:1]:
        pytest.skip("--nf-engines names the reference alone: nothing to compare it with")
    return (*DEFAULT_ENGINES[:1], *settings.engines)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def command(text: str, folder: Path) -> str:
    """A command line whose words that are files beside the test are found from where pytest runs;
    else as it is."""
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return shlex.join(_beside(words, folder))


def _beside(words: list[str], folder: Path) -> Iterator[str]:
    for number, word in enumerate(words):
        if word and not os.path.isabs(word) and (folder / word).is_file():
            path = os.path.relpath(folder / word)
            yield path if os.sep in path or number else os.path.join(".", path)
        else:
            yield word
