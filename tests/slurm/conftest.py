"""One cluster for all tests of a process; each test finds it as it was at its beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Slurm, running, why_not


@pytest.fixture(scope="session")
def cluster() -> Iterator[Slurm]:
    if reason := why_not():
        pytest.skip(f"no Slurm cluster: {reason}")
    with running() as slurm:
        yield slurm


@pytest.fixture
def slurm(cluster: Slurm) -> Iterator[Slurm]:
    yield cluster
    cluster.clear()
