"""Traffic that a user names: suites of `gen`, folders of captures, captures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nfverify.oracles.generate.folder import traces
from nfverify.oracles.generate.manifest import NAME
from nfverify.oracles.trace import ALL, Trace, port_names, read_captures, read_folder
from nfverify.smat.ir import Network

_CAPTURES = (".pcap", ".pcapng", ".cap")


def given(suite: str | None, captures: Sequence[str], network: Network) -> list[tuple[str, Trace]]:
    """The traces of a suite, then each capture as one that arrives by the first port; by name.

    BadManifest, CaptureError, OSError.
    """
    found = [] if suite is None else list(_suite(Path(suite), network))
    return found + [(file, read_captures([(0, file)])) for file in captures]


def _suite(folder: Path, network: Network) -> Iterator[tuple[str, Trace]]:
    """A suite of `gen`; or each capture, and each folder of captures by port, as a trace."""
    if not folder.is_dir():
        raise NotADirectoryError(0, "no such folder", str(folder))
    if (folder / NAME).is_file():
        for number, trace in enumerate(traces(folder, network), 1):
            yield f"{folder}, trace {number}", trace
        return
    for path in sorted(folder.iterdir()):
        if path.suffix in _CAPTURES:
            yield str(path), read_captures([(0, path)])
        elif (path / ALL).is_file():
            yield str(path), read_folder(path, port_names(network))
