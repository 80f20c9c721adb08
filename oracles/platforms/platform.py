"""What a platform is: its name and needs, what of a network it can express, sources, an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from nfverify.cythonized.build import UserC
from nfverify.cythonized.options import Options
from nfverify.fastpath.plan import Plan
from nfverify.lang.source import Diagnostic, ModelError, Span
from nfverify.oracles.engines.base import Run, Setting
from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.job import Job, Live, Outcome
from nfverify.oracles.trace import Event
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network


@dataclass(frozen=True, slots=True)
class Need:
    """Something of the system's: its name, the package of Debian and Ubuntu that brings it ("":
    none does), and whether this machine has it."""

    what: str
    package: str
    found: Callable[[], bool]

    def present(self) -> bool:
        """Is it here? What can't be looked for isn't."""
        try:
            return self.found()
        except Exception:
            return False


@dataclass(frozen=True, slots=True)
class Build:
    """What is built: a network, with the C files (name, text) of its operators, the plan of its
    fast path, and how many keys a table without `max` may hold where tables don't grow."""

    network: Network
    options: Options = Options()  # noqa: RUF009 - frozen
    user: UserC = ()
    fast: Plan | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """A folder of sources with a Makefile: texts by path, with `/`. `name` is that of what `make`
    builds."""

    name: str
    files: Mapping[str, str]


class PlatformEngine(Protocol):
    """A network on a platform: an engine that can also go on from a state, and run on."""

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> Needs:
        """What traces must be like."""

    def run(
        self, trace: Sequence[Event], start: SavedState | None = None, until: int | None = None
    ) -> Run:
        """The trace from a state (None: from the beginning), and then up to a time, ns."""


class Platform:
    """Where networks run. An entry point of the group `nfverify.platforms` names a subclass."""

    name: ClassVar[str]
    text: ClassVar[str]  # what it is, in some words
    needs: ClassVar[tuple[Need, ...]] = ()
    lives: ClassVar[bool] = False  # has it network interfaces, besides files?
    fast_paths: ClassVar[bool] = False  # can it be built with the plan of one?
    options: ClassVar[tuple[str, ...]] = ()  # names of those that only its `live` has

    def missing(self) -> tuple[Need, ...]:
        """What this machine lacks of its needs."""
        return tuple(need for need in self.needs if not need.present())

    def accept(self, build: Build) -> None:
        """What is asked before anything is built: ModelError as `check`."""
        if build.fast is not None and not self.fast_paths:
            span = build.network.instances[0].program.span
            raise refuse(self.name, "a fast path", span, "build it without --fastpath")
        self.check(build)

    def check(self, build: Build) -> None:
        """ModelError at the first construct that the platform can't express exactly."""

    def sources(self, build: Build) -> Sources:
        """The folder that `nfverify build --platform` writes. ModelError as `check`."""
        raise NotImplementedError

    def engine(self, build: Build, setting: Setting) -> PlatformEngine:
        """The network, built, on traces. ModelError; BuildError if that can't be done here."""
        raise NotImplementedError

    def prepare(self, build: Build) -> None:
        """Builds what `run` and `live` need, if that takes long. ModelError, BuildError."""

    def run(self, build: Build, job: Job) -> Outcome:
        """`nfverify run` on files: by the engine, unless a platform has its own way.

        ModelError, BuildError, CaptureError, OSError.
        """
        from nfverify.oracles.platforms.files import run_files

        return run_files(self.engine(build, Setting(non_ip=job.non_ip)), build.network, job)

    def live(self, build: Build, live: Live) -> Outcome:
        """`nfverify run --live` on interfaces, until its end."""
        raise NotImplementedError


def refuse(platform: str, what: str, span: Span, hint: str = "") -> ModelError:
    """The error of a platform that can't express something, at its place in the model."""
    message = f"{platform} can't express {what}"
    return ModelError(Diagnostic("error", "platform", message, span, hint))
