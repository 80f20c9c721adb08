"""Jobs in processes of this machine: whatever they do, there is an outcome, and no more of them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import executor_jobs as jobs
import pytest

from nfverify.executors import Done, ExecutorError, Failed, Job, opened
from nfverify.executors.identity import identity
from nfverify.executors.local import Local
from nfverify.executors.opening import check


def outcomes(*given: Job, count: int = 2) -> list[object]:
    with opened(f"local:{count}") as executor:
        found = dict(executor.run(given))
    return [found[index] for index in range(len(given))]


def test_results_by_index() -> None:
    given = [Job(f"{n}", jobs.add, (n, n)) for n in range(9)]
    assert outcomes(*given, count=3) == [Done(2 * n) for n in range(9)]
    assert outcomes() == []


def test_whatever_a_job_does_there_is_an_outcome() -> None:
    found = outcomes(
        Job("hangs", jobs.sleeping, (60,), time_limit=0.3),
        Job("raises", jobs.raising),
        Job("leaves", jobs.leaving),
        Job("is greedy", jobs.greedy, (2 << 30,), memory=1 << 30),
        Job("returns what can't be sent", jobs.unpicklable),
        Job("talks", jobs.talking),
    )
    assert found[:4] == [
        Failed("time", "time ran out after 0.3 s"),
        Failed("error", "ValueError: no way"),
        Failed("error", "ended by sys.exit(3)"),
        Failed("memory", "the memory limit of 1 GB is reached"),
    ]
    assert isinstance(found[4], Failed)
    assert found[4].kind == "error"
    assert found[5] == Done("said")


def test_a_job_whose_process_died_is_tried_again(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    assert outcomes(Job("unlucky", jobs.unlucky, (str(diary), "done"))) == [Done("done")]


def test_a_job_that_always_kills_its_process_is_no_success(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    found = outcomes(Job("crashing", jobs.crashing, (str(diary),)))
    assert found == [Failed("died", "ended by SIGSEGV, 3 times")]
    assert len(diary.read_text().split()) == 3


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    given = [Job(f"{n}", jobs.slowly, (n, str(tmp_path), 0.2)) for n in range(4)]
    with opened("local:2") as executor:
        running = executor.run(given)
        first = next(running)
        for file in tmp_path.iterdir():  # the parents of all jobs: those that run, and one idle
            os.kill(int(file.read_text()), 9)
        assert dict([first, *running]) == {n: Done(n * n) for n in range(4)}


def test_nothing_is_left_running(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    given = [Job("quick", jobs.add, (1, 2)), Job("litters", jobs.littering, (str(pid_file),))]
    with opened("local:2") as executor:
        for _ in executor.run(given):
            while not pid_file.exists() or not pid_file.read_text():
                time.sleep(0.01)
            break
    pid = int(pid_file.read_text())
    for _ in range(200):
        if not _runs(pid):
            return
        time.sleep(0.01)
    raise AssertionError("it still runs")


def _runs(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_functions_are_found_by_name() -> None:
    with pytest.raises(TypeError, match="is no function of a module"):
        list(Local(1).run([Job("x", lambda: 1)]))


@pytest.mark.parametrize(
    "text",
    ["remote", "local:0", "local:", "local:x", "local:99999", "dask://", "dask://host",
     "dask://host:port", "dask://host:1/path", "dask://a@host:1", "dask://host:1?workers=2",
     "dask://local?workers=0", "dask://local?threads=1", "dask://local?workers", "locally"],
)  # fmt: skip
def test_texts_that_name_no_executor(text: str) -> None:
    with pytest.raises(ExecutorError), opened(text):
        pass


def test_texts_are_checked_without_starting_anything() -> None:
    check("local")
    check("local:4")
    check("dask://host:8786")
    with pytest.raises(ExecutorError, match="no executor 'remote'; there are local"):
        check("remote")
    with pytest.raises(ExecutorError, match="is no executor"):
        check("dask://host")


def test_identity_is_the_same_in_each_process() -> None:
    one, other = outcomes(Job("one", identity), Job("other", identity))
    assert isinstance(one, Done)
    assert one == other
