"""Periods close once; what is owed, credited and kept is the same in documents and in the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction

from accounts.actors import task_actor
from accounts.models import AuditEvent, Organisation
from billing.invoicing import intake
from billing.invoicing.drafts import Billable, Tax, drafts, legs_of_invoice
from billing.invoicing.issuers import issuer_now
from billing.invoicing.models import BillingPeriod, Document, InvoicedCharge, Line
from billing.invoicing.periods import Hours, Months, parse_calendar
from billing.invoicing.selectors import charges_of, documents_for, lines_of, open_charges_for, totals_of
from billing.invoicing.services import close_due_periods, facts_of
from billing.invoicing.tasks import close_periods
from billing.ledger.models import Account, Journal
from billing.ledger.selectors import balance, trial_balance
from billing.rating.models import Charge, ParkedUsage
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    refused,
    send,
)
from tests.billing.scenes import use
from tests.cast import Cast

pytestmark = pytest.mark.django_db
CLOSER = task_actor("billing.close_periods")


def close(now: datetime = LONG_AFTER) -> list[BillingPeriod]:
    closed = close_due_periods(now=now, actor=CLOSER)
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    return closed


@pytest.fixture
def by_two_hours(settings: Any) -> None:
    """Periods of two hours: the first delivery's four slots, from 09:00 on, lie in three of them."""
    settings.BILLING_PERIOD = "hours:2"


def _held() -> dict[tuple[str, Any], int]:
    return {(one.kind, one.organisation): balance(one) for one in Account.objects.all()}


def test_a_month_becomes_one_invoice_and_one_statement(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "0.07"])
    agent = agent_of(cast.owner)
    send(agent, event(delivery, "a", quantity=480), event(delivery, "b", at=START + HOUR, quantity=480))
    rate_at()
    (period,) = close(datetime(2026, 4, 1, 1, tzinfo=UTC))
    assert (period.starts_at, period.ends_at) == (
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 4, 1, tzinfo=UTC),
    )
    invoice, statement = Document.objects.order_by("kind")
    assert (invoice.number, statement.number) == ("INV-2026-000001", "STM-2026-000001")
    assert (invoice.organisation, statement.organisation) == (cast.buyer, cast.owner)
    # 1.333333333333 + 0.009333333333, and 97 % of it
    assert (invoice.total, statement.total) == (134, 130)
    line = lines_of(invoice).get()
    assert (line.quantity, line.exact, line.amount) == (960, Decimal("1.342666666666"), 134)
    assert (line.charge_count, line.late_count) == (2, 0)
    assert _held() == {
        ("receivable", cast.buyer): 134,
        ("payable", cast.owner): -130,
        ("commission", None): -4,
    }
    assert trial_balance().balances


