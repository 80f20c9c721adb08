"""All readers on inputs that are nearly right; `make fuzz` and `make soak` look much longer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from random import Random

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from fuzz import LENGTH, guarded  # noqa: E402
from readers import READERS  # noqa: E402

SEEDS = 8 if not os.environ.get("NFVERIFY_SEEK") else 1000
CHANGED = 6 if not os.environ.get("NFVERIFY_SEEK") else 200  # of each seed


def changed(rng: Random, data: bytes, words: list[bytes]) -> bytes:
    """A few bytes or words put in, left out, said twice, or another."""
    made = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(made) + 1)
        end = min(len(made), at + rng.choice((1, 1, 4, 40)))
        match rng.randrange(5):
            case 0:
                del made[at:end]
            case 1:
                made[at:at] = made[at:end]
            case 2:
                made[at:at] = rng.choice(words) if words else rng.randbytes(2)
            case 3:
                made[at:end] = rng.randbytes(end - at)
            case _:
                made[at:end] = rng.choice((b"9" * 30, b"\xff", b"\0", b"[" * 200, "‮".encode()))
    return bytes(made)


@pytest.mark.parametrize("name", READERS)
def test_nearly_right(name: str) -> None:
    reader, rng = READERS[name], Random(1)
    run, words = guarded(reader.run), [word.encode() for word in reader.words.split()]
    seeds = [data[:LENGTH] for data in islice(reader.seeds(), SEEDS)]
    assert seeds
    for data in seeds:
        run(data)
        for _ in range(CHANGED):
            run(changed(rng, data, words))


@pytest.mark.parametrize(("name", "data"), [("state", b'{"version": 1, "timers": 10.0}')])
def test_what_fuzzing_found(name: str, data: bytes) -> None:
    guarded(READERS[name].run)(data)


@pytest.mark.parametrize("name", READERS)
def test_nothing_and_noise(name: str) -> None:
    run, rng = guarded(READERS[name].run), Random(2)
    for length in (0, 1, 2, 17, 300):
        run(rng.randbytes(length))
    for data in (b"[" * 100_000, b"{" * 100_000, b"(" * 100_000, b"\0" * 100, "é".encode() * 50):
        run(data)


def test_fuzzer_finds_a_fault(tmp_path: Path) -> None:
    if find_spec("atheris") is None and not os.environ.get("CI"):
        pytest.skip("needs atheris: pip install atheris")
    command = [
        *(sys.executable, HERE / "fuzz.py", "--seconds", "3", "--reader", "planted"),
        *("--folder", tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "planted: IndexError: planted" in done.stdout
    assert re.search(r"^\| planted \|.* \| 1 \|$", done.stdout, re.MULTILINE)
    (found,) = tmp_path.glob("findings/planted/crash-*")
    assert found.read_bytes().startswith(b"ab")


def test_soak() -> None:
    command = [sys.executable, HERE / "soak.py", "--packets", "1500000"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the process has grown by" in done.stdout
