"""Pieces of work that read files in many ways, each run in a process of its own."""

import os
from collections.abc import Sequence
from pathlib import Path

from nfverify.gate import recording
from nfverify.gate.recording import Recorder


def reads(paths: Sequence[str]) -> list[str] | None:
    """All that was read, in the ways that Python has."""
    recorder = Recorder()
    recorder.start(["probe:main"])
    for number, path in enumerate(paths):
        if number % 2:
            os.close(os.open(path, os.O_RDONLY))
        else:
            Path(path).read_bytes()
    if os.path.isdir("suite"):
        list(os.scandir("suite"))
        sorted(Path("suite").glob("*"))
    pid = os.fork()
    if pid == 0:
        Path("forked.nfd").read_bytes()
        os._exit(0)
    os.waitpid(pid, 0)
    Path("own").write_text("x")
    Path("own").read_text()
    found = recorder.inputs()
    return None if found is None else [one.path for one in found]


def changes(late: str) -> bool:
    """Is it seen that a file changed after it was read?"""
    recorder = Recorder()
    recorder.start()
    Path("a.nfd").read_bytes()
    match late:
        case "written":
            Path("a.nfd").write_text("2")
        case "replaced":
            Path("new").write_text("1")
            os.replace("new", "a.nfd")
        case "gone":
            Path("a.nfd").unlink()
        case "appeared":
            Path("b.nfd").exists()
            recorder.note("b.nfd")
            Path("b.nfd").touch()
    return recorder.inputs() is None


def at_once() -> bool:
    """Is it seen? A file that was written just before it was read."""
    recording.RACY = 10**12  # so long ago is just before, however slow the machine is
    recorder = Recorder()
    recorder.start()
    Path("a.nfd").read_bytes()
    return recorder.inputs() is None