def test_a_period_closes_once_and_only_after_its_grace(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    end = datetime(2026, 4, 1, tzinfo=UTC)
    assert close(end + 59 * MINUTE) == []
    assert len(close(end + 60 * MINUTE)) == 1
    assert close(end + 90 * MINUTE) == []
    assert Document.objects.count() == 2


def test_a_period_waits_until_its_slots_were_rated(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    rate_at(START + 2 * HOUR)
    assert close() == []
    rate_at()
    assert close()[0].ends_at == datetime(2026, 4, 1, tzinfo=UTC)


def test_without_charges_there_is_nothing_to_close(cast: Cast) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    rate_at()
    assert close() == []
    assert ParkedUsage.objects.count() == 4


@pytest.mark.usefixtures("by_two_hours")
def test_a_late_charge_goes_to_the_next_document_and_the_closed_one_stays(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    agent = agent_of(cast.owner)
    send(agent, event(delivery, "a", quantity=360), event(delivery, "b", at=START + HOUR, quantity=360))
    rate_at(START + 90 * MINUTE)
    close(START + 2 * HOUR)
    send(agent, event(delivery, "late", at=START + MINUTE, quantity=36))
    rate_at()
    close(START + 4 * HOUR)
    first, second = Document.objects.filter(kind="invoice").order_by("pk")
    assert (first.total, second.total) == (100, 110)
    late, current = lines_of(second)
    assert (late.charge_count, late.late_count, late.quantity) == (1, 1, 36)
    assert (current.charge_count, current.late_count, current.quantity) == (1, 0, 360)
    assert [charge.quantity for charge in charges_of(late)] == [36]
    # It carries the period in which the cards were used, and the line that it corrects.
    assert (late.period, late.corrects) == (first.period, first.lines.get())
    assert (late.service_from, late.service_until) == (START, START + HOUR)
    assert current.corrects is None
    assert not open_charges_for(cast.viewer_of(cast.auditor))


@pytest.mark.usefixtures("by_two_hours")
def test_parked_usage_does_not_hold_a_period_up_and_lands_later(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10"])
    agent = agent_of(cast.owner)
    send(agent, event(delivery, "b", at=START + HOUR, quantity=360))
    rate_at()
    assert len(close(START + 4 * HOUR)) == 1
    assert ParkedUsage.objects.filter(resolved_at=None).count() == 1
    send(agent, event(delivery, "a", quantity=180))
    rate_at()
    close(START + 6 * HOUR)
    assert [one.total for one in Document.objects.filter(kind="invoice").order_by("pk")] == [100, 50]


def test_periods_touch_when_their_length_changes(cast: Cast, settings: Any) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    settings.BILLING_PERIOD = "hours:100"
    close(START + 6 * 24 * HOUR)
    settings.BILLING_PERIOD = "month"
    close()
    rows = list(BillingPeriod.objects.order_by("starts_at"))
    assert len(rows) > 1
    assert all(before.ends_at == after.starts_at for before, after in itertools.pairwise(rows))
    assert rows[-1].ends_at.day == 1


def test_each_buyer_and_owner_and_currency_has_its_own_document(cast: Cast) -> None:
    agent = agent_of(cast.owner), agent_of(cast.other_owner)
    pairs = [(cast.owner, cast.buyer), (cast.owner, cast.other_buyer), (cast.other_owner, cast.buyer)]
    for number, (owner, buyer) in enumerate([*pairs, pairs[0]]):
        delivery = make_delivery(owner=owner, buyer=buyer, prices=["10"])
        send(agent[owner == cast.other_owner], event(delivery, f"{number}", quantity=360))
    rate_at()
    close(datetime(2026, 4, 2, tzinfo=UTC))
    found = {
        (one.kind, one.organisation, one.total, one.line_count)
        for one in documents_for(cast.viewer_of(cast.auditor))
    }
    assert found == {
        ("invoice", cast.buyer, 300, 3),
        ("invoice", cast.other_buyer, 100, 1),
        ("statement", cast.owner, 291, 3),
        ("statement", cast.other_owner, 97, 1),
    }
    assert sorted(Document.objects.values_list("number", flat=True)) == [
        "INV-2026-000001", "INV-2026-000002", "STM-2026-000001", "STM-2026-000002",
    ]  # fmt: skip
    sums = {(row["kind"], row["sum"]) for row in totals_of(documents_for(cast.viewer_of(cast.auditor)))}
    assert sums == {("invoice", 400), ("statement", 388)}
    assert AuditEvent.objects.filter(action="invoicing.invoice_finalised").count() == 2
    assert _held()["commission", None] == -12


def test_an_invoice_of_nothing_has_no_journal(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    send(agent_of(cast.owner), event(delivery, quantity=1))
    rate_at()
    close(datetime(2026, 4, 2, tzinfo=UTC))
    assert Document.objects.get(kind="invoice").total == 0
    assert not Journal.objects.exists()
    assert InvoicedCharge.objects.count() == 1


def test_charges_are_named_some_lines_at_a_time(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three agreements of two charges each, and parts of three charges: two agreements, then the third."""
    monkeypatch.setattr(intake, "MOST_CHARGES", 3)
    for _ in range(3):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "11"])
        use(delivery, 480, 481)
    rate_at()
    named = mock.Mock(side_effect=intake._name)
    monkeypatch.setattr(intake, "_name", named)
    close(datetime(2026, 4, 2, tzinfo=UTC))
    assert [len(call.args[1]) for call in named.call_args_list] == [2, 1]
    assert {line.charge_count for line in Line.objects.all()} == {2}
    for charge in Charge.objects.select_related("invoiced__invoice_line"):
        assert charge.invoiced.invoice_line.agreement_id == charge.agreement_id


def test_finance_sees_its_side_and_a_stranger_sees_nothing(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    close(datetime(2026, 4, 2, tzinfo=UTC))
    for user, kinds in (
        (cast.buyer_finance, ["invoice"]),
        (cast.owner_finance, ["statement"]),
        (cast.operator, ["invoice", "statement"]),
        (cast.buyer_trader, []),
        (cast.owner_viewer, []),
        (cast.stranger, []),
    ):
        assert sorted(one.kind for one in documents_for(cast.viewer_of(user))) == kinds


def test_the_number_of_queries_does_not_depend_on_the_number_of_charges(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    agent = agent_of(cast.owner)
    for number in range(8):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        send(agent, *(event(delivery, f"{number}-{hour}", at=START + hour * HOUR) for hour in range(4)))
    rate_at()
    with django_assert_max_num_queries(50):
        close(datetime(2026, 4, 2, tzinfo=UTC))
    assert InvoicedCharge.objects.count() == 32
    viewer = cast.viewer_of(cast.auditor)
    with django_assert_max_num_queries(3):
        for document in documents_for(viewer):
            assert [line.agreement.delivery.pk for line in lines_of(document)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoicing_document SET total = 0",
        "DELETE FROM invoicing_invoicedcharge",
        "UPDATE invoicing_line SET amount = 0",
        "DELETE FROM invoicing_billingperiod",
        "DELETE FROM invoicing_numberseries",
    ],
)
def test_what_is_finalised_never_changes(cast: Cast, statement: str) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    close(datetime(2026, 4, 2, tzinfo=UTC))
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        connection.cursor().execute(statement)


@pytest.mark.django_db(transaction=True)
def test_a_finalised_document_takes_no_more_lines_or_charges(cast: Cast) -> None:
    one, two = (make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"]) for _ in range(2))
    agent = agent_of(cast.owner)
    send(agent, event(one, "a"))
    rate_at()
    close_due_periods(now=datetime(2026, 4, 2, tzinfo=UTC), actor=CLOSER)
    send(agent, event(two, "b"))
    rate_at()
    another = Line.objects.get(document__kind="invoice")
    another.pk, another.position, another.counterpart = None, 2, None
    with pytest.raises(DatabaseError, match="takes no more lines"), transaction.atomic():
        another.save(force_insert=True)
    line = Line.objects.get(document__kind="invoice")
    with pytest.raises(DatabaseError, match="takes no more charges"), transaction.atomic():
        InvoicedCharge.objects.create(
            charge=Charge.objects.get(invoiced=None), invoice_line=line, statement_line=line.counterpart
        )


def test_a_document_is_the_sum_of_its_lines(cast: Cast) -> None:
    with refused("it has 0 lines of 0"):
        _raw_invoice(cast.buyer, net=5, tax=0, total=5)
    with refused("document_total"):
        _raw_invoice(cast.buyer, net=0, tax=0, total=5)


def _raw_invoice(buyer: Organisation, **figures: int) -> Document:
    """Past the service, straight into the table."""
    period, _ = BillingPeriod.objects.get_or_create(
        starts_at=START, ends_at=START + HOUR, defaults={"closed_at": START}
    )
    facts = facts_of(buyer) | {"period": period, "currency": "CNY", "finalised_at": START, "year": 2026}
    return Document.objects.create(
        kind="invoice", number="INV-1", issuer=issuer_now(), sequence=1, line_count=0, **facts, **figures
    )


def _billable(agreement: int, amount: str, credit: str, rate: str = "0") -> Billable:
    tax = Tax(1, Decimal(rate))
    return Billable(
        agreement=agreement,
        buyer=1,
        owner=2,
        currency="CNY",
        period=1,
        service_from=START,
        service_until=START + HOUR,
        invoice_tax=tax,
        statement_tax=tax,
        quantity=0,
        amount=Decimal(amount),
        credit=Decimal(credit),
        charges=1,
    )


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ([("10.005", "9.70485")], {"receivable": 1001, "payable": -970, "commission": -31}),
        ([("-10.005", "-9.70485")], {"receivable": -1001, "payable": 970, "commission": 31}),
        ([("3", "2.91"), ("-5", "-4.85")], {"receivable": -200, "payable": 194, "commission": 6}),
        ([("0.004", "0.00388")], {}),
        ([("5", "4.85"), ("-5", "-4.85")], {}),
    ],
    ids=["owed", "taken back", "more taken back than owed", "less than a fen", "even"],
)
def test_an_invoice_balances_whatever_its_sign(
    totals: Sequence[tuple[str, str]], expected: dict[str, int]
) -> None:
    invoice, statement = drafts([_billable(number, *one) for number, one in enumerate(totals)])
    legs = {leg.kind.value: leg.amount for leg in legs_of_invoice(invoice, "INV-1", {2: "STM-1"})}
    assert legs == expected
    assert sum(legs.values()) == 0
    assert (invoice.total, -statement.total) == (expected.get("receivable", 0), expected.get("payable", 0))


def test_the_calendar_knows_months_and_hours() -> None:
    noon = datetime(2026, 12, 31, 12, tzinfo=UTC)
    months, day = parse_calendar("month"), parse_calendar("hours:24")
    assert (months, day) == (Months(), Hours(24))
    assert months.start_of(noon) == datetime(2026, 12, 1, tzinfo=UTC)
    assert months.end_of(noon) == datetime(2027, 1, 1, tzinfo=UTC)
    assert months.end_of(months.end_of(noon)) == datetime(2027, 2, 1, tzinfo=UTC)
    assert day.start_of(noon) == datetime(2026, 12, 31, tzinfo=UTC)
    assert day.end_of(day.start_of(noon)) == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "week", "hours", "hours:0", "hours:-1", "hours:1.5", "hours:24 "])
def test_a_period_that_is_no_period_says_what_is_wrong(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="BILLING_PERIOD"):
        parse_calendar(text)


def test_the_task_asks_the_market_clock(cast: Cast, now: datetime, settings: Any) -> None:
    settings.BILLING_PERIOD = "hours:1"
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, start=START - 3 * HOUR)
    send(agent_of(cast.owner), event(delivery), now=now)
    rate_at(now)
    close_periods()
    assert [period.ends_at for period in BillingPeriod.objects.all()] == [START - 2 * HOUR]
