"""The client and the server: gunicorn as in production, and one connection to it."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from marketplace.agent.identity import Identity
from marketplace.agent.signing import signature

ROOT = Path(__file__).parents[2]
READY_WITHIN = 30


class Client:
    """One connection, one request after the other. The server hangs up after some seconds without any."""

    def __init__(self, port: int, identity: Identity) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._identity = identity
        self._headers = {
            "Authorization": f"Bearer {identity.token}",
            "Content-Type": "application/cloudevents-batch+json",
        }

    def connect(self) -> None:
        self._connection.close()
        self._connection.connect()

    def seconds(self, batch: Sequence[bytes], *, duplicates: int) -> float:
        """How long the answer takes; it must be the expected one, event by event."""
        content = b"[" + b",".join(batch) + b"]"
        headers = self._headers | self._signature(content)
        began = time.perf_counter()
        self._connection.request("POST", "/api/v1/meter-events", content, headers)
        response = self._connection.getresponse()
        answer = response.read()
        seconds = time.perf_counter() - began
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {answer[:500]!r}")
        counts = msgspec.json.decode(answer, type=Counts)
        if (counts.accepted, counts.duplicate) != (len(batch) - duplicates, duplicates):
            raise RuntimeError(f"{counts} of {len(batch)} events, of which {duplicates} were known")
        return seconds

    def _signature(self, content: bytes) -> dict[str, str]:
        """Made by the site, so not of the time that is measured."""
        url = "http://127.0.0.1/api/v1/meter-events"
        told = {"Content-Type": self._headers["Content-Type"]}
        return signature("POST", url, told, content, self._identity.key, at=time.time())


class Counts(msgspec.Struct):
    accepted: int
    duplicate: int
    conflict: int
    rejected: int


@contextmanager
def server() -> Iterator[tuple[int, int]]:
    """Gunicorn with the settings of production: its port, and its process, whose children do the work."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(  # noqa: S603 a command of ours
        [
            *(sys.executable, "-m", "gunicorn", "marketplace.wsgi"),
            *("--config", str(ROOT / "docker" / "gunicorn.conf.py"), "--bind", f"127.0.0.1:{port}"),
            *("--log-level", "warning"),
        ],
        cwd=ROOT,
    )
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
