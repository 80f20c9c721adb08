"""The cache of builds: whole or not there, private, bounded, and only for what it was made of."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import nfverify
from nfverify.cli.main import main
from nfverify.cythonized import cache as cache_module
from nfverify.cythonized import fingerprint as fingerprint_module
from nfverify.cythonized.cache import DEFAULT_SIZE, Cache, default_folder, size_limit
from nfverify.cythonized.faults import BuildError
from nfverify.cythonized.fingerprint import fingerprint
from nfverify.cythonized.options import Options
from nfverify.cythonized.toolchain import Toolchain, toolchain
from nfverify.smat import ir
from nfverify.smat.load import load_text

KEY, OTHER = "a" * 64, "b" * 64


def make(data: bytes) -> cache_module.Callable[[Path], Path]:
    """What builds an entry of this content."""

    def build(folder: Path) -> Path:
        assert list(folder.iterdir()) == []
        made = folder / "made.so"
        made.write_bytes(data)
        return made

    return build


def never(folder: Path) -> Path:
    raise AssertionError("it is in the cache")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", 1000)


def test_what_was_built_is_found_again(cache: Cache) -> None:
    built = cache.library(KEY, make(b"one"))
    assert built.read_bytes() == b"one"
    assert cache.library(KEY, never) == built
    assert cache.library(OTHER, make(b"two")).read_bytes() == b"two"
    assert (cache.usage().entries, cache.usage().size) == (2, 6)


@pytest.mark.parametrize("damage", [b"", b"onE", b"one more"])
def test_what_is_damaged_is_built_again(cache: Cache, damage: bytes) -> None:
    built = cache.library(KEY, make(b"one"))
    built.write_bytes(damage)
    assert cache.library(KEY, make(b"one")).read_bytes() == b"one"
    assert cache.usage().entries == 1


def test_an_entry_that_is_a_link_is_not_followed(cache: Cache, tmp_path: Path) -> None:
    built = cache.library(KEY, make(b"one"))
    elsewhere = tmp_path / "elsewhere"
    built.rename(elsewhere)
    built.symlink_to(elsewhere)
    again = cache.library(KEY, make(b"one"))
    assert not again.is_symlink()
    assert elsewhere.read_bytes() == b"one"


def test_a_build_that_fails_leaves_nothing(cache: Cache) -> None:
    def fail(folder: Path) -> Path:
        (folder / "half").touch()
        raise BuildError("no compiler")

    with pytest.raises(BuildError, match="no compiler"):
        cache.library(KEY, fail)
    assert [f.name for f in cache.folder.iterdir()] == ["locks"]
    assert cache.library(KEY, make(b"one")).read_bytes() == b"one"


def test_the_folder_is_private(cache: Cache) -> None:
    cache.library(KEY, make(b"one"))
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    cache.folder.chmod(0o755)  # that others may read is mended
    cache.library(KEY, never)
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_is_refused(cache: Cache) -> None:
    cache.library(KEY, make(b"one"))
    cache.folder.chmod(0o770)
    for use in (lambda: cache.library(KEY, make(b"one")), cache.clear):
        with pytest.raises(BuildError, match="others may write to it"):
            use()


def test_a_linked_folder_is_refused(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    cache.folder.symlink_to(tmp_path / "real")
    with pytest.raises(BuildError, match="a link or a file"):
        cache.library(KEY, make(b"one"))
    assert list((tmp_path / "real").iterdir()) == []


def test_another_users_folder_is_refused(cache: Cache) -> None:
    cache.library(KEY, make(b"one"))
    if os.geteuid():
        pytest.skip("only root can give a folder to another user")
    os.chown(cache.folder, 12345, 12345)
    with pytest.raises(BuildError, match="belongs to another user"):
        cache.library(KEY, make(b"one"))


def test_a_place_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="XDG_CACHE_HOME"):
        Cache(tmp_path / "file" / "nfverify", 1000).library(KEY, make(b"one"))


def test_the_ones_used_longest_ago_go_first(cache: Cache) -> None:
    keys = [f"{n:064x}" for n in range(5)]
    for number, key in enumerate(keys[:3]):
        os.utime(cache.library(key, make(b"x" * 300)), (number, number))
    cache.library(keys[0], never)  # used now
    cache.library(keys[3], make(b"x" * 300))  # for which key 1 goes
    assert {file.name[:64] for file in cache.folder.glob("*.so")} == {keys[0], keys[2], keys[3]}
    cache.library(keys[4], make(b"x" * 900))
    assert {file.name[:64] for file in cache.folder.glob("*.so")} == {keys[4]}


def test_the_newest_stays_even_if_it_is_too_large(cache: Cache) -> None:
    cache.library(KEY, make(b"one"))
    large = cache.library(OTHER, make(b"x" * 2000))
    assert cache.usage().entries == 1
    assert cache.library(OTHER, never) == large


def test_broken_off_builds_are_swept_away(cache: Cache) -> None:
    cache.library(KEY, make(b"one"))
    for name, time in (("build-old", 1000), ("build-now", None)):
        (cache.folder / name).mkdir()
        (cache.folder / name / "half").touch()
        if time:
            os.utime(cache.folder / name, (time, time))
    cache.library(OTHER, make(b"two"))
    assert sorted(f.name for f in cache.folder.glob("build-*")) == ["build-now"]


_RACE = """
import sys
from pathlib import Path
from nfverify.cythonized.cache import Cache
folder, started, go = map(Path, sys.argv[1:4])
(started / sys.argv[4]).touch()
while not go.exists():
    pass
