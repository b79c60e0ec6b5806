"""Speaking to the exchange as anybody outside of it would: HTTP, a token, and patience."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import httpx

JSON = "application/json"
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 15.0
PAGE = 500
STILL_RUNNING = "idempotency_key_in_use"

T = TypeVar("T")


class Unavailable(Exception):
    """The exchange did not answer, or not with an answer: try the same again later."""


class Refused(Exception):
    """The exchange understood and said no. ``problem`` is its problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")


@dataclass(frozen=True, slots=True)
class Exchange:
    """The API with one token, and the signature of an agent. Raises ``Unavailable`` or ``Refused``."""

    client: httpx.Client
    token: str
    signed_by: httpx.Auth | None = None

    def get(self, path: str, **params: Any) -> Any:
        return self._send("GET", path, params=params)

    def post(self, path: str, body: Any, *, media_type: str = JSON, **headers: str) -> Any:
        content = json.dumps(body, separators=(",", ":"))
        return self._send("POST", path, content=content, headers={"Content-Type": media_type} | headers)

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        page = self.get(path, limit=PAGE, **params)
        yield page
        while page["next"]:
            page = self._send("GET", page["next"])
            yield page

    def _send(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} | request.pop("headers", {})
        try:
            response = self.client.request(method, path, headers=headers, auth=self.signed_by, **request)
            body = response.json() if response.content else None
        except (httpx.TransportError, ValueError) as error:
            raise Unavailable(f"{method} {path}: {type(error).__name__}") from error
        if response.status_code in {408, 425, 429} or response.status_code >= 500:
            raise Unavailable(f"{method} {path}: {response.status_code}")
        if response.is_error:
            problem = body if isinstance(body, dict) else {}
            if problem.get("code") == STILL_RUNNING:
                raise Unavailable(f"{method} {path}: still running")
            raise Refused(response.status_code, problem)
        return body


def connect(url: str) -> httpx.Client:
    """A client for one exchange; proxies named in the environment are not for it."""
    return httpx.Client(base_url=url, timeout=30, trust_env=False)


@dataclass(slots=True)
class MarketTime:
    """The market's clock, carried on between the answers that tell it."""

    told: datetime
    speed: int
    heard: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> MarketTime:
        return cls(moment(answer["market_time"]), int(answer["clock_speed"]))

    def now(self) -> datetime:
        return self.told + timedelta(seconds=(time.monotonic() - self.heard) * self.speed)

    def seconds_until(self, then: datetime) -> float:
        """Wall seconds until a moment of the market."""
        return (then - self.now()).total_seconds() / self.speed


@dataclass(slots=True)
class Patience:
    """How long to wait after a failure: twice as long each time."""

    wait: float = 0.0

    def failed(self) -> float:
        self.wait = min(max(self.wait * 2, SHORTEST_WAIT), LONGEST_WAIT)
        return self.wait

    def succeeded(self) -> None:
        self.wait = 0.0


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most ``size`` items, in order."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


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
