"""Verdicts on properties as files: a document, a report, and each breach as captures."""

from __future__ import annotations

from pathlib import Path

from nfverify.equivalence.properties.verdict import Broken
from nfverify.report.captures import captures
from nfverify.report.escape import file_name
from nfverify.report.properties import Proved, example_of, prove_result, text
from nfverify.report.results_json import dump
from nfverify.report.save import replace_files

DOCUMENT = "properties.json"  # its presence says that a folder is one of ours
_LIST = "files.txt"


def save(folder: Path, target: str, proved: Proved, title: str = "prove") -> None:
    """Writes the files; those of earlier verdicts in the folder go. Raises OSError."""
    from nfverify import __version__
    from nfverify.report.results import Results

    result = prove_result(title, target, proved)
    content = {
        DOCUMENT: dump(Results(title, __version__, (result,), result.seconds)).encode(),
        "report.txt": "\n".join(text(claim, verdict) for claim, verdict in proved).encode(),
    }
    for claim, verdict in proved:
        if isinstance(verdict, Broken):
            stem = file_name(claim.title)
            for name, data in captures(example_of(claim, verdict.breach)).items():
                content[f"{stem}-{name}"] = data
    content[_LIST] = "".join(f"{name}\n" for name in sorted(content)).encode()
    replace_files(folder, content, _earlier(folder))


def _earlier(folder: Path) -> tuple[str, ...]:
    """The files that earlier verdicts left there; () if it is not ours."""
    listed = folder / _LIST
    if not (folder / DOCUMENT).is_file() or not listed.is_file():
        return ()
    names = listed.read_text(errors="replace").splitlines()
    return (*(n for n in names if n == file_name(n) and n != ".."), _LIST)
