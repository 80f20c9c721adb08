"""What can go wrong when a model is built: the user's to mend, or ours."""

from __future__ import annotations


class BuildError(Exception):
    """A build that can't be done here: a tool is missing, a folder unfit. Says what to do."""


class GeneratedCodeError(RuntimeError):
    """Generated code that a compiler refuses: a fault of nfverify, never of the model."""
