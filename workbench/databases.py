"""The databases of a run: embedded ones, or those that DATABASE_URL and REDIS_URL name."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench import postgres, valkey
from workbench.lock import locked
from workbench.supervisor import Supervisor


@dataclass(frozen=True)
class Databases:
    database_url: str
    redis_url: str


def start(
    supervisor: Supervisor, folder: Path, *, durable: bool = True, environ: Mapping[str, str] = os.environ
) -> Databases:
    """Start what the environment does not name. Not `durable`: faster, and lost in a crash; for tests."""
    database_url = environ.get("DATABASE_URL")
    redis_url = environ.get("REDIS_URL")
    return Databases(
        database_url=database_url or postgres.start(supervisor, folder / "postgres", durable=durable),
        redis_url=redis_url or valkey.start(supervisor, folder / "valkey", durable=durable),
    )


@contextlib.contextmanager
def running(
    folder: Path, *, durable: bool = True, environ: Mapping[str, str] = os.environ
) -> Iterator[Databases]:
    """Databases for as long as the block lasts, with nothing else."""
    with locked(folder, "Another command") as held, Supervisor(folder / "log", held=[held]) as supervisor:
        yield start(supervisor, folder, durable=durable, environ=environ)
