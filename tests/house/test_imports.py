"""The house rules that hold for the imports: light at the front door, and in one direction."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def loaded_by(statement: str) -> set[str]:
    """Top-level modules and parts of nfverify that a fresh interpreter has loaded afterwards."""
    code = f"import sys\n{statement}\nprint(*sys.modules, file=sys.__stdout__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


def test_import_nfverify_is_light() -> None:
    loaded = loaded_by("import nfverify")
    assert "nfverify" in loaded
    assert not {"z3", "scapy", "hypothesis", "numpy", "rich", "pyparsing"} & loaded


def test_help_is_light() -> None:
    loaded = loaded_by("import nfverify.cli.main as m; m.main(['--help'])")
    assert "nfverify.cli.main" in loaded
    assert not {"z3", "scapy", "hypothesis", "numpy", "rich", "pyparsing"} & loaded
    assert {name for name in loaded if name.startswith("nfverify")} == {
        "nfverify",
        "nfverify.cli",
        "nfverify.cli.main",
    }


def test_a_model_loads_without_the_solver() -> None:
    loaded = loaded_by("import nfverify; nfverify.load('lib:edge')")
    assert "nfverify.smat.load" in loaded
    assert not {"z3", "scapy", "hypothesis", "numpy", "rich"} & loaded


def test_a_compiled_model_loads_without_the_compiler() -> None:
    build = "import nfverify; nfverify.compile('lib:firewall')"
    loaded_by(build)
    loaded = loaded_by(build)
    assert "nfverify.cythonized.host" in loaded
    assert not {"Cython", "z3", "scapy", "numpy", "rich", "nfverify.cythonized.generate"} & loaded


def test_public_names_are_there() -> None:
    import nfverify

    for name in nfverify.__all__:
        assert getattr(nfverify, name) is not None
        assert name in dir(nfverify)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nfverify.nothing  # noqa: B018  (the look-up is what is tested)


def test_imports_go_in_one_direction() -> None:
    """`lint-imports` with the contracts of pyproject.toml; docs/architecture.md shows them."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout


def test_the_direction_is_really_checked(tmp_path: Path) -> None:
    """A copy in which `packet` imports `semantics` breaks the contract, so the check can fail."""
    package = tmp_path / "nfverify"
    layers = ("cli", "gate", "lsp", "testing", "strategies", "report", "oracles", "equivalence")
    for name in ("", *layers, "checker", "cythonized", "fastpath", "semantics", "executors"):
        (package / name).mkdir()
        (package / name / "__init__.py").touch()
    for name in ("smat", "lang", "packet"):
        (package / name).mkdir()
        (package / name / "__init__.py").write_text("import nfverify.semantics\n")
    for name in ("", "dpdk", "linux", "onvm", "xdp"):
        (package / "oracles/platforms" / name).mkdir()
        (package / "oracles/platforms" / name / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "nfverify.packet is not allowed to import nfverify.semantics" in done.stdout


def test_every_package_folder_is_a_package() -> None:
    """A folder with Python in it but no __init__.py would be missing from the wheel."""
    folders = {
        module.parent
        for top in ("nfverify", "equivalence", "cythonized", "oracles", "models")
        for module in (ROOT / top).rglob("*.py")
    }
    assert len(folders) > 5
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


@pytest.mark.parametrize("name", ["equivalence", "cythonized", "oracles", "models"])
def test_outer_folders_are_sub_packages_by_symlink(name: str) -> None:
    link = ROOT / "nfverify" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    assert link.resolve() == ROOT / name
