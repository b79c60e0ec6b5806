"""A document computed again: its lines from charges, those from their runs, readings and events.

Everything is added up, rounded, taxed and allocated anew, and compared with what the document says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import islice

from django.db.models import Q, Sum

from billing.invoicing.credit_notes import left_of
from billing.invoicing.crediting import share_of, spread
from billing.invoicing.models import Document, DocumentTax, Line
from billing.invoicing.selectors import charges_of
from billing.metering.models import Meter, Reading
from billing.metering.proof import altered
from billing.money import tax_on, to_minor
from billing.rating.models import Charge
from billing.rating.replay import Difference, differences_of
from marketplace.clock import HOUR

SHOWN = 20
Kind = Document.Kind


@dataclass(slots=True)
class BillReplay:
    """How much was looked at, and the first differences."""

    document: Document
    lines: int = 0
    charges: int = 0
    runs: set[int] = field(default_factory=set)
    readings: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        return not self.differences


def replay_bill(document: Document) -> BillReplay:
    """Walk from a document down to the events and compare every figure on the way."""
    replay = BillReplay(document)
    replay.differences = list(islice(_differences(document, replay), SHOWN))
    return replay


def _differences(document: Document, replay: BillReplay) -> Iterator[Difference]:
    lines = list(document.lines.select_related("tax_rule").order_by("position"))
    replay.lines = len(lines)
    taxes = {tax.rule_id: tax for tax in document.taxes.select_related("rule")}
    yield from _of_sums(document, lines, taxes)
    if document.kind == Kind.CREDIT_NOTE:
        yield from _of_credit(document, lines, taxes)
        return
    for rule, tax in taxes.items():
        base = sum(line.amount for line in lines if line.tax_rule_id == rule)
        yield from _compare(f"{document} tax {tax.rule}", tax.amount, tax_on(base, tax.rule.rate))
    for line in lines:
        yield from _of_line(document, line, replay)


def _compare(subject: str, recorded: object, recomputed: object) -> Iterator[Difference]:
    if recorded != recomputed:
        yield Difference(subject, str(recorded), str(recomputed))


def _of_sums(
    document: Document, lines: Sequence[Line], taxes: dict[int, DocumentTax]
) -> Iterator[Difference]:
    bases: dict[int, int] = defaultdict(int)
    for line in lines:
        bases[line.tax_rule_id] += line.amount
    yield from _compare(f"{document} lines", document.line_count, len(lines))
    yield from _compare(f"{document} net", document.net, sum(bases.values()))
    yield from _compare(f"{document} tax", document.tax, sum(tax.amount for tax in taxes.values()))
    yield from _compare(f"{document} total", document.total, document.net + document.tax)
    recorded = {rule: tax.base for rule, tax in taxes.items()}
    yield from _compare(f"{document} taxed sums", recorded, dict(bases))


def _of_line(document: Document, line: Line, replay: BillReplay) -> Iterator[Difference]:
    """The line's figures from its charges, rounded once, and the charges from theirs."""
    subject = f"{document} line {line.position}"
    charges = list(charges_of(line))
    replay.charges += len(charges)
    replay.runs.update(charge.run_id for charge in charges)
    side = "amount" if document.kind == Kind.INVOICE else "credit"
    exact = sum((getattr(charge, side) for charge in charges), Decimal(0))
    facts = {
        "charges": (line.charge_count, len(charges)),
        "quantity": (line.quantity, sum(charge.quantity for charge in charges)),
        "before rounding": (line.exact, exact),
        "amount": (line.amount, to_minor(exact, document.currency)),
    }
    if charges:
        facts["service from"] = (line.service_from, _begin(line, charges[0].slot))
        facts["service until"] = (line.service_until, charges[-1].slot + HOUR)
    for what, (recorded, recomputed) in facts.items():
        yield from _compare(f"{subject} {what}", recorded, recomputed)
    yield from differences_of(charges)
    yield from _of_events(charges, replay)


def _begin(line: Line, slot: datetime) -> datetime:
    """When the service of the first charge of a line began: what a month owes is for all of the month."""
    spans = line.agreement.term.spans if line.item and line.agreement.term else []
    return next((start for start, end in spans if end == slot + HOUR), slot)


def _of_events(charges: Sequence[Charge], replay: BillReplay) -> Iterator[Difference]:
    """The readings up to the newest that the charges of a line counted, against their events."""
    if not charges:
        return
    readings = list(
        Reading.objects.filter(
            delivery__agreement=charges[0].agreement_id,
            slot__in={charge.slot for charge in charges},
            meter=Meter.ALLOCATED,
            pk__lte=max(charge.last_reading for charge in charges),
        ).order_by("pk")
    )
    replay.readings += len(readings)
    for each in altered(readings):
        yield Difference(f"reading {each.reading.pk} ({each.reading}) {each.what}", each.stored, each.event)


def _of_credit(note: Document, lines: Sequence[Line], taxes: dict[int, DocumentTax]) -> Iterator[Difference]:
    """What the note takes off, from what was left before it: on an invoice by largest remainder."""
    credited = note.credits
    if credited is None:
        yield Difference(f"{note} credits", "nothing", "a document")
        return
    recorded = {line.credits_id: line.amount for line in lines}
    if credited.kind == Kind.INVOICE:
        credit = spread(note.total, *left_of(credited, before=note))
        of_taxes = {rule: tax.amount for rule, tax in taxes.items()}
        yield from _compare(f"{note} lines", recorded, credit.lines)
        yield from _compare(f"{note} taxes", of_taxes, credit.taxes)
        return
    for line in lines:
        yield from _compare(f"{note} line {line.position}", line.amount, _owners_share(note, line))


def _owners_share(note: Document, line: Line) -> int:
    """The owner's part of what the invoice's credit note takes off, over all notes until that one.

    It was written with the note on the invoice, just before it.
    """
    paid = line.credits
    if paid is None:
        return 0
    charged = paid.origin
    by_owners = charged.credited_by.filter(document__borne_by=Document.BorneBy.OWNERS)
    cause = by_owners.filter(document__gt=note.pk).order_by("document").first()
    if cause is None:
        return 0
    so_far = by_owners.filter(document__lte=cause.document_id).aggregate(total=Sum("amount"))["total"]
    before = paid.credited_by.filter(Q(document__lt=note.pk)).aggregate(total=Sum("amount"))["total"] or 0
    return max(share_of(paid.amount, credited=so_far, charged=charged.amount) - before, 0)
