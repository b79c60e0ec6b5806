"""Documents and what they rest on: issuers and numbers, tax rules, the dunning policy."""

from billing.invoicing.models.documents import (
    BillingPeriod,
    Credited,
    Document,
    DocumentTax,
    InvoicedCharge,
    Line,
    ParkedBilling,
)
from billing.invoicing.models.dunning import DunningNotice, DunningPolicy, DunningStep, Suspension
from billing.invoicing.models.issuers import Issuer, NumberSeries
from billing.invoicing.models.taxes import TaxRule, TaxTreatment

__all__ = [
    "BillingPeriod",
    "Credited",
    "Document",
    "DocumentTax",
    "DunningNotice",
    "DunningPolicy",
    "DunningStep",
    "InvoicedCharge",
    "Issuer",
    "Line",
    "NumberSeries",
    "ParkedBilling",
    "Suspension",
    "TaxRule",
    "TaxTreatment",
]
