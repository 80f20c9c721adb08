"""Errors of the world in words: no traceback is of use to whoever reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nfverify.cythonized.faults import BuildError
from nfverify.lang.render import render
from nfverify.lang.source import ModelError
from nfverify.packet.pcap import CaptureError

WORDED = (ModelError, CaptureError, BuildError, OSError)


def said(error: BaseException) -> str:
    """An error of the world in words, without a traceback."""
    match error:
        case ModelError():
            return render(error.diagnostics).rstrip("\n")
        case OSError(filename=str() | Path() as name, strerror=str() as reason):
            return f"error: {os.fspath(name)}: {reason}"
    return f"error: {error}"


def failed(error: BaseException) -> BaseException:
    """The same as a failure of a test; to be raised `from None`."""
    return pytest.fail.Exception(said(error), pytrace=False)
