from __future__ import annotations

from collections.abc import Iterator

import pytest

from nfverify.executors import opened
from nfverify.executors.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Dask cluster of two real processes."""
    with opened("dask://local?workers=2") as executor:
        assert isinstance(executor, Cluster)
        yield executor


@pytest.fixture(scope="session")
def address(cluster: Cluster) -> str:
    """The text by which anybody reaches it."""
    return "dask://" + cluster.client.scheduler_info()["address"].removeprefix("tcp://")
