"""The C compiler of this machine: where it is, which one it is, and what its processor can do."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nfverify.cythonized.faults import BuildError

# What the psABI's levels need, by the names of /proc/cpuinfo (abm is lzcnt).
_V2 = frozenset({"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"})
_V3 = _V2 | {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}
_LONGEST = 1 << 16  # of a line of /proc/cpuinfo


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler by its path, what it says of itself, and the `-m` flags for this processor."""

    path: str
    version: str
    machine: tuple[str, ...]
    include: str

    @property
    def identity(self) -> str:
        """Equal for two builds only if the same compiler makes the same code of the same C."""
        return "\n".join((self.path, self.version, *self.machine))


@cache
def toolchain() -> Toolchain:
    """The compiler `gcc` of the PATH. BuildError if there is none."""
    path = shutil.which("gcc")
    if path is None:
        raise BuildError(
            "a C compiler is needed to build a model, and there is no gcc on the PATH"
            " (Debian, Ubuntu: apt-get install gcc libc6-dev python3-dev)"
        )
    real = os.path.realpath(path)
    try:
        done = subprocess.run(
            [real, "-v"], capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
        status = os.stat(real)
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"{path} doesn't run: {error}") from error
    if done.returncode:
        raise BuildError(f"{path} -v ended with {done.returncode}: {done.stderr.strip()[:200]}")
    version = f"{done.stderr}\n{status.st_size} {status.st_mtime_ns}"
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").is_file():
        raise BuildError(
            f"building a model needs Python.h, which is not in {include}"
            " (Debian, Ubuntu: apt-get install python3-dev)"
        )
    return Toolchain(real, version, machine_flags(cpu_features()), include)


def cpu_features() -> frozenset[str]:
    """What the first processor says that it can, by the names of /proc/cpuinfo; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:
            while line := stream.readline(_LONGEST):
                name, _, features = line.partition(":")
                if name.strip() in ("flags", "Features"):
                    return frozenset(features.split())
    except OSError:
        pass
    return frozenset()


def machine_flags(features: frozenset[str]) -> tuple[str, ...]:
    """The highest level of x86-64 that the processor has, and AES where it has that; no more, so
    that a build runs on every machine of that level."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ()
    level = "-v3" if features >= _V3 else "-v2" if features >= _V2 else ""
    aes = ("-maes",) if "aes" in features else ()
    return (f"-march=x86-64{level}", *aes)
