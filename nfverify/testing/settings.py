"""What the options of pytest say to every test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from nfverify.testing.stored import Store

DEFAULT_TIME = 60.0  # s, of a proof
DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """`engines`, `seed` and `time_limit` (s) are None where the command line says nothing."""

    engines: tuple[str, ...] | None
    seed: int | None
    time_limit: float | None
    allow_unknown: bool
    folder: str

    def store(self, file: Path, test: str) -> Store:
        """Where the counterexamples of a test are kept."""
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in test)[:100]
        return Store(file.parent / self.folder / file.name.partition(".")[0] / name)


def settings(config: pytest.Config) -> Settings:
    """The options of this run; checked when pytest started."""
    engines: str | None = config.getoption("nf_engines")
    return Settings(
        None if engines is None else tuple(engines.split(",")),
        config.getoption("nf_seed"),
        config.getoption("nf_time_limit"),
        config.getoption("nf_allow_unknown"),
        config.getini("nf_counterexamples"),
    )


def test_name(request: pytest.FixtureRequest) -> str:
    """Of a Python test in its file: with its class and parameters."""
    return str(request.node.nodeid).partition("::")[2].replace("::", ".")
