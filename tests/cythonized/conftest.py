"""Compiling the C runtime for a test: programs and libraries, with all warnings and sanitizers."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest

import nfverify.cythonized

RUNTIME = Path(nfverify.cythonized.__file__).resolve().parent / "runtime"
BASE = ("-std=gnu11", "-O2", "-g", "-march=x86-64-v3", "-maes", "-Wall", "-Wextra", "-Werror")
CHECKS = ("-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


class CompileC(Protocol):
    def __call__(
        self,
        source_path: Path,
        *,
        sanitize: bool = True,
        shared: bool = False,
        libraries: Sequence[str] = (),
        flags: Sequence[str] = (),
    ) -> Path: ...


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory: pytest.TempPathFactory) -> CompileC:
    """Compiles one C file against the runtime, each with given flags once; a program or a .so.

    A shared library that Python is to load gets UBSan only: ASan has to be in the process first.
    """
    folder = tmp_path_factory.mktemp("c")
    made: dict[tuple[object, ...], Path] = {}

    def compile_one(
        source_path: Path,
        *,
        sanitize: bool = True,
        shared: bool = False,
        libraries: Sequence[str] = (),
        flags: Sequence[str] = (),
    ) -> Path:
        key = (source_path, sanitize, shared, tuple(libraries), tuple(flags))
        if key not in made:
            target = folder / f"{source_path.stem}_{len(made)}{'.so' if shared else ''}"
            kind = ("-shared", "-fPIC") if shared else ()
            checks = "undefined" if shared else "address,undefined"
            checked = (f"-fsanitize={checks}", *CHECKS) if sanitize else ()
            command = ["gcc", *BASE, *kind, *checked, f"-I{RUNTIME}", *flags]
            command += [str(source_path), "-o", str(target), *(f"-l{name}" for name in libraries)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
            made[key] = target
        return made[key]

    return compile_one
