"""The exchange as its API: bounded waits, a few tries, and answers that are told apart.

Everything that is sent may be sent again: steps and meter events are known by what they say, so an
answer that was lost costs another request and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import httpx

from marketplace.agent.errors import AgentError

JSON = "application/json"
EVENTS = "application/cloudevents-batch+json"
TIMEOUT = httpx.Timeout(30, connect=10)
TRIES = 3
FIRST_WAIT = 0.5
PAGE = 500
LATER = frozenset({408, 425, 429})
STILL_RUNNING = "idempotency_key_in_use"
NOTHING: Mapping[str, str] = {}


class Unavailable(AgentError):
    """The exchange did not answer, or not with an answer: the same is sent again at the next turn."""


class Refused(AgentError):
    """The exchange understood and said no. ``problem`` is its problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        self.code = problem.get("code", "")
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")


@dataclass(frozen=True, slots=True)
class Clock:
    """The exchange's clock, carried on between the answers that tell it. In a demo it runs faster."""

    told: datetime
    speed: int
    heard: float

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        return cls(datetime.fromisoformat(answer["market_time"]), answer["clock_speed"], time.monotonic())

    def now(self) -> datetime:
        return self.told + timedelta(seconds=(time.monotonic() - self.heard) * self.speed)


@dataclass(frozen=True, slots=True)
class Api:
    """The exchange to whoever speaks HTTP. Raises ``Unavailable`` or ``Refused``."""

    client: httpx.Client
    sleep: Callable[[float], None] = time.sleep
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def pages(self, path: str, **asked: str) -> Iterator[dict[str, Any]]:
        address: str | None = f"{path}?{urlencode({'limit': PAGE, **asked})}"
        while address:
            page = self.send("GET", address)
            yield page
            address = page["next"] and _on_the_exchange(page["next"])

    def send(
        self,
        method: str,
        address: str,
        *,
        content: str | None = None,
        media_type: str = JSON,
        headers: Mapping[str, str] = NOTHING,
    ) -> Any:
        """The body of the answer. Tried a few times: what is sent may be sent again."""
        headers = {**self.headers, **headers}
        if content is not None:
            headers["Content-Type"] = media_type
        wait = FIRST_WAIT
        for _ in range(TRIES - 1):
            try:
                return self._try(method, address, content, headers)
            except Unavailable:
                self.sleep(wait)
                wait *= 2
        return self._try(method, address, content, headers)

    def _try(self, method: str, address: str, content: str | None, headers: Mapping[str, str]) -> Any:
        try:
            response = self.client.request(method, address, content=content, headers=headers)
            body = response.json() if response.content else None
        except (httpx.TransportError, ValueError) as error:
            raise Unavailable(f"{method} {address}: {type(error).__name__}") from error
        if response.status_code in LATER or response.status_code >= 500:
            raise Unavailable(f"{method} {address}: {response.status_code}")
        if not response.is_success:
            problem = body if isinstance(body, dict) else {}
            if problem.get("code") == STILL_RUNNING:
                raise Unavailable(f"{method} {address}: still running")
            raise Refused(response.status_code, problem)
        return body


class Exchange(Api):
    """The exchange to its agents. The client signs."""

    __slots__ = ()

    def deliveries(self) -> tuple[Clock, list[dict[str, Any]]]:
        """What is to be looked after, and what time it is there."""
        rows: list[dict[str, Any]] = []
        for page in self.pages("/api/v1/agent/deliveries"):
            clock = Clock.of(page)
            rows += page["results"]
        return clock, rows

    def changes(self, after: str, wait: int) -> tuple[str, bool]:
        """The version of what is to be done, as soon as it is another than ``after``, or after ``wait``
        seconds; and whether the exchange had room to let us wait."""
        told = self._try("GET", f"/api/v1/agent/changes?after={after}&wait={wait}", None, NOTHING)
        return str(told["version"]), bool(told["waited"])

    def delivery(self, pk: int) -> dict[str, Any]:
        found: dict[str, Any] = self.send("GET", f"/api/v1/agent/deliveries/{pk}")
        return found

    def take_step(self, pk: int, step: Mapping[str, Any]) -> None:
        self.send("POST", f"/api/v1/agent/deliveries/{pk}/transitions", content=_json(step))

    def send_events(self, bodies: list[str]) -> list[dict[str, Any]]:
        """What became of each event, in their order."""
        answer = self.send("POST", "/api/v1/meter-events", content=f"[{','.join(bodies)}]", media_type=EVENTS)
        results: list[dict[str, Any]] = answer["results"]
        return results

    def give_access(self, pk: int, sealed: str) -> None:
        self.send("POST", f"/api/v1/agent/deliveries/{pk}/access", content=_json({"sealed": sealed}))

    def probes(self) -> list[dict[str, str]]:
        """Where round trips are measured to."""
        found: list[dict[str, str]] = self.send("GET", "/api/v1/agent/probes")["probes"]
        return found

    def report_round_trips(self, site: int, measurements: list[dict[str, Any]]) -> None:
        body = _json({"site": site, "measurements": measurements})
        self.send("POST", "/api/v1/agent/round-trips", content=body)

    def enrol(self, code: str, public_key: str) -> dict[str, Any]:
        """Become the agent of a site: its token, and which site it is."""
        body = _json({"code": code, "public_key": public_key})
        enrolled: dict[str, Any] = self.send("POST", "/api/v1/agent/enrolment", content=body)
        return enrolled

    def heartbeat(self, told: Mapping[str, Any]) -> None:
        """How the agent is."""
        self.send("POST", "/api/v1/agent/heartbeat", content=_json(told))

    def idle_cards(self, slot: str, cards: Mapping[str, Mapping[str, int]]) -> None:
        """What the cards that no delivery held did in an hour."""
        rows = [{"card": card, "meters": dict(meters)} for card, meters in cards.items()]
        self.send("POST", "/api/v1/agent/idle-cards", content=_json({"slot": slot, "cards": rows}))

    def announce_key(self, public_key: str) -> None:
        self.send("POST", "/api/v1/agent/key", content=_json({"public_key": public_key}))

    def self(self) -> dict[str, Any]:
        """Who the agent is to the exchange."""
        told: dict[str, Any] = self.send("GET", "/api/v1/agent/self")
        return told


def connect(url: str, auth: httpx.Auth, *, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A client for one exchange. It follows no redirect: the token is for this address alone."""
    return httpx.Client(base_url=url, timeout=TIMEOUT, auth=auth, transport=transport)


def _on_the_exchange(address: str) -> str:
    """Path and query only: whatever host an answer names, the token goes to no other."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))
