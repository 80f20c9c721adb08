"""What `equiv` answers: a closed type with every reason in it (semantics.md, Equivalence)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nfverify.smat.relating import Claim


@dataclass(frozen=True, slots=True)
class Obligation:
    """One named thing that was to be shown, and what became of it.

    `confirmed` names the second solver that agrees, if one was asked; `reason` says more of what
    is not proved.
    """

    name: str
    seconds: float
    result: Literal["proved", "refuted", "unknown"]
    confirmed: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """How equivalence was proved: `relation` is the inductive one, in the models' language, and
    `claims` are the same as expressions."""

    method: str
    depth: int
    relation: tuple[str, ...]
    obligations: tuple[Obligation, ...]
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Emitted:
    """One packet that came out: time in ns, name of the port, frame."""

    time: int
    port: str
    frame: bytes


@dataclass(frozen=True, slots=True)
class SideOfEvent:
    """What one side did at an event: outputs, `instance: entry` for each table passed, and the
    rules that decided: file ("" if it is none) and line."""

    outputs: tuple[Emitted, ...]
    entries: tuple[str, ...]
    rules: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """An arriving packet: time in ns, name of the port, frame; and what each side made of it."""

    time: int
    port: str
    frame: bytes
    a: SideOfEvent
    b: SideOfEvent


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A trace after whose last event the outputs (or the observed state) differ, replayed.

    `minimal`: every smaller length was excluded; else none of length <= `excluded` exists.
    `differences` say in words what differs at the last event.
    """

    events: tuple[Event, ...]
    minimal: bool
    excluded: int
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What holds whatever the verdict (decision 31)."""

    a: str
    b: str
    observe: str
    ignored: tuple[str, ...]
    assumption: str
    non_ip: str
    notes: tuple[str, ...]  # unreachable entries, satisfiable assumption, unobservable state, …
    seconds: float
    refine: bool = False  # the question was whether B allows all that A does


@dataclass(frozen=True, slots=True)
class Equivalent:
    """Both do the same; of refinement, B allows all that A does."""

    report: Report
    proof: Proof


@dataclass(frozen=True, slots=True)
class Different:
    """They don't; of refinement, A does what B doesn't allow."""

    report: Report
    counterexample: Counterexample


@dataclass(frozen=True, slots=True)
class Held:
    """What a variable (`a.nat.next`) holds at a key, as text; `values` are None if it is absent."""

    variable: str
    key: tuple[str, ...]
    values: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Resisting:
    """The step that no proof excluded: an event (`packet`, or a `tick` of timers) in states that
    nothing proved rules out, though no trace to them is known.

    `state` is what matters of them. `frame` is None where timers fire; `a`, `b` and `differences`
    are what the reference semantics does there, where it can be run from such a state.
    """

    obligation: str
    event: str
    time: int  # ns
    port: str
    frame: bytes | None
    state: tuple[Held, ...]
    a: SideOfEvent | None
    b: SideOfEvent | None
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """`depth`: no difference exists in traces of up to this many packets; `resisting`: what the
    proof failed on, if it came so far."""

    report: Report
    reason: str
    depth: int
    obligations: tuple[Obligation, ...]
    resisting: Resisting | None = None


Verdict = Equivalent | Different | Unknown

NOT_COMPARED = "are not compared"
"""How a note ends that makes less of a proof."""

EXIT_CODE = {Equivalent: 0, Different: 1, Unknown: 3}
