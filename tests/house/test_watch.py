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
CONFIG = '[[check]]\nname = "words"\nmodels = ["p.nfd"]\n'
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
        self.text = ""
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def run_with(self, *wanted: str) -> None:
        """Read on to the end of a run that prints all of this."""
        while True:
            text = ""
            while "watching" not in text:
                text += self.lines.get(timeout=WAIT)
            self.text += text
            if all(part in text for part in wanted):
                return


def test_the_gate_runs_again_when_a_file_changes(tmp_path: Path) -> None:
    model, config = tmp_path / "p.nfd", tmp_path / "nfverify.toml"
    model.write_text(GOOD)
    config.write_text(CONFIG)
    watching = Watching(tmp_path)
    try:
        watching.run_with("  passed  words")
        model.write_text(GOOD.replace("pass", "pas"))
        watching.run_with("changed: p.nfd", "error")
        (tmp_path / "notes.txt").write_text("nothing rests on this")
        config.write_text(CONFIG.replace("check", "chec"))
        watching.run_with("changed: nfverify.toml", "did you mean")
        config.write_text(CONFIG)
        model.write_text(GOOD)
        watching.run_with("  passed  words")
        watching.process.send_signal(signal.SIGINT)
        assert watching.process.wait(WAIT) == 130
        assert "notes" not in watching.text
        assert "changed: out.json" not in watching.text  # a report that was written
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
