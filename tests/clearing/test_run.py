"""A market run: from the open orders to allocations, prices, explanations and agreements."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError

from accounts.models import AuditEvent
from marketplace import engine
from marketplace.agreements import services as agreements
from marketplace.agreements.models import Agreement
from marketplace.agreements.terms import digest
from marketplace.catalogue.models import FxRate
from marketplace.clearing import services as clearing
from marketplace.clearing.models import Allocation, ClearingPrice, Explanation, MarketRun
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import Offer, OfferHour
from tests.clearing.market import ACTOR, make_market, make_reference, prepare, run
from tests.conftest import NOW
from tests.factories import (
    START,
    make_fleet,
    make_model,
    make_offer,
    make_profile_version,
    make_region,
    make_request,
    make_site,
    make_zone,
)

# The snapshot is read in a repeatable-read transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_match_becomes_an_allocation_prices_and_an_agreement() -> None:
    offer, request = make_market(cards=8, ask="10", limit="12")
    done = run()
    allocation = Allocation.objects.get()
    agreement = Agreement.objects.get()
    request.refresh_from_db()
    assert done.state == MarketRun.State.COMMITTED
    assert (done.requests_open, done.requests_matched, done.card_hours_sold) == (1, 1, 32)
    assert done.surplus == Decimal(2 * 8 * 4)
    assert request.state == ComputeRequest.State.MATCHED
    assert (allocation.offer, allocation.cards, allocation.starts_at) == (offer, 8, START)
    assert allocation.prices == [Decimal("10.000000")] * 4
    assert agreement.value == Decimal("320.000000")
    assert agreement.card_hours == 32
    assert (agreement.buyer, agreement.owner) == (request.organisation, offer.fleet.site.owner)
    assert agreement.terms_digest == digest(agreement.terms)
    assert set(OfferHour.objects.values_list("cards_sold", flat=True)) == {8}
    assert ClearingPrice.objects.count() == 4
    assert Explanation.objects.get().outcome == "matched"


def test_an_unmatched_request_is_told_why_and_stays_for_the_next_run() -> None:
    _, request = make_market(ask="10", limit="9.5")
    run()
    explanation = Explanation.objects.get(request=request)
    request.refresh_from_db()
    assert request.state == ComputeRequest.State.OPEN
    assert (explanation.outcome, explanation.binding) == ("unmatched", "limit")
    assert explanation.details["remedy"] == {"alternative": 0, "constraint": "limit", "value": 10_000_000}
    assert run().requests_open == 1


def test_a_run_never_moves_what_an_earlier_run_sold() -> None:
    offer, _ = make_market(cards=8)
    run()
    late = make_request(cards=8, limit="100", deadline=START + timedelta(hours=4))
    run()
    late.refresh_from_db()
    assert late.state == ComputeRequest.State.OPEN
    (funnel,) = Explanation.objects.get(request=late).details["funnels"]
    assert ["capacity", 1] in funnel["removed"]
    assert Allocation.objects.filter(offer=offer).count() == 1


def test_an_agreement_is_in_the_offers_currency_and_records_the_rate() -> None:
    make_reference()
    region = make_region("us-iowa", make_zone("us", currency="USD"), jurisdiction="US", country="US")
    site_model = make_model()
    make_offer(make_fleet(make_site(region=region), site_model), ask="2")
    make_request(limit="14.3", currency="CNY")
    run()
    agreement = Agreement.objects.get()
    assert agreement.currency == "USD"
    assert agreement.value == Decimal("64.000000")
    assert agreement.allocation.fx_rate == Decimal("7.1")


def test_a_limit_that_is_too_low_after_conversion_is_not_matched() -> None:
    make_reference()
    region = make_region("us-iowa", make_zone("us", currency="USD"), jurisdiction="US", country="US")
    make_offer(make_fleet(make_site(region=region)), ask="2")
    make_request(limit="14.19", currency="CNY")
    run()
    assert Explanation.objects.get().binding == "limit"


def test_a_request_withdrawn_after_the_snapshot_is_not_matched() -> None:
    _, request = make_market()
    prepared = prepare()
    ComputeRequest.objects.filter(pk=request.pk).update(state="withdrawn")
    with pytest.raises(clearing.SnapshotStale, match="withdrawn or has expired"):
        agreements.commit(prepared.run, prepared.data, prepared.result, now=NOW, actor=ACTOR)
    assert not Allocation.objects.exists()
    assert not Agreement.objects.exists()


def test_hours_sold_after_the_snapshot_are_not_sold_again() -> None:
    offer, _ = make_market()
    prepared = prepare()
    OfferHour.objects.create(offer=offer, slot=START, cards_offered=8, cards_sold=1)
    with pytest.raises(clearing.SnapshotStale, match="offer_hour_never_oversold"):
        agreements.commit(prepared.run, prepared.data, prepared.result, now=NOW, actor=ACTOR)
    assert OfferHour.objects.get().cards_sold == 1
    assert ComputeRequest.objects.get().state == ComputeRequest.State.OPEN


def test_a_stale_run_starts_again_from_a_new_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    offer, _ = make_market(cards=8)
    compute = clearing.compute

    def sell_one_meanwhile(data: bytes) -> clearing.Computed:
        computed = compute(data)
        OfferHour.objects.get_or_create(offer=offer, slot=START, cards_offered=8, cards_sold=1)
        return computed

    monkeypatch.setattr(clearing, "compute", sell_one_meanwhile)
    done = run()
    assert (done.state, done.attempts) == (MarketRun.State.COMMITTED, 2)
    assert Allocation.objects.get().starts_at == START + timedelta(hours=1)


def test_a_run_that_waited_past_its_first_slot_sells_nothing_in_the_past() -> None:
    make_market()
    prepared = prepare()
    with pytest.raises(clearing.SnapshotStale, match="has begun"):
        agreements.commit(prepared.run, prepared.data, prepared.result, now=START, actor=ACTOR)
    assert run(START).horizon_start == START + timedelta(hours=1)
    assert Allocation.objects.get().starts_at == START + timedelta(hours=1)


def test_a_result_that_the_verifier_refuses_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    make_market(ask="10")
    clear = engine.clear

    def clear_below_the_ask(snapshot: engine.Snapshot) -> engine.Result:
        result = clear(snapshot)
        return replace(result, prices=tuple(replace(price, price=9_999_999) for price in result.prices))

    monkeypatch.setattr(engine, "clear", clear_below_the_ask)
    done = run()
    assert done.state == MarketRun.State.FAILED
    assert done.failure.startswith("The verifier refused the result: ")
    assert "9999999" not in done.failure
    assert not Allocation.objects.exists()
    assert "9999999" in AuditEvent.objects.get(action="run.failed").data["details"]


def test_only_one_run_is_under_way() -> None:
    make_market()
    first = clearing.open_run(actor=ACTOR, now=NOW)
    assert clearing.open_run(actor=ACTOR, now=NOW) == first
    with pytest.raises(IntegrityError, match="one_run_under_way"):
        MarketRun.objects.create(opened_at=NOW, horizon_start=START, slots=1, base_currency="CNY")


def test_a_finished_run_is_never_changed() -> None:
    make_market()
    done = run()
    done.surplus = Decimal(0)
    with pytest.raises(DatabaseError, match="Cannot update"):
        done.save()


def test_a_committed_run_is_replayed_byte_for_byte() -> None:
    make_market()
    done = run()
    out = StringIO()
    call_command("replay", str(done.pk), stdout=out)
    assert f"identical, SHA-256 {done.result_digest}" in out.getvalue()


def test_replaying_a_run_that_is_not_there_says_so() -> None:
    with pytest.raises(CommandError, match="no committed run 77"):
        call_command("replay", "77")


def test_a_run_without_a_fact_fails_where_an_operator_sees_it() -> None:
    make_profile_version()
    make_offer()
    request = make_request()
    done = run()
    request.refresh_from_db()
    assert done.state == MarketRun.State.FAILED
    assert "No exchange rate is valid" in done.failure
    assert request.state == ComputeRequest.State.OPEN


def test_a_withdrawn_offer_sells_nothing() -> None:
    offer, _ = make_market()
    Offer.objects.filter(pk=offer.pk).update(state="withdrawn", withdrawn_at=NOW)
    assert run().offers_open == 0
    assert not Allocation.objects.exists()


def test_an_allocation_without_a_price_for_each_hour_is_refused_by_the_database() -> None:
    make_market()
    run()
    sold = Allocation.objects.get()
    sold.starts_at, sold.ends_at = sold.starts_at + timedelta(hours=4), sold.ends_at + timedelta(hours=4)
    for prices in ([Decimal(10)] * 3, [Decimal(10)] * 3 + [None], [Decimal(10)] * 3 + [Decimal(0)]):
        sold.pk, sold.prices = None, prices
        with pytest.raises(IntegrityError, match="one price for each"):
            sold.save(force_insert=True)


@pytest.mark.parametrize("asks", [["11.9"], ["10", "11.9", "10", "10"]])
def test_an_owner_who_raised_its_ask_after_the_snapshot_does_not_sell_below_it(asks: list[str]) -> None:
    offer = make_market()[0] if len(asks) == 1 else make_hourly_market()
    prepared = prepare()
    Offer.objects.filter(pk=offer.pk).update(asks=[Decimal(ask) for ask in asks])
    with pytest.raises(clearing.SnapshotStale, match="was raised since the snapshot"):
        agreements.commit(prepared.run, prepared.data, prepared.result, now=NOW, actor=ACTOR)
    assert not Agreement.objects.exists()


def make_hourly_market() -> Offer:
    make_reference()
    make_request(cards=8, limit="12", hours=4, deadline=START + timedelta(hours=4))
    return make_offer(ask=["10"] * 4, hours=4)


def test_an_owner_who_lowered_its_ask_after_the_snapshot_sells() -> None:
    offer, _ = make_market(ask="10")
    prepared = prepare()
    Offer.objects.filter(pk=offer.pk).update(asks=[Decimal(9)])
    agreements.commit(prepared.run, prepared.data, prepared.result, now=NOW, actor=ACTOR)
    assert Allocation.objects.get().prices == [Decimal(10)] * 4


def test_orders_in_a_currency_without_a_rate_wait_and_do_not_stop_the_market() -> None:
    _, matched = make_market()
    region = make_region("de-berlin", make_zone("eu", currency="EUR"), jurisdiction="DE", country="DE")
    make_offer(make_fleet(make_site(region=region)), ask="0.01")
    waiting = make_request(currency="EUR")
    FxRate.objects.filter(currency="EUR").delete()
    done = run()
    assert (done.state, done.requests_open, done.offers_open) == (MarketRun.State.COMMITTED, 1, 1)
    matched.refresh_from_db()
    waiting.refresh_from_db()
    assert (matched.state, waiting.state) == (ComputeRequest.State.MATCHED, ComputeRequest.State.OPEN)
