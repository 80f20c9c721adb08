"""NFs made at random, on random frames: with SpeedyBox and without, all is the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CompileProgram = Callable[..., Path]

SOURCE = Path(__file__).parent / "c" / "random.c"


def run(program: Path, seed: int, packets: int, flows: int, threads: int = 0) -> tuple[int, int]:
    """Packets that records served, and events."""
    command = [program, *map(str, (seed, packets, flows, threads))]
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


def test_functions_that_may_run_side_by_side_do_so_without_a_difference(
    program: CompileProgram,
) -> None:
    compiled = program(SOURCE)
    for seed in range(300, 330):
        run(compiled, seed, 1000, 1000, 1 + seed % 2)


def test_table_1_says_which_batches_may_run_side_by_side(program: CompileProgram) -> None:
    """As the paper's, but that nothing may write what a batch before it reads at the same time."""
    done = subprocess.run(
        [program(SOURCE.with_name("pairs.c"))], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        *("W W N", "W R N", "W I Y"),
        *("R W N", "R R Y", "R I Y"),
        *("I W Y", "I R Y", "I I Y"),
        "one NF 0",
        "behind one that may drop 0",
        "one that may drop at the end 1",
        "behind a header 0",
        "behind a value 1",
        "a batch counts as its strongest 0",
        "all of a group count 0",
    ]


def test_nothing_is_read_or_written_out_of_bounds(program: CompileProgram) -> None:
    compiled = program(SOURCE, sanitize=True)
    for seed in range(200, 210):
        run(compiled, seed, 1000, 1000 if seed % 3 else 3)
