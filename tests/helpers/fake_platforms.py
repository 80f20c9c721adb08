"""Packages with platforms, good and bad ones, as they would be installed."""

from pathlib import Path

MODULE = """
from dataclasses import dataclass

from nfverify.oracles.engines.base import Run
from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.building import require
from nfverify.oracles.platforms.platform import Need, Platform, Sources, refuse
from nfverify.semantics.machine import Machine


@dataclass(frozen=True)
class Engine:
    name: str
    build: object
    setting: object
    needs: Needs = Needs(monotone=True, shortest=14)
    skips: int = -1  # a packet of which nothing comes out

    def run(self, trace, start=None, until=None):
        machine = Machine(self.build.network, non_ip=self.setting.non_ip, state=start)
        steps = [tuple(machine.step(*event)) for event in trace]
        if until is not None:
            steps.append(tuple(machine.advance(until)))
        if 0 <= self.skips < len(steps):
            steps[self.skips] = ()
        return Run(tuple(steps), machine.save())


class Right(Platform):
    name = "right"
    text = "the reference under another name"

    def sources(self, build):
        return Sources("program", {"Makefile": "program:\\n", "runtime/a.h": "", "runtime/b.h": ""})

    def engine(self, build, setting):
        return Engine(self.name, build, setting)


class Wrong(Right):
    name = "wrong"
    text = "forgets the second packet"

    def engine(self, build, setting):
        return Engine(self.name, build, setting, skips=1)


class Picky(Right):
    name = "picky"
    text = "takes no state"

    def check(self, build):
        for instance in build.network.instances:
            for variable in instance.program.state:
                raise refuse("picky", variable.name, variable.span, "leave it out")


class Absent(Right):
    name = "absent"
    text = "is never there"
    needs = (Need("a quantum computer", "quantum-dev", lambda: False),)

    def engine(self, build, setting):
        require(self)


class Unsure(Right):
    name = "unsure"
    text = "can't tell what it needs"
    needs = (Need("luck", "", lambda: 1 / 0),)


class Mute(Platform):
    needs = ("nothing",)


class Other(Right):
    name = "elsewhere"
"""
GOOD = {name.lower(): f"fakes:{name}" for name in ("Right", "Wrong", "Picky", "Absent", "Unsure")}
BAD = {
    "crashing": "crashes:Platform",
    "gone": "nowhere:Platform",
    "misnamed": "fakes:Other",
    "nothing": "fakes:Engine",
    "mute": "fakes:Mute",
    "shapeless": "fakes:Shape",
}


def install(folder: Path, package: str, platforms: dict[str, str]) -> None:
    """A package that names these platforms, in a folder for the path."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    entries = "".join(f"{name} = {where}\n" for name, where in platforms.items())
    (info / "entry_points.txt").write_text(f"[nfverify.platforms]\n{entries}")
    (folder / "fakes.py").write_text(MODULE)
    (folder / "crashes.py").write_text("raise RuntimeError('no such device')\n")
