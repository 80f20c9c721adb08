"""The engines by name. A platform adds a row."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from nfverify.oracles.engines.base import Maker, Setting, Stepping
from nfverify.smat.ir import Network

ENGINES: Mapping[str, tuple[str, str]] = {
    "reference": ("nfverify.oracles.engines.reference", "reference"),
    "walk": ("nfverify.oracles.engines.reference", "walk"),
    "symbolic": ("nfverify.oracles.engines.symbolic", "symbolic"),
    "cython": ("nfverify.oracles.engines.cython", "cython"),
    "fastpath": ("nfverify.oracles.engines.cython", "fastpath"),
}  # name -> module and function that makes it


def make(name: str, network: Network, setting: Setting) -> Stepping:
    """The engine of that name, for a network. KeyError; ModelError, BuildError of the engine."""
    module, function = ENGINES[name]
    maker: Maker = getattr(import_module(module), function)
    return maker(network, setting)
