"""Programs with SpeedyBox's API, compiled once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nfverify.cythonized.speedybox.build import compile_program

CompileProgram = Callable[..., Path]
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> CompileProgram:
    """Compiles a C file, with the sanitizers or without."""
    folder = tmp_path_factory.mktemp("speedybox")
    made: dict[tuple[Path, bool], Path] = {}

    def compiled(source: Path, *, sanitize: bool = False) -> Path:
        key = source, sanitize
        if key not in made:
            out = folder / f"{source.stem}_{len(made)}"
            more = SANITIZED if sanitize else ()
            made[key] = compile_program(source, out, ("-Werror", *more))
        return made[key]

    return compiled
