"""Jobs on the workers of a Dask cluster, each in a process of its own there.

What comes back is unpickled: the scheduler and the workers must be trusted, and on a network that
isn't, spoken to by TLS (`dask+tls://`, with the certificates that Dask's configuration names).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from nfverify.executors.identity import identity
from nfverify.executors.job import Done, ExecutorError, Failed, Job, Outcome
from nfverify.executors.local import Local

CONNECTING = 10.0  # s
_LOCAL_WORKERS = 2


@dataclass(frozen=True, slots=True)
class _Mismatch:
    """A worker that runs another nfverify."""

    found: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connected client."""

    client: Any  # distributed.Client, whose calls are not annotated
    address: str

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Outcome]]:
        """As `Executor.run`. A job whose worker dies goes to another one."""
        run = uuid4().hex
        futures = [
            self.client.submit(perform, job, identity(), key=f"nfverify-{run}-{index}")
            for index, job in enumerate(jobs)
        ]
        indices = {future.key: index for index, future in enumerate(futures)}
        try:
            for future in _distributed(self.address).as_completed(futures):
                yield indices[future.key], self._outcome(future)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self.client.cancel(futures)

    def _outcome(self, future: Any) -> Outcome:
        try:
            found = future.result()
        except _distributed(self.address).KilledWorker:
            return Failed("died", "each worker that it ran on died")
        except Exception as error:
            return Failed("error", f"{self.address}: {type(error).__name__}: {error}")
        match found:
            case Done() | Failed():
                return found
            case _Mismatch():
                raise ExecutorError(f"{self.address}: a worker has another nfverify than this one")
            case _:
                return Failed("error", f"{self.address}: a worker answered with something else")


def perform(job: Job, expected: str) -> Outcome | _Mismatch:
    """On a worker: one job, in a process of its own."""
    if identity() != expected:
        return _Mismatch(identity())
    with Local(1) as local:
        [(_, outcome)] = local.run([job])
    return outcome


@contextmanager
def connected(text: str) -> Iterator[Cluster]:
    """The cluster of `dask://HOST:PORT`, or one made for the purpose: `dask://local?workers=N`."""
    distributed = _distributed(text)
    scheme, host, port, workers = _parsed(text)
    if host == "local":
        # Without a dashboard; each worker is a process that runs one job at a time.
        with (
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield Cluster(client, text)
        return
    place = f"[{host}]" if ":" in host else host
    protocol = "tls" if scheme == "dask+tls" else "tcp"
    try:
        client = distributed.Client(f"{protocol}://{place}:{port}", timeout=CONNECTING)
    except (OSError, TimeoutError, ValueError) as error:
        what = " ".join(str(error).split())
        raise ExecutorError(f"{text}: no Dask scheduler answers: {what}") from None
    with client:
        _check(client, text)
        yield Cluster(client, text)


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


def _parsed(text: str) -> tuple[str, str, int, int]:
    """Scheme, host, port and number of workers of a text. ExecutorError."""
    from nfverify.executors.opening import HELP, count

    try:
        parts = urlsplit(text)
        port = parts.port
        asked = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise ExecutorError(f"{text!a}: {error}; there are {HELP}") from None
    host = parts.hostname or ""
    if parts.path or parts.fragment or parts.username is not None or not host:
        raise ExecutorError(f"{text!a} is no executor; there are {HELP}")
    if host == "local" and port is None and parts.scheme == "dask" and set(asked) <= {"workers"}:
        workers = count(asked.get("workers", [""])[-1]) or _LOCAL_WORKERS
        return parts.scheme, host, 0, workers
    if port is None or asked:
        raise ExecutorError(f"{text!a} is no executor; there are {HELP}")
    return parts.scheme, host, port, 0
