"""What is called off under a term agreement: placed by the market at the agreed price."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from accounts.actors import Viewer
from marketplace.agreements.models import Agreement
from marketplace.clearing.models import Allocation, ClearingPrice, Explanation, MarketRun
from marketplace.clearing.selectors import runs, runs_for
from marketplace.demand.models import ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.demand.services import create_request
from marketplace.errors import InvalidInput
from marketplace.supply.models import Offer
from marketplace.supply.rules import OfferChange, OfferInput
from marketplace.supply.services import OfferUnderWay, amend_offer, create_offer
from marketplace.terms.models import TermAgreement
from tests.cast import Cast, bearer
from tests.clearing.market import make_reference, run
from tests.factories import make_fleet, make_model, make_offer, make_request, make_site
from tests.terms.scenes import APRIL, concluded

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)
ALTERNATIVE = AlternativeInput(
    unit="cards",
    amount=Decimal(4),
    workload="training",
    earliest_start=APRIL,
    hours=2,
    deadline=APRIL + 24 * HOUR,
)
BEFORE = APRIL - HOUR


def wanted(term: TermAgreement | None, **changes: Any) -> RequestInput:
    alternative = replace(ALTERNATIVE, **changes)
    return RequestInput("A run", "CNY", [alternative], under=term.pk if term else None)


def call_off(cast: Cast, term: TermAgreement, now: datetime = BEFORE, **changes: Any) -> ComputeRequest:
    viewer = cast.viewer_of(cast.buyer_trader)
    return create_request(viewer=viewer, organisation=cast.buyer, request=wanted(term, **changes), now=now)


def reserve(cast: Cast, term: TermAgreement, *, cards: int = 4, **changes: Any) -> Offer:
    fleet = make_fleet(make_site(cast.owner), cards=cards)
    offer = OfferInput(cards=cards, starts_at=APRIL, ends_at=APRIL + 24 * HOUR, asks=(), lot=1)
    viewer = cast.viewer_of(cast.owner_trader)
    given = replace(offer, **changes)
    return create_offer(viewer=viewer, fleet=fleet, offer=given, now=BEFORE, reserved_for=term.pk)


def test_a_call_off_is_placed_at_the_agreed_price(cast: Cast, settings: Any) -> None:
    make_reference()
    term = concluded(cast)
    settings.COMMISSION_RATE = Decimal("0.1")
    offer, request = reserve(cast, term), call_off(cast, term)
    assert offer.asks == [Decimal(10)]
    assert request.alternatives.get().limit == Decimal(10)
    market = run(BEFORE)
    allocation = Allocation.objects.get()
    agreement = Agreement.objects.get(allocation=allocation)
    assert (allocation.offer, allocation.request) == (offer, request)
    assert set(allocation.prices) == {Decimal(10)}
    assert (agreement.kind, agreement.term, agreement.value) == ("call_off", term, Decimal(80))
    assert agreement.terms["under"] == term.pk
    # The commission is that of the agreement, whatever it has become since.
    assert agreement.commission_rate == Decimal("0.03")
    assert agreement.terms["commission_rate"] == "0.030000"
    # The open market is another one, and knows nothing of it.
    assert (market.term, market.offers_open) == (None, 0)
    assert allocation.run.term == term
    assert not ClearingPrice.objects.exists()
    assert allocation.run not in runs()


def test_neither_market_takes_from_the_other(cast: Cast) -> None:
    make_reference()
    term = concluded(cast)
    cheap = make_offer(make_fleet(make_site(cast.owner), cards=8), ask="1", start=APRIL)
    request = call_off(cast, term)
    reserved = reserve(cast, term, cards=2)
    eager = make_request(cards=2, limit="1000", start=APRIL, hours=2)
    run(BEFORE)
    assert [row.offer for row in Allocation.objects.all()] == [cheap]
    assert Allocation.objects.get().request == eager
    assert not reserved.allocations.exists()
    explanation = Explanation.objects.get(request=request)
    assert (explanation.outcome, explanation.binding) == ("unmatched", "capacity")


def test_the_database_refuses_an_allocation_across(cast: Cast) -> None:
    make_reference()
    term = concluded(cast)
    request = call_off(cast, term)
    offer = make_offer(start=APRIL)
    with pytest.raises(DatabaseError, match="is not for request"), transaction.atomic():
        Allocation.objects.create(
            run=MarketRun.objects.create(
                state="failed", opened_at=BEFORE, horizon_start=APRIL, slots=168, base_currency="CNY"
            ),
            request=request,
            alternative=request.alternatives.get(),
            offer=offer,
            cards=1,
            starts_at=APRIL,
            ends_at=APRIL + HOUR,
            currency="CNY",
            prices=[Decimal(10)],
            fx_rate=1,
        )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"limit": Decimal(11)}, "alternatives.0.limit"),
        ({"budget": Decimal(100)}, "alternatives.0.limit"),
        ({"unit": "np"}, "alternatives.0.unit"),
    ],
)
def test_a_call_off_asks_for_cards_at_the_agreed_price(
    cast: Cast, change: dict[str, Any], named: str
) -> None:
    term = concluded(cast)
    with pytest.raises(InvalidInput) as refused:
        call_off(cast, term, **change)
    assert list(refused.value.fields) == [named]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"asks": (Decimal(9),)}, "asks"),
        ({"starts_at": APRIL - HOUR}, "reserved_for"),
        ({"ends_at": APRIL + 200 * 24 * HOUR}, "reserved_for"),
    ],
)
def test_what_is_reserved_is_offered_as_agreed(cast: Cast, change: dict[str, Any], named: str) -> None:
    term = concluded(cast)
    with pytest.raises(InvalidInput) as refused:
        reserve(cast, term, **change)
    assert list(refused.value.fields) == [named]


def test_what_is_reserved_is_of_the_agreed_model(cast: Cast) -> None:
    term = concluded(cast)
    other = make_fleet(make_site(cast.owner), make_model("mi300x"), cards=4)
    offer = OfferInput(cards=4, starts_at=APRIL, ends_at=APRIL + HOUR, asks=())
    viewer = cast.viewer_of(cast.owner_trader)
    with pytest.raises(InvalidInput) as refused:
        create_offer(viewer=viewer, fleet=other, offer=offer, now=BEFORE, reserved_for=term.pk)
    assert "for cards of the model NVIDIA H800" in refused.value.fields["reserved_for"]
    with pytest.raises(DatabaseError, match="for this model"), transaction.atomic():
        make_offer(other, cards=4, start=APRIL, hours=1, reserved_for=term)


def test_a_reserved_offer_stays_at_the_agreed_price(cast: Cast) -> None:
    offer = reserve(cast, concluded(cast))
    viewer = cast.viewer_of(cast.owner_trader)
    with pytest.raises(InvalidInput):
        amend_offer(viewer=viewer, offer=offer, change=OfferChange(asks=(Decimal(11),)), now=BEFORE)
    fewer = amend_offer(viewer=viewer, offer=offer, change=OfferChange(cards=2), now=BEFORE)
    assert fewer.cards == 2
    with pytest.raises(DatabaseError), transaction.atomic():
        Offer.objects.filter(pk=offer.pk).update(reserved_for=None)


def test_a_reserved_offer_of_which_the_window_has_begun_does_not_change(cast: Cast) -> None:
    offer = reserve(cast, concluded(cast))
    viewer = cast.viewer_of(cast.owner_trader)
    for change in (OfferChange(cards=2), OfferChange(asks=(Decimal(10),)), OfferChange()):
        with pytest.raises(OfferUnderWay, match="nothing of it can change"):
            amend_offer(viewer=viewer, offer=offer, change=change, now=APRIL + HOUR)
    offer.refresh_from_db()
    assert offer.entered_at == BEFORE


def test_an_agreement_is_called_off_by_its_buyer_and_served_by_its_owner(cast: Cast) -> None:
    term = concluded(cast)
    stranger: Viewer = cast.viewer_of(cast.stranger)
    with pytest.raises(InvalidInput) as refused:
        create_request(viewer=stranger, organisation=cast.other_buyer, request=wanted(term), now=BEFORE)
    assert "under" in refused.value.fields
    fleet = make_fleet(make_site(cast.other_owner), cards=4)
    offer = OfferInput(cards=4, starts_at=APRIL, ends_at=APRIL + HOUR, asks=())
    with pytest.raises(InvalidInput) as unknown:
        create_offer(viewer=stranger, fleet=fleet, offer=offer, now=BEFORE, reserved_for=term.pk)
    assert list(unknown.value.fields) == ["reserved_for"]
    with pytest.raises(DatabaseError, match="is not one of buyer"), transaction.atomic():
        make_request(cast.other_buyer, under=term)
    with pytest.raises(DatabaseError, match="is not one of the owner"), transaction.atomic():
        make_offer(fleet, cards=4, start=APRIL, reserved_for=term)


def test_the_run_of_an_agreement_is_its_parties_own(cast: Cast, client: Client) -> None:
    make_reference()
    term = concluded(cast)
    reserve(cast, term)
    call_off(cast, term)
    run(BEFORE)
    its = MarketRun.objects.get(term=term)
    assert its in runs_for(cast.viewer_of(cast.buyer_viewer))
    assert its in runs_for(cast.viewer_of(cast.owner_viewer))
    assert its not in runs_for(cast.viewer_of(cast.stranger))
    path = f"/api/v1/market-runs/{its.pk}"
    assert client.get(path).status_code == 404
    headers = bearer(cast.token(cast.buyer, "read"))
    assert client.get(path, headers=headers).status_code == 200
    page = reverse("clearing:run", args=[its.pk])
    client.force_login(cast.stranger)
    assert client.get(page).status_code == 404
    client.force_login(cast.buyer_viewer)
    report = client.get(page).content.decode()
    assert f"term agreement {term}" in report
    # The price was agreed: how much more the limits would bear says nothing here.
    assert "limits less asks" not in report
    for name, pk in (("demand:request", its.explanations.get().request_id), ("agreements:term", term.pk)):
        assert f"{term}" in client.get(reverse(name, args=[pk])).content.decode()
    client.force_login(cast.owner_trader)
    offer = client.get(reverse("supply:offer", args=[its.offer_outcomes.get().offer_id])).content.decode()
    assert "Reserved for" in offer
    assert "Change the ask" not in offer


def test_what_a_dead_worker_left_of_an_agreement_is_finished_and_the_open_market_cleared(cast: Cast) -> None:
    make_reference()
    term = concluded(cast)
    reserve(cast, term)
    call_off(cast, term)
    left = MarketRun.objects.create(
        term=term, opened_at=BEFORE, horizon_start=APRIL, slots=168, base_currency="CNY"
    )
    assert run(BEFORE).term is None
    left.refresh_from_db()
    assert (left.state, left.allocations.count()) == ("committed", 1)
