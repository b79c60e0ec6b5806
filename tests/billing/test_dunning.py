"""Invoices fall due on their buyers' calendars; what follows is the policy's, one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from accounts.actors import task_actor
from accounts.models import AuditEvent, Organisation
from accounts.suspension import Suspended
from billing.invoicing.dunning import dun
from billing.invoicing.models import Document, DunningNotice, DunningPolicy, DunningStep, Suspension
from billing.invoicing.receivables import overdue_at, standing_of, with_open_amounts
from billing.invoicing.selectors import suspensions_for
from billing.ledger.models import Account
from billing.ledger.services import Leg, post_journal
from tests.billing.builders import RATER, make_delivery, rate_at, refused
from tests.billing.scenes import APRIL, close, credit, invoiced, use, used
from tests.cast import Cast
from tests.demand.test_requests import enter
from tests.factories import START

pytestmark = pytest.mark.django_db
DUNNER = task_actor("billing.dun")
DAY = timedelta(days=1)


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def _pay(invoice: Document, amount: int, now: datetime) -> None:
    """As payments book it: the bank has it, and the invoice is less open."""
    legs = [
        Leg(Account.Kind.BANK, None, invoice.currency, amount),
        Leg(Account.Kind.RECEIVABLE, invoice.organisation_id, invoice.currency, -amount, invoice.number),
    ]
    post_journal(key=f"paid {now}", description="Paid", booked_at=now, legs=legs, actor=RATER)


def _days(cast: Cast, count: int, start: datetime = APRIL) -> list[tuple[int, str]]:
    """What is done on each of the days after the closing."""
    taken = []
    for day in range(count):
        taken += [(day, notice.step.action) for notice in dun(now=start + day * DAY, actor=DUNNER)]
    return taken


def _state(invoice: Document, now: datetime) -> tuple[str, int]:
    standing = standing_of(
        with_open_amounts(Document.objects.select_related("organisation")).get(pk=invoice.pk), now=now
    )
    return standing.state.value, standing.days_overdue


def test_the_policy_runs_its_course(cast: Cast) -> None:
    """Closed on the second of April in Shanghai, due 30 days later; steps after 3, 10, 20 and 30 days."""
    invoice = invoiced(cast)
    assert invoice.due_on == date(2026, 5, 2)
    assert _days(cast, 70) == [(33, "remind"), (40, "remind"), (50, "warn"), (60, "suspend")]
    assert Suspension.objects.get().organisation == cast.buyer
    assert _state(invoice, APRIL + 61 * DAY) == ("overdue", 31)


def test_a_suspended_buyer_enters_no_requests_until_it_has_paid(cast: Cast) -> None:
    invoice = invoiced(cast)
    _days(cast, 61)
    with pytest.raises(Suspended, match="Pay it"):
        enter(cast, START - DAY)
    _pay(invoice, 10_000, APRIL + 61 * DAY)
    dun(now=APRIL + 61 * DAY, actor=DUNNER)
    assert enter(cast, START - DAY)


def test_whoever_pays_hears_no_more_and_a_suspension_is_lifted(cast: Cast) -> None:
    invoice = invoiced(cast)
    _days(cast, 61)
    _pay(invoice, 4_000, APRIL + 61 * DAY)
    dun(now=APRIL + 61 * DAY, actor=DUNNER)
    assert suspensions_for(cast.viewer_of(cast.buyer_viewer)).exists()
    _pay(invoice, 6_000, APRIL + 62 * DAY)
    assert _days(cast, 9, APRIL + 62 * DAY) == []
    assert not suspensions_for(cast.viewer_of(cast.buyer_viewer)).exists()
    assert _state(invoice, APRIL + 70 * DAY) == ("paid", 0)
    assert AuditEvent.objects.filter(action="invoicing.suspension_lifted").count() == 1


def test_a_credited_invoice_is_not_dunned(cast: Cast) -> None:
    invoice = invoiced(cast)
    credit(cast, invoice, invoice.total)
    assert _days(cast, 70) == []


def test_after_an_outage_the_steps_follow_day_by_day(cast: Cast) -> None:
    """Nobody is suspended before being warned, nor told two things on one day."""
    invoiced(cast)
    late = APRIL + 100 * DAY
    assert [notice.step.action for notice in dun(now=late, actor=DUNNER)] == ["remind"]
    assert dun(now=late + timedelta(hours=1), actor=DUNNER) == []
    assert [action for _, action in _days(cast, 5, late + DAY)] == ["remind", "warn", "suspend"]


def test_finance_is_written_to_in_both_languages(
    cast: Cast, django_capture_on_commit_callbacks: Any, settings: Any
) -> None:
    invoice = invoiced(cast)
    people = [cast.buyer_finance, cast.buyer_admin]
    assert cast.buyer_trader.email
    with django_capture_on_commit_callbacks(execute=True):
        dun(now=APRIL + 33 * DAY, actor=DUNNER)
    assert sorted(message.to[0] for message in mail.outbox) == sorted(person.email for person in people)
    assert invoice.number in mail.outbox[0].subject
    assert "¥100.00" in mail.outbox[0].body
    assert "2026-05-02" in mail.outbox[0].body


def test_a_stricter_policy_holds_for_later_invoices_only(cast: Cast) -> None:
    invoiced(cast)
    strict = DunningPolicy.objects.create(name="strict", valid_from=APRIL + DAY, days_to_pay=5)
    DunningStep.objects.create(policy=strict, days=1, action="suspend")
    assert [action for _, action in _days(cast, 45)] == ["remind", "remind"]


def test_a_policy_and_its_notices_never_change(cast: Cast) -> None:
    invoiced(cast)
    _days(cast, 61)
    for model in (DunningPolicy, DunningStep, DunningNotice):
        with refused("Cannot update or delete"):
            connection.cursor().execute(f"DELETE FROM {model._meta.db_table}")
    with refused("lifted once"):
        Suspension.objects.update(since=APRIL)


@pytest.mark.parametrize(
    ("zone", "closed", "due", "last_moment"),
    [
        # The leap day, and a month that ends on it.
        ("Asia/Shanghai", _utc(2028, 1, 30, 17), date(2028, 3, 1), _utc(2028, 3, 1, 15, 59)),
        ("Europe/Berlin", _utc(2028, 1, 30, 12), date(2028, 2, 29), _utc(2028, 2, 29, 22, 59)),
        # Clocks go forward in Berlin on 28 March 2027 and back in New York on 1 November 2026.
        ("Europe/Berlin", _utc(2027, 3, 2, 12), date(2027, 4, 1), _utc(2027, 4, 1, 21, 59)),
        ("America/New_York", _utc(2026, 10, 15, 12), date(2026, 11, 14), _utc(2026, 11, 15, 4, 59)),
        # Over the end of the year, and where the day is already tomorrow.
        ("Pacific/Auckland", _utc(2026, 12, 31, 12), date(2027, 1, 31), _utc(2027, 1, 31, 10, 59)),
    ],
)
def test_the_last_day_ends_at_midnight_of_the_buyer(
    cast: Cast, settings: Any, zone: str, closed: datetime, due: date, last_moment: datetime
) -> None:
    Organisation.objects.filter(pk=cast.buyer.pk).update(time_zone=zone)
    cast.buyer.refresh_from_db()
    used(cast.owner, cast.buyer)
    rate_at(closed)
    close(closed)
    invoice = Document.objects.get(kind="invoice")
    assert invoice.due_on == due
    assert overdue_at(last_moment) == []
    assert [one.days for one in overdue_at(last_moment + timedelta(minutes=1))] == [1]
    assert _state(invoice, last_moment) == ("open", 0)


def test_months_close_one_after_the_other_over_leap_days_and_years(cast: Cast) -> None:
    """Nobody closed for half a year: each month gets its own documents all the same."""
    starts: Sequence[datetime] = [
        datetime(2027, 11, 30, 23, tzinfo=UTC),
        datetime(2027, 12, 31, 23, tzinfo=UTC),
        datetime(2028, 1, 31, 23, tzinfo=UTC),
        datetime(2028, 2, 29, 23, tzinfo=UTC),
    ]
    for start in starts:
        _used_from(cast, start)
    rate_at(datetime(2028, 4, 2, tzinfo=UTC))
    closed = close(datetime(2028, 4, 2, tzinfo=UTC))
    assert [period.ends_at for period in closed] == [
        datetime(2027, 12, 1, tzinfo=UTC),
        datetime(2028, 1, 1, tzinfo=UTC),
        datetime(2028, 2, 1, tzinfo=UTC),
        datetime(2028, 3, 1, tzinfo=UTC),
        datetime(2028, 4, 1, tzinfo=UTC),
    ]
    invoices = Document.objects.filter(kind="invoice").order_by("pk")
    # The first hour of each is in its month, the second in the next one.
    assert [invoice.net for invoice in invoices] == [10_000, 20_000, 20_000, 20_000, 10_000]
    assert [invoice.number for invoice in invoices] == [f"INV-2028-{number:06}" for number in range(1, 6)]


def _used_from(cast: Cast, start: datetime) -> None:
    use(make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["12.5"] * 2, start=start), 28_800, 28_800)
