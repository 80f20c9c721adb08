"""A verdict as files in a folder: all of them, or those that were there before."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.equivalence.verdict import Different, Verdict
from nfverify.report.captures import captures
from nfverify.report.document import dump
from nfverify.report.pytest_file import Setting, pytest_file
from nfverify.report.text import markdown, text
from nfverify.report.traces import example_of

if TYPE_CHECKING:
    from nfverify.report.confirmations import Replays

VERDICT = "verdict.json"  # its presence says that a folder is one of ours
_FIXED = (
    VERDICT, "report.txt", "table.md", "trace.pcap", "a.pcap", "b.pcap", "a.nfd", "b.nfd",
    "state-a.json", "state-b.json", "test_counterexample.py",
)  # fmt: skip


def save(
    folder: Path,
    verdict: Verdict,
    setting: Setting,
    sources: Mapping[str, str],
    replays: Replays | None = None,
) -> None:
    """Writes the files; those of an earlier verdict in the folder go. Raises OSError.

    `sources` are texts of models that are to stand beside the test, by file name.
    """
    a, b = setting.a.target, setting.b.target
    content = {
        VERDICT: dump(verdict, a, b, replays).encode(),
        "report.txt": text(verdict, a, b, replays).encode(),
    }
    if isinstance(verdict, Different):
        example = verdict.counterexample
        content |= captures(example_of(example))
        content["table.md"] = markdown(example, a, b).encode()
        if not verdict.report.refine:
            content["test_counterexample.py"] = pytest_file(example, setting).encode()
        content |= {name: source.encode() for name, source in sources.items()}
        for letter, model in (("a", setting.a), ("b", setting.b)):
            if model.state is not None:
                content[f"state-{letter}.json"] = model.state.encode()
    replace_files(folder, content, owned(folder))


def owned(folder: Path) -> tuple[str, ...]:
    """The files of a folder that an earlier verdict may have left there; () if it is not ours."""
    if not (folder / VERDICT).is_file():
        return ()
    return (*_FIXED, *(path.name for path in sorted(folder.glob("trace-*.pcap"))))


def replace_files(folder: Path, content: Mapping[str, bytes], old: Sequence[str]) -> None:
    """All files under other names first, then renamed in one go; of the `old` ones, which may be
    there, those that aren't replaced go. OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {name: folder / f".{name}.{os.getpid()}.part" for name in content}
    try:
        for name, data in content.items():
            with parts[name].open("xb") as stream:
                stream.write(data)
        for name in old:
            if name not in content:
                with suppress(FileNotFoundError):
                    (folder / name).unlink()
        for name, part in parts.items():
            part.replace(folder / name)
    finally:
        for part in parts.values():
            with suppress(FileNotFoundError):
                part.unlink()
