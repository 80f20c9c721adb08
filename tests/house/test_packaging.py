"""The sdist and the wheel: complete, and each does its work in an empty environment elsewhere."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from sharing import shared

from nfverify.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = (".so", ".pyc", "_kernel.c")


def call(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """The command's output; its failure is the test's."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def package_files(folder: Path, prefix: str = "nfverify") -> Iterator[str]:
    """Every file of the package in the source tree, through the symlinks, by its installed name."""
    for entry in sorted(folder.iterdir()):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from package_files(entry, name)
        elif not name.endswith(LEFT_OUT):
            yield name


@pytest.fixture(scope="session")
def dists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist of a copy of the tree, and the wheel that this sdist (not the tree) builds."""
    return shared(tmp_path_factory, "packaging", packages) / "dist"


def packages(folder: Path) -> None:
    skip = shutil.ignore_patterns(
        ".*", "build", "dist", "tests", "*.egg-info", "__pycache__", "*.so", "_kernel.c"
    )
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, symlinks=True, ignore=skip)
    call(*(sys.executable, "-m", "build", "--no-isolation"), "--outdir", folder / "dist", cwd=tree)


@pytest.fixture(scope="module")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked versions as constraints; hashes are left out, the project itself has none."""
    file = tmp_path_factory.mktemp("pins") / "constraints.txt"
    pinned = re.findall(r"^[\w.-]+==[\w.]+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    file.write_text("\n".join(pinned))
    return file


def test_sdist_has_the_whole_package(dists: Path) -> None:
    (archive,) = dists.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {member.name.partition("/")[2] for member in tar}
        assert not [member.name for member in tar if member.issym() or member.islnk()]
    assert set(package_files(ROOT / "nfverify")) <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "setup.py"} <= names


def test_wheel_has_the_whole_package_and_nothing_else(dists: Path) -> None:
    (archive,) = dists.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        names = {n for n in wheel.namelist() if not n.endswith((".so", "/"))}
        kernels = {n.partition(".")[0] for n in wheel.namelist() if n.endswith(".so")}
    pages = {name for name in names if ".data/data/share/man/man1/nfverify" in name}
    assert len(pages) == len(COMMANDS) + 1
    package = {name for name in names if ".dist-info/" not in name} - pages
    assert package == set(package_files(ROOT / "nfverify"))
    if find_spec("nfverify.equivalence.rulesets._kernel"):  # this system could compile it
        assert "nfverify/equivalence/rulesets/_kernel" in kernels


def test_installed_elsewhere_they_prove_and_compile(
    dists: Path, pins: Path, tmp_path: Path
) -> None:
    """The wheel in an empty environment, which gets what it asks for; the sdist in its place."""
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    bin_ = tmp_path / "venv" / "bin"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-compile")
    # The wheel is what the sdist built; to build it once more is for NFVERIFY_SEEK=1.
    ways: list[tuple[str, tuple[str, ...]]] = [("*.whl", ())]
    if os.environ.get("NFVERIFY_SEEK"):
        ways.append(("*.tar.gz", ("--force-reinstall", "--no-deps")))
    for pattern, more in ways:
        (archive,) = dists.glob(pattern)
        call(
            *(bin_ / "python", "-m", "pip", "install", *quiet, *more, archive),
            cwd=tmp_path,
            env={"PIP_CONSTRAINT": str(pins)},  # in the environment: it holds for the build, too
        )
        elsewhere = tmp_path / pattern.strip("*.")
        elsewhere.mkdir()
        works(bin_, elsewhere, tmp_path / "cache")


def works(bin_: Path, elsewhere: Path, cache: Path) -> None:
    where = call(bin_ / "python", "-c", "import nfverify; print(nfverify.__file__)", cwd=elsewhere)
    assert Path(where.strip()).is_relative_to(bin_.parent)
    verdict = call(bin_ / "nfverify", "equiv", "lib:edge", "lib:edge-table", cwd=elsewhere)
    assert re.search(r"^equivalent\b", verdict, re.MULTILINE)
    test = elsewhere / "it.nftest.toml"
    test.write_text('[same]\nequiv = ["lib:firewall", "lib:firewall"]\n')
    assert "1 passed" in call(bin_ / "pytest", "-q", cwd=elsewhere)
    built = call(
        *(bin_ / "nfverify", "build", "lib:firewall", "--emit", "so", "--emit", "exe"),
        cwd=elsewhere,
        env={"XDG_CACHE_HOME": str(cache)},
    )
    assert built == "firewall.so\nfirewall\n"
    sources = call(
        *(bin_ / "nfverify", "build", "lib:firewall", "--platform", "linux", "-o", "linux"),
        cwd=elsewhere,
    )
    assert (elsewhere / "linux" / "Makefile").is_file(), sources
