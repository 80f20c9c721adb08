"""Jobs on the workers of a Dask cluster, each in a process of its own there.

What comes back is unpickled: the scheduler and the workers must be trusted, and on a network that
isn't, spoken to by TLS (`dask+tls://`, with the certificates that Dask's configuration names).
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import uuid4

from nfverify.executors.identity import identity
from nfverify.executors.job import Done, ExecutorError, Failed, Job, Outcome
from nfverify.executors.local import Local
from nfverify.executors.worker import order

CONNECTING = 10.0  # s
PAUSE = 2.0  # s between two looks at whether there are workers
LONELY = 60.0  # s without workers

Place = str | int
"""The address of a scheduler, as Dask writes it; or how many workers are to be started here."""


@dataclass(frozen=True, slots=True)
class _Mismatch:
    """A worker that runs another nfverify."""

    found: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected client."""

    client: Any  # distributed.Client, whose calls are not annotated
    address: str

    @property
    def width(self) -> int:
        """How many jobs run at once, now."""
        return max(1, sum(int(count) for count in self.client.nthreads().values()))

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        """As `Executor.run`. A job whose worker dies goes to another one."""
        run = uuid4().hex
        with warnings.catch_warnings():  # Dask's advice on large arguments
            warnings.simplefilter("ignore", UserWarning)
            futures = [
                self.client.submit(
                    perform, order(job), job.time_limit, identity(), key=f"nfverify-{run}-{index}"
                )
                for index, job in enumerate(jobs)
            ]
        indices = {future: index for index, future in enumerate(futures)}
        try:
            while indices:
                for future in sorted(self._finished(list(indices)), key=indices.__getitem__):
                    yield indices.pop(future), self._outcome(future)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self.client.cancel(list(indices))

    def _finished(self, futures: list[Any]) -> list[Any]:
        """Those that are, at least one; all of them if the cluster has been without workers for
        longer than it takes to start one again."""
        wait = _distributed(self.address).wait
        patience = time.monotonic() + LONELY
        while True:
            try:
                done: set[Any] = wait(futures, PAUSE, return_when="FIRST_COMPLETED").done
                return list(done)
            except CancelledError:
                return [future for future in futures if future.cancelled()]
            except TimeoutError:
                with suppress(Exception):
                    if self.client.nthreads():
                        patience = time.monotonic() + LONELY
                if time.monotonic() > patience:
                    return futures

    def _outcome(self, future: Any) -> Outcome:
        if not future.done():
            return Failed("died", f"{self.address}: there are no workers any more")
        try:
            found = future.result()
        except _distributed(self.address).KilledWorker:
            return Failed("died", "each worker that it ran on died")
        except CancelledError:
            return Failed("died", f"{self.address}: the connection to the scheduler is lost")
        except Exception as error:
            what = " ".join(str(error).split())
            return Failed("error", f"{self.address}: {type(error).__name__}: {what}")
        match found:
            case Done() | Failed():
                return found
            case _Mismatch():
                raise ExecutorError(f"{self.address}: a worker has another nfverify than this one")
            case _:
                return Failed("error", f"{self.address}: a worker answered with something else")


def perform(frame: bytes, time_limit: float | None, expected: str) -> Outcome | _Mismatch:
    """On a worker: one job, in a process of its own, where alone its arguments are unpickled."""
    if identity() != expected:
        return _Mismatch(identity())
    with Local(1) as local:
        [(_, outcome)] = local.serve([(frame, time_limit)])
    return outcome


@contextmanager
def connected(text: str, place: Place) -> Iterator[Cluster]:
    """The cluster of `dask://HOST:PORT`, or one made for the purpose: `dask://local?workers=N`."""
    distributed = _distributed(text)
    with _silence():
        if isinstance(place, int):
            with (
                _own_cluster(distributed, place) as cluster,
                distributed.Client(cluster) as client,
            ):
                yield Cluster(client, text)
            return
        with _client(distributed, place, text) as client:
            _check(client, text)
            yield Cluster(client, text)


def _client(distributed: Any, address: str, text: str) -> Any:
    try:
        return distributed.Client(address, timeout=CONNECTING)
    except (OSError, TimeoutError, ValueError) as error:
        what = " ".join(str(error).split())
        raise ExecutorError(f"{text}: no Dask scheduler answers: {what}") from None


@contextmanager
def _silence() -> Iterator[None]:
    """Dask logs tracebacks of what is reported as an outcome, and of each farewell."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _own_cluster(distributed: Any, workers: int) -> Iterator[Any]:
    """Worker processes that each run one job at a time. They say nothing: Dask logs what it finds
    remarkable when a cluster is taken down, too."""
    quiet = {"DASK_LOGGING__DISTRIBUTED": "critical"}
    environment = "distributed.nanny.pre-spawn-environ"
    setting = import_module("dask").config
    with (
        setting.set({environment: {**setting.get(environment), **quiet}}),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


def _distributed(text: str) -> Any:
    try:
        return import_module("distributed")
    except ImportError:
        message = "distributed isn't installed; pip install 'nfverify[dask]'"
        raise ExecutorError(f"{text}: {message}") from None


def _check(client: Any, text: str) -> None:
    """ExecutorError unless all workers that are there have this nfverify."""
    try:
        found = client.run(identity)
    except Exception as error:
        raise ExecutorError(f"{text}: a worker has no nfverify: {error}") from None
    if not found:
        raise ExecutorError(f"{text}: the cluster has no workers")
    for worker, digest in sorted(found.items()):
        if digest != identity():
            raise ExecutorError(f"{text}: {worker} has another nfverify than this one")
