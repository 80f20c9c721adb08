"""What checks found, in the one shape that every report is written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.verdict import Emitted

Status = Literal["passed", "accepted", "different", "unknown", "error"]
"""`accepted`: different, but a baseline or the config allows just that. `different` also stands
for a broken promise and a missed threshold."""

Kind = Literal["check", "equiv", "diff", "prove", "test", "coverage", "mutation"]

EXIT_CODE: dict[Status, int] = {
    "passed": 0, "accepted": 0, "different": 1, "error": 2, "unknown": 3,
}  # fmt: skip
SEVERITY: tuple[Status, ...] = ("passed", "accepted", "unknown", "different", "error")
"""From the best to the worst: several checks together are as bad as the worst of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """A span of a text file: lines and columns from 1, the end inclusive; 0 where not known."""

    path: str
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    says: str = ""  # why this place is named


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one side (`old`, `new`, `a`, `b`, an engine, …) made of a packet."""

    who: str
    outputs: tuple[Emitted, ...]
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """An arriving packet: time in ns, name of the port, frame; and what each side made of it."""

    time: int
    port: str
    frame: bytes
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A trace that shows a finding, replayed; `says` is what is wrong at its last packet."""

    steps: tuple[Step, ...]
    says: tuple[str, ...] = ()
    minimal: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """A class of packets whose treatment a change alters.

    `decided_*` is the rule or entry that decided, `outcome_*` what became of the packets;
    `region` says which packets, `excluded` what of it earlier rules take; `count` is exact, None
    where state decides. `identity` is the same in every run, and for a baseline to name.
    """

    identity: str
    decided_old: str
    decided_new: str
    outcome_old: str
    outcome_new: str
    region: str
    excluded: str = ""
    count: int | None = None
    boxes: tuple[str, ...] = ()
    boxes_left_out: int = 0
    place_old: Place | None = None
    place_new: Place | None = None
    example: Example | None = None
    accepted: str = ""  # the reason given in a baseline or config


@dataclass(frozen=True, slots=True)
class Ratio:
    """Something counted against a threshold: entries covered, mutants killed. `least` in [0, 1]."""

    name: str
    reached: int
    total: int
    least: float | None = None
    missed: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """Points of a plot: how something grows with something, with the units of both in `x`, `y`."""

    title: str
    x: str
    y: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One check: what was asked (`kind` of `targets`), and what came of it."""

    name: str
    kind: Kind
    status: Status
    title: str  # one line: what was found
    targets: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()  # more, as text
    seconds: float = 0.0
    cached: bool = False
    places: tuple[Place, ...] = ()
    examples: tuple[Example, ...] = ()
    changes: tuple[Change, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    series: tuple[Series, ...] = ()
    relation: tuple[str, ...] = ()  # what proves it
    reason: str = ""  # of `accepted`, `unknown` and `error`
    complete: bool = True  # there are no more `changes` than these
    identity: str = ""  # what a baseline names to accept a difference that has no `changes`
    internal: bool = False  # an error that is nfverify's own fault: exit code 4


@dataclass(frozen=True, slots=True)
class Results:
    """All checks of one run of a gate (or of one command), in the order of the config."""

    title: str
    version: str  # of nfverify
    results: tuple[Result, ...]
    seconds: float = 0.0
    expired: tuple[str, ...] = ()  # entries of a baseline that no longer count
    notes: tuple[str, ...] = ()  # such as entries of a baseline that nothing needs any more

    @property
    def status(self) -> Status:
        """The worst of all."""
        found = [result.status for result in self.results]
        return max(found, key=SEVERITY.index, default="passed")
