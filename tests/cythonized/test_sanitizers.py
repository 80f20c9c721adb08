"""Builds with AddressSanitizer and UBSan on hostile frames: no report, and the same packets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[1] / "helpers"
LIBRARY = "lib:edge", "lib:ids", "lib:encrypt", "lib:rate-limiter"


def library(name: str) -> str:
    """The path of one of gcc's shared libraries."""
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run(*args: str, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(HELPERS), os.environ.get("PYTHONPATH")))),
        "LD_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')}",
        # Python keeps what it has until its end.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "XDG_CACHE_HOME": str(tmp_path),
    }
    command = [sys.executable, str(HELPERS / "sanitized_run.py"), *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "runtime error" not in done.stderr
    assert "AddressSanitizer" not in done.stderr


@pytest.mark.parametrize("model", LIBRARY)
def test_models_are_clean(model: str, tmp_path: Path) -> None:
    run(model, "1", tmp_path=tmp_path)


@pytest.mark.parametrize("kind", ["flows", "wide", "wraps"])
@pytest.mark.parametrize("seed", [2])
def test_random_networks_are_clean(kind: str, seed: int, tmp_path: Path) -> None:
    run(kind, str(1000 + seed), str(2000 + seed), tmp_path=tmp_path)
