"""Generated Cython to C, and C to a shared library or a program: the compilers, and their flags.

Where NFVERIFY_WERROR is set, what Cython or gcc warns of is an error.
"""

from __future__ import annotations

import gc
import io
import keyword
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Literal

from nfverify.cythonized.faults import BuildError, GeneratedCodeError
from nfverify.cythonized.toolchain import Toolchain, toolchain

RUNTIME = Path(__file__).with_name("runtime")
Kind = Literal["so", "exe"]
MAX_NAME = 64
GCC_SECONDS = 600
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,  # else // and % get Python's sign rules, and a path that raises
    "initializedcheck": False,
    "binding": False,
    "embedsignature": False,
    "warn.undeclared": True,
}

# Libraries that generated code may ask for: the flag of the linker, and the package of each.
LIBRARIES = {"crypto": "libssl-dev", "hs": "libhyperscan-dev"}
_PACKAGES = {
    "Python.h": "python3-dev",
    "openssl/": "libssl-dev",
    "hs/": "libhyperscan-dev",
    "hs.h": "libhyperscan-dev",
    **{f"-l{name}": package for name, package in LIBRARIES.items()},
}
_MISSING = re.compile(r"fatal error: (\S+): No such file|cannot find (-l\S+)")

# Sections, so that what the linker keeps is what the exported functions need: Cython's module
# initialisation goes, and all of Python's API with it. -fwrapv and -fno-strict-aliasing cost
# nothing that was measured, and leave less to be wrong about.
_CODE = (
    *("-std=gnu11", "-O2", "-fPIC", "-pipe"),
    *("-fwrapv", "-fno-strict-aliasing", "-fno-semantic-interposition"),
    *("-ffunction-sections", "-fdata-sections", "-fdiagnostics-color=never"),
    # Cython's `inline` is only a hint, and a stage's body that is called twice would not be taken.
    "-DCYTHON_INLINE=inline __attribute__((always_inline))",
)
# What a model may say and a C programmer would not: `u8 <= 255`, `x == x`, `(a < b) < 2`; and a
# bool is an int where it is compared, but what functions of the runtime return is a u32.
_MODELS = (
    "-Wno-type-limits",
    "-Wno-tautological-compare",
    "-Wno-bool-compare",
    "-Wno-sign-compare",
)
_WARNINGS = ("-Wall", "-Wextra", *_MODELS)
# Set where nfverify is tested: a user's gcc or Cython may be a later one, and know more warnings.
STRICT = "NFVERIFY_WERROR"
_LINK = "-Wl,--gc-sections,-O1,-z,relro,-z,now"
# Without -fwrapv, so that signed overflow is found. A library that Python is to load can't have
# ASan, which has to be in a process first. ASan lists all globals, Cython's module among them, and
# so would keep what needs Python.
_SANITIZE = ("-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-fno-wrapv", "-g1")
_SANITIZERS: dict[Kind, tuple[str, ...]] = {
    "so": ("-fsanitize=undefined",),
    "exe": ("-fsanitize=address,undefined", "--param=asan-globals=0"),
}
_EXPORTS = "{ global: nf_*; local: *; };\n"

# What every library has and no model changes, and how it is optimised.
SHARED = {"nf_host": "-O2", "nf_forms": "-O1"}
MAIN = ("nf_main.c",)  # what a program has besides the generated code
_cython = Lock()  # its compiler keeps state of its own


@dataclass(frozen=True, slots=True)
class Unit:
    """What one build is made of: generated texts, libraries by LIBRARIES, and C files of the
    user's with their contents."""

    name: str
    pyx: str
    header: str
    libraries: tuple[str, ...] = ()
    user: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        unknown = set(self.libraries) - set(LIBRARIES)
        if unknown:
            raise ValueError(f"no libraries of the generator's: {sorted(unknown)}")


def check_name(name: str) -> None:
    """ValueError if it can't be the name of a module, a file and an argument alike."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME or keyword.iskeyword(name):
        raise ValueError(f"not the name of a module: {name[:80]!a}")


def flags(*, sanitize: bool = False) -> tuple[str, ...]:
    """How every unit is compiled and linked, for the cache's keys."""
    strict = ("-Werror",) if os.environ.get(STRICT) else ()
    return (*_CODE, *_WARNINGS, *strict, _LINK, *(_SANITIZE if sanitize else ()))


@cache
def cython_version() -> str:
    """Of the installed Cython, without importing it. BuildError if there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("cython")
    except PackageNotFoundError:
        raise BuildError("building a model needs Cython: pip install cython") from None


def write_sources(unit: Unit, folder: Path) -> Path:
    """NAME.pyx and NAME.h into the folder: the path of the former."""
    pyx = folder / f"{unit.name}.pyx"
    pyx.write_text(unit.pyx, encoding="utf-8")
    pyx.with_suffix(".h").write_text(unit.header, encoding="utf-8")
    return pyx


def to_c(unit: Unit, folder: Path) -> Path:
    """Writes the unit's sources into the folder, and NAME.c beside them: its path."""
    pyx = write_sources(unit, folder)
    cython_version()
    with _cython:
        collecting = gc.isenabled()
        gc.disable()  # Cython makes many small objects that stay: a tenth of its time
        try:
            return _run_cython(pyx)
        finally:
            if collecting:
                gc.enable()


