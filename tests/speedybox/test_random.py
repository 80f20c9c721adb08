"""NFs made at random, on random frames: with SpeedyBox and without, all is the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CompileProgram = Callable[..., Path]

SOURCE = Path(__file__).parent / "c" / "random.c"


def run(program: Path, seed: int, packets: int, flows: int) -> tuple[int, int]:
    """Packets that records served, and events."""
    command = [program, str(seed), str(packets), str(flows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr[:2000]}"
    _, served, events = done.stdout.split()
    return int(served), int(events)


@pytest.mark.parametrize("part", range(4))
def test_with_and_without_speedybox_all_is_the_same(program: CompileProgram, part: int) -> None:
    compiled = program(SOURCE)
    found = [run(compiled, seed, 3000, 1000 if seed % 3 else 3) for seed in range(part, 160, 4)]
    assert sum(served for served, _ in found) > 160 / 4 * 3000 / 5
    assert sum(events for _, events in found) > 200


def test_nothing_is_read_or_written_out_of_bounds(program: CompileProgram) -> None:
    compiled = program(SOURCE, sanitize=True)
    for seed in range(200, 216):
        run(compiled, seed, 2000, 1000 if seed % 3 else 3)
