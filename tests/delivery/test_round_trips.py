"""Round trips that a site measured count for its requests' bounds, while they are fresh."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Scope
from marketplace.agent.network import measure
from marketplace.clearing.models import Explanation, MarketRun
from marketplace.clearing.wording import funnels
from marketplace.supply.models import RoundTrip
from tests.cast import Cast, bearer
from tests.clearing.market import make_reference
from tests.clearing.test_snapshot import build
from tests.conftest import NOW
from tests.factories import make_fleet, make_offer, make_request, make_site

pytestmark = pytest.mark.django_db

MEASURED = {"at": NOW.isoformat(), "microseconds": 3_210, "sent": 5, "lost": 1}


def trips_of(now: datetime = NOW) -> dict[str, int]:
    [site] = build(now=now).sites
    return {trip.place: trip.microseconds for trip in site.round_trips}


def test_what_was_measured_counts_and_when_it_is_old_the_estimate_again(
    cast: Cast, client: Client, now: datetime
) -> None:
    make_reference()
    site = make_offer(make_fleet(make_site(cast.owner))).fleet.site
    region = site.region.slug
    estimate = trips_of()[region]
    agent = bearer(cast.token(cast.owner, Scope.AGENT))

    def report(**facts: Any) -> int:
        body = {"site": site.pk, "measurements": [{"region": region} | MEASURED | facts]}
        address = "/api/v1/agent/round-trips"
        return client.post(address, body, content_type="application/json", headers=agent).status_code

    assert [report(), report()] == [204, 204]
    assert RoundTrip.objects.count() == 1
    assert (trips_of()[region], estimate) == (3_210, 1_000)
    later = NOW + timedelta(hours=24)
    assert trips_of(later)[region] == estimate
    assert report(region="nowhere") == report(at=later.isoformat()) == 422
    assert report(microseconds=None) == report(lost=5) == report(lost=6) == 422
    lost = NOW - timedelta(minutes=1)
    assert report(at=lost.isoformat(), microseconds=None, lost=5) == 204
    assert trips_of()[region] == 3_210
    assert AuditEvent.objects.filter(action="site.round_trips_measured").count() == 3


def test_an_explanation_says_whether_it_was_measured(cast: Cast) -> None:
    site = make_site(cast.owner)
    request = make_request(cast.buyer)
    request.alternatives.update(near=site.region, round_trip_ms=Decimal(1))
    run = MarketRun.objects.create(
        state="failed", opened_at=NOW, horizon_start=NOW, slots=1, base_currency="CNY"
    )
    details = {"funnels": [{"alternative": 0, "offers": 4, "removed": [["latency", 3]]}]}
    explanation = Explanation(run=run, request=request, details=details)

    def label() -> str:
        [funnel] = funnels(explanation, list(request.alternatives.all()))
        return str(funnel.stages[1]["label"])

    assert label().endswith("(estimated from the distance)")
    RoundTrip.objects.create(site=site, region=site.region, measured_at=NOW, microseconds=900, sent=5, lost=0)
    assert label().endswith("(measured at 1 site, elsewhere estimated from the distance)")


def test_a_round_trip_is_the_time_in_which_a_connection_opens() -> None:
    """To a listener of ours; to a port that nobody listens on all is lost."""
    answers = iter([0.004, None, 0.002, 0.003, None])
    trip = measure("probe:443", connect=lambda _host, _port: next(answers))
    assert (trip.microseconds, trip.sent, trip.lost) == (3_000, 5, 2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        real = measure(f"127.0.0.1:{port}")
    assert real.lost == 0
    assert real.microseconds is not None
    gone = measure(f"127.0.0.1:{port}")
    assert (gone.microseconds, gone.lost) == (None, 5)
