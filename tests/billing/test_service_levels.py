"""A promise that was not kept is credited: by the terms, from the readings, never beyond the cap."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.invoicing.models import Document
from billing.invoicing.replay import replay_bill
from billing.rating.availability import Service, credit_of, longest_outage, share_of
from billing.rating.models import Charge, RatingRun, ServiceLevel
from billing.rating.replay import replay_run
from billing.rating.service_levels import assess_service_levels
from marketplace.agreements.terms import ServiceLevelTerms, service_level
from marketplace.delivery.models import Delivery
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    RATER,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    send,
)
from tests.billing.scenes import close
from tests.cast import Cast
from tests.pages_trade.scenes import page
from tests.triggers import without_triggers

TERMS = ServiceLevelTerms(
    availability=Decimal("0.99"),
    tiers=[
        (Decimal("0.99"), Decimal("0.1")),
        (Decimal("0.95"), Decimal("0.25")),
        (Decimal("0.9"), Decimal("0.5")),
    ],
    cap=Decimal("0.5"),
    recovery_minutes=60,
    recovery_share=Decimal("0.05"),
)
FULL = 8 * 3600


def service(delivered: int, owed: int = 100, outage: int = 0, charged: str = "100") -> Service:
    return Service(owed, delivered, timedelta(minutes=outage), Decimal(charged), Decimal(charged) * 3 / 100)


@pytest.mark.parametrize(
    ("delivered", "outage", "share"),
    [
        (100, 0, "0"),
        (99, 0, "0"),
        (98, 0, "0.1"),
        (95, 0, "0.1"),
        (94, 0, "0.25"),
        (89, 0, "0.5"),
        (0, 0, "0.5"),
        (100, 60, "0"),
        (100, 61, "0.05"),
        (98, 61, "0.15"),
        (50, 600, "0.5"),
    ],
)
def test_the_tiers_of_the_terms_name_the_share(delivered: int, outage: int, share: str) -> None:
    assert share_of(TERMS, service(delivered, outage=outage)) == Decimal(share)


shares = st.integers(0, 1_000_000).map(lambda micro: Decimal(micro).scaleb(-6))
promises = st.builds(
    ServiceLevelTerms,
    availability=shares,
    tiers=st.lists(st.tuples(shares, shares), max_size=4),
    cap=shares,
    recovery_minutes=st.integers(0, 600),
    recovery_share=shares,
)


@given(
    terms=promises,
    owed=st.integers(1, 10**9),
    part=shares,
    outage=st.integers(0, 700),
    pico=st.integers(0, 10**20),
)
def test_the_credit_is_that_of_slow_decimals(
    terms: ServiceLevelTerms, owed: int, part: Decimal, outage: int, pico: int
) -> None:
    with localcontext(prec=200):
        charged, delivered = Decimal(pico).scaleb(-12), int(owed * part)
        share = Decimal(0)
        for below, of_tier in terms.tiers:
            if Decimal(delivered) < below * owed and of_tier > share:
                share = of_tier
        if outage > terms.recovery_minutes:
            share += terms.recovery_share
        share = min(share, terms.cap)
        amount = (charged * share).quantize(Decimal("1e-12"), ROUND_HALF_EVEN)
    given_back = credit_of(terms, Service(owed, delivered, timedelta(minutes=outage), charged, Decimal(0)))
    assert (given_back.share, given_back.amount) == (share, amount)
    assert given_back.amount <= charged


@given(st.lists(st.tuples(st.integers(-30, 150), st.integers(1, 60)), max_size=12))
def test_the_longest_outage_is_that_of_counting_minutes(spans: list[tuple[int, int]]) -> None:
    covered = [(START + start * MINUTE, START + (start + length) * MINUTE) for start, length in spans]
    longest = run = 0
    for minute in range(120):
        is_there = any(start <= minute < start + length for start, length in spans)
        run = 0 if is_there else run + 1
        longest = max(longest, run)
    found = longest_outage(START, START + 120 * MINUTE, covered)
    assert max(found, timedelta()) == longest * MINUTE


def delivered(cast: Cast, *quantities: int, price: str = "12.5") -> Delivery:
    """An ended delivery with so many card-seconds in each of its hours; at 12.50 a full hour is 100.00."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=[price] * len(quantities))
    for hour, quantity in enumerate(quantities):
        report(cast, delivery, hour, quantity, f"h{hour}")
    Delivery.objects.filter(pk=delivery.pk).update(state="ended", active_until=delivery.ends_at)
    return delivery


def report(cast: Cast, delivery: Delivery, hour: int, quantity: int, name: str) -> None:
    reading = event(
        delivery, f"{delivery.pk}-{name}", at=START + hour * HOUR, seconds=3600, quantity=quantity
    )
    assert [each.status.value for each in send(agent_of(cast.owner), reading)] == ["accepted"]


def assess(now: datetime = LONG_AFTER) -> RatingRun | None:
    rate_at(now)
    return assess_service_levels(now=now, actor=RATER)


def given_credits() -> list[tuple[int, Decimal, Decimal, Decimal]]:
    rows = Charge.objects.filter(kind="sla_credit").order_by("sequence")
    return [(each.sequence, each.amount, each.commission, each.credit) for each in rows]


