"""The two sides of the demo's term agreement, against a live exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.models import Scope
from demo.http import connect
from demo.terms import MONTHS, Sides, sides_of
from marketplace.agreements.models import Agreement
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Offer
from marketplace.terms.models import TermAgreement
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.demo_actors.conftest import Hands
from tests.factories import make_fleet, make_offer, make_site

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.demo_actors.urls")]


@pytest.fixture
def sides(cast: Cast, live_server: LiveServer, tmp_path: Path, settings: Any) -> Iterator[Sides]:
    settings.TERM_CALENDAR = "hours:4"
    make_reference()
    scopes = (Scope.READ, Scope.TRADE)
    file = tmp_path / "demo-terms.json"
    owner = {"token": cast.token(cast.owner, *scopes), "organisation": cast.owner.pk}
    file.write_text(json.dumps({"owner": owner, "buyer": {"token": cast.token(cast.buyer, *scopes)}}))
    with connect(live_server.url) as client:
        yield sides_of(client, file)


def test_it_is_concluded_reserved_for_and_called_off(cast: Cast, hands: Hands, sides: Sides) -> None:
    sides.turn()
    assert not TermAgreement.objects.exists()
    site = make_site(cast.owner)
    sold_out = make_fleet(site, cards=16)
    make_offer(sold_out, cards=16, hours=24 * 28)
    spare = make_fleet(site, cards=8)
    for _ in range(4):
        sides.turn()
    term = TermAgreement.objects.get()
    assert term.state == TermAgreement.State.CONCLUDED
    assert Offer.objects.get(reserved_for=term).fleet == spare
    assert ComputeRequest.objects.filter(under=term).count() == MONTHS
    hands.turn(minutes=5)
    run(hands.now)
    assert Agreement.objects.filter(kind="call_off", term=term).count() == MONTHS
    hands.set(term.ends_at + timedelta(minutes=1))
    sides.turn()
    assert TermAgreement.objects.count() == 2


def test_a_sham_is_concluded_and_left_at_that(cast: Cast, sides: Sides) -> None:
    make_fleet(make_site(cast.owner), cards=8)
    sides.is_sham = True
    for _ in range(4):
        sides.turn()
    assert TermAgreement.objects.get().state == TermAgreement.State.CONCLUDED
    assert not Offer.objects.exists()
    assert not ComputeRequest.objects.exists()
