"""Credit notes: what is taken off a finalised invoice, and off the statements behind it.

An invoice never changes. A credit note is a document of its own, with a journal of its own that names the
invoice's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.actors import Actor, Viewer
from billing.invoicing.crediting import Credit, Creditable, share_of, spread
from billing.invoicing.drafts import legs_of
from billing.invoicing.issuers import issuer_now
from billing.invoicing.models import Document, DocumentTax, Line
from billing.invoicing.numbering import number_of, take_for, year_of
from billing.invoicing.services import facts_of, record_finalised
from billing.ledger.models import Account, Journal
from billing.ledger.services import Leg, post_journal
from billing.money import from_minor
from marketplace.errors import DomainError, InvalidInput, NotAllowed

Kind = Document.Kind
BorneBy = Document.BorneBy


class CreditTooHigh(DomainError):
    code = "credit_too_high"
    title = gettext_noop("A credit note takes off no more than the invoice says")


@transaction.atomic
def issue_credit_note(
    *, viewer: Viewer, invoice: Document, amount: int, borne_by: str, reason: str, now: datetime
) -> Document:
    """Take ``amount`` minor units, tax included, off an invoice. Operators only.

    Borne by the owners, their part of each line is taken off their statements by credit notes of their own,
    and the exchange gives back its commission on it; borne by the exchange, it is all the exchange's loss.
    ``CreditTooHigh`` when less than that is left of the invoice.
    """
    actor = _operator(viewer)
    _check(invoice, amount, borne_by, reason)
    credited = _lock(invoice)
    _check_left(invoice, amount)
    credit = spread(amount, credited.lines, credited.taxes)
    shares = _owners_part(credit, credited) if borne_by == BorneBy.OWNERS else {}
    of_owners = [(credited.statements[pk], part) for pk, part in sorted(shares.items()) if part.total]
    notes = _Notes(reason.strip(), actor, now)
    for statement, part in of_owners:
        notes.write(statement, part, _tax_legs(statement, part), borne_by="")
    return notes.write(invoice, credit, _legs(invoice, credit, of_owners), borne_by=borne_by)


def creditable(document: Document) -> int:
    """Minor units, tax included, that credit notes may still take off a document."""
    lines, taxes = left_of(document)
    off = document.credit_notes.aggregate(total=Sum("total"))["total"] or 0
    whole = sum(max(line.left, 0) for line in lines) + sum(max(left, 0) for left in taxes.values())
    return max(min(document.total - off, whole), 0)


@dataclass(frozen=True, slots=True)
class _Credited:
    """What is left of an invoice, and the statements behind its lines, all of them locked."""

    lines: list[Creditable]
    taxes: dict[int, int]
    invoice_lines: dict[int, Line]
    statements: dict[int, Document]


def _operator(viewer: Viewer) -> Actor:
    if viewer.actor is None or not viewer.is_operator:
        raise NotAllowed(_("Only operators issue credit notes."))
    return viewer.actor


def _check(invoice: Document, amount: int, borne_by: str, reason: str) -> None:
    wrong = {}
    if invoice.kind != Kind.INVOICE:
        wrong["invoice"] = _("%(number)s is not an invoice.") % {"number": invoice.number}
    if amount <= 0:
        wrong["amount"] = _("Give an amount above zero.")
    if borne_by not in BorneBy.values:
        wrong["borne_by"] = _("Say who bears it: the owners or the exchange.")
    if not reason.strip():
        wrong["reason"] = _("Say why: it stands on the credit note.")
    if wrong:
        raise InvalidInput(_("No credit note was made."), wrong)


def _check_left(invoice: Document, amount: int) -> None:
    """Once the invoice is locked; the database asks again at commit."""
    if amount > (left := creditable(invoice)):
        raise CreditTooHigh(
            _("%(amount)s is more than the %(left)s that is left of %(number)s.")
            % {
                "amount": from_minor(amount, invoice.currency),
                "left": from_minor(left, invoice.currency),
                "number": invoice.number,
            }
        )


def _lock(invoice: Document) -> _Credited:
    """The invoice and its statements, by id, so that credit notes and payments take turns."""
    lines = {line.pk: line for line in invoice.lines.select_related("counterpart")}
    statements = {line.counterpart.document_id for line in lines.values() if line.counterpart}
    rows = Document.objects.filter(pk__in={invoice.pk, *statements}).order_by("pk")
    locked = {row.pk: row for row in rows.select_for_update(no_key=True)}
    left, taxes = left_of(invoice)
    return _Credited(left, taxes, lines, {pk: locked[pk] for pk in statements})


def left_of(document: Document, *, before: Document | None = None) -> tuple[list[Creditable], dict[int, int]]:
    """What credit notes left of each line and of the tax under each rule; those before a note, if named."""
    earlier = Q() if before is None else Q(pk__lt=before.pk)
    notes = document.credit_notes.filter(earlier)
    of_notes = Q(credited_by__document__in=notes.values("pk"))
    lines = document.lines.order_by("position").annotate(off=Sum("credited_by__amount", filter=of_notes))
    taxes = DocumentTax.objects.filter(document__in=notes).values_list("rule")
    off = dict(taxes.annotate(total=Sum("amount")).order_by())
    return (
        [Creditable(line.pk, line.tax_rule_id, line.amount - (line.off or 0)) for line in lines],
        {tax.rule_id: tax.amount - off.get(tax.rule_id, 0) for tax in document.taxes.all()},
    )


def _owners_part(credit: Credit, credited: _Credited) -> dict[int, Credit]:
    """By statement: of each line the share that its owner was credited with, over all notes so far."""
    parts: dict[int, dict[int, int]] = defaultdict(dict)
    for pk, amount in credit.lines.items():
        line = credited.invoice_lines[pk]
        paid = line.counterpart
        if paid is None:
            continue
        before = line.credited_by.filter(document__borne_by=BorneBy.OWNERS).aggregate(total=Sum("amount"))
        off = paid.credited_by.aggregate(total=Sum("amount"))["total"] or 0
        share = share_of(paid.amount, credited=(before["total"] or 0) + amount, charged=line.amount) - off
        parts[paid.document_id][paid.pk] = max(share, 0)
    return {
        statement: Credit(of_lines, _owners_tax(credited.statements[statement], of_lines))
        for statement, of_lines in parts.items()
    }


def _owners_tax(statement: Document, parts: Mapping[int, int]) -> dict[int, int]:
    """The statement's tax that goes with these parts of its lines, by rule."""
    _, left = left_of(statement)
    lines = {line.pk: line for line in statement.lines.all()}
    taxes = {}
    for tax in statement.taxes.all():
        of_rule = [pk for pk in parts if lines[pk].tax_rule_id == tax.rule_id]
        if not of_rule:
            continue
        before = Line.objects.filter(document__credits=statement, tax_rule=tax.rule_id)
        so_far = (before.aggregate(total=Sum("amount"))["total"] or 0) + sum(parts[pk] for pk in of_rule)
        due = share_of(tax.amount, credited=so_far, charged=tax.base) - (tax.amount - left[tax.rule_id])
        taxes[tax.rule_id] = max(min(due, left[tax.rule_id]), 0)
    return taxes


