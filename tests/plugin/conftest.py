"""pytest in a process of its own, in an empty folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(*args, **environment)`: the exit code and all that pytest printed."""

    def call(*args: str, **environment: str) -> tuple[int, str]:
        drop = {name for name in os.environ if name.startswith(("PYTEST", "COV", "PY_"))}
        env = {name: value for name, value in os.environ.items() if name not in {*drop, "CI"}}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *args],
            cwd=tmp_path,
            env=env | {"COLUMNS": "100"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    return call
