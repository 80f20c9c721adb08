"""What the tests of a `*.nftest.toml` file say, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nfverify.lang.source import Span

SUFFIX = ".nftest.toml"
Expected = Literal["equivalent", "different", "unknown"]
Observe = Literal["packets", "packets+state"]
NonIp = Literal["bypass", "drop"]
VERDICTS: tuple[Expected, ...] = ("equivalent", "different", "unknown")
REFINED = ("refines", "not refined", "unknown")  # the same of a refinement
OBSERVE: tuple[Observe, ...] = ("packets", "packets+state")
NON_IP: tuple[NonIp, ...] = ("bypass", "drop")
COMPARE = ("exact", "per-flow", "l2-ttl", "renaming")


@dataclass(frozen=True, slots=True)
class Common:
    """What all kinds have; `ops` are files of operators, `skip` and `xfail` reasons."""

    name: str
    span: Span
    ignore: tuple[str, ...]
    non_ip: NonIp
    ops: tuple[Path, ...]
    skip: str | None = None
    xfail: str | None = None


@dataclass(frozen=True, slots=True)
class EquivTest:
    """Two models and the verdict that is expected; s, None: the plugin's limit."""

    common: Common
    a: str
    b: str
    verdict: Expected
    observe: Observe
    assume: tuple[str, ...]
    refine: bool
    depth: int | None
    time_limit: float | None
    allow_unknown: bool


@dataclass(frozen=True, slots=True)
class EngineTest:
    """A model run by several engines, or held against a program, on the same traces.

    The traces of `suite`, a folder of `gen`, come first; files of the command stand in `folder`.
    """

    common: Common
    model: str
    engines: tuple[str, ...] | None
    against: str | None
    examples: int | None
    seconds: float | None
    seed: int | None
    compare: tuple[str, ...]
    answer_limit: float | None
    well_formed: bool
    suite: Path | None
    folder: Path


@dataclass(frozen=True, slots=True)
class ReplayTest:
    """A capture and what must become of it; what is None is not compared.

    `inputs` and `outputs`: (port, file), port "" for the first one, or for all. `outcome`: for each
    packet the ports by which it leaves. `suite`: a folder of `gen`, which has all that.
    """

    common: Common
    model: str
    inputs: tuple[tuple[str, Path], ...]
    outputs: tuple[tuple[str, Path], ...] | None
    outcome: tuple[tuple[str, ...], ...] | None
    state: Path | None
    suite: Path | None
    engines: tuple[str, ...] | None


AnyTest = EquivTest | EngineTest | ReplayTest
