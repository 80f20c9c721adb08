"""SpeedyBox's C: the library behind the binding, and programs of a user's that include it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

from nfverify.cythonized.cache import Cache
from nfverify.cythonized.compiler import GCC_SECONDS, RUNTIME, STRICT
from nfverify.cythonized.faults import BuildError
from nfverify.cythonized.toolchain import toolchain

HERE = Path(__file__).parent
SOURCE = HERE / "speedybox.c"
_WARNINGS = ("-Wall", "-Wextra")
_LIBRARY = ("-fPIC", "-shared", "-fvisibility=default", "-Wl,--no-undefined")


def flags() -> tuple[str, ...]:
    """What gcc needs to compile a file that includes speedybox.h, on this machine."""
    return ("-std=gnu11", "-O2", *toolchain().machine, f"-I{HERE}", f"-I{RUNTIME}")


def compile_program(source: Path, out: Path, more: tuple[str, ...] = ()) -> Path:
    """A C program that includes speedybox.h: its path. BuildError says what gcc says."""
    strict = ("-Werror",) if os.environ.get(STRICT) else ()
    command = [toolchain().path, *flags(), *_WARNINGS, *strict, *more, str(source), "-o", str(out)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GCC_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{source.name}: {error}") from error
    if done.returncode:
        raise BuildError(f"gcc refuses {source.name}:\n{done.stderr.strip()[:4000]}")
    return out


def library() -> Path:
    """The library that the binding loads, from the cache or built."""
    return Cache().library(_key(), lambda folder: compile_program(SOURCE, _out(folder), _LIBRARY))


def _out(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder), "speedybox.so")


def _key() -> str:
    """Of all that the library is made of."""
    digest = sha256(toolchain().identity.encode())
    digest.update("\0".join((*flags(), *_LIBRARY, os.environ.get(STRICT, ""))).encode())
    for folder in (HERE, RUNTIME):
        for file in sorted(folder.glob("*.[ch]")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
