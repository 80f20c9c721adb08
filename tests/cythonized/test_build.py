"""From generated Cython to a library: what the compilers are told, and what they may not accept."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nfverify.cythonized import compiler, toolchain
from nfverify.cythonized.build import unit
from nfverify.cythonized.built import Built
from nfverify.cythonized.compiler import (
    SHARED,
    Unit,
    check_name,
    link_library,
    shared_object,
    to_c,
)
from nfverify.cythonized.faults import BuildError, GeneratedCodeError
from nfverify.cythonized.library import COUNTERS, Library
from nfverify.cythonized.options import Options
from nfverify.cythonized.toolchain import cpu_features, machine_flags
from nfverify.semantics.machine import ERRORS
from nfverify.smat.load import load

_FUNCTION = "cdef public {} noexcept nogil:\n    return {}\n"


def made_of(pyx: str, header: str = "") -> Unit:
    return Unit("tiny", pyx, header)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("shared")
    return [shared_object(name, folder) for name in SHARED]


@pytest.fixture
def fresh_toolchain() -> Iterator[None]:
    toolchain.toolchain.cache_clear()
    yield
    toolchain.toolchain.cache_clear()


@pytest.mark.parametrize("model", ["lib:firewall", "lib:napt", "lib:edge"])
def test_a_library_has_only_our_symbols_and_needs_no_python(
    model: str, shared: list[Path], tmp_path: Path
) -> None:
    made = unit(load(model), Options())
    to_c(made, tmp_path)
    library = link_library(made, tmp_path, shared)
    listed = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True)
    symbols = [line.split()[-2:] for line in listed.stdout.splitlines()]
    defined = {name for kind, name in symbols if kind in "TDBR"}
    assert {"nf_describe", "nf_push", "nf_host_run", "nf_job_run"} <= defined
    assert all(name.startswith("nf_") for name in defined)
    assert not [name for _, name in symbols if "Py" in name]


def test_builds_are_equal_files(shared: list[Path], tmp_path: Path) -> None:
    made, contents = unit(load("lib:firewall"), Options()), []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        to_c(made, tmp_path / name)
        contents.append(link_library(made, tmp_path / name, shared).read_bytes())
    assert contents[0] == contents[1]


def test_python_objects_in_generated_code_are_refused(shared: list[Path], tmp_path: Path) -> None:
    made = unit(load("lib:firewall"), Options())
    made = replace(made, pyx=f"{made.pyx}\n\ncdef public object nf_name():\n    return [1]\n")
    to_c(made, tmp_path)
    with pytest.raises(GeneratedCodeError, match="undefined reference to `Py"):
        link_library(made, tmp_path, shared)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("nothing", "undeclared name"),
        ("len(str(1))", "without gil"),
        ("0 +", "Expected"),
    ],
)
def test_what_cython_refuses_or_warns_of_is_an_error(
    body: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(GeneratedCodeError, match=said):
        to_c(made_of(_FUNCTION.format("int nf_x()", body)), tmp_path)
    assert capfd.readouterr().err == ""
    to_c(made_of(_FUNCTION.format("int nf_x()", "0")), tmp_path)  # the next one is as the first


def test_warnings_of_gcc_are_errors(shared: list[Path], tmp_path: Path) -> None:
    made = made_of(_FUNCTION.format("int nf_x()", "0"), "")
    to_c(made, tmp_path)
    with (tmp_path / "tiny.c").open("a") as stream:
        stream.write("static int unused(int a) { int b; return 0; }\n")
    with pytest.raises(GeneratedCodeError, match="unused parameter 'a'"):
        link_library(made, tmp_path, shared)


def test_a_users_compiler_may_warn(
    shared: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NFVERIFY_WERROR")
    made = unit(load("lib:firewall"), Options())
    to_c(replace(made, pyx=f"{made.pyx}\n\ncdef int odd() noexcept nogil:\n    x = 0\n"), tmp_path)
    with (tmp_path / "firewall.c").open("a") as stream:
        stream.write("static int unused(int a) { int b; return 0; }\n")
    Library(link_library(made, tmp_path, shared))


@pytest.mark.parametrize(
    "name", ["", "a-b", "a b", "../a", "-o", "a.b", "0a", "é", "class", "a" * 65, "a\n", "a;b"]
)
def test_what_is_no_name_of_a_module(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a module"):
        check_name(name)
    with pytest.raises(ValueError, match="not the name of a module"):
        Unit(name, "", "")


def test_only_known_libraries_reach_the_linker() -> None:
    with pytest.raises(ValueError, match="evil"):
        Unit("a", "", "", ("crypto", "evil"))


# What is missing --------------------------------------------------------------------------


@pytest.mark.usefixtures("fresh_toolchain")
def test_without_gcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"no gcc on the PATH.*apt-get install gcc"):
        toolchain.toolchain()


@pytest.mark.usefixtures("fresh_toolchain")
def test_without_pythons_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(BuildError, match=r"Python\.h.*apt-get install python3-dev"):
        toolchain.toolchain()


@pytest.mark.usefixtures("fresh_toolchain")
def test_a_gcc_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gcc").write_text("#!/bin/sh\necho no licence >&2\nexit 3\n")
    (tmp_path / "gcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(BuildError, match="ended with 3: no licence"):
        toolchain.toolchain()


@pytest.mark.parametrize(
    ("header", "package"),
    [
        ("openssl/nothing.h", "libssl-dev"),
        ("hs/nothing.h", "libhyperscan-dev"),
        ("sys/nothing.h", "gcc libc6-dev"),
    ],
)
def test_a_missing_header_names_its_package(
    header: str, package: str, shared: list[Path], tmp_path: Path
) -> None:
    made = made_of(f'cdef extern from "<{header}>":\n    pass\n')
    to_c(made, tmp_path)
    with pytest.raises(BuildError, match=f"needs {header}.*apt-get install {package}"):
        link_library(made, tmp_path, shared)


def test_a_missing_library_names_its_package(
    shared: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(compiler.LIBRARIES, "hs-of-nobody", "")
    made = Unit("tiny", _FUNCTION.format("int nf_x()", "0"), "", ("hs-of-nobody",))
    to_c(made, tmp_path)
    with pytest.raises(BuildError, match=r"needs -lhs-of-nobody.*apt-get install libhyperscan-dev"):
        link_library(made, tmp_path, shared)


# The processor ----------------------------------------------------------------------------

_V2 = frozenset(["cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"])
_V3 = _V2 | frozenset(["abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"])


@pytest.mark.parametrize(
    ("features", "flags"),
    [
        (_V3 | {"aes", "avx512f"}, ("-march=x86-64-v3", "-maes")),
        (_V3, ("-march=x86-64-v3",)),
        (_V3 - {"bmi2"} | {"aes"}, ("-march=x86-64-v2", "-maes")),
        (_V2 - {"popcnt"}, ("-march=x86-64",)),
        (frozenset(), ("-march=x86-64",)),
    ],
)
def test_flags_go_by_level(
    features: frozenset[str], flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain.platform, "machine", lambda: "x86_64")
    assert machine_flags(features) == flags


def test_another_architecture_gets_no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.platform, "machine", lambda: "aarch64")
    assert machine_flags(cpu_features()) == ()


@pytest.mark.parametrize("flags", [("-march=x86-64",), ("-march=x86-64-v2", "-maes")])
def test_older_processors_level_builds_and_runs(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = replace(toolchain.toolchain(), machine=flags)
    monkeypatch.setattr(compiler, "toolchain", lambda: tools)
    made = unit(load("lib:napt"), Options())
    to_c(made, tmp_path)
    objects = [shared_object(name, tmp_path) for name in SHARED]
    library = Library(link_library(made, tmp_path, objects))
    with Built(library) as function:
        assert function.process([b"not a frame"]) == [[]]
        assert function.counters["malformed"] == 1


def test_counters_are_the_machines() -> None:
    assert COUNTERS == ERRORS
