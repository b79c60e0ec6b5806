"""An exchange that is used over its API only: time, and the three parties' ways in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import Scope
from marketplace.clock import HOUR, MarketClock
from tests.cast import Cast, bearer
from tests.factories import make_fleet, site_of

MORNING = datetime(2026, 3, 2, 8, 20, tzinfo=UTC)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
METERS = {"allocated": "card-seconds.allocated", "active": "card-seconds.active", "energy": "energy.wh"}


class Market:
    """Time, and the three parties' ways in."""

    def __init__(self, cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = MORNING
        self.client = client
        monkeypatch.setattr(MarketClock, "now", lambda _: self.now)
        self.owner = cast.token(cast.owner, Scope.READ, Scope.TRADE)
        self.buyer = cast.token(cast.buyer, Scope.READ, Scope.TRADE)
        self.agent = cast.token(cast.owner, Scope.AGENT)
        self.keys = 0
        self.fleet = make_fleet(site_of(cast.owner), cards=32)
        self.site = self.fleet.site_id

    def get(self, token: str, path: str) -> Any:
        answer = self.client.get(f"/api/v1/{path}", headers=bearer(token))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def post(self, token: str, path: str, body: Any, content_type: str = "application/json") -> Any:
        self.keys += 1
        headers = bearer(token) | {"Idempotency-Key": f"key-{self.keys}"}
        answer = self.client.post(f"/api/v1/{path}", body, content_type=content_type, headers=headers)
        assert answer.status_code in {200, 201, 204}, answer.content
        return answer.json() if answer.content else None

    def step(self, delivery: int, to: str, at: datetime, **report: Any) -> None:
        self.now = max(self.now, at)
        body = {"to": to, "at": at.isoformat(), "report": report}
        self.post(self.agent, f"agent/deliveries/{delivery}/transitions", body)

    def meter(self, delivery: int, hour: int, **quantities: int) -> None:
        starts_at = START + hour * HOUR
        self.now = max(self.now, starts_at + HOUR)
        batch = [
            {
                "specversion": "1.0",
                "id": f"{delivery}-{kind}-{hour}",
                "source": f"urn:cardhour:site:{self.site}",
                "type": "org.cardhour.meter.v1",
                "time": self.now.isoformat(),
                "subject": f"delivery/{delivery}",
                "datacontenttype": "application/json",
                "data": {
                    "meter": METERS[kind],
                    "starts_at": starts_at.isoformat(),
                    "ends_at": (starts_at + HOUR).isoformat(),
                    "quantity": quantity,
                },
            }
            for kind, quantity in quantities.items()
        ]
        answer = self.post(self.agent, "meter-events", batch, "application/cloudevents-batch+json")
        assert answer["accepted"] == len(batch), answer
