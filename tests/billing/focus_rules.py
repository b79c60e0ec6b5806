"""What FOCUS 1.2 says about the columns that the exchange exports, written down from the specification.

https://focus.finops.org/focus-specification/v1-2/ (columns). Written apart from the exporter: nothing here is
imported by it or imports it. ``problems`` names every rule that a file breaks.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal

MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
}  # fmt: skip
RECOMMENDED_OR_CONDITIONAL = {
    "AvailabilityZone", "BillingAccountType", "CapacityReservationId", "CapacityReservationStatus",
    "ChargeFrequency", "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName",
    "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit", "ContractedUnitPrice", "InvoiceId",
    "ListUnitPrice", "PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "RegionId", "RegionName", "ResourceId",
    "ResourceName", "ResourceType", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails",
    "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
}  # fmt: skip
NEVER_NULL = {
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "ProviderName", "PublisherName", "ServiceCategory",
    "ServiceName",
}  # fmt: skip
DECIMALS = {
    "BilledCost", "ConsumedQuantity", "ContractedCost", "EffectiveCost", "ListCost", "PricingQuantity",
}  # fmt: skip
TIMES = {"BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart"}
ALLOWED = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {
        "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases",
        "Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things",
        "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security", "Storage",
        "Web", "Other",
    },
    "ServiceSubcategory": {
        "Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines",
        "Other (Compute)",
    },
}  # fmt: skip
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def problems(text: str) -> list[str]:
    rows = rows_of(text)
    columns = next(csv.reader(io.StringIO(text)))
    found = [f"{name} is missing" for name in sorted(MANDATORY - set(columns))]
    known = MANDATORY | RECOMMENDED_OR_CONDITIONAL
    found += [f"{name} is no column" for name in columns if name not in known and not name.startswith("x_")]
    for number, row in enumerate(rows, 1):
        found += [f"row {number}: {problem}" for problem in (*_of_values(row), *_of_rules(row))]
    return found


def _of_values(row: dict[str, str]) -> Iterator[str]:
    for name, value in row.items():
        if not value:
            if name in NEVER_NULL:
                yield f"{name} is null"
        elif name in DECIMALS and not NUMBER.fullmatch(value):
            yield f"{name} is no number: {value}"
        elif name in TIMES and not TIME.fullmatch(value):
            yield f"{name} is no UTC time: {value}"
        elif name in ALLOWED and value not in ALLOWED[name]:
            yield f"{name} may not be {value}"


def _of_rules(row: dict[str, str]) -> Iterator[str]:
    yield from _of_prices(row)
    yield from _of_usage(row)
    yield from _of_places(row)
    for start, end in (("BillingPeriodStart", "BillingPeriodEnd"), ("ChargePeriodStart", "ChargePeriodEnd")):
        if not row[start] < row[end]:
            yield f"{start} is not before {end}"
    if not re.fullmatch(r"[A-Z]{3}", row["BillingCurrency"]):
        yield "BillingCurrency is no ISO 4217 code"


def _of_prices(row: dict[str, str]) -> Iterator[str]:
    category, corrects = row["ChargeCategory"], row["ChargeClass"] == "Correction"
    for name in ("PricingQuantity", "PricingUnit", "PricingCategory"):
        if category == "Tax" and row[name]:
            yield f"{name} must be null for a tax"
        if category in {"Usage", "Purchase"} and not corrects and not row[name]:
            yield f"{name} must not be null for usage"
    if category == "Purchase" and row["ChargeFrequency"] == "Usage-Based":
        yield "a purchase is not usage-based"


def _of_usage(row: dict[str, str]) -> Iterator[str]:
    category, corrects = row["ChargeCategory"], row["ChargeClass"] == "Correction"
    if category != "Usage" and (row["ConsumedQuantity"] or row["ConsumedUnit"]):
        yield "only usage is consumed"
    if category == "Usage" and not corrects and not Decimal(row["ConsumedQuantity"] or 0) > 0:
        yield "usage consumes a positive quantity"
    for quantity, unit in (("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit")):
        if bool(row[quantity]) != bool(row[unit]):
            yield f"{quantity} and {unit} are null together"


def _of_places(row: dict[str, str]) -> Iterator[str]:
    if not row["ResourceId"] and (row["ResourceName"] or row["ResourceType"]):
        yield "a resource without an id has no name and no type"
    if bool(row["RegionId"]) != bool(row["RegionName"]):
        yield "RegionId and RegionName are null together"
