"""Which files a piece of work reads, seen from inside the process that does it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from gate_reading import at_once, changes, reads

from nfverify.executors import Done, Job, opened


def _elsewhere(function: Callable[..., object], *arguments: object) -> object:
    with opened("local:1") as executor:
        ((_, outcome),) = executor.run([Job("x", function, arguments)])
    assert isinstance(outcome, Done), outcome
    return outcome.value


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite").mkdir()
    for name in ("a.nfd", "b.csv", "forked.nfd", "suite/1.pcap"):
        (tmp_path / name).write_text("1")
    time.sleep(0.05)  # what was written a moment ago may be written again unseen


def test_all_that_is_read_is_noted() -> None:
    found = _elsewhere(reads, ["a.nfd", "b.csv", "suite/1.pcap"])
    wanted = ["a.nfd", "b.csv", "forked.nfd", "probe:main", "suite", "suite/1.pcap"]
    assert isinstance(found, list)
    assert [path for path in found if not path.startswith("/")] == wanted


@pytest.mark.parametrize("late", ["written", "replaced", "gone", "appeared"])
def test_a_file_that_changes_meanwhile_is_seen(late: str) -> None:
    assert _elsewhere(changes, late) is True


def test_a_file_that_may_change_unseen_is_not_vouched_for() -> None:
    assert _elsewhere(at_once) is True
