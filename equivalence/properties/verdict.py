"""What `prove` answers about one property: a closed type with every reason in it."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.equivalence.verdict import Emitted, Obligation, Proof


@dataclass(frozen=True, slots=True)
class Report:
    """What holds whatever the verdict. `line` and `column` are where the property stands, 0 if it
    was given on the command line; `vacuous`: its left side can never hold."""

    model: str
    property: str
    text: str
    source: str
    line: int
    column: int
    assumption: str
    non_ip: str
    notes: tuple[str, ...]
    seconds: float
    vacuous: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """An arriving packet: time in ns, name of the port, frame; what came out, and
    `instance: entry` for each table that it passed."""

    time: int
    port: str
    frame: bytes
    outputs: tuple[Emitted, ...]
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breach:
    """A trace whose last packet breaks the property, replayed on the reference.

    `values` are those of the property's variables for which it does. `minimal`: every smaller
    length was excluded; else none of length <= `excluded` exists.
    """

    events: tuple[Seen, ...]
    values: tuple[tuple[str, str], ...]
    minimal: bool
    excluded: int


@dataclass(frozen=True, slots=True)
class Holds:
    """In every step of every trace."""

    report: Report
    proof: Proof


@dataclass(frozen=True, slots=True)
class Broken:
    """There is a trace that breaks it."""

    report: Report
    breach: Breach


@dataclass(frozen=True, slots=True)
class Unknown:
    """`depth`: no trace of up to this many packets breaks it."""

    report: Report
    reason: str
    depth: int
    obligations: tuple[Obligation, ...] = ()


Verdict = Holds | Broken | Unknown

EXIT_CODE = {Holds: 0, Broken: 1, Unknown: 3}
