"""Settling the months of a term agreement: what they owe beside the usage of what was called off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from billing.invoicing.focus import as_focus
from billing.invoicing.models import Document, Line
from billing.invoicing.replay import replay_bill
from billing.invoicing.selectors import documents_to_export
from billing.ledger.selectors import trial_balance
from billing.rating import settling
from billing.rating.models import Charge, ParkedUsage
from billing.rating.replay import replay_run
from billing.rating.settlement import Use, settle
from billing.rating.settling import METHOD, settlements
from marketplace.agreements.term_services import accept_terms, propose_amendment
from marketplace.clearing.services import agreements_called_off
from marketplace.delivery.models import Delivery
from marketplace.supply.models import Offer
from marketplace.terms.models import TermAgreement
from marketplace.terms.sheet import MICRO, Tier
from tests.billing.builders import HOUR, agent_of, event, make_delivery, rate_at, send
from tests.billing.focus_rules import problems
from tests.billing.scenes import close
from tests.cast import Cast, bearer
from tests.factories import make_fleet, make_offer, make_request, make_site
from tests.terms.months import (
    AFTER_ONE,
    AFTER_TWO,
    MONTH,
    NOON,
    SHEET,
    called_off,
    deliver,
    months_of,
    owed,
    reserve,
    settle_at,
    short_months,
)
from tests.terms.scenes import agreement_of, concluded

pytestmark = pytest.mark.django_db


@pytest.fixture
def term(cast: Cast, settings: Any) -> TermAgreement:
    settings.BILLING_PERIOD = "hours:4"
    return short_months(cast, settings)


def test_a_shortfall_is_charged_and_made_up_and_overage_costs_its_tier(
    cast: Cast, term: TermAgreement
) -> None:
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 5)
    assert settle_at(NOON + MONTH) is None
    run = settle_at(AFTER_ONE)
    # 16 of 20 had to be taken, and 10 were.
    assert owed(term) == [("shortfall", 6, Decimal("21.6"))]
    assert run is not None
    assert run.method == METHOD
    deliver(called_off(cast, term, 1), 8, 8, 8, 8)
    settle_at(AFTER_TWO)
    # Of 32, 6 were paid before; 26 are paid, and those above 22 at twice the price.
    assert owed(term)[1:] == [("overage", 4, Decimal("14.4")), ("make_up", -6, Decimal("-21.6"))]
    first, second = months_of(term)
    assert (first.shortfall, first.make_up_left) == (6 * 3600, 6 * 3600)
    assert (second.made_up, second.make_up_left, second.overage) == (6 * 3600, 0, 6 * 3600)
    assert second.carry_forward_left == 6 * 3600
    for charge in Charge.objects.filter(agreement=agreement_of(term)):
        assert charge.amount == charge.commission + charge.credit
        assert charge.commission == charge.amount * Decimal("0.03")
    assert settle_at(AFTER_TWO) is None


def test_a_month_without_any_call_off_owes_its_minimum(term: TermAgreement, cast: Cast) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    settle_at(AFTER_ONE)
    assert owed(term) == [("shortfall", 16, Decimal("57.6"))]


def test_what_the_site_did_not_deliver_lowers_the_minimum(cast: Cast, term: TermAgreement) -> None:
    deliver(called_off(cast, term, 0, cards=5), 5, 0, 0, 0)
    settle_at(AFTER_ONE)
    (month,) = months_of(term)
    assert (month.delivered, month.undelivered) == (5 * 3600, 15 * 3600)
    assert month.minimum == 4 * 3600
    assert not owed(term)


def test_what_the_owner_did_not_offer_lowers_the_minimum(cast: Cast, term: TermAgreement) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    # Withdrawn at the end of the second hour: 2 × 5 card-hours of the first month were offered, none later.
    offer = term.offers.get()
    Offer.objects.filter(pk=offer.pk).update(cards=5)
    Offer.objects.filter(pk=offer.pk).update(state="withdrawn", withdrawn_at=NOON + 1.5 * HOUR)
    settle_at(AFTER_TWO)
    first, second = months_of(term)
    assert (first.offered, first.minimum, first.shortfall) == (10 * 3600, 8 * 3600, 8 * 3600)
    assert (second.offered, second.minimum) == (0, 0)
    assert owed(term) == [("shortfall", 8, Decimal("28.8"))]


@pytest.mark.parametrize(
    ("entered", "hours"),
    [(NOON - timedelta(seconds=1), 4), (NOON, 3), (NOON + HOUR / 2, 3), (NOON + 3.5 * HOUR, 0)],
)
def test_hours_that_no_run_could_sell_were_not_offered(
    cast: Cast, term: TermAgreement, entered: datetime, hours: int
) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    Offer.objects.filter(reserved_for=term).update(cards=5, entered_at=entered)
    settle_at(AFTER_TWO)
    first, second = months_of(term)
    assert (first.offered, first.minimum) == (hours * 5 * 3600, hours * 4 * 3600)
    assert second.offered == 20 * 3600


def test_an_offer_too_short_for_its_shortest_sale_was_not_offered(cast: Cast, term: TermAgreement) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    # Of its 16 hours 15 are left.
    Offer.objects.filter(reserved_for=term).update(entered_at=NOON, minimum_hours=16)
    settle_at(AFTER_ONE)
    assert [month.offered for month in months_of(term)] == [0]


def test_late_usage_is_booked_as_the_difference_with_its_own_month(cast: Cast, term: TermAgreement) -> None:
    delivery = called_off(cast, term, 0, cards=5, hours=2)
    deliver(delivery, 5, 1)
    settle_at(AFTER_ONE)
    close(AFTER_ONE + timedelta(hours=3))
    (first,) = Charge.objects.filter(agreement=agreement_of(term))
    deliver(delivery, -1, 4, name="late", now=AFTER_ONE)
    # No other month has ended: the late usage alone is what makes it due.
    settle_at(AFTER_ONE + HOUR)
    late = Charge.objects.get(corrects=first)
    # 4 were reported late: they were undelivered before, so the minimum rises by 3.2 of them, and falls by 4.
    perfect = settle([(SHEET, Use(10 * 3600 * MICRO))])[0]
    assert late.slot == first.slot
    assert first.quantity + late.quantity == perfect.shortfall // MICRO
    assert first.amount + late.amount == perfect.dues[-1].amount
    settle_at(AFTER_TWO)
    close(AFTER_TWO + timedelta(hours=3))
    line = Line.objects.get(invoiced_charges__charge=late)
    assert line.corrects == Line.objects.get(invoiced_charges__charge=first)
    assert line.period != line.document.period


def test_a_period_closes_after_its_months_are_settled(cast: Cast, term: TermAgreement) -> None:
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 5)
    rate_at(AFTER_ONE)
    assert not close(AFTER_ONE + timedelta(hours=3))
    settle_at(AFTER_ONE)
    assert close(AFTER_ONE + timedelta(hours=3))
    assert Line.objects.filter(item="shortfall", period__ends_at=NOON + MONTH).count() == 2


def test_months_are_those_of_the_parties_calendar(cast: Cast, settings: Any) -> None:
    """November in New York, where the clocks go back on its first day."""
    begins = datetime(2026, 11, 1, 4, tzinfo=UTC)
    sheet = replace(SHEET, quantity=10 * MICRO)
    november = concluded(cast, starts_at=begins, months=2, time_zone="America/New_York", sheet=sheet)
    assert november.spans[0][1] == begins + 721 * HOUR
    last_hour = begins + 720 * HOUR
    delivery = make_delivery(
        owner=cast.owner, buyer=cast.buyer, prices=["3.6"] * 2, cards=6, start=last_hour, under=november
    )
    fleet = make_fleet(make_site(cast.owner), cards=20)
    make_offer(fleet, cards=20, start=begins, hours=800, reserved_for=november)
    deliver(delivery, 6, 6)
    assert settle_at(last_hour + timedelta(minutes=59)) is None
    settle_at(last_hour + 2 * HOUR)
    # The second hour is of December.
    charge = Charge.objects.get(kind="shortfall")
    assert (charge.slot, charge.quantity) == (last_hour, 2 * 3600)


def test_usage_that_waits_for_a_person_lets_its_month_wait(cast: Cast, term: TermAgreement) -> None:
    called_off(cast, term, 0)
    settle_at(AFTER_ONE)
    assert ParkedUsage.objects.filter(resolved_at=None).exists()
    assert not months_of(term)


def test_usage_that_waits_in_a_later_month_lets_earlier_ones_be_settled(
    cast: Cast, term: TermAgreement
) -> None:
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 5)
    called_off(cast, term, 1, hours=2)
    settle_at(AFTER_TWO - HOUR)
    waiting = ParkedUsage.objects.filter(resolved_at=None)
    assert {parked.slot for parked in waiting} == {NOON + MONTH, NOON + MONTH + HOUR}
    assert [month.month for month in months_of(term)] == [0]
    assert owed(term) == [("shortfall", 6, Decimal("21.6"))]
    settle_at(AFTER_TWO)
    assert [month.month for month in months_of(term)] == [0]


def test_an_amendment_holds_from_its_month(cast: Cast, term: TermAgreement) -> None:
    more = replace(SHEET, quantity=40 * MICRO)
    buyer, owner = cast.viewer_of(cast.buyer_trader), cast.viewer_of(cast.owner_trader)
    propose_amendment(viewer=owner, agreement=term, sheet=more, from_month=1, now=NOON)
    accept_terms(viewer=buyer, agreement=term, number=2, now=NOON)
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    settle_at(AFTER_TWO)
    assert owed(term) == [("shortfall", 16, Decimal("57.6")), ("shortfall", 32, Decimal("115.2"))]


def test_both_sides_get_it_on_their_documents(cast: Cast, term: TermAgreement, client: Client) -> None:
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 5)
    deliver(called_off(cast, term, 1), 8, 8, 8, 8)
    settle_at(AFTER_TWO)
    close(AFTER_TWO + timedelta(hours=3))
    invoices = Document.objects.filter(kind="invoice")
    told = {line.item: line.amount for line in Line.objects.filter(document__in=invoices).exclude(item="")}
    assert told == {"shortfall": 2160, "overage": 1440, "make_up": -2160}
    services = {line.item: (line.service_from, line.service_until) for line in Line.objects.exclude(item="")}
    assert services["shortfall"] == (NOON, NOON + MONTH)
    assert services["overage"] == services["make_up"] == (NOON + MONTH, NOON + 2 * MONTH)
    statements = Line.objects.filter(document__kind="statement", item="overage")
    assert statements.get().amount == 1397
    for document in Document.objects.all():
        assert not replay_bill(document).differences
    assert set(trial_balance().totals.values()) == {0}
    focus = list(as_focus(documents_to_export(cast.viewer_of(cast.buyer_finance))))
    assert sum("Adjustment" in row for row in focus) == 3
    assert not list(problems("".join(focus)))
    client.force_login(cast.buyer_admin)
    last = invoices.latest("pk")
    page = client.get(reverse("billing:invoice", args=[last.number]))
    assert page.status_code == 200
    assert f"term agreement {term}" in page.content.decode()


def test_a_settlement_is_computed_again_to_the_same_bytes(cast: Cast, term: TermAgreement) -> None:
    delivery = called_off(cast, term, 0, cards=5, hours=2)
    deliver(delivery, 5, 1)
    first = settle_at(AFTER_ONE)
    deliver(delivery, -1, 4, name="late", now=AFTER_ONE)
    second = settle_at(AFTER_TWO)
    assert first is not None
    assert second is not None
    assert replay_run(first).is_same
    assert replay_run(second).is_same
    assert first.charges_made == 1
    assert second.charges_made == 2


def test_the_database_keeps_what_is_owed_to_term_agreements(cast: Cast, term: TermAgreement) -> None:
    deliver(called_off(cast, term, 0, cards=5, hours=2), 5, 5)
    settle_at(AFTER_ONE)
    charge = Charge.objects.get(kind="shortfall")
    spot = make_delivery(owner=cast.owner, buyer=cast.buyer).agreement
    for change in ({"agreement": spot}, {"quantity": -1, "sequence": 0}, {"price": 0}, {"committed": 1}):
        other = Charge.objects.get(pk=charge.pk)
        other.pk, other.slot = None, charge.slot + HOUR
        for name, value in change.items():
            setattr(other, name, value)
        with pytest.raises(DatabaseError), transaction.atomic():
            other.save()


# -- In whatever order ---------------------------------------------------------------------------------------

HOURS = 8
BOTH_OVER = NOON + 2 * MONTH
facts = st.lists(st.tuples(st.integers(0, HOURS - 1), st.integers(0, 4)), min_size=1, max_size=14)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.integers(0, 13), max_size=6)),
        st.tuples(st.just("settle"), st.integers(0, 300)),
        st.tuples(st.just("close"), st.integers(0, 300)),
    ),
    max_size=10,
)


@tried(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(facts=facts, history=steps)
def test_the_order_of_usage_and_settlements_leaves_no_trace_in_the_money(
    cast: Cast, term: TermAgreement, facts: list[tuple[int, int]], history: list[Any]
) -> None:
    with transaction.atomic():
        _live_through([called_off(cast, term, month) for month in range(2)], facts, history)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        _compare(term, facts)
        transaction.set_rollback(True)


def _live_through(deliveries: list[Delivery], facts: list[tuple[int, int]], history: list[Any]) -> None:
    """Of the first half of each hour it is known at once that nothing came; the second half may come late."""
    for delivery in deliveries:
        _report(delivery, dict.fromkeys(range(4), 0), first_half=True)
    clock = BOTH_OVER
    for kind, detail in history:
        if kind == "send":
            _send(deliveries, facts, detail)
            continue
        clock += timedelta(minutes=detail)
        settle_at(clock) if kind == "settle" else close(clock)
    _send(deliveries, facts, list(range(len(facts))))
    settle_at(clock + HOUR)


def _send(deliveries: list[Delivery], facts: list[tuple[int, int]], chosen: list[int]) -> None:
    """Each hour's first figure is the one that counts; a repetition of it is a duplicate."""
    first = dict(reversed(facts))
    for index in chosen:
        hour = facts[index % len(facts)][0]
        _report(deliveries[hour // 4], {hour % 4: first[hour]}, first_half=False)


def _report(delivery: Delivery, card_hours: dict[int, int], *, first_half: bool) -> None:
    late = timedelta() if first_half else HOUR / 2
    events = [
        event(
            delivery,
            f"{delivery.pk}-{hour}-{first_half}",
            at=delivery.starts_at + hour * HOUR + late,
            seconds=1800,
            quantity=quantity * 3600,
        )
        for hour, quantity in card_hours.items()
    ]
    answers = send(agent_of(delivery.agreement.owner), *events, now=BOTH_OVER)
    assert {answer.status.value for answer in answers} <= {"accepted", "duplicate"}


def _compare(term: TermAgreement, facts: list[tuple[int, int]]) -> None:
    delivered = [0, 0]
    for hour, quantity in dict(reversed(facts)).items():
        delivered[hour // 4] += quantity
    second = 3600 * MICRO
    months = [(SHEET, Use(each * second, (32 - each) * second)) for each in delivered]
    rows = [row for row in months_of(term) if row.month < 2]
    for row, perfect in zip(rows, settle(months), strict=True):
        charges = Charge.objects.filter(slot__gte=row.starts_at, slot__lt=row.ends_at)
        sums = charges.aggregate(Sum("amount"), Sum("commission"), Sum("credit"))
        assert sums["amount__sum"] == perfect.amount
        assert sums["commission__sum"] + sums["credit__sum"] == perfect.amount
        assert row.shortfall == perfect.shortfall // MICRO
        billed = charges.exclude(kind=Charge.Kind.OVERAGE).aggregate(sum=Sum("quantity"))["sum"]
        assert billed == row.delivered + row.shortfall - row.made_up


def test_an_agreement_that_cannot_be_settled_stops_nobody_else(
    cast: Cast, term: TermAgreement, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = concluded(cast, starts_at=NOON, months=4, sheet=SHEET)
    reserve(cast, other, cards=40)
    broken = agreement_of(term).pk

    def failing(agreements: Any, **options: Any) -> Any:
        if broken in {agreement.pk for agreement in agreements}:
            raise ArithmeticError("a sum that does not add up")
        return settlements(agreements, **options)

    monkeypatch.setattr(settling, "settlements", failing)
    for _ in range(2):
        settle_at(AFTER_ONE)
    assert [kind for kind, *_ in owed(other)] == ["shortfall"]
    assert owed(term) == []
    parked = ParkedUsage.objects.get()
    assert (parked.agreement_id, parked.reason, parked.details) == (
        broken,
        "not_settled",
        {"error": "ArithmeticError"},
    )
    client.force_login(cast.operator)
    assert str(term) in client.get(reverse("audit:parked")).content.decode()
    assert close(NOON + MONTH + 2 * HOUR), "the period waits for nobody who waits for a person"
    headers = bearer(cast.token(cast.buyer, "read"))
    assert client.get("/api/v1/parked-usage", headers=headers).json()["results"] == []
    monkeypatch.setattr(settling, "settlements", settlements)
    settle_at(AFTER_ONE)
    parked.refresh_from_db()
    assert parked.resolved_at == AFTER_ONE
    assert [kind for kind, *_ in owed(term)] == ["shortfall"]


def test_no_run_clears_an_agreement_without_offers_or_without_requests(
    cast: Cast, term: TermAgreement
) -> None:
    bare = concluded(cast, starts_at=NOON, months=4, sheet=SHEET)
    make_request(cast.buyer, under=bare, start=NOON, limit="3.6")
    assert agreements_called_off(now=NOON - HOUR) == []
    make_request(cast.buyer, under=term, start=NOON, limit="3.6")
    assert agreements_called_off(now=NOON - HOUR) == [term.pk]
    Offer.objects.filter(reserved_for=term).update(state="withdrawn", withdrawn_at=NOON)
    assert agreements_called_off(now=NOON - HOUR) == []


def test_each_tier_has_a_charge_and_a_line(cast: Cast, settings: Any) -> None:
    """Of 32 card-hours 2 are between 110 % and 120 %, and 8 above; a card-hour costs 3.60, 7.20 and 9.00."""
    settings.BILLING_PERIOD = "hours:4"
    tiers = (Tier(1_100_000, 7_200_000), Tier(1_200_000, 9_000_000))
    term = short_months(cast, settings, sheet=replace(SHEET, tiers=tiers))
    delivery = called_off(cast, term, 0)
    deliver(delivery, 8, 8, 7, 6)
    first = settle_at(AFTER_ONE)
    assert owed(term) == [("overage", 2, Decimal("7.2")), ("overage", 5, Decimal(27))]
    close(AFTER_ONE + 2 * HOUR)
    deliver(delivery, -1, -1, 1, name="late", now=AFTER_ONE + HOUR)
    deliver(called_off(cast, term, 1, cards=4), 4, 4, 4, 4)
    second = settle_at(AFTER_TWO)
    # The later tier alone is more: its charge corrects its own.
    assert owed(term)[2:] == [("overage", 1, Decimal("5.4"))]
    corrected = Charge.objects.get(kind="overage", corrects__isnull=False)
    assert (corrected.sequence, corrected.price, corrected.corrects.price) == (
        2,
        Decimal("5.4"),
        Decimal("5.4"),
    )
    close(AFTER_TWO + 3 * HOUR)
    lines = Line.objects.filter(item="overage", document__kind="invoice").order_by("pk")
    assert [(line.surcharge, line.amount) for line in lines] == [
        (Decimal("3.6"), 720),
        (Decimal("5.4"), 2700),
        (Decimal("5.4"), 540),
    ]
    assert lines[2].corrects == lines[1]
    assert "¥5.40/card-h more than agreed" in lines[1].about
    assert first is not None
    assert second is not None
    assert replay_run(first).is_same
    assert replay_run(second).is_same
    for document in Document.objects.all():
        assert not replay_bill(document).differences
