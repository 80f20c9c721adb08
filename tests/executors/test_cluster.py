"""The same jobs on a Dask cluster of real processes, of which one is killed in mid-run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import distributed
import executor_jobs as jobs
import pytest

from nfverify.executors import Done, ExecutorError, Failed, Job, opened
from nfverify.executors import cluster as clusters


def test_outcomes_are_those_of_local(cluster: clusters.Cluster, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    given = [
        Job("adds", jobs.add, (1, 2)),
        Job("hangs", jobs.sleeping, (60,), time_limit=0.3),
        Job("raises", jobs.raising),
        Job("leaves", jobs.leaving),
        Job("crashes", jobs.crashing, (str(diary),)),
        Job("is greedy", jobs.greedy, (2 << 30,), memory=1 << 30),
    ]
    with opened("local:2") as local:
        assert dict(cluster.run(given)) == dict(local.run(given))


def test_a_worker_killed_in_mid_run_loses_nothing(
    cluster: clusters.Cluster, tmp_path: Path
) -> None:
    given = [Job(f"{n}", jobs.slowly, (n, str(tmp_path), 0.3)) for n in range(8)]
    before = cluster.client.run(os.getpid)
    running = cluster.run(given)
    first = next(running)
    victim = min(before.values())
    os.kill(victim, signal.SIGKILL)
    assert dict([first, *running]) == {n: Done(n * n) for n in range(8)}
    assert victim not in cluster.client.run(os.getpid).values()


def test_a_worker_with_another_nfverify_does_nothing(
    cluster: clusters.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "identity", jobs.identity_of_process)
    with pytest.raises(ExecutorError, match="a worker has another nfverify than this one"):
        list(cluster.run([Job("adds", jobs.add, (1, 2))]))


def test_by_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(address) as other:
        assert list(other.run([Job("adds", jobs.add, (1, 2))])) == [(0, Done(3))]
    monkeypatch.setattr(clusters, "identity", jobs.identity_of_process)
    with pytest.raises(ExecutorError, match=r"tcp://.* has another"), opened(address):
        pass


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECTING", 0.2)
    with (
        pytest.raises(ExecutorError, match="no Dask scheduler answers"),
        opened("dask://127.0.0.1:9"),
    ):
        pass


def test_a_scheduler_that_goes_is_no_success(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    command += ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as scheduler:
        try:
            while not file.exists():
                time.sleep(0.05)
            with clusters._silence(), distributed.Client(scheduler_file=str(file)) as client:
                running = clusters.Cluster(client, "dask://it").run([Job("adds", jobs.add, (1, 2))])
                threading.Timer(0.3, scheduler.kill).start()
                assert list(running) == [
                    (0, Failed("died", "dask://it: the connection to the scheduler is lost"))
                ]
        finally:
            scheduler.kill()


def test_a_cluster_whose_workers_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "PAUSE", 0.1)
    monkeypatch.setattr(clusters, "LONELY", 0.3)
    with opened("dask://local?workers=1") as executor:
        assert isinstance(executor, clusters.Cluster)
        executor.client.cluster.scale(0)
        while executor.client.nthreads():
            time.sleep(0.05)
        assert list(executor.run([Job("adds", jobs.add, (1, 2))])) == [
            (0, Failed("died", "dask://local?workers=1: there are no workers any more"))
        ]