def make(work):
    with (started / "builds").open("a") as stream:
        stream.write("x")
    made = work / "made.so"
    with made.open("wb") as stream:
        for _ in range(1000):
            stream.write(b"some of it")
            stream.flush()
    return made
print(Cache(folder, 10**6).library("c" * 64, make).read_bytes().count(b"some of it"))
"""


def test_ten_processes_build_one_key_at_once(tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    started.mkdir()
    command = [sys.executable, "-c", _RACE, tmp_path / "cache", started, go]
    running = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(10)
    ]
    while len(list(started.iterdir())) < 10:
        assert all(process.poll() is None for process in running)
    go.touch()
    said = [process.communicate(timeout=60)[0] for process in running]
    assert said == ["1000\n"] * 10
    assert (started / "builds").read_text() == "x"  # nine waited
    assert len(list((tmp_path / "cache").glob("*.so"))) == 1
    assert list((tmp_path / "cache").glob("build-*")) == []


# Where, and how much ----------------------------------------------------------------------


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "nfverify"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which its standard says to ignore
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "nfverify"


@pytest.mark.parametrize(
    ("text", "size"), [("", DEFAULT_SIZE), ("100", 100), ("2M", 2 << 20), ("1GiB", 1 << 30)]
)
def test_how_much_it_holds(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFVERIFY_CACHE_SIZE", text)
    assert size_limit() == size


def test_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NFVERIFY_CACHE_SIZE", "3M")
    assert main(["cache", "info"]) == 0
    folder = tmp_path / "nfverify"
    assert capsys.readouterr().out.startswith(f"{folder}\n0 builds, 0.0 MB of 3.0 MB\n")
    Cache().library(KEY, make(b"x" * (1 << 20)))
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out.startswith(f"{folder}\n1 build, 1.0 MB of 3.0 MB\n")
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("1 build removed, 1.0 MB\n")
    assert Cache().usage().entries == 0


def test_a_wrong_size_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NFVERIFY_CACHE_SIZE", "lots")
    assert main(["cache", "info"]) == 2
    assert "NFVERIFY_CACHE_SIZE='lots' is no size" in capsys.readouterr().err


# Keys -------------------------------------------------------------------------------------

MODEL = "program p { int n = 0; entry one { action_state { n = n + 1; } } }\n"


def key(text: str = MODEL, options: Options | None = None, user: tuple[str, str] | None = None):
    return fingerprint(load_text(text), options or Options(), (user,) if user else ())


def test_equal_models_have_equal_keys() -> None:
    assert key() == key()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n + 1", "n + 2"),
        ("int n = 0", "int n = 1"),
        ("int n", "bit<32> n"),
        ("program p", "program q"),
        ("entry one", "entry two"),
        ("entry", "\nentry"),  # lines stand in the code
    ],
)
def test_another_model_has_another_key(old: str, new: str) -> None:
    assert key(MODEL.replace(old, new)) != key()


@pytest.mark.parametrize("name", ["batch", "prefetch", "fuse", "classifier", "sanitize"])
def test_every_option_is_in_the_key(name: str) -> None:
    options = Options()
    assert key(options=replace(options, **{name: not getattr(options, name)})) != key()


def test_the_users_c_is_in_the_key() -> None:
    keys = {key(), key(user=("a.c", "int x;")), key(user=("a.c", "int y;"))}
    assert len(keys) == 3


@pytest.mark.parametrize("name", ["path", "version", "machine", "include"])
def test_the_compiler_is_in_the_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, tools = key(), toolchain()
    other: object = ("-march=x86-64",) if name == "machine" else "another"
    changed: Toolchain = replace(tools, **{name: other})
    monkeypatch.setattr(fingerprint_module, "toolchain", lambda: changed)
    assert key() != before


def test_versions_are_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(fingerprint_module, "cython_version", lambda: "3.0")
    cython = key()
    monkeypatch.setattr(nfverify, "__version__", "9.9")
    assert len({before, cython, key()}) == 3


def test_a_deep_expression_has_a_key() -> None:
    network = load_text(MODEL)
    test: ir.Expr = ir.TRUE
    for _ in range(5000):
        test = ir.Not(test)
    program = replace(network.instances[0].program, body=(ir.If(test, (), ()),))
    deep = replace(network, instances=(ir.Instance("p", program),))
    assert fingerprint(deep, Options()) != key()
