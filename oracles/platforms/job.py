"""What a platform is asked to run: captures, or what comes by interfaces; and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nfverify.oracles.engines.base import NonIp


@dataclass(frozen=True, slots=True)
class Job:
    """Captures into captures, `-` for standard input and output; port None stands for all ports.

    `start` is a state in the binary form; `until`: up to which time, ns, to run on after the last
    packet, or (True) how long.
    """

    inputs: tuple[tuple[int, str], ...]
    outputs: tuple[tuple[int | None, str], ...] = ()
    start: bytes | None = None
    until: tuple[bool, int] | None = None
    non_ip: NonIp = "bypass"
    quiet: bool = False
    saves: bool = False  # is the state at the end asked for?


@dataclass(frozen=True, slots=True)
class Live:
    """Packets by network interfaces: port i of the model is interface i. It ends with a signal,
    after `count` packets, or when for `idle` seconds none came. `options` are the platform's own.
    """

    interfaces: tuple[str, ...]
    count: int | None = None
    idle: float | None = None
    every: float | None = None  # s between two lines of statistics
    start: bytes | None = None
    non_ip: NonIp = "bypass"
    quiet: bool = False
    saves: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: the exit code, a summary unless the run told its own, what an input broke
    off with, and the state in the binary form, if it was asked for."""

    code: int = 0
    summary: str = ""
    broken: str = ""
    state: bytes | None = None
