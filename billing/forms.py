"""What of the lists of billing is shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from billing.invoicing.models import Document
from billing.money import to_minor
from billing.rating.models import Charge
from marketplace.catalogue.models import CurrencyCode
from marketplace.web.fields import HourField

ANY_CURRENCY = [("", _("Any currency")), *CurrencyCode.choices]


class OverageForm(forms.Form):
    quantity = forms.IntegerField(min_value=0, max_value=2**63 - 1)
    why = forms.CharField(max_length=500)


class DisputeForm(forms.Form):
    reason = forms.CharField(max_length=1000)
    all_hours = forms.BooleanField(required=False)


class UsageReportForm(forms.Form):
    """``name`` comes with the page, so that a form that is sent twice is one report."""

    quantity = forms.IntegerField(min_value=0, max_value=2**63 - 1)
    note = forms.CharField(max_length=1000, required=False)
    name = forms.CharField(max_length=200)


class AnswerForm(forms.Form):
    text = forms.CharField(max_length=2000)


class DecisionForm(forms.Form):
    """An hour whose field is empty stays as it is; with no hour filled in the charges are upheld."""

    reason = forms.CharField(max_length=1000)

    def __init__(self, data: Any, *, slots: Iterable[datetime]) -> None:
        super().__init__(data)
        self.names = {slot_field(slot): slot for slot in slots}
        for name in self.names:
            self.fields[name] = forms.IntegerField(min_value=0, max_value=2**63 - 1, required=False)

    @property
    def quantities(self) -> dict[datetime, int]:
        given = {slot: self.cleaned_data.get(name) for name, slot in self.names.items()}
        return {slot: quantity for slot, quantity in given.items() if quantity is not None}


def slot_field(slot: datetime) -> str:
    """The name of the field of an hour."""
    return f"quantity-{int(slot.timestamp())}"


def problems_in(form: forms.Form) -> dict[str, str]:
    """What is wrong with a form, as ``InvalidInput`` tells it."""
    return {name: " ".join(map(str, problems)) for name, problems in form.errors.items()}


class CreditNoteForm(forms.Form):
    amount = forms.DecimalField(min_value=Decimal("0.01"), max_digits=18, decimal_places=2)
    borne_by = forms.ChoiceField(choices=Document.BorneBy.choices)
    reason = forms.CharField(max_length=300)

    def credit_in(self, currency: str) -> dict[str, Any]:
        """What ``issue_credit_note`` takes: the amount in minor units, who bears it, and why."""
        given = self.cleaned_data
        return given | {"amount": to_minor(given["amount"], currency)}


class PdfForm(forms.Form):
    language = forms.ChoiceField(choices=settings.LANGUAGES, required=False)

    def language_or(self, default: str) -> str:
        """The language that was chosen; one that does not exist is none."""
        self.is_valid()
        return str(self.cleaned_data.get("language") or default)


class ExportFilter(forms.Form):
    """Of which billing periods; a value that is no moment bounds nothing."""

    since = HourField(required=False)
    until = HourField(required=False)

    def of(self, rows: QuerySet[Document]) -> QuerySet[Document]:
        self.is_valid()
        lookups = {"since": "period__starts_at__gte", "until": "period__ends_at__lte"}
        return rows.filter(**{lookups[name]: value for name, value in self.cleaned_data.items() if value})


class ChargeFilter(forms.Form):
    """A value that does not exist shows everything. The agreement is named by links only."""

    DOCUMENTS = (
        ("", _("On a document or not")),
        ("open", _("Not on a document yet")),
        ("documented", _("On a document")),
    )
    document = forms.ChoiceField(label=_("Document"), choices=DOCUMENTS, required=False)
    currency = forms.ChoiceField(label=_("Currency"), choices=ANY_CURRENCY, required=False)
    since = HourField(label=_("From"), required=False)
    until = HourField(label=_("Until"), required=False)
    agreement = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)

    def of(self, rows: QuerySet[Charge]) -> QuerySet[Charge]:
        self.is_valid()
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        lookups = {
            "currency": "currency",
            "since": "slot__gte",
            "until": "slot__lt",
            "agreement": "agreement",
        }
        rows = rows.filter(**{lookups[name]: value for name, value in chosen.items() if name in lookups})
        if "document" in chosen:
            rows = rows.filter(invoiced__isnull=chosen["document"] == "open")
        return rows


class DocumentFilter(forms.Form):
    """A value that does not exist shows everything."""

    currency = forms.ChoiceField(label=_("Currency"), choices=ANY_CURRENCY, required=False)
    since = HourField(label=_("Period from"), required=False)
    until = HourField(label=_("Period until"), required=False)

    def of(self, rows: QuerySet[Document]) -> QuerySet[Document]:
        self.is_valid()
        lookups = {
            "currency": "currency",
            "since": "period__starts_at__gte",
            "until": "period__ends_at__lte",
        }
        return rows.filter(**{lookups[name]: value for name, value in self.cleaned_data.items() if value})
