"""The Global MAT and its events against trivial models: it may forget, it never serves too much."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CompileC = Callable[..., Path]
HERE = Path(__file__).resolve().parent / "c"


@pytest.fixture(scope="module")
def driver(compile_c: CompileC) -> Path:
    return compile_c(HERE / "mat.c")


def check(program: Path, *arguments: object) -> None:
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.parametrize("hashes", range(6))
@pytest.mark.parametrize(("slot", "most"), [(64, 9000), (64, 700), (128, 9000), (128, 1)])
def test_a_record_serves_only_what_was_recorded_and_has_not_changed(
    driver: Path, slot: int, most: int, hashes: int
) -> None:
    steps = 60_000 if hashes == 0 else 15_000
    check(driver, "mat", 7 * slot + most + hashes, steps, hashes, slot, most)


@pytest.mark.parametrize("seed", range(3))
def test_each_watch_is_told_once(driver: Path, seed: int) -> None:
    check(driver, "events", seed, 300_000, 0)
