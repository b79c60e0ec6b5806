"""Periods are open, in grace, closed. What arrives in grace is in time, what arrives later corrects."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import Organisation
from billing.invoicing.models import Document, Line
from billing.invoicing.selectors import charges_of, drafts_for
from billing.invoicing.spans import PeriodState, newest, pending, span_at
from billing.rating.models import Charge
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, MINUTE, agent_of, event, make_delivery, rate_at, send
from tests.billing.scenes import close
from tests.cast import Cast, bearer

pytestmark = pytest.mark.django_db
GRACE = timedelta(minutes=60)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def report(cast: Cast, delivery: Delivery, slot: datetime, name: str, *, now: datetime) -> None:
    answers = send(agent_of(cast.owner), event(delivery, name, at=slot, quantity=480), now=now)
    assert [answer.status.value for answer in answers] == ["accepted"]


def over(cast: Cast, start: datetime, hours: int = 4) -> Delivery:
    """A delivery with a reading in each of its hours."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, start=start, prices=["10"] * hours)
    for hour in range(hours):
        report(cast, delivery, start + hour * HOUR, f"h{hour}", now=start + (hour + 1) * HOUR)
    return delivery


def lines() -> list[tuple[datetime, datetime, bool]]:
    rows = Line.objects.filter(document__kind="invoice").order_by("pk")
    return [(line.period.starts_at, line.service_from, line.corrects_id is not None) for line in rows]


def test_a_period_is_open_then_in_grace_and_closed_when_it_was_closed() -> None:
    start, end = at("2026-02-01"), at("2026-03-01")

    def state(now: datetime, closed_at: datetime | None = None) -> PeriodState:
        return span_at(start, end, closed_at=closed_at, now=now).state

    assert state(end - MINUTE) == PeriodState.OPEN
    assert state(end) == PeriodState.GRACE
    assert state(end + 2 * GRACE) == PeriodState.GRACE
    assert state(end + 2 * GRACE, end + GRACE) == PeriodState.CLOSED
    assert span_at(start, end, closed_at=None, now=start).closes_at == end + GRACE


def test_usage_that_arrives_in_grace_lands_in_the_documents_of_its_period(cast: Cast) -> None:
    end = at("2026-02-01")
    delivery = over(cast, end - 2 * HOUR, hours=4)
    in_grace = end + 30 * MINUTE
    rate_at(in_grace)
    report(cast, delivery, end - HOUR + 30 * MINUTE, "late", now=in_grace)
    assert close(in_grace) == []
    assert [span.state for span in pending(in_grace)] == [PeriodState.GRACE, PeriodState.OPEN]
    rate_at(end + 3 * HOUR)
    close(end + 3 * HOUR)
    (line,) = Document.objects.get(kind="invoice").lines.all()
    assert (line.service_from, line.service_until) == (end - 2 * HOUR, end)
    assert [charge.quantity for charge in charges_of(line)] == [480, 480, 480]


def test_usage_that_arrives_after_the_close_carries_its_own_period_and_the_line_it_corrects(
    cast: Cast,
) -> None:
    end = at("2026-02-01")
    delivery = over(cast, end - 2 * HOUR)
    rate_at(end + 3 * HOUR)
    close(end + 3 * HOUR)
    first = Line.objects.get(document__kind="invoice")
    report(cast, delivery, end - HOUR + 30 * MINUTE, "late", now=end + 4 * HOUR)
    rate_at(end + 4 * HOUR)
    (planned,) = drafts_for(cast.viewer_of(cast.buyer_finance), now=end + 4 * HOUR)
    assert (planned.span.starts_at, planned.span.state, planned.late_charges) == (end, PeriodState.OPEN, 1)
    rate_at(at("2026-03-01T02:00"))
    close(at("2026-03-01T02:00"))
    late, current = Document.objects.filter(kind="invoice").latest("pk").lines.order_by("period__starts_at")
    assert (late.period.starts_at, late.corrects) == (at("2026-01-01"), first)
    assert (late.service_from, late.service_until) == (end - HOUR, end)
    assert (current.period.starts_at, current.corrects) == (end, None)


