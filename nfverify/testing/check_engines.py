"""A test with `test`: all engines, and a program of the user's, do the same on the same traces."""

from __future__ import annotations

from nfverify.testing.settings import Settings
from nfverify.testing.spec import EngineTest
from nfverify.testing.stored import Store


def check_engines(test: EngineTest, settings: Settings, store: Store) -> None:
    """pytest's Failed where two part. ModelError, BuildError, OSError."""
    raise NotImplementedError
