"""`nfverify watch`: a process that runs the gate again as files change."""

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.cli.watch import relevant

GOOD = "program p {\n    entry { action_flow { pass; } }\n}\n"
WAIT = 60.0  # s


class Watching:
    """The command in a folder, and the lines that it prints."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "nfverify", "watch", "--report", "json=out.json"],
            cwd=folder,
            env={**os.environ, "XDG_CACHE_HOME": str(folder / ".cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def until(self, wanted: str) -> str:
        """All that is printed up to a line that holds this."""
        text = ""
        while wanted not in text.rpartition("\n")[0].rpartition("\n")[2]:
            text += self.lines.get(timeout=WAIT)
        return text


def test_the_gate_runs_again_when_a_file_changes(tmp_path: Path) -> None:
    model = tmp_path / "p.nfd"
    model.write_text(GOOD)
    (tmp_path / "nfverify.toml").write_text('[[check]]\nname = "words"\nmodels = ["p.nfd"]\n')
    watching = Watching(tmp_path)
    try:
        assert "passed" in watching.until("watching")
        model.write_text(GOOD.replace("pass", "pas"))
        text = watching.until("watching")
        assert "changed: p.nfd" in text
        assert "error" in text
        assert watching.lines.empty()  # the report that was written is no reason to run again
        (tmp_path / "notes.txt").write_text("nothing rests on this")
        (tmp_path / "nfverify.toml").write_text("[[chec]]\n")
        text = watching.until("watching")
        assert "changed: nfverify.toml" in text
        assert "notes" not in text
        assert "out.json" not in text
        assert "did you mean" in text
        (tmp_path / "nfverify.toml").write_text('[[check]]\nname = "words"\nmodels = ["p.nfd"]\n')
        model.write_text(GOOD)
        while "passed" not in watching.until("watching"):
            pass
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(WAIT) == 130
    finally:
        watching.process.kill()
        watching.reader.join(WAIT)
        assert watching.process.stdout is not None
        watching.process.stdout.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("edge.nfd", True),
        ("rules/acl.CSV", True),
        ("notes.txt", False),
        (".cache/x.json", False),
        ("node_modules/a.json", False),
        (".git/HEAD", True),
        (".git/refs/heads/main", True),
        (".git/HEAD.lock", False),
        (".git/objects/ab/cd", False),
        ("../edge.nfd", True),
    ],
)
def test_what_is_watched(path: str, expected: bool) -> None:
    assert relevant(path) is expected


def test_a_folder_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "no/such/nfverify.toml"]) == 2
    assert "there is no folder no/such" in capsys.readouterr().err
