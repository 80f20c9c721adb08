"""What a change is between: a model or a ruleset of its own, on the disk or in a git revision."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from nfverify.lang.files import DISK, Files
from nfverify.lang.revision import Revision, versioned
from nfverify.lang.source import NOWHERE
from nfverify.smat import ir
from nfverify.smat.load import choose, load, open_module
from nfverify.smat.network import build
from nfverify.smat.report import Report
from nfverify.smat.ruleset import Ruleset, load_csv

PORTS = {"0": 0, "1": 1}  # of a ruleset that no model names ports for


def load_version(
    target: str, *, ports: Sequence[str] = (), folder: Path | None = None
) -> ir.Network | Ruleset:
    """The network of a MODEL or of REVISION:path.nfd, the ruleset of a path.csv in either.

    Revisions are those of the repository around `folder`, by default the working directory, and
    REVISION:./path begins there. Raises ModelError.
    """
    past = versioned(target)
    if past is None:
        if target.endswith(".csv"):
            return _ruleset(Path(target), target, DISK)
        return load(target, ports=ports)
    files = Revision(past.revision, folder or Path.cwd())
    place = files.place(past.path)
    if past.path.endswith(".csv"):
        return _ruleset(place, str(past), files)
    report = Report()
    module = open_module(report, str(place), files, str(past))
    network, _ = build(report, *choose(report, module, past.name or None), ports)
    report.stop()
    return network


def _ruleset(path: Path, name: str, files: Files) -> Ruleset:
    """A ruleset under the name of its file."""
    title = os.path.basename(name).rpartition(":")[2]
    return load_csv(path.name, path.parent, PORTS, NOWHERE, name=title, files=files, title=name)
