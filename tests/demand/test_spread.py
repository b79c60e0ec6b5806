"""Work that is spread over a window: several pieces of one offer, each with an agreement of its own."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.actors import task_actor
from billing.invoicing.models import Document
from billing.invoicing.services import close_due_periods
from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery
from marketplace.supply.models import OfferHour
from tests.billing.builders import LONG_AFTER, agent_of, event, make_billing_facts, rate_at, send
from tests.cast import Cast
from tests.demand.purchases import buy
from tests.factories import HOUR, START, make_fleet, make_offer, make_request, make_site
from tests.pages_trade.scenes import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def pieces(cast: Cast) -> list[Agreement]:
    """8 cards for an hour at ¥10, and after a pause 4 of the same offer for an hour at ¥12."""
    offer = make_offer(make_fleet(make_site(cast.owner)), cards=64, ask="9")
    request = make_request(cast.buyer, alternatives=[{"divisible": True, "interruptible": True}])
    return [
        buy(request, offer, cards=8, hours=1),
        buy(request, offer, cards=4, hours=1, start=START + 2 * HOUR, price="12"),
    ]


def test_each_piece_is_an_agreement_with_terms_of_its_own(pieces: list[Agreement]) -> None:
    first, second = pieces
    assert first.allocation.run == second.allocation.run
    assert first.allocation.offer == second.allocation.offer
    assert first.terms_digest != second.terms_digest
    assert [(piece.card_hours, piece.value) for piece in pieces] == [(8, 80), (4, 48)]
    sold = OfferHour.objects.order_by("slot").values_list("slot", "cards_sold")
    assert list(sold) == [(START, 8), (START + 2 * HOUR, 4)]


def test_each_piece_is_delivered_metered_and_billed_for_itself(cast: Cast, pieces: list[Agreement]) -> None:
    agent = agent_of(cast.owner)
    for piece in pieces:
        delivery = Delivery.objects.create(
            agreement=piece,
            site=piece.allocation.offer.fleet.site,
            state="active",
            starts_at=piece.starts_at,
            ends_at=piece.ends_at,
            active_from=piece.starts_at,
            acceptance={"passed": True},
        )
        used = event(
            delivery, f"e{delivery.pk}", at=piece.starts_at, seconds=3600, quantity=piece.cards * 3600
        )
        send(agent, used)
    rate_at()
    charged = dict(Charge.objects.values_list("agreement", "amount"))
    assert charged == {pieces[0].pk: Decimal(80), pieces[1].pk: Decimal(48)}
    make_billing_facts("CN")
    close_due_periods(now=LONG_AFTER, actor=task_actor("billing.close_periods"))
    lines = Document.objects.get(kind="invoice").lines.order_by("agreement")
    assert [line.agreement_id for line in lines] == [piece.pk for piece in pieces]


def test_buyer_and_owner_see_every_piece(cast: Cast, pieces: list[Agreement], now: datetime) -> None:
    allocation = pieces[0].allocation
    asked = page(cast.buyer_viewer, reverse("demand:request", args=[allocation.request_id]))
    sold = page(cast.owner_viewer, reverse("supply:offer", args=[allocation.offer_id]))
    for piece in pieces:
        address = reverse("agreements:agreement", args=[piece.pk])
        assert address in asked
        assert address in sold
