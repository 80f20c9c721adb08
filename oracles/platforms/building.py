"""From the sources of a platform to what `make` builds of them, kept in the cache of builds.

Objects are kept by what they are compiled of, so that what networks or platforms have in common is
compiled once: they are put into the folder before `make` looks there.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from pathlib import Path, PurePosixPath

from nfverify.cythonized.cache import Cache
from nfverify.cythonized.compiler import GCC_SECONDS, STRICT
from nfverify.cythonized.faults import BuildError, GeneratedCodeError
from nfverify.cythonized.toolchain import cpu_features, machine_flags
from nfverify.oracles.platforms.platform import Platform, Sources
from nfverify.packet.files import replacing

MAX_LINES = 40  # of what a compiler says
_COMPILES = re.compile(r"^(.* -c -o (\S+) (\S+))$", re.MULTILINE)  # of what make would do
_INCLUDE = re.compile(r"""^\s*#\s*include\s*["<](.+)[">]""", re.MULTILINE)
# Variables of the environment that would change what is made behind the cache's back.
_NOT_PASSED = {
    *("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS"),
    *("LDLIBS", "ARCH", "WERROR", "SANITIZE", "CPATH", "LIBRARY_PATH", "CPLUS_INCLUDE_PATH"),
}
_TOOLS = ("make", "g++", "clang")
_PACKAGES = "/var/lib/dpkg/status"  # is written whenever a library is installed


def write(sources: Sources, folder: Path) -> list[Path]:
    """All files into a folder, which is made: their paths. OSError; BuildError for a path that
    leads out of it."""
    written = []
    for name, text in sources.files.items():
        path = folder / PurePosixPath(name)
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise BuildError(f"the platform's file {name!a} is not inside the folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(str(path)) as stream:
            stream.write(text.encode())
        written.append(path)
    return written


def built(platform: Platform, sources: Sources, *variables: str) -> Path:
    """What `make` builds of the sources, from the cache or built into it; `variables` as make takes
    them (SANITIZE=1). BuildError names what is missing, GeneratedCodeError what is refused."""
    require(platform)
    given = (*_variables(), *variables)
    key = _digest(_tools(), given, tuple(sources.files.items()), sources.name)
    store = Cache()
    return store.library(key, partial(_make, store, platform.name, sources, given))


def require(platform: Platform) -> None:
    """BuildError unless this machine has what a platform needs."""
    missing = platform.missing()
    if missing:
        what = " and ".join(need.what for need in missing)
        packages = " ".join(dict.fromkeys(need.package for need in missing if need.package))
        hint = f" (Debian, Ubuntu: apt-get install {packages})" if packages else ""
        raise BuildError(f"{platform.name} needs {what}{hint}")


def _variables() -> tuple[str, ...]:
    """What every build is told: the processor, and whether warnings are errors."""
    arch = f"ARCH={' '.join(machine_flags(cpu_features()))}"
    return (arch, "WERROR=-Werror") if os.environ.get(STRICT) else (arch,)


def _make(
    store: Cache, platform: str, sources: Sources, variables: Sequence[str], folder: Path
) -> Path:
    write(sources, folder)
    commands = _run(platform, folder, sources.name, "--dry-run", *variables)
    for command, target, source in _COMPILES.findall(commands.replace("\\\n", " ")):
        if source in sources.files:
            key = _digest(_tools(), command, _reached(sources, source, command))
            make = partial(_make_object, platform, sources, variables, target)
            shutil.copyfile(store.object(key, make), folder / target)
    _run(platform, folder, sources.name, *variables)
    return folder / sources.name


def _make_object(
    platform: str, sources: Sources, variables: Sequence[str], target: str, folder: Path
) -> Path:
    write(sources, folder)
    _run(platform, folder, target, *variables)
    return folder / target


def _reached(sources: Sources, start: str, command: str) -> list[tuple[str, str]]:
    """The files that an object is made of: those in the command, what they include, and so on."""
    found: dict[str, str] = {}
    words = {PurePosixPath(word).name for word in command.split()}
    waiting = [start, *(name for name in sources.files if PurePosixPath(name).name in words)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = sources.files[name]
            included = {PurePosixPath(text).name for text in _INCLUDE.findall(found[name])}
            waiting += [name for name in sources.files if PurePosixPath(name).name in included]
    return sorted(found.items())


def _run(platform: str, folder: Path, target: str, *words: str) -> str:
    """`make TARGET` there, ended with all that it started: what it said."""
    command = ("make", "--silent", target, *words)
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        hint = "(Debian, Ubuntu: apt-get install make)"
        raise BuildError(f"make doesn't run: {error.strerror} {hint}") from error
    try:
        said, _ = process.communicate(timeout=GCC_SECONDS)
    except subprocess.TimeoutExpired:
        raise BuildError(f"make took over {GCC_SECONDS} s for {target} of {platform}") from None
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = said.decode(errors="replace")
    if process.returncode:
        lines = text.strip().splitlines()[:MAX_LINES]
        raise GeneratedCodeError("\n".join([f"make refuses {target} of {platform}", *lines]))
    return text


@cache
def _tools() -> tuple[str, ...]:
    """The compilers and libraries of this machine: equal texts, equal builds."""
    found = []
    for path in (*map(shutil.which, _TOOLS), _PACKAGES):
        with suppress(OSError):
            status = Path(os.path.realpath(path or "")).stat()
            found.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return tuple(found)


def _digest(*parts: object) -> str:
    return sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
