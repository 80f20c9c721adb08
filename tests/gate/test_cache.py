"""A result stands for another run only if all that it rests on is the same."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nfverify.cythonized.faults import BuildError
from nfverify.gate import keys, spec
from nfverify.gate.cache import Cache
from nfverify.gate.keys import Keys
from nfverify.gate.recording import Input, input_of
from nfverify.report.results import Place, Result, Status

KEY = "a" * 64
COMMON = spec.Common("pair", "equiv", Place("nfverify.toml", 1), 60, 1 << 30, "bypass", ())
CHECK = spec.Equiv(COMMON, "a.nfd", "b.nfd", "packets", (), (), False, None, (), "")
PASSED = Result("pair", "equiv", "passed", "the same")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    Path("a.nfd").write_text("one")
    Path("b.nfd").write_text("two")
    return Cache(tmp_path / "cache" / "gate")


def _inputs(*paths: str) -> tuple[Input, ...]:
    return tuple(map(input_of, paths or ("a.nfd", "b.nfd", "b.nfd:main")))


def _is_there(cache: Cache) -> bool:
    return cache.find(KEY, CHECK) is not None


def test_a_result_is_found_while_nothing_changes(cache: Cache) -> None:
    assert not _is_there(cache)
    cache.add(KEY, _inputs(), PASSED)
    assert cache.find(KEY, CHECK) == (PASSED, _inputs())
    assert cache.find("b" * 64, CHECK) is None
    assert cache.files(KEY) == {"a.nfd", "b.nfd", "b.nfd:main"}


def _written() -> None:
    Path("b.nfd").write_text("three")


def _gone() -> None:
    Path("b.nfd").unlink()


def _appeared() -> None:
    Path("b.nfd:main").touch()


def _linked() -> None:
    """The same content in another folder, where imports mean other files."""
    Path("other").mkdir()
    Path("b.nfd").rename("other/b.nfd")
    Path("b.nfd").symlink_to("other/b.nfd")


@pytest.mark.parametrize("change", [_written, _gone, _appeared, _linked])
def test_what_changes_a_file_makes_the_check_run_again(
    cache: Cache, change: Callable[[], None]
) -> None:
    cache.add(KEY, _inputs(), PASSED)
    change()
    assert not _is_there(cache)


def test_a_folder_counts_by_what_is_in_it(cache: Cache) -> None:
    Path("suite").mkdir()
    cache.add(KEY, _inputs("suite"), PASSED)
    assert _is_there(cache)
    Path("suite/new.pcap").touch()
    assert not _is_there(cache)


def test_earlier_contents_are_remembered_too(cache: Cache) -> None:
    cache.add(KEY, _inputs(), PASSED)
    Path("b.nfd").write_text("three")
    cache.add(KEY, _inputs("a.nfd", "b.nfd"), replace(PASSED, status="different"))
    assert cache.find(KEY, CHECK)[0].status == "different"  # type: ignore[index]
    Path("b.nfd").write_text("two")
    assert cache.find(KEY, CHECK)[0].status == "passed"  # type: ignore[index]


@pytest.mark.parametrize("status", ["unknown", "error", "accepted"])
def test_only_what_is_certain_is_kept(cache: Cache, status: Status) -> None:
    cache.add(KEY, _inputs(), replace(PASSED, status=status))
    assert not _is_there(cache)


# Entries that somebody, or something, has spoilt ---------------------------------------------


def _entries(cache: Cache) -> list[Path]:
    return sorted(cache.folder.iterdir())


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"{}", b"\xff" * 99, b"[" * 99999, b'{"name": 1}', b"cut"],
    ids=["empty", "line", "object", "bytes", "deep", "name", "cut"],
)
def test_a_damaged_entry_is_none(cache: Cache, data: bytes) -> None:
    from hashlib import sha256

    cache.add(KEY, _inputs(), PASSED)
    for path in _entries(cache):
        whole = path.read_bytes()
        signed = sha256(data).hexdigest().encode() + b"\n" + data
        for spoilt in (data, signed, whole[: len(whole) // 2], whole + b" "):
            path.write_bytes(spoilt)
            assert not _is_there(cache)
            cache.add(KEY, _inputs(), PASSED)
    assert _is_there(cache)


def test_an_entry_under_another_name_is_none(cache: Cache) -> None:
    cache.add(KEY, _inputs(), PASSED)
    before = set(_entries(cache))
    Path("b.nfd").write_text("broken")
    cache.add(KEY, _inputs(), replace(PASSED, status="different"))
    (bad,) = set(_entries(cache)) - before
    for good in before:
        bad.write_bytes(good.read_bytes())
        found = cache.find(KEY, CHECK)
        assert found is None
        bad.unlink(missing_ok=True)


def test_a_result_of_another_check_is_none(cache: Cache) -> None:
    cache.add(KEY, _inputs(), replace(PASSED, name="other"))
    assert not _is_there(cache)
    cache.add(KEY, _inputs(), replace(PASSED, kind="prove"))
    assert not _is_there(cache)


def test_a_link_is_no_entry(cache: Cache, tmp_path: Path) -> None:
    cache.add(KEY, _inputs(), PASSED)
    for path in _entries(cache):
        elsewhere = tmp_path / path.name
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
    assert not _is_there(cache)


def test_a_folder_that_others_may_write_to_is_refused(cache: Cache) -> None:
    cache.add(KEY, _inputs(), PASSED)
    cache.folder.chmod(0o777)
    with pytest.raises(BuildError, match="others may write to it"):
        cache.find(KEY, CHECK)
    cache.folder.chmod(0o750)
    assert _is_there(cache)
    assert cache.folder.stat().st_mode & 0o777 == 0o700


def test_what_was_used_longest_ago_goes_first(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.add(KEY, _inputs(), PASSED)
    for path in _entries(cache):
        os.utime(path, (1, 1))
    monkeypatch.setattr("nfverify.gate.cache.MAX_TOTAL", 1000)
    cache.add("b" * 64, _inputs(), replace(PASSED, title="x" * 300))
    assert not _is_there(cache)
    assert cache.usage()[1] <= 1000
    cache.clear()
    assert cache.usage() == (0, 0)


# Keys ---------------------------------------------------------------------------------------


def _key(check: spec.AnyCheck = CHECK) -> str | None:
    return Keys().of(check)


def test_all_that_a_check_says_is_in_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = _key()
    moved = replace(CHECK, common=replace(COMMON, place=Place("nfverify.toml", 7)))
    assert _key(moved) == key
    for other in (
        replace(CHECK, b="c.nfd"),
        replace(CHECK, assume=("f[TCP] == 1",)),
        replace(CHECK, cross_check="cvc5"),
        replace(CHECK, common=replace(COMMON, non_ip="drop")),
    ):
        assert _key(other) not in (key, None)
    monkeypatch.setenv("NFVERIFY_FAULT", "1")
    assert _key() != key


def test_nfverify_itself_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    key = _key()
    monkeypatch.setattr(keys, "identity", lambda: "another nfverify")
    assert _key() != key


def test_every_installed_package_is_in_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = _key()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert _key() == key
    (tmp_path / "z3_solver-9.9.dist-info").mkdir()
    assert _key() != key


def test_what_may_change_unseen_has_no_key() -> None:
    common = replace(COMMON, kind="test")
    bare = spec.Test(
        common, "a.nfd", ("reference", "symbolic"), None, 10, 1, (), (), None, (), False, None
    )
    assert _key(bare) is not None
    assert _key(replace(bare, against="./nf {in} {out}")) is None
    assert _key(replace(bare, engines=("reference", "linux"))) is None
    assert _key(replace(CHECK, a="no such revision:a.nfd")) is None


def test_time_passes_between_two_runs_without_effect(cache: Cache) -> None:
    cache.add(KEY, _inputs(), PASSED)
    later = time.time() + 1000
    os.utime("a.nfd", (later, later))
    assert _is_there(cache)
