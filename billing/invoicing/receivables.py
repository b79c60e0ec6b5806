"""What invoices are open and overdue, read from the ledger: the sum of the item that carries their number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Sum, TextChoices
from django.db.models.functions import Coalesce
from django.utils.translation import pgettext_lazy

from billing.invoicing.models import Document
from billing.ledger.models import Account, Posting


class InvoiceState(TextChoices):
    """``CREDITED``: nothing is open because credit notes took all of it off."""

    OPEN = "open", pgettext_lazy("invoice", "open")
    OVERDUE = "overdue", pgettext_lazy("invoice", "overdue")
    PAID = "paid", pgettext_lazy("invoice", "paid")
    CREDITED = "credited", pgettext_lazy("invoice", "credited")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is open on an invoice, in minor units, and for how many days it has been overdue."""

    state: InvoiceState
    open: int
    days_overdue: int


def today_in(zone: str, now: datetime) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def with_open_amounts(documents: QuerySet[Document]) -> QuerySet[Document]:
    """Each with ``open_amount`` (of its item in the ledger, as the party sees it) and ``credited_total``."""
    booked = (
        Posting.objects.filter(item=OuterRef("number"), account__kind=Account.Kind.RECEIVABLE)
        .order_by()
        .values("item")
        .annotate(total=Sum("amount"))
        .values("total")
    )
    noted = (
        Document.objects.filter(credits=OuterRef("pk"))
        .order_by()
        .values("credits")
        .annotate(sum=Sum("total"))
        .values("sum")
    )
    return documents.annotate(
        open_amount=Coalesce(Subquery(booked, output_field=BigIntegerField()), 0),
        credited_total=Coalesce(Subquery(noted, output_field=BigIntegerField()), 0),
    )


def standing_of(invoice: Any, *, now: datetime) -> Standing:
    """The invoice must come from ``with_open_amounts``, with its organisation."""
    opened: int = invoice.open_amount
    if opened <= 0:
        # Nothing was booked on a document of nothing: it is as good as paid.
        wholly = 0 < invoice.total <= invoice.credited_total
        return Standing(InvoiceState.CREDITED if wholly else InvoiceState.PAID, opened, 0)
    late = 0
    if invoice.due_on is not None:
        late = max((today_in(invoice.organisation.time_zone, now) - invoice.due_on).days, 0)
    return Standing(InvoiceState.OVERDUE if late else InvoiceState.OPEN, opened, late)


@dataclass(frozen=True, slots=True)
class Overdue:
    """An invoice whose last day has passed on its buyer's calendar, and on which something is open."""

    document: int
    number: str
    organisation: int
    currency: str
    open: int
    days: int
    finalised_at: datetime
    zone: str


def overdue_at(now: datetime, *, organisations: Collection[int] | None = None) -> list[Overdue]:
    """Oldest due date first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT document.id, document.number, document.organisation_id, document.currency,
                document.due_on, document.finalised_at, party.time_zone, sum(posting.amount)::bigint
            FROM invoicing_document document
            JOIN accounts_organisation party ON party.id = document.organisation_id
            JOIN ledger_posting posting ON posting.item = document.number
            JOIN ledger_account account ON account.id = posting.account_id AND account.kind = 'receivable'
            WHERE document.due_on < %s
                AND (%s::bigint[] IS NULL OR document.organisation_id = ANY(%s))
            GROUP BY document.id, party.id HAVING sum(posting.amount) > 0
            ORDER BY document.due_on, document.id
            """,
            # No calendar is more than a day ahead of UTC's.
            [now.date() + timedelta(days=1), *[None if organisations is None else list(organisations)] * 2],
        )
        rows = cursor.fetchall()
    return [
        Overdue(pk, number, party, currency, opened, days, finalised_at, zone)
        for pk, number, party, currency, due_on, finalised_at, zone, opened in rows
        if (days := (today_in(zone, now) - due_on).days) > 0
    ]
