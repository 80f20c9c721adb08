"""The pytest plugin: thin, so that pytest without nfverify's tests pays nothing for it.

All that knows packets, models or solvers is imported by what first needs it.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from nfverify.testing.fixtures import Compiled, Equivalence, Oracles
    from nfverify.testing.items import TestFile

_SUFFIX = ".nftest.toml"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The `--nf-…` options, and where counterexamples are kept."""
    add = parser.getgroup("nfverify", "network functions").addoption
    what = "the engines of all tests that run traces, with commas: reference,symbolic,cython"
    add("--nf-engines", dest="nf_engines", metavar="NAMES", help=what)
    what = "another seed for the traffic of all tests (default: what the test says, else 1)"
    add("--nf-seed", dest="nf_seed", metavar="N", type=_number, help=what)
    what = "time for each proof, s (default: what the test says, else 60)"
    add("--nf-time-limit", dest="nf_time_limit", metavar="SECONDS", type=_seconds, help=what)
    what = "skip a test whose verdict is unknown, instead of failing it"
    add("--nf-allow-unknown", dest="nf_allow_unknown", action="store_true", help=what)
    what = "nfverify: the folder, beside each test file, in which counterexamples are kept"
    parser.addini("nf_counterexamples", what, default="counterexamples")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text[:40]!a} is no whole number from 0 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 10**9:
        raise argparse.ArgumentTypeError(f"{text[:40]!a} is no time in seconds, above 0")
    return number


def pytest_configure(config: pytest.Config) -> None:
    """Refuses engines that there are not."""
    names: str | None = config.getoption("nf_engines")
    if names is None:
        return
    from nfverify.oracles.engines.table import is_known
    from nfverify.oracles.engines.table import names as engine_names

    for name in names.split(","):
        if not is_known(name):
            known = ", ".join(engine_names())
            raise pytest.UsageError(f"--nf-engines: no engine {name[:40]!a}; there are {known}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> TestFile | None:
    """`*.nftest.toml` files are tests."""
    if not file_path.name.endswith(_SUFFIX):
        return None
    from nfverify.testing.items import TestFile

    file: TestFile = TestFile.from_parent(parent, path=file_path)
    return file


@pytest.fixture
def nf(request: pytest.FixtureRequest) -> Compiled:
    """`nf(model)`: the model compiled, in its initial state; paths are beside the test."""
    from nfverify.testing.fixtures import Compiled

    return Compiled(request.path.parent)


@pytest.fixture
def oracle(request: pytest.FixtureRequest) -> Oracles:
    """`oracle(model)`: what the model says must come out; its `check` fails with the packets."""
    from nfverify.testing.fixtures import Oracles

    return Oracles(request.path.parent)


@pytest.fixture
def nf_equiv(request: pytest.FixtureRequest) -> Equivalence:
    """`nf_equiv(a, b)`: fails unless the models are proved equal; returns the verdict."""
    from nfverify.testing.fixtures import Equivalence

    return Equivalence(request)
