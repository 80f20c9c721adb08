"""The obligations of a certificate proved side by side, in processes here or on a cluster.

Each share builds the step itself, from the models, and settles every n-th obligation.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.audit import Disagreement
from nfverify.equivalence.certificate import certify
from nfverify.equivalence.problem import Problem
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.step import Step, build_step
from nfverify.equivalence.terms import Term, Terms
from nfverify.equivalence.verdict import Obligation
from nfverify.executors import Done, Executor, Failed, Job, opened

MAX_SHARES = 64
Build = Callable[[Problem, Terms, Callable[[Term], bool]], Step]
CONNECTED = "certificate: sent to {}"


@dataclass(slots=True)
class Share:
    """Every n-th obligation from one on; `names` are of all that came by, also of others'."""

    number: int
    of: int
    names: list[str] = field(default_factory=list)

    def takes(self, name: str) -> bool:
        """Is this obligation, the next one, for this share?"""
        self.names.append(name)
        return (len(self.names) - 1) % self.of == self.number


@dataclass(frozen=True, slots=True)
class Proved:
    """What a share made of its obligations, and the names of all."""

    obligations: tuple[Obligation, ...]
    names: tuple[str, ...]


def numbered(number: int) -> str:
    """How a conjunct of a relation is called in a certificate."""
    return f"({number + 1})"


def certified(
    problem: Problem,
    relation: Sequence[Candidate],
    deadline: float,
    notify: Callable[[str], None],
    build: Build = build_step,
) -> tuple[Obligation, ...]:
    """As `certify`, where the problem says. OutOfTime, MemoryError, Disagreement, ExecutorError;
    RuntimeError for a share that came to nothing otherwise. `build` must be found by name."""
    if not problem.executor:
        return certify(problem, relation, deadline, numbered, notify, build)
    notify(CONNECTED.format(problem.executor))
    with opened(problem.executor) as executor:
        count = max(1, min(executor.width, len(relation) + 1, MAX_SHARES))
        return _together(_shares(executor, problem, relation, count, deadline, notify, build))


def _shares(
    executor: Executor,
    problem: Problem,
    relation: Sequence[Candidate],
    count: int,
    deadline: float,
    notify: Callable[[str], None],
    build: Build = build_step,
) -> list[Proved]:
    left = deadline - time.monotonic()
    if left <= 0:
        raise OutOfTime
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    jobs = [
        Job(
            f"share {number + 1} of {count}",
            prove_share,
            (problem, tuple(relation), number, count, left, build),
            left,
            None if memory == resource.RLIM_INFINITY else memory,
        )
        for number in range(count)
    ]
    found: dict[int, Proved] = {}
    for index, outcome in executor.run(jobs):
        match outcome:
            case Done(value=Proved() as proved):
                found[index] = proved
            case Done(value=Disagreement() as error):
                raise error
            case Done(value=OutOfTime()) | Failed(kind="time"):
                raise OutOfTime
            case Failed(kind="memory"):
                raise MemoryError
            case Failed(reason=reason):
                raise RuntimeError(f"{jobs[index].name} of the certificate: {reason}")
            case Done(value=value):
                raise RuntimeError(f"{jobs[index].name} of the certificate is {value!r}")
        notify(f"certificate: {len(found)} of {count} shares")
    return [found[number] for number in range(count)]


def prove_share(
    problem: Problem,
    relation: tuple[Candidate, ...],
    number: int,
    count: int,
    left: float,
    build: Build = build_step,
) -> Proved | Disagreement | OutOfTime:
    """Within `left` s: what one share comes to."""
    share = Share(number, count)
    try:
        deadline = time.monotonic() + left
        found = certify(problem, relation, deadline, numbered, build=build, takes=share.takes)
    except (Disagreement, OutOfTime) as error:
        return error
    return Proved(found, tuple(share.names))


def _together(shares: Sequence[Proved]) -> tuple[Obligation, ...]:
    """All obligations in their order. RuntimeError unless each was settled by just one share."""
    names = shares[0].names
    rest = [list(share.obligations) for share in shares]
    found = []
    for number, name in enumerate(names):
        mine = rest[number % len(shares)]
        if not mine or mine[0].name != name:
            raise RuntimeError("the shares of the certificate don't fit together")
        found.append(mine.pop(0))
    if any(rest) or any(share.names != names for share in shares):
        raise RuntimeError("the shares of the certificate don't fit together")
    return tuple(found)
