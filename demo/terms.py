"""A term agreement of the demo market, lived by its two sides, by the API alone.

    python -m demo.terms --url http://127.0.0.1:8000 --tokens .data/demo-terms.json

The buyer proposes one, the owner accepts it and reserves cards, and the buyer calls off too little in its
first month and too much in those after: so there is a shortfall, something is made up, and there is overage.
When it is over, the next one is proposed. All that it knows it reads from the exchange in each turn.

Two related parties, of the file ``demo-sham.json`` beside it, conclude such agreements too, and leave it at
that: nothing is reserved and nothing called off.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from demo.http import Exchange, Patience, connect, keep_going, log, moment
from marketplace.agent.exchange import Refused, Unavailable

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The demo's TERM_CALENDAR: years would be too long to wait for.
MONTH = 4 * HOUR
MONTHS = 6
CARDS = 4
SHEET = {
    "quantity_a_month": "10",
    "price_per_unit": "12",
    "take_or_pay_share": "0.8",
    "overage": [{"above": "1.2", "price": "15"}],
    "make_up_months": 2,
    "carry_forward_months": 1,
}
# Cards and hours that are called off in each month, over and over.
CALLED_OFF = ((1, 2), (4, 4), (4, 4), (1, 4))
SECONDS_BETWEEN_TURNS = 10.0
IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(slots=True)
class Sides:
    buyer: Exchange
    owner: Exchange
    owner_id: int
    is_sham: bool = False
    patience: Patience = field(default_factory=Patience)

    def turn(self) -> float:
        """Do the next thing that is to be done; returns how many seconds to wait."""
        try:
            self._turn(self.buyer.clock().now())
        except (Unavailable, Refused) as error:
            log(f"waiting: {error}")
            return self.patience.failed()
        self.patience.succeeded()
        return SECONDS_BETWEEN_TURNS

    def _turn(self, now: datetime) -> None:
        term = self._under_way(now)
        if term is None:
            self._propose(now)
        elif term["state"] == "proposed":
            path = f"/api/v1/term-agreements/{term['id']}/versions/1/acceptance"
            self.owner.post(path, {}, **{IDEMPOTENCY_KEY: f"demo-accept-{term['id']}"})
            log(f"T{term['id']} accepted")
        elif not self.is_sham and self._is_reserved(term, now):
            self._call_off(term, now)

    def _under_way(self, now: datetime) -> dict[str, Any] | None:
        """The agreement that is not over, or the proposal that can still be accepted."""
        for page in self.buyer.pages("/api/v1/term-agreements"):
            for term in page["results"]:
                until = term["ends_at"] if term["state"] == "concluded" else term["starts_at"]
                if term["state"] != "dropped" and moment(until) > now:
                    return dict(term)
        return None

    def _propose(self, now: datetime) -> None:
        start = EPOCH + ((now + HOUR - EPOCH) // MONTH + 1) * MONTH
        fleet = next(self._fleets(), None)
        if fleet is None:
            return
        body = SHEET | {
            "counterparty": self.owner_id,
            "model": fleet["model"],
            "currency": fleet["currency"],
            "time_zone": "Asia/Shanghai",
            "starts_at": start.isoformat(),
            "months": MONTHS,
        }
        made = self.buyer.post(
            "/api/v1/term-agreements", body, **{IDEMPOTENCY_KEY: f"demo-term-{start:%Y%m%d%H}"}
        )
        log(f"T{made['id']} proposed")

    def _fleets(self) -> Iterator[dict[str, Any]]:
        """The owner's fleets, each with the currency of its site, the largest first."""
        currencies = {
            site["id"]: site["currency"]
            for page in self.owner.pages("/api/v1/sites")
            for site in page["results"]
        }
        fleets = [fleet for page in self.owner.pages("/api/v1/fleets") for fleet in page["results"]]
        for fleet in sorted(fleets, key=lambda fleet: (-fleet["cards"], fleet["id"])):
            yield fleet | {"currency": currencies[fleet["site"]]}

    def _is_reserved(self, term: dict[str, Any], now: datetime) -> bool:
        """Whether cards are reserved for it; they are, if any fleet has some to spare."""
        for page in self.owner.pages("/api/v1/offers", state="open"):
            if any(offer["reserved_for"] == term["id"] for offer in page["results"]):
                return True
        return any(self._reserve(fleet, term, now) for fleet in self._fleets())

    def _reserve(self, fleet: dict[str, Any], term: dict[str, Any], now: datetime) -> bool:
        if (fleet["model"], fleet["currency"]) != (term["model"], term["currency"]):
            return False
        start = max(moment(term["starts_at"]), EPOCH + ((now - EPOCH) // HOUR + 1) * HOUR)
        body = {
            "fleet": fleet["id"],
            "cards": CARDS,
            "starts_at": start.isoformat(),
            "ends_at": term["ends_at"],
            "reserved_for": term["id"],
        }
        key = {IDEMPOTENCY_KEY: f"demo-reserve-{term['id']}-{fleet['id']}-{start:%d%H}"}
        try:
            offer = self.owner.post("/api/v1/offers", body, **key)
        except Refused as refusal:
            log(f"fleet {fleet['id']} has no cards to reserve: {refusal}")
            return False
        log(f"O{offer['id']} reserved for T{term['id']}")
        return True

    def _call_off(self, term: dict[str, Any], now: datetime) -> None:
        """A request for each month to come that has none yet."""
        pages = self.buyer.pages("/api/v1/requests")
        known = {row["title"] for page in pages for row in page["results"] if row["under"] == term["id"]}
        for number in range(term["months"]):
            start = moment(term["starts_at"]) + number * MONTH
            title = f"Month {number + 1} of T{term['id']}"
            if title in known or start <= now + HOUR / 6:
                continue
            cards, hours = CALLED_OFF[number % len(CALLED_OFF)]
            alternative = {
                "unit": "cards",
                "amount": str(cards),
                "workload": "training",
                "earliest_start": start.isoformat(),
                "hours": hours,
                "deadline": (start + MONTH).isoformat(),
            }
            body = {
                "title": title,
                "currency": term["currency"],
                "under": term["id"],
                "alternatives": [alternative],
            }
            key = {IDEMPOTENCY_KEY: f"demo-call-off-{term['id']}-{number}"}
            self.buyer.post("/api/v1/requests", body, **key)
            log(f"{title}: {cards} cards for {hours} hours called off")


def sides_of(client: httpx.Client, tokens: Path) -> Sides:
    """The two sides that a file of tokens is for: {buyer: {token}, owner: {token, organisation}}."""
    given = json.loads(tokens.read_text(encoding="utf-8"))
    return Sides(
        buyer=Exchange.of(client, given["buyer"]["token"]),
        owner=Exchange.of(client, given["owner"]["token"]),
        owner_id=given["owner"]["organisation"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="A term agreement of the demo market")
    parser.add_argument("--url", required=True, help="the exchange, for example http://127.0.0.1:8000")
    parser.add_argument("--tokens", type=Path, required=True, help="the tokens of both sides")
    options = parser.parse_args()
    with connect(options.url) as client:
        sides = sides_of(client, options.tokens)
        sham = replace(sides_of(client, options.tokens.with_name("demo-sham.json")), is_sham=True)
        keep_going(lambda: min(sides.turn(), sham.turn()))


if __name__ == "__main__":
    main()
