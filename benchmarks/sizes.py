"""Lines of code: of each platform beside NFD's Table II, of each library model beside its 20.

Counted are lines that hold code: no blank lines, no comments, no docstrings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = ROOT / "oracles" / "platforms"
SUFFIXES = (".py", ".c", ".h", ".cpp", ".hpp", ".bpf.c")
NFD_MODEL = 20  # lines on average, of 14 (section VII-A)
_C_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|/\*.*?\*/|//[^\n]*', re.DOTALL)
_MODEL_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|/\*.*?\*/|(?://|#)[^\n]*', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of our folders, and what NFD's Table II has for the same, if anything."""

    name: str
    paths: tuple[Path, ...]
    theirs: int | None

    @property
    def mine(self) -> int:
        return sum(lines(file) for path in self.paths for file in sources(path))


XDP = PLATFORMS / "xdp"
HOST = tuple(
    XDP / f"{name}.py"
    for name in (
        *("attach", "btf", "engine", "libbpf", "links"),
        *("live", "loader", "maps", "rows", "state"),
    )
)
RUNTIME = PLATFORMS / "cpp" / "runtime"
PROGRAM = tuple(RUNTIME / f"nf_{name}.hpp" for name in ("burst", "network", "options", "program"))
PARTS = (
    Part("C++ back end: prints programs", tuple(sorted((PLATFORMS / "cpp").glob("*.py"))), 1137),
    Part("C++ program: options, loop, statistics", PROGRAM, 752),
    Part(
        "its captures, states, schedules, `--bench`",
        tuple(sorted(set(RUNTIME.glob("*.hpp")) - set(PROGRAM))),
        None,
    ),
    Part("linux", (PLATFORMS / "linux",), None),
    Part(
        "dpdk",
        (PLATFORMS / "dpdk" / "__init__.py", PLATFORMS / "dpdk" / "runtime" / "nf_ethdev.hpp"),
        167,
    ),
    Part(
        "dpdk: captures to the ns, `--bench`",
        (PLATFORMS / "dpdk" / "runtime" / "nf_dpdk.hpp",),
        None,
    ),
    Part("onvm", tuple(sorted((PLATFORMS / "onvm").glob("*.*"))), None),
    Part("onvm's host", (PLATFORMS / "onvm" / "host",), None),
    Part("xdp: programs", tuple(sorted(set(XDP.rglob("*.*")) - set(HOST))), None),
    Part("xdp: loads, attaches, reads maps", HOST, None),
)


def sources(path: Path) -> Iterator[Path]:
    """The file, or those of the folder."""
    if path.is_file():
        yield from [path] if path.name.endswith(SUFFIXES) else []
    else:
        yield from sorted(f for f in path.rglob("*") if f.name.endswith(SUFFIXES))


def lines(file: Path) -> int:
    """Lines of code in a file of Python, C, C++ or a model."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return _python(text)
    comment = _MODEL_COMMENT if file.suffix == ".nfd" else _C_COMMENT
    bare = comment.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)
    return sum(bool(line.strip()) for line in bare.splitlines())


def _python(text: str) -> int:
    counted = {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        for said in body if isinstance(body, list) else ():
            if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant):
                counted -= set(range(said.lineno, (said.end_lineno or said.lineno) + 1))
    return len(counted)


def platforms() -> list[tuple[str, int, int | None]]:
    return [(part.name, part.mine, part.theirs) for part in PARTS]


def models() -> list[tuple[str, int]]:
    """Each model of the library, but the table that a chain was made into."""
    files = sorted((ROOT / "models").glob("*.nfd"))
    return [(file.stem, lines(file)) for file in files if file.stem != "edge-table"]
