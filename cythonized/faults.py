"""What can go wrong when a model is built: the user's to mend, or ours."""

from __future__ import annotations

from nfverify.lang.source import Diagnostic, ModelError
from nfverify.smat.ir import Pop, Push


class BuildError(Exception):
    """A build that can't be done here: a tool is missing, a folder unfit. Says what to do."""


class GeneratedCodeError(RuntimeError):
    """Generated code that a compiler refuses: a fault of nfverify, never of the model."""


def not_yet(node: Push | Pop) -> ModelError:
    """For what a model may say and no build can do yet."""
    message = "models with `push` and `pop` can be run, but not built yet"
    return ModelError(Diagnostic("error", "unsupported", message, node.span))