@dataclass(frozen=True, slots=True)
class _Notes:
    """The writing of credit notes."""

    reason: str
    actor: Actor
    now: datetime

    def write(self, document: Document, credit: Credit, legs: Sequence[Leg], *, borne_by: str) -> Document:
        issuer = issuer_now()
        year = year_of(issuer, self.now)
        (sequence,) = take_for(issuer, [Kind.CREDIT_NOTE.value], year=year)
        number = number_of(issuer, Kind.CREDIT_NOTE, year, sequence)
        note = Document.objects.create(
            kind=Kind.CREDIT_NOTE,
            number=number,
            issuer=issuer,
            series=issuer.code,
            year=year,
            sequence=sequence,
            **facts_of(document.organisation),
            period=document.period,
            credits=document,
            borne_by=borne_by,
            reason=self.reason,
            currency=document.currency,
            net=credit.net,
            tax=credit.tax,
            total=credit.total,
            line_count=len(credit.lines),
            finalised_at=self.now,
            journal=self._book(number, document, legs),
        )
        lines = self._lines(note, credit)
        DocumentTax.objects.bulk_create(_taxes(note, credit, lines))
        record_finalised(note, actor=self.actor, now=self.now)
        return note

    def _book(self, number: str, document: Document, legs: Sequence[Leg]) -> Journal | None:
        if not legs:
            return None
        return post_journal(
            key=number,
            description=f"Credit note {number} on {document.number}",
            booked_at=self.now,
            legs=legs,
            actor=self.actor,
            corrects=document.journal,
        )

    def _lines(self, note: Document, credit: Credit) -> list[Line]:
        credited = Line.objects.in_bulk(credit.lines)
        return Line.objects.bulk_create(
            Line(
                document=note,
                position=position,
                agreement_id=credited[pk].agreement_id,
                period_id=credited[pk].period_id,
                item=credited[pk].item,
                surcharge=credited[pk].surcharge,
                service_from=credited[pk].service_from,
                service_until=credited[pk].service_until,
                tax_rule_id=credited[pk].tax_rule_id,
                credits_id=pk,
                quantity=0,
                charge_count=0,
                exact=from_minor(amount, note.currency),
                amount=amount,
            )
            for position, (pk, amount) in enumerate(sorted(credit.lines.items()), 1)
        )


def _taxes(note: Document, credit: Credit, lines: Sequence[Line]) -> list[DocumentTax]:
    bases: dict[int, int] = defaultdict(int)
    for line in lines:
        bases[line.tax_rule_id] += line.amount
    return [
        DocumentTax(document=note, rule_id=rule, base=base, amount=credit.taxes.get(rule, 0))
        for rule, base in sorted(bases.items())
    ]


def _legs(invoice: Document, credit: Credit, of_owners: Sequence[tuple[Document, Credit]]) -> list[Leg]:
    """The buyer owes less; owners are owed less where they bear it; the rest is the exchange's."""
    borne = sum(part.net for _, part in of_owners)
    moves = [
        (Account.Kind.RECEIVABLE, invoice.organisation_id, -credit.total, invoice.number),
        (Account.Kind.TAX_OWED, None, credit.tax, ""),
        (Account.Kind.COMMISSION, None, credit.net - borne, ""),
    ]
    moves += [
        (Account.Kind.PAYABLE, statement.organisation_id, part.net, statement.number)
        for statement, part in of_owners
    ]
    return legs_of(moves, invoice.currency)


def _tax_legs(statement: Document, part: Credit) -> list[Leg]:
    """The owner gives back the tax; what it is owed without tax is booked with the invoice's credit note."""
    moves = [
        (Account.Kind.PAYABLE, statement.organisation_id, part.tax, statement.number),
        (Account.Kind.TAX_PAID, None, -part.tax, ""),
    ]
    return legs_of(moves, statement.currency)
