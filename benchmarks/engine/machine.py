"""On what the figures were measured."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "numba", "highspy", "ortools")


@dataclass(frozen=True, slots=True)
class Machine:
    processor: str
    cores: int
    system: str
    versions: str

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.system}; {self.versions}"


def describe() -> Machine:
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        versions=", ".join([f"Python {platform.python_version()}", *map(_version, PACKAGES)]),
    )


def load() -> float | None:
    """Mean number of busy processes in the last minute, where the system counts them.

    Well above what a peer uses by itself, it says that others used the machine: then processor time means
    more than seconds.
    """
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    if known.exists():
        for line in known.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
