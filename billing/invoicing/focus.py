"""Invoices and credit notes of buyers as rows of FOCUS, the FinOps Open Cost and Usage Specification, 1.2.

A row a line of a document, and a row for its tax under each rule, so that the rows with one InvoiceId add up
to its total in BilledCost. The columns are all that 1.2 makes mandatory, those recommended or conditional
ones whose condition is met here, and one of our own (``x_``). Left out, since their conditions are not met:
list and contracted unit prices and SKUs (prices are found hour by hour in the market and published in no
list), commitment discounts and capacity reservations, sub-accounts, tags, a second currency for prices.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from billing.invoicing.models import Document, DocumentTax, Line
from billing.money import SECONDS_AN_HOUR, from_minor
from billing.rating.models import Charge
from marketplace.supply.models import Fleet

VERSION = "1.2"
PROVIDER = "Cardhour"
UNIT = "Card-Hours"
TWELFTH = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Item:
    """A line of a document, or its tax under a rule."""

    document: Document
    line: Line | None
    tax: DocumentTax | None

    @property
    def sign(self) -> int:
        return -1 if self.document.kind == Document.Kind.CREDIT_NOTE else 1

    @property
    def cost(self) -> Decimal:
        part = self.line or self.tax
        return self.sign * from_minor(part.amount if part else 0, self.document.currency)

    @property
    def corrects(self) -> bool:
        """Whether it changes what a closed billing period was invoiced."""
        if self.line is not None and self.line.period_id != self.document.period_id:
            return True
        return self.document.credits_id is not None

    @property
    def quantity(self) -> Decimal | None:
        """Card-hours; none where only money is taken back, or owed beside the usage."""
        if self.line is None or self.line.item or self.document.credits_id is not None:
            return None
        return (Decimal(self.line.quantity) / SECONDS_AN_HOUR).quantize(TWELFTH)

    @property
    def service(self) -> tuple[datetime, datetime]:
        if self.line is not None:
            return self.line.service_from, self.line.service_until
        return self.document.period.starts_at, self.document.period.ends_at


Value = str | Decimal | datetime | None


def _of_line(read: Callable[[Line], Value]) -> Callable[[Item], Value]:
    """A column of lines, null for taxes."""
    return lambda item: None if item.line is None else read(item.line)


def _description(item: Item) -> str:
    if item.line is None:
        return f"Tax of {item.tax.rule.rate:%} on {item.document}" if item.tax else ""
    what = f"{_what(item.line)}, agreement {item.line.agreement}"
    return f"Credit note: {what}" if item.document.credits_id else what


def _what(line: Line) -> str:
    if line.item:
        return f"Term agreement T{line.agreement.term_id}: {Charge.Kind(line.item).name.lower()}"
    fleet = line.agreement.allocation.offer.fleet
    return f"{fleet.model} at {fleet.site.name_en}"


def _of_fleet(read: Callable[[Fleet], Value]) -> Callable[[Item], Value]:
    """A column of lines about usage, null for everything else: a term agreement names no place."""
    return _of_line(lambda line: None if line.item else read(line.agreement.allocation.offer.fleet))


def _category(item: Item) -> str:
    """What a month of a term agreement owes beside its usage adjusts what the usage cost."""
    if item.line is None:
        return "Tax"
    return "Adjustment" if item.line.item else "Usage"


COLUMNS: Mapping[str, Callable[[Item], Value]] = {
    "BilledCost": lambda item: item.cost,
    "BillingAccountId": lambda item: str(item.document.organisation_id),
    "BillingAccountName": lambda item: item.document.party_name_en,
    "BillingCurrency": lambda item: item.document.currency,
    "BillingPeriodEnd": lambda item: item.document.period.ends_at,
    "BillingPeriodStart": lambda item: item.document.period.starts_at,
    "ChargeCategory": _category,
    "ChargeClass": lambda item: "Correction" if item.corrects else None,
    "ChargeDescription": _description,
    "ChargeFrequency": lambda item: "Usage-Based" if _category(item) == "Usage" else "One-Time",
    "ChargePeriodEnd": lambda item: item.service[1],
    "ChargePeriodStart": lambda item: item.service[0],
    "ConsumedQuantity": lambda item: item.quantity,
    "ConsumedUnit": lambda item: None if item.quantity is None else UNIT,
    "ContractedCost": lambda item: item.cost,
    "EffectiveCost": lambda item: item.cost,
    "InvoiceId": lambda item: item.document.number,
    "InvoiceIssuerName": lambda item: item.document.issuer.name_en,
    "ListCost": lambda item: item.cost,
    "PricingCategory": lambda item: None if item.quantity is None else "Dynamic",
    "PricingQuantity": lambda item: item.quantity,
    "PricingUnit": lambda item: None if item.quantity is None else UNIT,
    "ProviderName": lambda _: PROVIDER,
    "PublisherName": lambda item: PROVIDER if item.line is None else item.line.agreement.owner.name_en,
    "RegionId": _of_fleet(lambda fleet: fleet.site.region.slug),
    "RegionName": _of_fleet(lambda fleet: fleet.site.region.name_en),
    "ResourceId": _of_line(lambda line: str(line.agreement)),
    "ResourceName": _of_fleet(lambda fleet: fleet.model.name),
    "ResourceType": _of_line(lambda _: "Accelerator Cards"),
    "ServiceCategory": lambda _: "Compute",
    "ServiceName": lambda _: "Accelerator card-hours",
    "ServiceSubcategory": lambda _: "Other (Compute)",
    "x_TaxRate": lambda item: item.tax.rule.rate if item.tax else None,
}


def items_of(documents: Iterable[Document]) -> Iterator[Item]:
    """The documents must come with their lines and taxes, as ``documents_to_export`` gives them."""
    for document in documents:
        for line in document.lines.all():
            yield Item(document, line, None)
        for tax in document.taxes.all():
            if tax.amount:
                yield Item(document, None, tax)


def as_focus(documents: Iterable[Document]) -> Iterator[str]:
    """The lines of the CSV file, the heading first."""
    writer = csv.writer(_Echo(), lineterminator="\n")
    yield writer.writerow(COLUMNS)
    for item in items_of(documents):
        yield writer.writerow([_cell(read(item)) for read in COLUMNS.values()])


class _Echo:
    """Where the CSV writer writes; it hands each line on."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Value) -> str:
    """Null is an empty cell; numbers have no exponent, times are UTC."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{value:f}" if isinstance(value, Decimal) else value