@pytest.mark.django_db
class TestCredits:
    def test_a_kept_promise_gives_no_credit_and_is_on_record(self, cast: Cast) -> None:
        delivered(cast, FULL, FULL)
        assert assess() is not None
        level = ServiceLevel.objects.get()
        assert (level.share, level.charge, level.delivered, level.owed) == (0, None, 2 * FULL, 2 * FULL)
        assert given_credits() == []
        assert assess() is None

    def test_both_sides_and_the_commission_give_back_their_part(self, cast: Cast) -> None:
        delivery = delivered(cast, FULL, FULL * 86 // 100)
        assess()
        level = ServiceLevel.objects.get()
        assert level.availability == Decimal("0.93")
        assert level.short_slots == [[(START + HOUR).isoformat(), FULL, FULL * 86 // 100]]
        ((_, amount, commission, credit),) = given_credits()
        assert (amount, commission, credit) == (Decimal("-46.5"), Decimal("-1.395"), Decimal("-45.105"))
        charge = Charge.objects.get(kind="sla_credit")
        assert (charge.quantity, charge.price, charge.slot) == (0, 0, delivery.ends_at - HOUR)

    def test_an_hour_without_cards_is_an_outage(self, cast: Cast) -> None:
        delivered(cast, FULL, 0, 0, *[FULL] * 200)
        assess()
        level = ServiceLevel.objects.get()
        assert (level.longest_outage, level.share) == (2 * HOUR, Decimal("0.05"))

    def test_late_readings_are_assessed_again_and_the_difference_is_a_correction(self, cast: Cast) -> None:
        delivery = delivered(cast, FULL, FULL // 2)
        assess()
        first = Charge.objects.get(kind="sla_credit")
        assert first.amount == -75
        report(cast, delivery, 1, FULL // 2, "late")
        assess()
        second = Charge.objects.get(kind="sla_credit", sequence=1)
        assert (second.corrects, second.amount) == (first, 75)
        assert sum(amount for _, amount, _, _ in given_credits()) == 0
        assert [level.credited for level in ServiceLevel.objects.order_by("pk")] == [75, 0]
        assert all(replay_run(run).is_same for run in RatingRun.objects.all())

    def test_the_order_of_readings_and_assessments_leaves_no_trace(self, cast: Cast) -> None:
        one, other = delivered(cast, FULL // 4, FULL // 3), delivered(cast, FULL // 4, FULL // 3)
        report(cast, one, 1, FULL // 5, "late")
        assess()
        report(cast, other, 1, FULL // 5, "late")
        assess()
        sums = {
            delivery.agreement_id: sum(
                charge.amount for charge in Charge.objects.filter(agreement=delivery.agreement_id)
            )
            for delivery in (one, other)
        }
        assert sums[one.agreement_id] == sums[other.agreement_id]

    def test_what_is_under_way_not_rated_or_parked_is_not_assessed(self, cast: Cast) -> None:
        delivery = delivered(cast, FULL, FULL // 2)
        assert assess_service_levels(now=LONG_AFTER, actor=RATER) is None
        with without_triggers("delivery_delivery"):
            Delivery.objects.filter(pk=delivery.pk).update(state="active", active_until=None)
        assert assess() is None
        waiting = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10"])
        report(cast, waiting, 0, FULL, "only")
        Delivery.objects.filter(pk=waiting.pk).update(state="ended", active_until=waiting.ends_at)
        assert assess() is None
        assert not ServiceLevel.objects.exists()

    def test_it_stands_on_the_documents_and_replays_with_them(self, cast: Cast) -> None:
        delivered(cast, FULL, FULL // 2)
        assess()
        close()
        invoice = Document.objects.get(kind="invoice")
        assert invoice.net == 7_500
        for document in Document.objects.all():
            assert replay_bill(document).is_same, replay_bill(document).differences
        run = RatingRun.objects.get(method="service-level/1")
        with without_triggers("rating_charge"):
            run.charges.update(amount=-76, credit=-76 - run.charges.get().commission)
        assert "sla_credit" in replay_run(run).differences[0].recorded
        assert not replay_bill(invoice).is_same

    def test_terms_without_a_promise_give_none(self, cast: Cast) -> None:
        delivery = delivered(cast, FULL // 2)
        with without_triggers("agreements_agreement"):
            type(delivery.agreement).objects.update(terms={"format": "spot/1"})
        assert assess() is None

    def test_the_promise_and_the_evidence_are_on_the_pages(self, cast: Cast) -> None:
        delivery = delivered(cast, FULL, FULL // 2)
        assess()
        shown = page(cast.buyer_viewer, reverse("agreements:agreement", args=[delivery.agreement_id]))
        assert "An outage of more than 60 minutes adds" in shown
        charge = Charge.objects.get(kind="sla_credit")
        for user in (cast.buyer_viewer, cast.owner_viewer):
            evidence = page(user, reverse("billing:charge", args=[charge.pk]))
            assert "Hours in which less was delivered than owed" in evidence
            assert "43,200 of 57,600 card-seconds" in evidence
            assert "h1" in evidence

    @pytest.mark.parametrize(
        "facts", [{"quantity": 1}, {"price": 1}, {"amount": 1, "credit": 1, "commission": 0}]
    )
    def test_the_database_knows_what_a_credit_is(self, cast: Cast, facts: dict[str, Any]) -> None:
        delivered(cast, FULL // 2)
        assess()
        with (
            pytest.raises(DatabaseError, match="charge_"),
            transaction.atomic(),
            without_triggers("rating_charge"),
        ):
            Charge.objects.filter(kind="sla_credit").update(**facts)


def test_the_terms_that_are_shipped_are_those_of_the_tests(settings: Any) -> None:
    assert service_level({"sla": settings.SERVICE_LEVEL}) == TERMS
    assert service_level({"format": "spot/1"}) is None
