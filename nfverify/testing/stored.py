"""Counterexamples kept from run to run: one JSON file each, made to be read and committed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.oracles.trace import Event, Trace
from nfverify.packet.pcap import MAX_CAPTURED, TIME_LIMIT
from nfverify.smat.ir import Network

FORMAT = "nfverify counterexample 1"
MAX_FILE = 64 << 20  # bytes
SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Stored:
    """A trace that once failed; `setting` is what it was found under."""

    path: Path
    trace: Trace
    setting: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Store:
    """The counterexamples of one test."""

    folder: Path

    def load(self, network: Network) -> Iterator[Stored]:
        """All of them, by name. ModelError for a file that is none of ours; OSError."""
        ports = max(2, len(network.ports))
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.name.endswith(SUFFIX) and not path.name.startswith("."):
                yield _read(path, ports)

    def save(
        self, trace: Sequence[Event], found: str, setting: Mapping[str, object] | None = None
    ) -> Path:
        """Keeps a trace, and in one line what it showed; under the same name where it is there
        already. OSError."""
        rows = [[event.time, event.port, event.frame.hex()] for event in trace]
        digest = sha256(json.dumps([rows, setting or {}], sort_keys=True).encode()).hexdigest()
        packets = ",\n".join(f"    {json.dumps(row)}" for row in rows)
        about = {"format": FORMAT, "found": found, "setting": setting or {}}
        head = json.dumps(about, indent=2, ensure_ascii=False).removesuffix("\n}")
        text = f'{head},\n  "packets": [\n{packets}\n  ]\n}}\n'
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{digest[:12]}{SUFFIX}"
        part = self.folder / f".{path.name}.{os.getpid()}.part"
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
        return path


def _read(path: Path, ports: int) -> Stored:
    name = os.path.relpath(path)
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    try:
        if len(data) > MAX_FILE:
            raise ValueError(f"over {MAX_FILE >> 20} MB")
        document = json.loads(data)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f'it has no "format": "{FORMAT}"')
        setting = document.get("setting", {})
        packets = document.get("packets")
        if not isinstance(setting, dict) or not isinstance(packets, list):
            raise ValueError("`packets` must be a list, `setting` an object")
        return Stored(path, tuple(_event(row, ports) for row in packets), setting)
    except (ValueError, RecursionError) as error:
        message = f"not a stored counterexample: {error}"
        hint = "delete the file, or take it back from version control"
        span = Span(Source(name, ""), 0, 0)
        raise ModelError(Diagnostic("error", "counterexample", message, span, hint)) from None


def _event(row: object, ports: int) -> Event:
    match row:
        case [int() as time, int() as port, str() as text] if (
            0 <= time < TIME_LIMIT and 0 <= port < ports and len(text) <= 2 * MAX_CAPTURED
        ):
            return Event(time, port, bytes.fromhex(text))
    raise ValueError(f"a packet is [ns, port below {ports}, hex], not {json.dumps(row)[:60]}")


def keep(
    store: Store, trace: Sequence[Event], report: str, setting: Mapping[str, object] | None = None
) -> str:
    """Stores a counterexample, if that is possible; the line that says so."""
    try:
        path = store.save(trace, report.partition("\n")[0], setting)
    except OSError as error:
        return f"It could not be stored: {error}"
    return f"Stored, and run first from now on: {relative(path)}"


def relative(path: Path) -> str:
    """As seen from where pytest runs, if it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
