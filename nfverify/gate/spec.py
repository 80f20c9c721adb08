"""What nfverify.toml says, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nfverify.report.results import Kind, Place
from nfverify.testing.spec import NonIp, Observe

FILE = "nfverify.toml"
BASELINE = "nfverify-baseline.toml"
DEFAULT_TIME = 60.0  # s, of a check that a solver decides
DEFAULT_TRAFFIC_TIME = 600.0  # s, of one that sends packets
DEFAULT_MEMORY = 8 << 30  # bytes, of one check
DEFAULT_PACKETS = 1000
ALL = "all"
Solver = Literal["", "cvc5", "bitwuzla"]
SOLVERS: tuple[Solver, ...] = ("cvc5", "bitwuzla")
GENERATED = "generated"
NO_RELOAD, ANY_STATE = "", "any"

Level = Literal["entries", "pairs", "boundaries", "full"]
LEVELS: tuple[Level, ...] = ("entries", "pairs", "boundaries", "full")


@dataclass(frozen=True, slots=True)
class Common:
    """What all checks have. `time_limit` in s, `memory_limit` in bytes; `folder` is the config's,
    around which git is looked for."""

    name: str
    kind: Kind
    place: Place
    time_limit: float
    memory_limit: int
    non_ip: NonIp
    ops: tuple[str, ...]
    folder: str = "."


@dataclass(frozen=True, slots=True)
class Check:
    """Models without errors; with `strict` without warnings, too."""

    common: Common
    models: tuple[str, ...]
    strict: bool


@dataclass(frozen=True, slots=True)
class Equiv:
    """Two models that do the same; with `refine`, B allows all that A does."""

    common: Common
    a: str
    b: str
    observe: Observe
    ignore: tuple[str, ...]
    assume: tuple[str, ...]
    refine: bool
    depth: int | None
    invariants: tuple[str, ...]  # proposed, on both states
    cross_check: Solver


@dataclass(frozen=True, slots=True)
class Diff:
    """What a change does to traffic, and the changes that are `allow`ed, by identity.

    `reload`: "" no, "any" from any reachable state, else a file of a state.
    """

    common: Common
    old: str
    new: str
    allow: tuple[str, ...]
    ignore: tuple[str, ...]
    assume: tuple[str, ...]
    reload: str
    cross_check: Solver


@dataclass(frozen=True, slots=True)
class Prove:
    """Properties of a model; `("all",)` are those that it states."""

    common: Common
    model: str
    properties: tuple[str, ...]
    assume: tuple[str, ...]
    cross_check: Solver


@dataclass(frozen=True, slots=True)
class Test:
    """A model on several engines, or a program held against it, on the same packets."""

    __test__ = False

    common: Common
    model: str
    engines: tuple[str, ...] | None
    against: str | None
    packets: int
    seed: int
    compare: tuple[str, ...]
    ignore: tuple[str, ...]
    suite: str | None
    traces: tuple[str, ...]
    well_formed: bool
    answer_limit: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a model traffic reaches: a suite, captures, or a suite made for it."""

    common: Common
    model: str
    level: Level
    suite: str | None
    traces: tuple[str, ...]
    least: float


@dataclass(frozen=True, slots=True)
class Mutation:
    """How many small mistakes in a model its suite notices. `prove_limit` in s, of one mutant."""

    common: Common
    model: str
    suite: str | None
    traces: tuple[str, ...]
    least: float
    prove_limit: float


AnyCheck = Check | Equiv | Diff | Prove | Test | Coverage | Mutation


@dataclass(frozen=True, slots=True)
class Config:
    """A whole file. `jobs`: how many checks run at once, None: as many as processors."""

    path: Path
    checks: tuple[AnyCheck, ...]
    baseline: Path
    jobs: int | None
    executor: str | None


def targets(check: AnyCheck) -> Sequence[str]:
    """The models and rulesets that a check is about, as the user names them."""
    match check:
        case Check(models=models):
            return models
        case Equiv(a=a, b=b):
            return (a, b)
        case Diff(old=old, new=new):
            return (old, new)
        case Prove(model=model) | Test(model=model) | Coverage(model=model) | Mutation(model=model):
            return (model,)


def solver(check: AnyCheck) -> Solver:
    """The second solver of a check; "" for none."""
    match check:
        case Equiv(cross_check=name) | Diff(cross_check=name) | Prove(cross_check=name):
            return name
    return ""


class CheckError(ValueError):
    """A check that asks for what makes no sense; the message says why."""