@pytest.mark.parametrize(
    ("start", "month", "hours_of_it"),
    [
        ("2024-02-28T22:00", "2024-02-01", 2 + 24),  # a leap day is of February
        ("2025-02-28T22:00", "2025-02-01", 2),
        ("2026-12-31T22:00", "2026-12-01", 2),
        ("2026-04-30T22:00", "2026-04-01", 2),
    ],
)
def test_each_hour_is_of_the_month_that_it_begins_in(
    cast: Cast, start: str, month: str, hours_of_it: int
) -> None:
    over(cast, at(start), hours=30)
    later = at(start) + 70 * timedelta(days=1)
    rate_at(later)
    close(later)
    charges = Charge.objects.filter(invoiced__invoice_line__period__starts_at=at(month))
    assert charges.count() == hours_of_it
    assert Charge.objects.exclude(invoiced=None).count() == 30


def test_a_leap_day_is_billed_once(cast: Cast) -> None:
    over(cast, at("2024-02-29T22:00"), hours=4)
    rate_at(at("2024-04-02"))
    close(at("2024-04-02"))
    assert [(period, service) for period, service, _ in lines()] == [
        (at("2024-02-01"), at("2024-02-29T22:00")),
        (at("2024-03-01"), at("2024-03-01T00:00")),
    ]


@pytest.mark.parametrize("start", ["2026-03-28T23:00", "2026-10-24T23:00"])
def test_the_hour_that_a_zone_skips_or_repeats_is_billed_once(cast: Cast, start: str) -> None:
    """Europe's clocks change at 01:00 UTC. Slots are UTC hours: there is neither a gap nor a double."""
    Organisation.objects.filter(pk__in=[cast.buyer.pk, cast.owner.pk]).update(time_zone="Europe/Berlin")
    over(cast, at(start), hours=4)
    later = at(start) + 40 * timedelta(days=1)
    rate_at(later)
    close(later)
    assert [charge.slot for charge in Charge.objects.order_by("slot")] == [
        at(start) + number * HOUR for number in range(4)
    ]
    (line,) = Line.objects.filter(document__kind="invoice")
    assert (line.charge_count, line.service_until - line.service_from) == (4, 4 * HOUR)


def test_an_invoice_falls_due_on_the_calendar_of_a_buyer_whose_clock_has_changed(cast: Cast) -> None:
    """Closed 1 April 22:30 UTC: in Berlin, in summer time, it is 2 April already; in winter not."""
    Organisation.objects.filter(pk=cast.buyer.pk).update(time_zone="Europe/Berlin")
    over(cast, at("2026-03-28T23:00"))
    rate_at(at("2026-04-01T22:30"))
    close(at("2026-04-01T22:30"))
    assert Document.objects.get(kind="invoice").due_on == date(2026, 4, 2) + timedelta(days=30)


def test_the_states_are_in_the_api_and_on_the_page_of_drafts(
    cast: Cast, client: Client, now: datetime
) -> None:
    """It is 2 March, 08:20."""
    over(cast, at("2026-01-31T22:00"))
    rate_at(at("2026-03-01T02:00"))
    close(at("2026-02-01T03:00"))
    token = bearer(cast.token(cast.buyer, "read"))
    periods = client.get("/api/v1/billing-periods", headers=token).json()
    assert [(each["starts_at"][:10], each["state"]) for each in periods] == [
        ("2026-03-01", "open"),
        ("2026-02-01", "grace"),
        ("2026-01-01", "closed"),
    ]
    number = Document.objects.get(kind="invoice").number
    document = client.get(f"/api/v1/invoices/{number}", headers=token).json()
    assert document["period"]["state"] == "closed"
    assert document["lines"][0]["period"]["starts_at"][:10] == "2026-01-01"
    client.force_login(cast.buyer_finance)
    page = client.get("/drafts/").content.decode()
    assert "in grace" in page
    assert "not before" in page
    assert [span.state.value for span in newest(now, count=2)] == ["open", "grace"]
