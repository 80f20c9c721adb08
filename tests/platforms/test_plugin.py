"""The platform that docs/platforms.md builds from nothing: short, and a package as any other. That
it does what models mean is tested with the page itself (tests/docs)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "platforms.md"
FILES = re.compile(r"^```\w+ file=lines/(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's package, installed in a folder."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "lines"
    source.mkdir()
    for name, text in FILES.findall(PAGE.read_text(encoding="utf-8")):
        (source / name).write_text(text, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    options = ["--no-index", "--no-build-isolation", "--no-deps", "--target", folder / "site"]
    subprocess.run([*pip, *options, source], check=True, timeout=120)
    return folder / "site"


def run(site: Path, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nfverify", *args],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_is_built_in_under_60_lines() -> None:
    files = dict(FILES.findall(PAGE.read_text(encoding="utf-8")))
    assert set(files) == {"pyproject.toml", "nfverify_lines.py"}
    assert sum(len(text.splitlines()) for text in files.values()) < 60


def test_it_is_listed_and_writes_sources(site: Path, tmp_path: Path) -> None:
    listed = run(site, "platforms")
    assert "\nlines  present " in listed.stdout or "\nlines  missing " in listed.stdout
    built = run(site, "build", "lib:napt", "--platform", "lines", "-o", tmp_path / "napt")
    assert built.returncode == 0, built.stderr
    main = (tmp_path / "napt" / "main.cpp").read_text()
    assert "#include <fstream>" in main
    assert "bool receive(Burst &b)" in main
    assert (tmp_path / "napt" / "napt.cpp").is_file()


def test_without_it_there_is_none(tmp_path: Path) -> None:
    done = run(tmp_path, "build", "lib:napt", "--platform", "lines", "-o", tmp_path)
    assert done.returncode == 2
    assert "no platform 'lines'; there are linux, dpdk, xdp, onvm" in done.stderr
