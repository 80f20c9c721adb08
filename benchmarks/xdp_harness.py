"""XDP programs timed in the kernel: the frames of a trace from memory, one call for all of them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from mmap import mmap
from pathlib import Path
from time import thread_time_ns

from nfverify.oracles.platforms.xdp.loader import Loaded, Verdict

FOLDER = Path(__file__).parent / "xdp"
BYTES = 64  # of every frame
FLAGS = ("-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3")
INCLUDE = "/usr/include/x86_64-linux-gnu"
HARNESS, NOTHING = "harness", "nothing"
DROP, TX = 1, 3


@cache
def compiled(name: str) -> bytes:
    """The object of a program of benchmarks/xdp. CalledProcessError."""
    command = ["clang", *FLAGS, f"-I{INCLUDE}", "-c", str(FOLDER / f"{name}.bpf.c"), "-o", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@dataclass(slots=True)
class Bench:
    """The programs of several objects by name, on one trace of frames of 64 bytes."""

    frames: Sequence[bytes]
    harness: Loaded = field(init=False)
    programs: dict[str, tuple[Loaded, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any(len(frame) != BYTES for frame in self.frames):
            raise ValueError(f"frames have {BYTES} bytes")
        self.harness = Loaded(compiled(HARNESS), HARNESS, {"count": len(self.frames)})
        kept = self.harness.maps["frames"]
        with mmap(kept.fd, kept.value_size * kept.capacity) as memory:
            memory[: BYTES * len(self.frames)] = b"".join(self.frames)
        self.programs[NOTHING] = self.harness, self.harness.programs[NOTHING]

    def add(self, title: str, data: bytes) -> Loaded:
        """The only program of an object."""
        loaded = Loaded(data, title, {"nf_test_run": 1})
        (program,) = loaded.programs.values()
        self.programs[title] = loaded, program
        return loaded

    def step(self, title: str, number: int, time: int) -> Verdict:
        """One frame, without the harness: what becomes of it."""
        loaded, program = self.programs[title]
        return loaded.test(program, self.frames[number], time, 0)

    def passed(self, title: str) -> float:
        """ns a packet of one pass over all frames."""
        _, program = self.programs[title]
        self.harness.maps["next"].put(bytes(4), program.to_bytes(4, "little"))
        count, start = len(self.frames), thread_time_ns()
        verdict = self.harness.test(
            self.harness.programs[HARNESS], bytes(BYTES), 0, 0, repeat=count
        )
        spent = thread_time_ns() - start
        if verdict.code not in (DROP, TX):
            raise AssertionError(f"{title}: the harness returned {verdict.code}")
        return spent / count

    def close(self) -> None:
        for loaded, _ in self.programs.values():
            loaded.close()
