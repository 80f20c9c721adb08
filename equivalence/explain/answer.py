"""What `explain` says of a verdict: a closed type, one for each kind of verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.verdict import Resisting
from nfverify.lang.source import Span


@dataclass(frozen=True, slots=True)
class Written:
    """Who gave a piece of state its value: the packet's number and the entry; `packet` is 0 if
    nobody did, so that it is as at the start."""

    packet: int
    instance: str = ""
    entry: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A field, a tag or a piece of state as a condition read it, and its value, as text; of state,
    who wrote it."""

    text: str
    value: str
    written: Written | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A conjunct of an entry's guard, whether it held, and what it read."""

    text: str
    holds: bool
    readings: tuple[Reading, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Choice:
    """At a table of an instance: the entry that was taken ("no entry" has no place), and the
    conditions that say why. `passed`: an entry that might have been expected, with what kept the
    packet from it."""

    instance: str
    entry: str
    span: Span
    conditions: tuple[Condition, ...]
    passed: tuple[Passed, ...] = ()


@dataclass(frozen=True, slots=True)
class Passed:
    """An entry that was not taken: its first condition that did not hold; None if an earlier entry
    was taken."""

    entry: str
    span: Span
    condition: Condition | None


@dataclass(frozen=True, slots=True)
class Apart:
    """A piece of state that is no longer the same on both sides."""

    name_a: str
    name_b: str
    key: str
    value_a: str
    value_b: str
    written_a: Written
    written_b: Written


@dataclass(frozen=True, slots=True)
class Parted:
    """Of `different`. `packet` is the number of the last packet of the trace, at which the outputs
    differ; `state_packet` that of the first after which state of one name does (0: none does)."""

    packet: int
    state_packet: int
    state: tuple[Apart, ...]
    a: tuple[Choice, ...]
    b: tuple[Choice, ...]
    first: int  # where in `a` and `b` the choices part first; -1: both choose alike
    differences: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """An entry, or the whole of an NF without tables."""

    side: Literal["a", "b"]
    instance: str
    entry: str
    span: Span


@dataclass(frozen=True, slots=True)
class Pairing:
    """An entry, and the entries of the other side that packets take with it, table by table.

    `always`: whoever takes one of `others` takes `line`, too.
    """

    line: Line
    others: tuple[Line, ...]
    always: bool


@dataclass(frozen=True, slots=True)
class Together:
    """Of `equivalent`: which lines do the same. `proved`: other pairs are proved not to occur, not
    only never seen. `unreached` are lines that no packet reaches."""

    pairings: tuple[Pairing, ...]
    unreached: tuple[Line, ...]
    relation: tuple[str, ...]
    proved: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """A line that decides the question: for a model (`a`, `b`), or of both sides together.

    `kind` guard: it changes the model, and what is decided is the changed one.
    """

    kind: Literal["invariant", "relation", "guard"]
    side: Literal["a", "b", "both"]
    text: str
    span: Span | None  # behind which it belongs
    verdict: str  # with it: as tried


@dataclass(frozen=True, slots=True)
class Lacking:
    """Of `unknown`: the step that no proof excluded, and the lines that decide it (all of them
    together); none if none was found."""

    reason: str
    depth: int
    resisting: Resisting | None
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]


Explanation = Parted | Together | Lacking
