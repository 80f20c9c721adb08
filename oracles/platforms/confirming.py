"""Counterexamples replayed on platforms: does each side there what the reference says it does?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nfverify.cythonized.faults import BuildError, GeneratedCodeError
from nfverify.lang.source import ModelError
from nfverify.oracles import states
from nfverify.oracles.comparators import Comparison
from nfverify.oracles.engines.base import Run, Setting
from nfverify.oracles.engines.reference import Reference
from nfverify.oracles.platforms.platform import Build, Platform, PlatformEngine
from nfverify.oracles.platforms.registry import platform
from nfverify.oracles.trace import Trace, monotone
from nfverify.semantics.machine import Machine, Output
from nfverify.semantics.state import SavedState

Answer = Literal["confirmed", "not confirmed", "refused", "missing"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the models that part: what is built of it, the machine that says what it does, and
    what it did in the counterexample, where it could choose."""

    name: str
    build: Build
    machine: Machine
    start: SavedState | None = None  # that of the machine, if not from the beginning
    steps: tuple[tuple[Output, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out of one side on a platform, event by event; `what` differs from the reference's,
    in words."""

    side: str
    steps: tuple[tuple[Output, ...], ...]
    what: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A trace on a platform. Refused: the platform can't express a side, or be given a packet;
    missing: this machine can't build for it or run it. `why` says so in words."""

    platform: str
    answer: Answer
    why: str
    sides: tuple[Replayed, ...] = ()


def confirm(names: Sequence[str], trace: Trace, sides: Sequence[Side]) -> tuple[Confirmation, ...]:
    """The trace on each platform, both built and run anew. PlatformError for a name that there
    isn't."""
    found = [platform(name) for name in dict.fromkeys(names)]
    trace = monotone(trace)
    wanted = [_wanted(side, trace) for side in sides]
    return tuple(_confirm(each, trace, sides, wanted) for each in found)


def _wanted(side: Side, trace: Trace) -> Run:
    """What a side must do. Where the reference chooses otherwise, its state counts for nothing."""
    run = Reference(side.machine).run(trace)
    return run if side.steps in (None, run.steps) else Run(side.steps or ())


def _confirm(
    there: Platform, trace: Trace, sides: Sequence[Side], wanted: Sequence[Run]
) -> Confirmation:
    replayed: list[Replayed] = []
    told = True
    for side, right in zip(sides, wanted, strict=True):
        try:
            got = _run(there, trace, side)
        except ModelError as error:
            return _open(there, "refused", f"{side.name}: {_line(error)}", replayed)
        except _Barred as error:
            return _open(there, "refused", str(error), replayed)
        except Exception as error:  # whatever it is, the counterexample mustn't be lost
            answer: Answer = "missing" if there.missing() else "not confirmed"
            return _open(there, answer, f"{side.name}: {_line(error)}", replayed)
        replayed.append(Replayed(side.name, got.steps, _unlike(side, right, got)))
        told = told and got.state is not None
    unlike = [f"{each.side}: {each.what}" for each in replayed if each.what]
    if unlike:
        return _open(there, "not confirmed", "; ".join(unlike), replayed)
    if len({each.steps for each in replayed}) == len(replayed):
        return _open(there, "confirmed", "", replayed)
    if told:
        why = "by the states at the end, which are those of the reference"
        return _open(there, "confirmed", why, replayed)
    return _open(there, "not confirmed", "it doesn't tell the states, which part", replayed)


def _open(there: Platform, answer: Answer, why: str, replayed: Sequence[Replayed]) -> Confirmation:
    return Confirmation(there.name, answer, why, tuple(replayed))


def _line(error: Exception) -> str:
    """What an error says in one line."""
    lines = str(error).splitlines() or [""]
    match error:
        case ModelError() | OSError():
            return lines[0]
        case BuildError() | GeneratedCodeError():
            return ": ".join(line.strip() for line in lines[:2])
    return f"{type(error).__name__}: {lines[0]}"


class _Barred(Exception):
    """A trace with a packet that can't be given."""


def _run(there: Platform, trace: Trace, side: Side) -> Run:
    """A side, built and run there. _Barred; ModelError, and all that a platform raises."""
    there.accept(side.build)
    setting = Setting(non_ip=side.machine.non_ip, user=tuple(side.build.user))
    engine = there.engine(side.build, setting)
    barred = _barred(engine, trace)
    if barred:
        raise _Barred(barred)
    return engine.run(trace, side.start)


def _barred(engine: PlatformEngine, trace: Trace) -> str:
    """Which packet can't be given to an engine as it is, in words; "" if all can."""
    before = None
    for number, event in enumerate(trace, 1):
        if engine.needs.fit(event, before) != event:
            return f"packet {number} ({len(event.frame)} bytes) can't be given to {engine.name}"
        before = event
    return ""


def _unlike(side: Side, wanted: Run, got: Run) -> str:
    """What a platform did otherwise than the reference, in words; "" if nothing."""
    parted = Comparison().parted(wanted, got)
    if parted is not None:
        what = f"at packet {parted.at + 1} it sends {_instead(side, parted.left, parted.right)}"
        return what if wanted.state is not None else f"{what} (the model chooses)"
    if got.failure is not None:
        return got.failure.what
    if wanted.failure is not None or len(got.steps) != len(wanted.steps):
        return f"it goes on where the reference ends: {len(got.steps)} steps"
    if wanted.state is not None and got.state is not None:
        what = states.difference(side.build.network, wanted.state, got.state)
        return f"the state at the end: by the reference {what}" if what else ""
    return ""


def _instead(side: Side, wanted: Sequence[Output], got: Sequence[Output]) -> str:
    """What a platform sends, and by the reference should."""
    for one, other in zip(wanted, got, strict=False):
        if one[:2] == other[:2] and one.frame != other.frame:
            pairs = enumerate(zip(one.frame, other.frame, strict=False))
            at = next((n for n, (a, b) in pairs if a != b), min(len(one.frame), len(other.frame)))
            a, b = (frame[at : at + 4].hex() or "nothing" for frame in (one.frame, other.frame))
            return f"{b} at byte {at}, and by the reference {a}"
    return f"{_outputs(side, got)}, and by the reference {_outputs(side, wanted)}"


def _outputs(side: Side, out: Sequence[Output]) -> str:
    if not out:
        return "nothing"
    ports = side.build.network.ports or ("0", "1")
    return ", ".join(f"{len(o.frame)} bytes by {ports[o.port]} at {o.time} ns" for o in out)
