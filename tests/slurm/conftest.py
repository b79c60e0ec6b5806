"""One cluster for all tests of a process; each test finds it as it was at its beginning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Slurm, running, wait_until, why_not


@pytest.fixture(scope="session")
def cluster() -> Iterator[Slurm]:
    if reason := why_not():
        pytest.skip(f"no Slurm cluster: {reason}")
    with running() as slurm:
        yield slurm


@pytest.fixture
def slurm(cluster: Slurm) -> Iterator[Slurm]:
    yield cluster
    run = cluster.run
    for user in ("root", "nobody", "games", "www-data"):
        run("scancel", f"--user={user}")
    wait_until("no job is left", lambda: not run("squeue", "-h").split())
