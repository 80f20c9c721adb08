"""What executes a trace: the engines of nfverify, and programs that are held against a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from nfverify.oracles.trace import Event
from nfverify.semantics.machine import Output
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network

UNTOLD = -1  # the time or port of an output that the engine says nothing of
NonIp = Literal["bypass", "drop"]
Kind = Literal["crash", "hang", "short", "output", "refused"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run ended early: in one line, and what the program said on its standard error."""

    kind: Kind
    what: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What came out at each event: at fewer than arrived if it failed, all in one if `flat`."""

    steps: tuple[tuple[Output, ...], ...]
    state: SavedState | None = None  # at the end, if the engine tells
    failure: Failure | None = None
    flat: bool = False


class Engine(Protocol):
    """An execution of one network. It begins anew with each trace."""

    @property
    def name(self) -> str: ...

    def run(self, trace: Sequence[Event]) -> Run: ...


class Session(Protocol):
    """An execution that is fed event by event."""

    def step(self, event: Event) -> tuple[Output, ...] | Failure: ...

    def close(self) -> None: ...


class Stepping(Engine, Protocol):
    """An engine whose next event may depend on what came out before."""

    def start(self) -> Session: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What every engine of a network is told."""

    operators: Mapping[str, Function] = field(default_factory=dict)
    non_ip: NonIp = "bypass"


Maker = Callable[[Network, Setting], Stepping]
