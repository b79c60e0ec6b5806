"""Closing billing periods: charges become lines of documents, and documents become journals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from accounts import audit
from accounts.actors import Actor
from accounts.models import Organisation
from billing.invoicing import intake
from billing.invoicing.drafts import Billable, Draft, LineKey, drafts, legs_of_invoice, legs_of_statement
from billing.invoicing.intake import Gathered, name_charges
from billing.invoicing.issuers import issuer_now
from billing.invoicing.models import (
    BillingPeriod,
    Document,
    DocumentTax,
    DunningPolicy,
    Issuer,
    Line,
    ParkedBilling,
)
from billing.invoicing.numbering import number_of, take_for, year_of
from billing.invoicing.spans import next_interval
from billing.invoicing.telling import finalised
from billing.ledger.services import Entry, post_journals
from billing.locks import try_billing_lock
from billing.rating.models import ParkedUsage
from billing.rating.services import rated_until
from billing.rating.settling import due_agreements
from marketplace.notifications.services import notify_all

BATCH = 2_000
Kind = Document.Kind
# Agreement, period, item and surcharge: what a line may be a correction of.
Corrected = tuple[int, int, str, Decimal | None]
Reason = ParkedBilling.Reason


def close_due_periods(*, now: datetime, actor: Actor) -> list[BillingPeriod]:
    """Close every period that ended ``BILLING_GRACE`` ago, oldest first, each in its own transaction.

    First whatever waited for a missing fact gets its documents, if the fact is known now. A period waits
    until its last slot was rated, and the months of term agreements that ended in it are settled, unless
    they wait for a person. Stops early when rating or another closing is under way; the next turn goes on.
    """
    finalise_waiting(now=now, actor=actor)
    closed = []
    while (period := _close_next(now=now, actor=actor)) is not None:
        closed.append(period)
    return closed


@transaction.atomic
def _close_next(*, now: datetime, actor: Actor) -> BillingPeriod | None:
    if not try_billing_lock():
        return None
    interval = next_interval()
    if interval is None or interval[1] + settings.BILLING_GRACE > now or not _is_known(interval[1]):
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


def _is_known(until: datetime) -> bool:
    """Whether everything up to a moment was rated, and the months that ended by then were settled."""
    if not rated_until(until):
        return False
    waiting = ParkedUsage.objects.filter(reason=ParkedUsage.Reason.NOT_SETTLED, resolved_at=None)
    return not due_agreements(until).exclude(pk__in=waiting.values("agreement")).exists()


@transaction.atomic
def finalise_waiting(*, now: datetime, actor: Actor) -> list[Document]:
    """The documents of what was parked at a closing, where nothing is missing any more."""
    waiting = ParkedBilling.objects.filter(resolved_at=None)
    if not waiting.exists() or not try_billing_lock():
        return []
    documents = []
    for period in BillingPeriod.objects.filter(pk__in=waiting.values("period")).order_by("ends_at"):
        agreements = list(waiting.filter(period=period).values_list("agreement", flat=True))
        documents += _finalise(period, actor=actor, now=now, agreements=agreements)
    return documents


def _finalise(
    period: BillingPeriod, *, actor: Actor, now: datetime, agreements: Collection[int] | None = None
) -> list[Document]:
    """Make the documents of a period from every charge up to its end that is on none yet.

    Late charges of earlier periods are among them, on lines of their own. What cannot be taxed, or would
    never fall due, is parked.
    """
    issuer = issuer_now()
    gathered = intake.gather(issuer, period=period.pk, until=period.ends_at, agreements=agreements)
    policy = policy_at(now)
    _park(gathered, policy, period=period, now=now)
    if policy is None or not gathered.billable:
        return []
    return _Finalising(issuer, period, policy, now, actor).documents(gathered.billable)


def policy_at(now: datetime) -> DunningPolicy | None:
    """The policy in force: the newest one that has begun."""
    return DunningPolicy.objects.filter(valid_from__lte=now).order_by("-valid_from").first()


def _park(gathered: Gathered, policy: DunningPolicy | None, *, period: BillingPeriod, now: datetime) -> None:
    """Write down what waits, and that what does not wait any more is done."""
    parked = {
        one.agreement: ParkedBilling(
            agreement_id=one.agreement,
            period=period,
            reason=Reason.NO_TAX_RULE,
            details=one.details,
            parked_at=now,
        )
        for one in gathered.untaxed
    }
    billed = {line.agreement for line in gathered.billable}
    if policy is None:
        parked |= {
            pk: ParkedBilling(
                agreement_id=pk, period=period, reason=Reason.NO_POLICY, details={}, parked_at=now
            )
            for pk in billed
        }
    else:
        done = ParkedBilling.objects.filter(resolved_at=None, agreement__in=billed)
        done.update(resolved_at=now)
    ParkedBilling.objects.bulk_create(parked.values(), ignore_conflicts=True, batch_size=BATCH)


@dataclass(frozen=True, slots=True)
class _Finalising:
    """The making of the documents of one closing, in one transaction."""

    issuer: Issuer
    period: BillingPeriod
    policy: DunningPolicy
    now: datetime
    actor: Actor

    def documents(self, billables: Sequence[Billable]) -> list[Document]:
        wanted = drafts(billables)
        year = year_of(self.issuer, self.now)
        sequences = take_for(self.issuer, [draft.kind.value for draft in wanted], year=year)
        numbers = [
            number_of(self.issuer, draft.kind, year, sequence)
            for draft, sequence in zip(wanted, sequences, strict=True)
        ]
        journals = self._book(wanted, numbers)
        parties = Organisation.objects.in_bulk({draft.organisation for draft in wanted})
        part = self._part()
        made = Document.objects.bulk_create(
            [
                self._document(draft, parties[draft.organisation], year, sequence, journals.get(number), part)
                for draft, sequence, number in zip(wanted, sequences, numbers, strict=True)
            ],
            batch_size=BATCH,
        )
        self._write_lines(made, wanted, billables)
        self._write_taxes(made, wanted)
        for document in made:
            record_finalised(document, actor=self.actor, now=self.now)
        notify_all([finalised(document) for document in made], now=self.now)
        return made

    def _part(self) -> int:
        """0 for the closing itself; what is finalised later for the same period comes after it."""
        last = Document.objects.filter(period=self.period, credits=None).aggregate(last=Max("part"))["last"]
        return 0 if last is None else last + 1

    def _document(
        self,
        draft: Draft,
        party: Organisation,
        year: int,
        sequence: int,
        journal: int | None,
        part: int,
    ) -> Document:
        return Document(
            kind=draft.kind,
            number=number_of(self.issuer, draft.kind, year, sequence),
            issuer=self.issuer,
            series=self.issuer.code,
            year=year,
            sequence=sequence,
            **facts_of(party),
            period=self.period,
            part=part,
            currency=draft.currency,
            net=draft.net,
            tax=draft.tax,
            total=draft.total,
            line_count=len(draft.lines),
            due_on=self._due_on(party) if draft.kind == Kind.INVOICE else None,
            finalised_at=self.now,
            journal_id=journal,
        )

    def _due_on(self, buyer: Organisation) -> date:
        """The last day on which the invoice is paid in time, on the buyer's calendar."""
        today = self.now.astimezone(ZoneInfo(buyer.time_zone)).date()
        return today + timedelta(days=self.policy.days_to_pay)

    def _book(self, wanted: Sequence[Draft], numbers: Sequence[str]) -> dict[str, int]:
        """The journals of the documents that move something, by number."""
        numbered = list(zip(wanted, numbers, strict=True))
        statements = {
            (draft.organisation, draft.currency): number
            for draft, number in numbered
            if draft.kind == Kind.STATEMENT
        }
        entries = []
        for draft, number in numbered:
            if draft.kind == Kind.INVOICE:
                of_owners = {line.owner: statements[line.owner, draft.currency] for line in draft.lines}
                legs = legs_of_invoice(draft, number, of_owners)
            else:
                legs = legs_of_statement(draft, number)
            if legs:
                entries.append(Entry(number, f"{draft.kind.label} {number}, {self.period}", tuple(legs)))
        return post_journals(entries, booked_at=self.now, actor=self.actor)

    def _write_lines(
        self, documents: Sequence[Document], wanted: Sequence[Draft], billables: Sequence[Billable]
    ) -> None:
        """Statement lines, the invoice lines that name them, and which charge stands on which two."""
        statements = self._lines(documents, wanted, Kind.STATEMENT, {})
        invoices = self._lines(documents, wanted, Kind.INVOICE, statements)
        pairs = {key: (invoices[key], statements[key]) for key in invoices}
        named, expected = name_charges(pairs), sum(line.charges for line in billables)
        if named != expected:
            raise RuntimeError(f"{named} charges on the lines of {self.period}, {expected} were added up")

    def _lines(
        self,
        documents: Sequence[Document],
        wanted: Sequence[Draft],
        kind: Document.Kind,
        counterparts: Mapping[LineKey, Line],
    ) -> dict[LineKey, Line]:
        """The lines of all documents of a kind, stored, by what they are of."""
        of_kind = [pair for pair in zip(documents, wanted, strict=True) if pair[1].kind == kind]
        corrected = self._corrected(kind, (line for _, draft in of_kind for line in draft.lines))
        rows = {
            line.key: Line(
                document=document,
                position=position,
                agreement_id=line.agreement,
                period_id=line.period,
                item=line.item,
                surcharge=line.surcharge,
                service_from=line.service_from,
                service_until=line.service_until,
                tax_rule_id=draft.tax_of(line).rule,
                corrects_id=corrected.get((line.agreement, line.period, line.item, line.surcharge)),
                counterpart=counterparts.get(line.key),
                quantity=line.quantity,
                charge_count=line.charges,
                exact=draft.exact_of(line),
                amount=draft.amount_of(line),
            )
            for document, draft in of_kind
            for position, line in enumerate(draft.lines, 1)
        }
        Line.objects.bulk_create(rows.values(), batch_size=BATCH)
        return rows

    def _corrected(self, kind: Document.Kind, lines: Iterable[Billable]) -> dict[Corrected, int]:
        """The first line of each agreement and item on earlier documents of the periods it is late for."""
        late = [line for line in lines if line.period != self.period.pk]
        rows = Line.objects.filter(
            document__kind=kind,
            agreement__in={line.agreement for line in late},
            period__in={line.period for line in late},
        ).order_by("-pk")
        return {(line.agreement_id, line.period_id, line.item, line.surcharge): line.pk for line in rows}

    def _write_taxes(self, documents: Sequence[Document], wanted: Sequence[Draft]) -> None:
        rows: Iterator[DocumentTax] = (
            DocumentTax(document=document, rule_id=tax.rule, base=base, amount=amount)
            for document, draft in zip(documents, wanted, strict=True)
            for tax, (base, amount) in draft.taxes.items()
        )
        DocumentTax.objects.bulk_create(rows, batch_size=BATCH)


def facts_of(party: Organisation) -> dict[str, object]:
    """What a document keeps of its party."""
    return {
        "organisation": party,
        "party_name_en": party.name_en,
        "party_name_zh": party.name_zh,
        "party_jurisdiction": party.jurisdiction,
    }


def record_finalised(document: Document, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"invoicing.{document.kind}_finalised",
        target=document,
        organisation=document.organisation_id,
        now=now,
        data={"number": document.number, "total": document.total, "currency": document.currency},
    )
