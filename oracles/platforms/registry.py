"""The platforms by name: those of nfverify, and those of installed packages, by entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from nfverify.cythonized.faults import BuildError
from nfverify.oracles.platforms.platform import Need, Platform

GROUP = "nfverify.platforms"
_PACKAGE = "nfverify.oracles.platforms"
# The same as in pyproject.toml: metadata of an older installation may lack some.
OWN = tuple(
    EntryPoint(name.lower(), f"{_PACKAGE}.{name.lower()}:{name}", GROUP)
    for name in ("Linux", "Dpdk", "Xdp", "Onvm")
)


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry point that gives no platform, by its name and that of its package, and why."""

    name: str
    package: str
    why: str

    def __str__(self) -> str:
        return f"the platform {self.name!a} of {self.package} can't be used: {self.why}"


class PlatformError(BuildError):
    """A platform that is unknown or broken; says what there is."""


def names() -> tuple[str, ...]:
    """All names that there are, without loading anything."""
    return tuple(_declared())


def every() -> Mapping[str, Platform | Broken]:
    """All platforms by name, our own first; one that is broken doesn't stop the others."""
    return MappingProxyType({name: load() for name, load in _declared().items()})


def platform(name: str) -> Platform:
    """The platform of that name. PlatformError."""
    load = _declared().get(name)
    if load is None:
        raise PlatformError(f"no platform {name!a}; there are {', '.join(names())}")
    found = load()
    if isinstance(found, Broken):
        raise PlatformError(str(found))
    return found


def _declared() -> dict[str, Callable[[], Platform | Broken]]:
    """How each is loaded, by name."""
    found: dict[str, EntryPoint] = {}
    clashes: dict[str, list[EntryPoint]] = {}
    for entry in (*OWN, *_installed()):
        first = found.setdefault(entry.name, entry)
        if first.value != entry.value:
            clashes.setdefault(entry.name, []).append(entry)
    loaders = {name: _loader(entry) for name, entry in found.items()}
    for name, entries in clashes.items():
        for number, entry in enumerate(entries, 2):
            loaders[f"{name} ({number})"] = _clash(entry, found[name])
    return loaders


def _installed() -> Iterator[EntryPoint]:
    """Those of all packages, always in one order."""
    yield from sorted(entry_points(group=GROUP), key=lambda e: (e.name, _package(e), e.value))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "nfverify"


def _loader(entry: EntryPoint) -> Callable[[], Platform | Broken]:
    def load() -> Platform | Broken:
        try:
            found = _made(entry.load())
        except (Exception, SystemExit) as error:  # whatever a package does when it is imported
            what = " ".join(f"{type(error).__name__}: {error}".split())
            return Broken(entry.name, _package(entry), what)
        if found is None or not _is_sound(found):
            return Broken(entry.name, _package(entry), f"{entry.value} is no platform")
        if found.name != entry.name:
            what = f"{entry.value} calls itself {found.name!a}"
            return Broken(entry.name, _package(entry), what)
        return found

    return load


def _made(loaded: object) -> Platform | None:
    """What an entry point names: a platform, or a class of one."""
    if isinstance(loaded, type) and issubclass(loaded, Platform):
        return loaded()
    return loaded if isinstance(loaded, Platform) else None


def _is_sound(found: Platform) -> bool:
    """Does it say what it is, and what it needs?"""
    texts = getattr(found, "name", None), getattr(found, "text", None)
    needs = isinstance(found.needs, tuple) and all(isinstance(n, Need) for n in found.needs)
    return needs and all(isinstance(text, str) for text in texts)


def _clash(entry: EntryPoint, first: EntryPoint) -> Callable[[], Broken]:
    why = f"{_package(first)} has one of that name"
    return lambda: Broken(entry.name, _package(entry), why)
