"""Tests say what system packages they need: named where they are missing, a failure in CI."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import platforms
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def poor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A system without clang, and without the right or the means to install anything."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for folder in map(Path, ("/bin", "/usr/bin", "/usr/sbin")):
        for tool in folder.iterdir():
            link = bin_ / tool.name
            if not tool.name.startswith(("apt-", "clang", "sudo")) and not link.is_symlink():
                link.symlink_to(tool)
    text = platforms.PACKAGES.read_text().replace("PATH=$PATH:/usr/sbin:/sbin", ":")
    script = tmp_path / "packages"
    script.write_text(text)
    script.chmod(0o755)
    monkeypatch.setattr(platforms, "PACKAGES", script)
    monkeypatch.setenv("PATH", str(bin_))
    platforms.missing.cache_clear()
    yield script
    platforms.missing.cache_clear()


def test_what_is_missing_is_named_with_its_package(poor: Path) -> None:
    assert platforms.missing("clang", "libbpf") == ("clang: clang llvm",)
    done = subprocess.run([poor], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "missing: clang (package clang llvm); left out: tests of the platform xdp" in done.stderr


def tool(folder: Path, name: str, text: str) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("user", [0, 1000])
def test_what_is_missing_is_installed(poor: Path, user: int) -> None:
    """By root, or by sudo; under the first of its names that this system knows."""
    bin_ = poor.parent / "bin"
    log = poor.parent / "log"
    (bin_ / "bpftool").unlink(missing_ok=True)
    tool(bin_, "id", f"echo {user}")
    tool(bin_, "apt-cache", '[ "$2" != bpftool ]')
    made = f'printf "#!/bin/bash\\n" >{bin_}/clang; chmod +x {bin_}/clang'
    tool(bin_, "apt-get", f'echo "$0 $*" >>{log}; [ "$1" != install ] || {{ {made}; }}')
    tool(bin_, "sudo", f'echo sudo >>{log}; [ "$1" = -n ] && shift; exec "$@"')
    done = subprocess.run([poor], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    said = log.read_text()
    assert "install -y -q --no-install-recommends clang llvm linux-tools-common\n" in said
    assert ("sudo" in said) == (user != 0)
    # It came with no bpftool that runs.
    assert "missing: bpftool" in done.stderr
    assert "missing: clang" not in done.stderr


def test_left_out_elsewhere_but_a_failure_in_ci(
    poor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs clang: clang llvm"):
        platforms.require("clang")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI must have: clang: clang llvm"):
        platforms.require("clang")


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no such package: clagn"):
        platforms.missing("clagn")


def test_ci_has_everything() -> None:
    """So that no test is left out there unnoticed."""
    if os.environ.get("CI"):
        platforms.require("linux", "dpdk", "onvm", "xdp", "bpftool", "namespaces")
    listed = subprocess.run(
        [platforms.PACKAGES, "--list"], capture_output=True, text=True, check=True
    )
    known = {line.split()[0] for line in listed.stdout.splitlines()}
    parts = {part for parts in platforms.IMPLIED.values() for part in parts}
    assert parts - known == {"root", "bpf", "netns"}
