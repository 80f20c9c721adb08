"""The pytest plugin: fixtures, test files in TOML, property tests over traces.

Names are loaded when first used, for pytest loads the plugin wherever it is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nfverify.testing.fixtures import Oracle as Oracle
    from nfverify.testing.property import trace_test as trace_test
    from nfverify.testing.steps import Sent as Sent
    from nfverify.testing.steps import Step as Step

_HOME = {
    "Oracle": "nfverify.testing.fixtures",
    "Sent": "nfverify.testing.steps",
    "Step": "nfverify.testing.steps",
    "trace_test": "nfverify.testing.property",
}

__all__ = ["Oracle", "Sent", "Step", "trace_test"]


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'nfverify.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
