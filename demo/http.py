"""Speaking to the exchange as anybody outside of it would: HTTP, a token, and patience."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from marketplace.agent.exchange import TIMEOUT, Api, Clock, Unavailable

SHORTEST_WAIT = 1.0
LONGEST_WAIT = 15.0

T = TypeVar("T")


class Exchange(Api):
    """The API with one token."""

    __slots__ = ()

    @classmethod
    def of(cls, client: httpx.Client, token: str) -> Exchange:
        return cls(client, headers={"Authorization": f"Bearer {token}"})

    def get(self, path: str) -> Any:
        return self.send("GET", path)

    def post(self, path: str, body: object, **headers: str) -> Any:
        return self.send("POST", path, content=json.dumps(body, separators=(",", ":")), headers=headers)

    def clock(self) -> Clock:
        return Clock.of(self.get("/api/v1/clock"))


def connect(url: str) -> httpx.Client:
    """A client for one exchange; proxies named in the environment are not for it."""
    return httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)


def seconds_until(then: datetime, clock: Clock) -> float:
    """Wall seconds until a moment of the market."""
    return (then - clock.now()).total_seconds() / clock.speed


@dataclass(slots=True)
class Patience:
    """How long to wait after a failure: twice as long each time."""

    wait: float = 0.0

    def failed(self) -> float:
        self.wait = min(max(self.wait * 2, SHORTEST_WAIT), LONGEST_WAIT)
        return self.wait

    def succeeded(self) -> None:
        self.wait = 0.0


def patiently(ask: Callable[[], T]) -> T:
    """The answer, when there is one."""
    patience = Patience()
    while True:
        try:
            return ask()
        except Unavailable as outage:
            log(f"waiting: {outage}")
            time.sleep(patience.failed())


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def read_json(path: Path) -> Any:
    """A file's content, or nothing where there is no file, or only half of one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_json(path: Path, content: object) -> None:
    """All of it or nothing, whenever the process is killed."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


def log(line: str) -> None:
    print(line, flush=True)


def keep_going(turn: Callable[[], float], sleep: Callable[[float], None] = time.sleep) -> None:
    """Call ``turn`` for ever; it says how many seconds to wait before the next time."""
    try:
        while True:
            sleep(turn())
    except KeyboardInterrupt:
        log("stopped")
