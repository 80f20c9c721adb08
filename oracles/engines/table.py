"""The engines by name: those of nfverify and every platform, which may have `+fastpath` behind."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from nfverify.oracles.engines.base import Engine, Maker, Setting
from nfverify.smat.ir import Network

ENGINES: Mapping[str, tuple[str, str]] = {
    "reference": ("nfverify.oracles.engines.reference", "reference"),
    "walk": ("nfverify.oracles.engines.reference", "walk"),
    "symbolic": ("nfverify.oracles.engines.symbolic", "symbolic"),
    "cython": ("nfverify.oracles.engines.cython", "cython"),
    "fastpath": ("nfverify.oracles.engines.cython", "fastpath"),
}  # name -> module and function that makes it
FAST = "+fastpath"


def names() -> tuple[str, ...]:
    """Of all engines that there are."""
    from nfverify.oracles.platforms.registry import names

    return (*ENGINES, *names())


def is_known(name: str) -> bool:
    """Is there an engine of that name?"""
    return name in ENGINES or name.removesuffix(FAST) in names()[len(ENGINES) :]


def make(name: str, network: Network, setting: Setting) -> Engine:
    """The engine of that name, for a network. PlatformError for a name that there isn't;
    ModelError, BuildError of the engine."""
    if name in ENGINES:
        module, function = ENGINES[name]
        maker: Maker = getattr(import_module(module), function)
        return maker(network, setting)
    from nfverify.oracles.platforms.platform import Build
    from nfverify.oracles.platforms.registry import platform

    found = platform(name.removesuffix(FAST))
    plan = None
    if name.endswith(FAST):
        from nfverify.equivalence.fastpath.derive import derive

        plan = derive(network)
    build = Build(network, user=setting.user, fast=plan, capacity=setting.capacity)
    found.accept(build)
    return found.engine(build, setting)
