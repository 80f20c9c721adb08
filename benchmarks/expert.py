"""The yardstick: hand-written C++ functions, built and run beside the generated ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from nfverify.cythonized.bench import LINE, Traffic
from nfverify.packet.pcap import read

TRACES = {
    "a_1k_zipf": "a: 1,000 flows, Zipf",
    "b_100k_uni": "b: 100,000 flows",
    "c_1M": "c: a million flows",
}
_FLAGS = ("-O3", "-march=native", "-std=c++17")
_FIGURE = re.compile(r"(\w+)=([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """`folder` has expert.cpp, make_traces.py and the rules; `work` gets what is made of them."""

    folder: Path
    work: Path

    def prepare(self) -> None:
        """Compiles expert.cpp and makes the traces, where that isn't done."""
        self.work.mkdir(parents=True, exist_ok=True)
        source = self.folder / "expert.cpp"
        if not self.program.is_file() or self.program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["g++", *_FLAGS, "-o", self.program, source], check=True)
        if not all(self.trace(name).is_file() for name in TRACES):
            command = [sys.executable, str(self.folder / "make_traces.py"), str(self.work)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    @property
    def program(self) -> Path:
        return self.work / "expert"

    def trace(self, name: str) -> Path:
        return self.work / f"{name}.pcap"

    def ns(self, function: str, trace: str, passes: int, packets: int) -> float:
        """The median of its passes, ns for each packet."""
        return self._run(function, trace, passes, packets)["med_ns"]

    def outputs(self, function: str, trace: str, packets: int) -> tuple[bytes, bytes]:
        """What it does with each packet: a byte that is 0 if it is dropped, and 64 of the frame."""
        verdicts, frames = self.work / "verdicts", self.work / "frames"
        self._run(function, trace, 0, packets, verdicts, frames)
        try:
            return verdicts.read_bytes(), frames.read_bytes()
        finally:
            verdicts.unlink()
            frames.unlink()

    def _run(
        self, function: str, trace: str, passes: int, packets: int, *files: Path
    ) -> dict[str, float]:
        done = subprocess.run(
            [self.program, function, self.trace(trace), str(passes), *files],
            cwd=self.folder,
            env={**os.environ, "NPKT": str(packets)},
            check=True,
            capture_output=True,
            text=True,
        )
        return {name: float(value) for name, value in _FIGURE.findall(done.stdout)}

    @cache  # noqa: B019  # there is one yardstick, and its traces are wanted again and again
    def traffic(self, name: str, packets: int) -> Traffic:
        """A trace in memory."""
        with read(str(self.trace(name))) as capture:
            records = list(islice(capture, packets))
        return Traffic([r.frame for r in records], [r.time_ns for r in records])


def differing(traffic: Traffic, verdicts: bytes, frames: bytes) -> Iterator[int]:
    """The packets whose verdict or (if forwarded) bytes are not the yardstick's."""
    mine = traffic.frames.read(0, traffic.count * LINE)
    for index, (port, theirs) in enumerate(zip(traffic.verdicts, verdicts, strict=True)):
        at = slice(index * LINE, (index + 1) * LINE)
        if (port >= 0) != bool(theirs) or (port >= 0 and mine[at] != frames[at]):
            yield index
