"""The new traces of a test run side by side, in processes here or on a cluster.

Each shard makes and runs traces of consecutive numbers, and says only which of them the engines
part on: those are run again by whoever asked, so that the finding is the same as without shards.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nfverify.executors import Done, Executor, Failed, Job
from nfverify.oracles.engines.command import CommandError
from nfverify.oracles.tester import Options, Seen, campaign_of, contest_of, look
from nfverify.semantics.operators import load_operators
from nfverify.smat.ir import Network

SHORT = 40  # packets of a trace, as long as none was seen
FIRST, MOST = 14, 140  # traces of a shard, in the first round and later
ROUNDS = 6  # in about so many, where time is what counts


@dataclass(frozen=True, slots=True)
class Shared:
    """What each shard is told. The functions of operators are sent as texts of Python files."""

    network: Network
    options: Options
    operators: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of(network: Network, options: Options, files: Mapping[str, str]) -> Shared:
        return Shared(network, replace(options, operators={}), tuple(files.items()))


def surveyed(executor: Executor, shared: Shared) -> Generator[Seen, None, None]:
    """All new traces by number, without end. CommandError; RuntimeError for a shard that came to
    nothing; ExecutorError."""
    options = shared.options
    size = _share(options, 0, 0, executor.width) if options.seconds is None else 1
    done = packets = 0
    while True:
        started = time.monotonic()
        jobs = [
            Job(f"traces {first} to {first + size - 1}", run_shard, (shared, first, size))
            for first in range(done, done + size * executor.width, size)
        ]
        for seen in _ordered(executor, jobs):
            done += 1
            packets += seen.length
            yield seen
        if options.seconds is None:
            size = _share(options, done, packets, executor.width)
        elif time.monotonic() - started < options.seconds / ROUNDS:
            size = min(MOST, 4 * size)
        else:
            size = max(1, size // 2)


def _share(options: Options, done: int, packets: int, width: int) -> int:
    """How many traces each of `width` shards gets, so that a round brings what is left to send."""
    wanted = max(0, options.examples - packets) / (packets / done if packets else SHORT)
    return min(MOST if done else FIRST, int(wanted / width) + 1)


def _ordered(executor: Executor, jobs: list[Job]) -> Iterator[Seen]:
    """What the shards saw, by number, each as soon as those before it are there."""
    waiting: dict[int, tuple[Seen, ...]] = {}
    following = 0
    for index, outcome in executor.run(jobs):
        match outcome:
            case Done(value=tuple() as found):
                waiting[index] = found
            case Done(value=str() as wrong):
                raise CommandError(wrong)
            case Done() | Failed():
                reason = outcome.reason if isinstance(outcome, Failed) else repr(outcome.value)
                raise RuntimeError(f"{jobs[index].name}: {reason}")
        while following in waiting:
            yield from waiting.pop(following)
            following += 1


def run_shard(shared: Shared, first: int, count: int) -> tuple[Seen, ...] | str:
    """In a process of its own: what came of `count` traces; a text if the command is wrong."""
    with tempfile.TemporaryDirectory(prefix="nfverify-") as folder:
        operators = {}
        for number, (name, text) in enumerate(shared.operators):
            file = Path(folder, str(number), Path(name).name)
            file.parent.mkdir()
            file.write_text(text)
            operators.update(load_operators(file))
    options = replace(shared.options, operators=operators)
    try:
        contest = contest_of(shared.network, options)
        campaign = campaign_of(contest, options)
        return tuple(look(contest, campaign, first + number) for number in range(count))
    except CommandError as error:
        return str(error)
