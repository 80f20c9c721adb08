"""What tests say about models, loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nfverify.lang.source import Diagnostic, ModelError
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.generate.folder import load as manifest
from nfverify.oracles.generate.folder import traces
from nfverify.oracles.generate.manifest import BadManifest
from nfverify.oracles.trace import Trace
from nfverify.semantics.operators import Function, load_operators
from nfverify.smat.ir import Choose, Network, walk
from nfverify.testing.spec import Common


def operators_of(files: Sequence[Path]) -> dict[str, Function]:
    """The functions of all files. ModelError."""
    found: dict[str, Function] = {}
    for file in files:
        found.update(load_operators(file))
    return found


def setting_of(common: Common) -> Setting:
    """What every engine of the test is told. ModelError."""
    return Setting(operators_of(common.ops), common.non_ip)


def suite(folder: Path | None, network: Network, common: Common) -> list[tuple[str, Trace]]:
    """The traces of a suite that `gen` wrote, by name; none without a folder. ModelError."""
    if folder is None:
        return []
    try:
        _, items = manifest(folder)
        names = [f"{folder.name}/{item.name}" for item in items]
        return list(zip(names, traces(folder, network), strict=True))
    except BadManifest as error:
        raise ModelError(Diagnostic("error", "suite", str(error), common.span)) from None


def chooses(network: Network) -> bool:
    """Does the model leave something open (`choose`)?"""
    programs = [instance.program for instance in network.instances]
    return any(isinstance(node, Choose) for p in programs for node in walk(p.init + p.body))
