"""Network functions written once as stateful match-action tables: run, compiled, proved equal.

Names are loaded when first used, so that `import nfverify` stays light: no solver, no scapy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nfverify.compiling import compile as compile
    from nfverify.cythonized.faults import BuildError as BuildError
    from nfverify.cythonized.host import NetworkFunction as NetworkFunction
    from nfverify.cythonized.options import Options as Options
    from nfverify.equivalence.evaluation.oracle import SymbolicOracle as SymbolicOracle
    from nfverify.equivalence.evaluation.verdicts import Allowed as Allowed
    from nfverify.equivalence.evaluation.verdicts import NotAllowed as NotAllowed
    from nfverify.equivalence.evaluation.verdicts import Undecided as Undecided
    from nfverify.lang.source import Diagnostic as Diagnostic
    from nfverify.lang.source import ModelError as ModelError
    from nfverify.semantics.machine import Machine as Machine
    from nfverify.smat.load import load as load
    from nfverify.smat.load import load_text as load_text

__version__ = "0.1.0"

_HOME = {
    "Allowed": "nfverify.equivalence.evaluation.verdicts",
    "BuildError": "nfverify.cythonized.faults",
    "Diagnostic": "nfverify.lang.source",
    "Machine": "nfverify.semantics.machine",
    "ModelError": "nfverify.lang.source",
    "NetworkFunction": "nfverify.cythonized.host",
    "NotAllowed": "nfverify.equivalence.evaluation.verdicts",
    "Options": "nfverify.cythonized.options",
    "SymbolicOracle": "nfverify.equivalence.evaluation.oracle",
    "Undecided": "nfverify.equivalence.evaluation.verdicts",
    "compile": "nfverify.compiling",
    "load": "nfverify.smat.load",
    "load_text": "nfverify.smat.load",
}

__all__ = [
    "Allowed",
    "BuildError",
    "Diagnostic",
    "Machine",
    "ModelError",
    "NetworkFunction",
    "NotAllowed",
    "Options",
    "SymbolicOracle",
    "Undecided",
    "__version__",
    "compile",
    "load",
    "load_text",
]


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'nfverify' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
