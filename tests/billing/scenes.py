"""Invoices to look at: what was used, rated and closed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import connection

from accounts.actors import task_actor
from accounts.models import Organisation
from billing.invoicing.credit_notes import issue_credit_note
from billing.invoicing.models import BillingPeriod, Document
from billing.invoicing.services import close_due_periods
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, agent_of, event, make_delivery, rate_at, send
from tests.cast import Cast

CLOSER = task_actor("billing.close_periods")
APRIL = datetime(2026, 4, 2, tzinfo=UTC)


def check_now() -> None:
    """What the database checks at commit."""
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def close(now: datetime = APRIL) -> list[BillingPeriod]:
    closed = close_due_periods(now=now, actor=CLOSER)
    check_now()
    return closed


def use(delivery: Delivery, *quantities: int) -> None:
    """So many card-seconds in each of its hours, from the first on."""
    events = [
        event(
            delivery,
            f"{delivery.pk}-{hour}",
            at=delivery.starts_at + hour * HOUR,
            seconds=3600,
            quantity=quantity,
        )
        for hour, quantity in enumerate(quantities)
    ]
    answers = send(agent_of(delivery.agreement.owner), *events, now=delivery.ends_at + HOUR)
    assert {answer.status.value for answer in answers} <= {"accepted", "duplicate"}


def used(
    owner: Organisation, buyer: Organisation, *, price: str = "12.5", quantities: Sequence[int] = (28_800,)
) -> Delivery:
    """A delivery with that price in every hour, used: at 12.50 a full hour of its 8 cards is 100.00."""
    delivery = make_delivery(owner=owner, buyer=buyer, prices=[price] * len(quantities))
    use(delivery, *quantities)
    return delivery


def invoiced(cast: Cast) -> Document:
    """The invoice of one agreement: 100.00 before tax."""
    used(cast.owner, cast.buyer)
    rate_at()
    close()
    return Document.objects.filter(kind="invoice").latest("pk")


def credit(
    cast: Cast, invoice: Document, amount: int, *, borne_by: str = "owners", now: datetime = APRIL
) -> Document:
    note = issue_credit_note(
        viewer=cast.viewer_of(cast.operator),
        invoice=invoice,
        amount=amount,
        borne_by=borne_by,
        reason="The fabric was slow",
        now=now,
    )
    check_now()
    return note
