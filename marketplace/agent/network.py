"""Round trips to the exchange's probes, measured by opening connections: that runs without any rights.

A connection is open after one round trip, so its time is that of one round trip and of the probe's kernel.
What a site measures is what the site says: the exchange keeps it as evidence, with its time.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

ATTEMPTS = 5
LONGEST = 2.0


@dataclass(frozen=True, slots=True)
class Trip:
    """``microseconds`` is the median of what was answered; None where all was ``lost``."""

    microseconds: int | None
    sent: int
    lost: int


def measure(address: str, *, connect: Callable[[str, int], float | None] | None = None) -> Trip:
    """To ``host:port``. Names are looked up before the clock runs."""
    host, _, port = address.rpartition(":")
    opened = connect or seconds_to_open
    times = [took for _ in range(ATTEMPTS) if (took := opened(host, int(port))) is not None]
    middle = max(1, round(median(times) * 1e6)) if times else None
    return Trip(middle, ATTEMPTS, ATTEMPTS - len(times))


def seconds_to_open(host: str, port: int) -> float | None:
    """How long a connection takes to open; None where it does not."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(LONGEST)
            began = time.perf_counter()
            connection.connect(where)
            return time.perf_counter() - began
    except OSError:
        return None