def _run_cython(pyx: Path) -> Path:
    from Cython.Compiler import Options
    from Cython.Compiler.Main import CompilationOptions, compile_single

    # Of a public function Cython writes NAME.h, which is ours: it gets another name, and goes.
    made = pyx.with_name(f"{pyx.stem}.cy.c")
    options = CompilationOptions(
        output_file=str(made),
        include_path=[str(RUNTIME)],
        compiler_directives=DIRECTIVES,
    )
    said = io.StringIO()
    before = Options.warning_errors
    try:
        Options.warning_errors = bool(os.environ.get(STRICT))
        with redirect_stderr(said):
            result = compile_single(str(pyx), options, full_module_name=pyx.stem)
    finally:
        Options.warning_errors = before
    if result.num_errors or not made.is_file():
        raise GeneratedCodeError(_first_lines(f"Cython refuses {pyx.name}", said.getvalue()))
    made.with_suffix(".h").unlink(missing_ok=True)
    return made.replace(pyx.with_suffix(".c"))


def shared_object(name: str, folder: Path, *, sanitize: bool = False) -> Path:
    """One of SHARED, compiled into the folder: its path."""
    tools = toolchain()
    out = folder / f"{name}.o"
    checks = _SANITIZERS["so"] if sanitize else ()
    command = [tools.path, *arguments(tools, sanitize=sanitize), SHARED[name], *checks]
    _run_gcc([*command, "-c", "-o", str(out), str(RUNTIME / f"{name}.c")], "the runtime")
    return out


def link_library(
    unit: Unit, folder: Path, shared: Iterable[Path], *, sanitize: bool = False
) -> Path:
    """NAME.c in the folder, by `to_c`, and the objects of all SHARED to NAME.so: its path.

    Its only symbols are nf_*, and it doesn't need Python.
    """
    exports = folder / "exports.map"
    exports.write_text(_EXPORTS, encoding="ascii")
    out = folder / f"{unit.name}.so"
    version = f"-Wl,--version-script={exports}"
    more = ("-shared", "-Wl,--no-undefined", version, *map(str, shared))
    _link(unit, folder, "so", out, ("nf_shared.h", f"{unit.name}.c"), more, sanitize)
    return out


def link_program(unit: Unit, folder: Path, *, sanitize: bool = False) -> Path:
    """NAME.c in the folder, by `to_c`, to the program NAME, which doesn't need Python: its path."""
    out = folder / unit.name
    _link(unit, folder, "exe", out, (f"{unit.name}.c", *MAIN), (), sanitize)
    return out


def _link(
    unit: Unit,
    folder: Path,
    kind: Kind,
    out: Path,
    parts: Sequence[str],
    more: Sequence[str],
    sanitize: bool,
) -> None:
    """All parts as one piece of C, the user's files beside it, through gcc."""
    tools = toolchain()
    whole = folder / f"{unit.name}_{kind}.c"
    whole.write_text("".join(f'#include "{part}"\n' for part in parts), encoding="ascii")
    command = [tools.path, *arguments(tools, sanitize=sanitize), f"-I{folder}"]
    if sanitize:
        command.extend(_SANITIZERS[kind])
    objects = [_user_object(command, number, unit, folder) for number in range(len(unit.user))]
    command += ["-o", str(out), str(whole), *objects, *more]
    _run_gcc([*command, *(f"-l{name}" for name in unit.libraries)], unit.name)


def _user_object(command: Sequence[str], number: int, unit: Unit, folder: Path) -> str:
    """A C file of the user's, compiled: its object. BuildError says what gcc says."""
    name, text = unit.user[number]
    source = folder / f"{unit.name}_user{number}.c"
    source.write_text(text, encoding="utf-8")
    out = str(source.with_suffix(".o"))
    try:
        _run_gcc([*command, "-Wno-error", "-c", "-o", out, str(source)], name)
    except GeneratedCodeError as error:
        raise BuildError(str(error)) from error
    return out


def arguments(tools: Toolchain, *, sanitize: bool = False) -> tuple[str, ...]:
    """The compiler's flags on this machine."""
    return (*flags(sanitize=sanitize), *tools.machine, f"-I{RUNTIME}", f"-isystem{tools.include}")


def command_line(unit: Unit, kind: Kind) -> str:
    """How a person would compile the C that `--emit c` writes, for its first lines."""
    flags_ = [flag for flag in _CODE if not flag.startswith(("-pipe", "-fdiagnostics"))]
    words = ["gcc", *flags_, *toolchain().machine, "-Wl,--gc-sections"]
    words += ["-shared"] if kind == "so" else []
    words += [f"{unit.name}.c", "-o", f"{unit.name}.so" if kind == "so" else unit.name]
    words += [f"-l{name}" for name in unit.libraries]
    return f"{shlex.join(words)} $(python3-config --includes)"


def _run_gcc(command: Sequence[str], name: str) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GCC_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise BuildError(f"{command[0]} doesn't run: {error}") from error
    except subprocess.TimeoutExpired:
        raise BuildError(f"gcc took over {GCC_SECONDS} s for {name}") from None
    if not done.returncode:
        return
    missing = _MISSING.search(done.stderr)
    what = (missing[1] or missing[2]) if missing else ""
    if what and (what == "Python.h" or not what.startswith("nf_")):
        package = next((p for prefix, p in _PACKAGES.items() if what.startswith(prefix)), "")
        packages = package or "gcc libc6-dev"
        raise BuildError(
            f"building {name} needs {what}, which gcc doesn't find"
            f" (Debian, Ubuntu: apt-get install {packages})"
        )
    raise GeneratedCodeError(_first_lines(f"gcc refuses {name}", done.stderr))


def _first_lines(message: str, said: str) -> str:
    return "\n".join([message, *said.strip().splitlines()[:40]])
