"""Builds with AddressSanitizer and UBSan on hostile frames: no report, and the same packets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[1] / "helpers"
SEEK = bool(os.environ.get("NFVERIFY_SEEK"))
LIBRARY = "lib:ids", "lib:encrypt", "lib:rate-limiter"
if SEEK:  # tests/platforms/test_hostile.py runs the same C code on a million frames
    LIBRARY += ("lib:edge",)


def library(name: str) -> str:
    """The path of one of gcc's shared libraries."""
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So that the runtime is compiled once."""
    return tmp_path_factory.mktemp("cache")


def run(*args: str, cache: Path) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(HELPERS), os.environ.get("PYTHONPATH")))),
        "LD_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')}",
        # Python keeps what it has until its end.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "XDG_CACHE_HOME": str(cache),
    }
    command = [sys.executable, str(HELPERS / "sanitized_run.py"), *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "runtime error" not in done.stderr
    assert "AddressSanitizer" not in done.stderr


@pytest.mark.parametrize("model", LIBRARY)
def test_models_are_clean(model: str, cache: Path) -> None:
    run(model, "1", cache=cache)


@pytest.mark.parametrize("kind", ["flows", "wide", "wraps"] if SEEK else ["wraps"])
def test_random_networks_are_clean(kind: str, cache: Path) -> None:
    seeds = ("1002", "2002") if SEEK else ("1002",)
    run(kind, *seeds, cache=cache)
