"""Closing billing periods: charges become lines of documents, and documents become journals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Min, QuerySet, Sum

from accounts import audit
from accounts.actors import Actor
from billing.invoicing.drafts import AgreementTotal, Draft, drafts, legs_of
from billing.invoicing.models import BillingPeriod, Document, Line
from billing.invoicing.periods import calendar
from billing.ledger.models import Journal
from billing.ledger.services import post_journal
from billing.locks import try_billing_lock
from billing.rating.models import Charge
from billing.rating.services import rated_until

PREFIXES: Mapping[str, str] = {Document.Kind.INVOICE: "INV", Document.Kind.STATEMENT: "STM"}
BATCH = 2_000


def close_due_periods(*, now: datetime, actor: Actor) -> list[BillingPeriod]:
    """Close every period that ended ``BILLING_GRACE`` ago, oldest first, each in its own transaction.

    A period waits until its last slot was rated. Stops early when rating or another closing is under
    way; the next turn goes on.
    """
    closed = []
    while (period := _close_next(now=now, actor=actor)) is not None:
        closed.append(period)
    return closed


@transaction.atomic
def _close_next(*, now: datetime, actor: Actor) -> BillingPeriod | None:
    if not try_billing_lock():
        return None
    interval = next_interval()
    if interval is None or interval[1] + settings.BILLING_GRACE > now or not rated_until(interval[1]):
        return None
    period = BillingPeriod.objects.create(starts_at=interval[0], ends_at=interval[1], closed_at=now)
    documents = _finalise(period, actor=actor, now=now)
    audit.record(
        actor=actor,
        action="invoicing.period_closed",
        target=period,
        now=now,
        data={
            "starts_at": period.starts_at.isoformat(),
            "ends_at": period.ends_at.isoformat(),
            "documents": [document.number for document in documents],
        },
    )
    return period


def next_interval() -> tuple[datetime, datetime] | None:
    """The period to close next: where the last one ended, at first that of the oldest charge.

    So periods touch and never overlap, also when ``BILLING_PERIOD`` changes between two of them.
    """
    last = BillingPeriod.objects.order_by("-ends_at").first()
    if last is not None:
        return last.ends_at, calendar().end_of(last.ends_at)
    oldest = Charge.objects.aggregate(slot=Min("slot"))["slot"]
    if oldest is None:
        return None
    return calendar().start_of(oldest), calendar().end_of(oldest)


def _finalise(period: BillingPeriod, *, actor: Actor, now: datetime) -> list[Document]:
    """Make the documents of a period from every charge up to its end that is on none yet.

    Late charges of earlier periods are among them: they land on the same line as the current ones.
    """
    totals = list(_totals(_open_charges(period)))
    wanted = drafts(totals)
    numbers = _numbers(wanted, year=now.astimezone(UTC).year)
    documents = Document.objects.bulk_create(
        [
            Document(
                kind=draft.kind,
                number=number,
                organisation_id=draft.organisation,
                period=period,
                currency=draft.currency,
                total=draft.total,
                finalised_at=now,
                journal=_book(draft, number, period=period, actor=actor, now=now),
            )
            for draft, number in zip(wanted, numbers, strict=True)
        ],
        batch_size=BATCH,
    )
    _write_lines(documents, wanted)
    _name_charges(period, expected=sum(total.charges for total in totals))
    for document in documents:
        _record(document, actor=actor, now=now)
    return documents


def _open_charges(period: BillingPeriod) -> QuerySet[Charge]:
    return Charge.objects.filter(invoiced=None, slot__lt=period.ends_at)


def _totals(charges: QuerySet[Charge]) -> Iterator[AgreementTotal]:
    rows = (
        charges.order_by("agreement")
        .values("agreement", "agreement__buyer", "agreement__owner", "currency")
        .annotate(Sum("quantity"), Sum("amount"), Sum("credit"), Count("pk"))
    )
    for row in rows:
        yield AgreementTotal(
            agreement=row["agreement"],
            buyer=row["agreement__buyer"],
            owner=row["agreement__owner"],
            currency=row["currency"],
            quantity=row["quantity__sum"],
            amount=row["amount__sum"],
            credit=row["credit__sum"],
            charges=row["pk__count"],
        )


def _numbers(wanted: Sequence[Draft], *, year: int) -> list[str]:
    """A number for each draft, in their order. A closing that fails gives its numbers back."""
    numbers = []
    following: dict[str, int] = {}
    for draft in wanted:
        if draft.kind not in following:
            count = sum(other.kind == draft.kind for other in wanted)
            following[draft.kind] = take_numbers(draft.kind.value, year=year, count=count)
        numbers.append(f"{PREFIXES[draft.kind]}-{year}-{following[draft.kind]:06}")
        following[draft.kind] += 1
    return numbers


def take_numbers(kind: str, *, year: int, count: int) -> int:
    """The first of ``count`` consecutive numbers.

    The row of the series stays locked until the transaction ends. Whoever comes next waits, and takes
    the same numbers when this transaction is rolled back: no number is skipped and none is given twice.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO invoicing_numberseries AS series (kind, year, last)
            VALUES (%(kind)s, %(year)s, %(count)s)
            ON CONFLICT (kind, year) DO UPDATE SET last = series.last + %(count)s
            RETURNING last
            """,
            {"kind": kind, "year": year, "count": count},
        )
        last: int = cursor.fetchone()[0]
    return last - count + 1


def _book(draft: Draft, number: str, *, period: BillingPeriod, actor: Actor, now: datetime) -> Journal | None:
    """The journal of an invoice; none for a statement, nor for an invoice that moves nothing."""
    if draft.kind != Document.Kind.INVOICE:
        return None
    legs = legs_of(draft)
    if not legs:
        return None
    return post_journal(
        key=number, description=f"Invoice {number}, {period}", booked_at=now, legs=legs, actor=actor
    )


def _write_lines(documents: Iterable[Document], wanted: Iterable[Draft]) -> None:
    Line.objects.bulk_create(
        [
            Line(
                document=document,
                agreement_id=total.agreement,
                quantity=total.quantity,
                exact=draft.exact_of(total),
                amount=draft.amount_of(total),
            )
            for document, draft in zip(documents, wanted, strict=True)
            for total in draft.totals
        ],
        batch_size=BATCH,
    )


def _name_charges(period: BillingPeriod, *, expected: int) -> None:
    """Write down which charge stands on which two lines; refuses to finish if one is missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH line AS (
                SELECT line.id, line.agreement_id, document.kind
                FROM invoicing_line line JOIN invoicing_document document ON document.id = line.document_id
                WHERE document.period_id = %s
            )
            INSERT INTO invoicing_invoicedcharge (charge_id, invoice_line_id, statement_line_id)
            SELECT charge.id, invoice.id, statement.id
            FROM rating_charge charge
            JOIN line invoice
                ON invoice.agreement_id = charge.agreement_id AND invoice.kind = 'invoice'
            JOIN line statement
                ON statement.agreement_id = charge.agreement_id AND statement.kind = 'statement'
            WHERE charge.slot < %s
            AND NOT EXISTS (SELECT FROM invoicing_invoicedcharge done WHERE done.charge_id = charge.id)
            """,
            [period.pk, period.ends_at],
        )
        if cursor.rowcount != expected:
            raise RuntimeError(
                f"{cursor.rowcount} charges on the lines of {period}, {expected} were added up"
            )


def _record(document: Document, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"invoicing.{document.kind}_finalised",
        target=document,
        organisation=document.organisation_id,
        now=now,
        data={"number": document.number, "total": document.total, "currency": document.currency},
    )
