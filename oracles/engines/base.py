"""What executes a trace: the engines of nfverify, and programs that are held against a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, runtime_checkable

from nfverify.oracles.needs import Needs
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


@runtime_checkable
class Demanding(Protocol):
    """An execution that can't be given every trace; one outside this process."""

    @property
    def needs(self) -> Needs:
        """What traces must be like."""


@runtime_checkable
class Patient(Protocol):
    """An execution that is ended when it is silent for so many seconds."""

    @property
    def silence(self) -> float: ...

    def with_silence(self, silence: float) -> Self:
        """The same with another limit."""


class Session(Protocol):
    """An execution that is fed event by event."""

    def step(self, event: Event) -> tuple[Output, ...] | Failure: ...

    def close(self) -> None: ...


@runtime_checkable
class Stepping(Engine, Protocol):
    """An engine whose next event may depend on what came out before."""

    def start(self) -> Session: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What every engine of a network is told. `user`: C files of operators by name and text, and
    `capacity`: keys that a table without `max` may hold where tables don't grow."""

    operators: Mapping[str, Function] = field(default_factory=dict)
    non_ip: NonIp = "bypass"
    user: tuple[tuple[str, str], ...] = ()
    capacity: int | None = None


Maker = Callable[[Network, Setting], Stepping]
