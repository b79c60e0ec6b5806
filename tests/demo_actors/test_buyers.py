"""The feeder of the demo's requests, against a live exchange with the demo's own catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.actors import task_actor
from accounts.models import IdempotencyRecord, Organisation, Scope
from demo import buyers
from demo.http import connect
from demo.market import Market, build_market
from demo.people import create_tokens
from marketplace.catalogue.services import load_catalogue
from marketplace.clock import floor_hour
from marketplace.demand.models import ComputeRequest
from tests.conftest import NOW
from tests.demo_actors.conftest import Hands
from tests.factories import HOUR

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.delivery.urls")]

START = floor_hour(NOW)


@pytest.fixture
def market(transactional_db: None) -> Market:
    """The reference facts and the buyers of the demo; no supply, no requests."""
    load_catalogue(actor=task_actor("test"), now=START)
    market = build_market(START)
    Organisation.objects.bulk_create(
        Organisation(
            kind=buyer.kind, name_en=buyer.name_en, name_zh=buyer.name_zh, jurisdiction=buyer.jurisdiction
        )
        for buyer in market.buyers
    )
    return market


@pytest.fixture
def start_feeder(
    market: Market, live_server: LiveServer, tmp_path: Path
) -> Iterator[Callable[..., buyers.Feeder]]:
    """Each call is a new process that knows nothing but the files."""
    file = tmp_path / "demo-buyers.json"
    rows = create_tokens(Organisation.Kind.BUYER, [Scope.READ, Scope.TRADE])
    file.write_text(json.dumps({"start": START.isoformat(), "first_hour": 1, "tokens": rows}))
    with connect(live_server.url) as client:
        yield lambda: buyers.feeder_of(client, file)


def entered() -> int:
    return ComputeRequest.objects.count()


def test_requests_enter_evenly_over_their_hour_and_all_are_valid(
    hands: Hands, market: Market, start_feeder: Callable[[], buyers.Feeder]
) -> None:
    feeder = start_feeder()
    first, second = (len(market.requests_entering(hour)) for hour in (1, 2))
    hands.set(START + 1.5 * HOUR)
    assert 1 <= feeder.turn() <= 60
    assert entered() == first // 2 + 1
    for hour in (2, 3):
        hands.set(START + hour * HOUR - HOUR / 100)
        feeder.turn()
    assert entered() == first + second
    organisations = ComputeRequest.objects.values_list("organisation__name_en", flat=True)
    assert set(organisations) <= {buyer.name_en for buyer in market.buyers}


def test_a_restart_sends_nothing_twice_even_if_it_remembers_too_little(
    hands: Hands, start_feeder: Callable[[], buyers.Feeder]
) -> None:
    hands.set(START + 1.2 * HOUR)
    start_feeder().turn()
    count = entered()
    feeder = start_feeder()
    assert (feeder.position.hour, feeder.position.place) == (1, count)
    feeder.position.move(1, count - 3)
    start_feeder().turn()
    assert entered() == count == IdempotencyRecord.objects.count()


def test_after_a_long_pause_the_past_is_skipped(
    hands: Hands, market: Market, start_feeder: Callable[[], buyers.Feeder]
) -> None:
    hands.set(START + 40 * HOUR)
    start_feeder().turn()
    assert 0 < entered() <= len(market.requests_entering(39)) + 1


def test_an_exchange_that_does_not_answer_is_asked_again_later(market: Market, tmp_path: Path) -> None:
    with connect("http://127.0.0.1:1") as client:
        feeder = buyers.Feeder(
            market,
            {buyer.slug: buyers.Exchange.of(client, "t") for buyer in market.buyers},
            buyers.Position(tmp_path / "state.json", 1),
        )
        assert [feeder.turn() for _ in range(3)] == [1, 2, 4]
