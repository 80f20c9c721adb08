"""Fuzzing of all that reads what others may have written: coverage-guided, by atheris.

python tests/robustness/fuzz.py --seconds 3600          all readers share the time
python tests/robustness/fuzz.py --reader csv            one of them
python tests/robustness/fuzz.py --reader csv INPUT      one input, as a finding names it

Each input has 5 s and 1 GB. What breaks a reader is written to --folder, beside the corpus, with
which the next run begins. An input that is slow counts only if it takes 5 s of the processor
without the fuzzer's own instrumentation.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readers import Reader

HERE = Path(__file__).resolve().parent
SECONDS, MEGABYTES = 5, 1024  # of one input
LENGTH = 4096  # bytes of an input, at most
ANEW = 100  # faults of one reader, the same ones too, after which it is left alone
SLOW = f"takes over {SECONDS} s"


@dataclass(slots=True)
class Tally:
    """What became of one reader."""

    inputs: int = 0
    seconds: float = 0.0
    edges: int = 0
    corpus: int = 0
    slowest: float = 0.0  # s
    memory: int = 0  # MB
    findings: dict[str, str] = field(default_factory=dict)  # what is wrong: an input that shows it

    def row(self, name: str) -> str:
        """A line of the table."""
        cells = (
            name, f"{self.inputs:,}", f"{self.seconds:,.0f} s", f"{self.edges:,}",
            f"{self.corpus:,}", f"{self.slowest:.0f} s", f"{self.memory} MB", len(self.findings),
        )  # fmt: skip
        return "| " + " | ".join(map(str, cells)) + " |"


HEAD = (
    "| reader | inputs | time | branches | kept inputs | slowest | memory | faults |\n"
    "| - | - | - | - | - | - | - | - |"
)


# One reader, in a process of its own -----------------------------------------------------------


def fuzz(name: str, arguments: Sequence[str]) -> None:
    """libFuzzer on one reader; doesn't return."""
    import atheris

    with atheris.instrument_imports(include=["nfverify", "tomllib"], enable_loader_override=False):
        reader = _reader(name)
    run = guarded(reader.run)
    atheris.Setup([sys.argv[0], *arguments], run)
    atheris.Fuzz()


def _reader(name: str) -> Reader:
    from readers import PLANTED, READERS

    return PLANTED if name == "planted" else READERS[name]


def guarded(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The reader, whose refusals are fine."""
    from readers import REFUSALS

    def guard(data: bytes) -> None:
        with suppress(*REFUSALS):
            run(data)

    return guard


def seed(name: str, corpus: Path) -> None:
    """Puts the reader's first inputs and its words into the corpus folder and beside it."""
    reader = _reader(name)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(reader.seeds()):
        (corpus / f"seed-{number}").write_bytes(data[:LENGTH])
    lines = [
        '"' + "".join(f"\\x{b:02x}" for b in word.encode()) + '"\n' for word in reader.words.split()
    ]
    corpus.with_suffix(".words").write_text("".join(lines), encoding="ascii")


# All readers -------------------------------------------------------------------------------------


def campaign(name: str, seconds: float, folder: Path) -> Tally:
    """One reader until its time is up, again after each fault."""
    corpus, tally, began, runs = folder / name, Tally(), time.monotonic(), 0
    found = folder / "findings" / name
    found.mkdir(parents=True, exist_ok=True)
    seed(name, corpus)
    while runs < ANEW:
        left = seconds - (time.monotonic() - began)
        if left < 1:
            break
        command = [
            sys.executable, __file__, "--one", name, str(corpus),
            f"-max_total_time={int(left)}", f"-timeout={2 * SECONDS}", f"-rss_limit_mb={MEGABYTES}",
            f"-max_len={LENGTH}", f"-artifact_prefix={found}/", "-print_final_stats=1",
            "-reload=0", f"-seed={runs + 1}",
        ]  # fmt: skip
        words = corpus.with_suffix(".words")
        if words.stat().st_size:
            command.append(f"-dict={words}")
        with TemporaryDirectory() as own:  # libFuzzer ends without any clean-up
            env = os.environ | {"TMPDIR": own}
            done = subprocess.run(command, capture_output=True, check=False, env=env)
        said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
        _count(tally, said)
        runs += 1
        if done.returncode:
            what, shown = _fault(said, done.returncode)
            if what in tally.findings or (what == SLOW and not is_slow(name, shown)):
                continue
            tally.findings[what] = shown
            print(f"{name}: {what}\n  again: {shown}", flush=True)
    tally.seconds = time.monotonic() - began
    tally.corpus = sum(1 for _ in corpus.iterdir())
    return tally


def is_slow(name: str, shown: str) -> bool:
    """Does an input take too long without instrumentation?"""
    command = [sys.executable, __file__, "--reader", name, shown]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(command, capture_output=True, check=False, timeout=20 * SECONDS)
    except subprocess.TimeoutExpired:
        return True
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime > SECONDS


def _count(tally: Tally, said: str) -> None:
    def stat(pattern: str) -> int:
        return max((int(number) for number in re.findall(pattern, said)), default=0)

    tally.inputs += stat(r"stat::number_of_executed_units: *(\d+)") or stat(r"(?m)^#(\d+)\t")
    tally.edges = max(tally.edges, stat(r" cov: (\d+) "))
    tally.slowest = max(tally.slowest, stat(r"stat::slowest_unit_time_sec: *(\d+)"))
    tally.memory = max(tally.memory, stat(r"stat::peak_rss_mb: *(\d+)"), stat(r" rss: (\d+)Mb"))


def _fault(said: str, code: int) -> tuple[str, str]:
    """What is wrong in a line, and the file that shows it."""
    written = re.search(r"Test unit written to (\S+)", said)
    error = re.findall(r"(?m)^([A-Za-z_.]*(?:Error|Exception|Interrupt|Exit)\b.*)$", said)
    place = re.findall(
        r'(?m)^  File "[^"]*?((?:nfverify|equivalence|oracles)/[^"]*)", line (\d+)', said
    )
    if "ALARM: working on" in said or "timeout after" in said:
        what = SLOW
    elif "out-of-memory" in said:
        what = f"takes over {MEGABYTES} MB"
    elif error:
        at = f" at {place[-1][0]}:{place[-1][1]}" if place else ""
        what = f"{error[-1][:200]}{at}"
    else:
        what = f"ended with {code}: {said[-300:]}"
    return what, written[1] if written else "no input was kept"


def main() -> int:
    """The command line; 1 if anything was found."""
    if sys.argv[1:2] == ["--one"]:
        fuzz(sys.argv[2], sys.argv[3:])
        return 0
    sys.path.insert(0, str(HERE))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="for all readers (default: 60)")
    parser.add_argument("--reader", action="append", help="only this one (may be repeated)")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="of the corpus")
    parser.add_argument("inputs", nargs="*", type=Path, help="read these, and nothing else")
    args = parser.parse_args()
    from readers import READERS

    names = args.reader or list(READERS)
    for name in names:
        if name not in (*READERS, "planted"):
            parser.error(f"no reader {name!a}; there are {', '.join(READERS)}")
    for path in args.inputs:
        for name in names:
            guarded(_reader(name).run)(path.read_bytes())
    if args.inputs:
        return 0
    tallies = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        tallies[name] = campaign(name, args.seconds / len(names), args.folder.resolve())
    print(HEAD)
    for name, tally in tallies.items():
        print(tally.row(name))
    return 1 if any(tally.findings for tally in tallies.values()) else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
