"""Where samples come from: an exporter on a node, or a Prometheus that scrapes many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from marketplace.agent.errors import SiteProblem, Unreadable
from marketplace.agent.telemetry.exporters import METRICS, Point, read_text, samples_of
from marketplace.agent.telemetry.samples import Sample

TIMEOUT = httpx.Timeout(10, connect=3)
MOST_BYTES = 16 * 2**20


class Source(Protocol):
    @property
    def url(self) -> str:
        """Where it is asked."""

    def samples(self, *, since: int, now: int) -> list[Sample]:
        """What it tells of the time after ``since``. ``SiteProblem`` where it does not answer."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """``node`` is its name in the scheduler, for exporters that do not say it."""

    url: str
    node: str
    transport: httpx.BaseTransport | None = None

    def samples(self, *, since: int, now: int) -> list[Sample]:
        text = _asked(self.url, {}, self.transport).text
        return [one for one in samples_of(read_text(text, now=now), node=self.node) if one.at > since]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """``nodes`` gives names in the scheduler to values of the label instance; otherwise it is the host's."""

    url: str
    nodes: Mapping[str, str] = field(default_factory=dict)
    step: int = 15
    transport: httpx.BaseTransport | None = None

    def samples(self, *, since: int, now: int) -> list[Sample]:
        """At every multiple of ``step``, so that asking again gives the same moments."""
        first = since - since % self.step + self.step
        if first > now:
            return []
        query = {
            "query": f'{{__name__=~"{"|".join(METRICS)}"}}',
            "start": str(first),
            "end": str(now),
            "step": str(self.step),
        }
        answer = _asked(f"{self.url.rstrip('/')}/api/v1/query_range", query, self.transport)
        points: dict[str, list[Point]] = defaultdict(list)
        for host, told in self._series(answer):
            points[host] += told
        return [one for host, told in points.items() for one in samples_of(told, node=host)]

    def _series(self, answer: httpx.Response) -> Iterator[tuple[str, list[Point]]]:
        try:
            for series in answer.json()["data"]["result"]:
                labels: dict[str, Any] = series["metric"]
                instance = labels.get("instance", "")
                host = self.nodes.get(instance) or urlsplit(f"//{instance}").hostname or instance
                name = labels["__name__"]
                yield host, [(name, labels, float(value), float(at)) for at, value in series["values"]]
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"{self.url} does not answer as a Prometheus does: {error!r}") from error


def _asked(url: str, query: Mapping[str, str], transport: httpx.BaseTransport | None) -> httpx.Response:
    try:
        with httpx.Client(timeout=TIMEOUT, trust_env=False, transport=transport) as client:
            answer = client.get(url, params=dict(query) or None)
    except httpx.HTTPError as error:
        raise SiteProblem(f"{url} does not answer ({type(error).__name__}): does it run?") from error
    if answer.status_code != 200:
        raise SiteProblem(f"{url} answers {answer.status_code}: {answer.text[:200]}")
    if len(answer.content) > MOST_BYTES:
        raise Unreadable(f"{url} answers with more than {MOST_BYTES} bytes.")
    return answer
