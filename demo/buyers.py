"""The buyers of the demo market: sends its requests as their hours come, by the API alone.

    python -m demo.buyers --url http://127.0.0.1:8000 --tokens .data/demo-buyers.json

A request is made of its number and the market's start, and its number is its idempotency key: sent
again, it is the same request. The file beside the tokens remembers which number is next. Requests
whose hour is long over, because nothing ran meanwhile, are skipped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from demo.http import (
    Exchange,
    Patience,
    connect,
    keep_going,
    log,
    moment,
    read_json,
    seconds_until,
    write_json,
)
from demo.market import Market, build_market
from demo.specs import AlternativeSpec, RequestSpec
from marketplace.agent.exchange import Clock, Refused, Unavailable

HOUR = timedelta(hours=1)
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 60.0
IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(slots=True)
class Position:
    """The next request: its hour after the market's start, and its place within the hour."""

    path: Path
    hour: int
    place: int = 0

    @classmethod
    def load(cls, path: Path, first_hour: int) -> Position:
        kept = read_json(path) or {}
        return cls(path, kept.get("hour", first_hour), kept.get("place", 0))

    def move(self, hour: int, place: int) -> None:
        self.hour, self.place = hour, place
        write_json(self.path, {"hour": hour, "place": place})


@dataclass(slots=True)
class Feeder:
    market: Market
    exchanges: Mapping[str, Exchange]
    position: Position
    patience: Patience = field(default_factory=Patience)

    def turn(self) -> float:
        """Send what is due; returns how many seconds to wait."""
        try:
            return self._turn()
        except (Unavailable, Refused) as error:
            log(f"waiting: {error}")
            return self.patience.failed()

    def _turn(self) -> float:
        clock = next(iter(self.exchanges.values())).clock()
        self._skip(clock.now())
        sent = refused = 0
        for spec in self._due(clock):
            if self._send(spec):
                sent += 1
            else:
                refused += 1
        self.patience.succeeded()
        log(f"hour {self.position.hour}: {sent} requests entered, {refused} refused")
        wait = seconds_until(self._time_of(self.position.hour, self.position.place), clock)
        return min(max(wait, SHORTEST_WAIT), LONGEST_WAIT)

    def _skip(self, now: datetime) -> None:
        """Go on with the hour before this one at the earliest."""
        hour = int((now - self.market.start) // HOUR)
        if self.position.hour < hour - 1:
            log(f"skipping the requests of hours {self.position.hour} to {hour - 2}")
            self.position.move(hour - 1, 0)

    def _due(self, clock: Clock) -> Iterator[RequestSpec]:
        """Requests whose time has come; each counts as sent when the next one is asked for."""
        while True:
            specs = self.market.requests_entering(self.position.hour)
            for place in range(self.position.place, len(specs)):
                if self._time_of(self.position.hour, place) > clock.now():
                    return
                yield specs[place]
                self.position.move(self.position.hour, place + 1)
            self.position.move(self.position.hour + 1, 0)

    def _time_of(self, hour: int, place: int) -> datetime:
        """Requests of an hour enter evenly over it."""
        count = max(len(self.market.requests_entering(hour)), 1)
        return self.market.start + hour * HOUR + HOUR * place / count

    def _send(self, spec: RequestSpec) -> bool:
        key = {IDEMPOTENCY_KEY: f"demo-{spec.reference}"}
        try:
            self.exchanges[spec.buyer].post("/api/v1/requests", body_of(spec, self.market.start), **key)
        except Refused as refusal:
            log(f"{spec.reference} refused: {refusal} {refusal.problem.get('errors', '')}")
            return False
        return True


def body_of(spec: RequestSpec, start: datetime) -> dict[str, Any]:
    """A request as the API takes it. Its hours count from the first full hour after it enters."""
    first = start + (spec.enter_after_hours + 1) * HOUR
    return {
        "title": spec.title,
        "currency": spec.currency,
        "least_share": str(spec.least),
        "alternatives": [_alternative(alternative, first) for alternative in spec.alternatives],
    }


def _alternative(spec: AlternativeSpec, first: datetime) -> dict[str, Any]:
    near = {"near": spec.latency.region, "round_trip_ms": spec.latency.milliseconds} if spec.latency else {}
    return near | {
        "unit": spec.unit,
        "amount": _six_places(spec.amount),
        "limit": _six_places(spec.limit),
        "workload": spec.workload,
        "accelerator_models": spec.models,
        "stacks": spec.stacks,
        "careful": spec.careful,
        "gangs": 1 if spec.gang else 0,
        "precision": spec.precision or "",
        "memory_gb": spec.memory_gb,
        "earliest_start": (first + spec.earliest_in_hours * HOUR).isoformat(),
        "hours": spec.duration_hours,
        "deadline": (first + spec.deadline_in_hours * HOUR).isoformat(),
        "bandwidth_mbps": spec.bandwidth_mbps,
        "jurisdictions": spec.jurisdictions,
        "renewable_share": spec.renewable_share and str(spec.renewable_share),
        "carbon": spec.carbon and str(spec.carbon),
        "verification": spec.verification,
        "notice_minutes": spec.notice_minutes,
    }


def _six_places(figure: Decimal) -> str:
    return str(figure.quantize(Decimal("0.000001")))


def feeder_of(client: httpx.Client, tokens: Path) -> Feeder:
    """The feeder that a file of tokens is for: {start, first_hour, tokens: [{name, token}]}."""
    given = json.loads(tokens.read_text(encoding="utf-8"))
    market = build_market(moment(given["start"]).astimezone(UTC))
    by_name = {row["name"]: Exchange.of(client, row["token"]) for row in given["tokens"]}
    exchanges = {buyer.slug: by_name[buyer.name_en] for buyer in market.buyers}
    position = Position.load(tokens.with_name(f"{tokens.stem}-state.json"), given["first_hour"])
    return Feeder(market, exchanges, position)


def main() -> None:
    parser = argparse.ArgumentParser(description="The buyers of the demo market")
    parser.add_argument("--url", required=True, help="the exchange, for example http://127.0.0.1:8000")
    parser.add_argument("--tokens", type=Path, required=True, help="the market's start and the tokens")
    options = parser.parse_args()
    with connect(options.url) as client:
        keep_going(feeder_of(client, options.tokens).turn)


if __name__ == "__main__":
    main()
