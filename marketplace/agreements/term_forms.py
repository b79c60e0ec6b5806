"""Forms of term agreements. Whether the figures make sense is for the terms and the services to say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Organisation
from marketplace.agreements.term_services import TermInput
from marketplace.catalogue.models import AcceleratorModel, CurrencyCode, WorkloadClass
from marketplace.terms.models import TermAgreement
from marketplace.terms.sheet import MICRO, MOST_MONTHS, PLACES, Sheet, Tier, Unit
from marketplace.web.fields import ExactField, HourField, PercentField

TIER = re.compile(r"\s*(\d{1,6}(?:\.\d{1,4})?)\s*%?\s*:\s*(\d{1,7}(?:\.\d{1,6})?)\s*")


class TiersField(forms.CharField):
    """From “110: 12, 150: 15” to tiers: above 110 % of the quantity a unit costs 12, above 150 % 15."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return tuple(self._tiers(text)) if text else ()

    def _tiers(self, text: str) -> Iterator[Tier]:
        for part in text.replace(";", ",").split(","):
            found = TIER.fullmatch(part)
            if found is None:
                raise forms.ValidationError(_("Write it as in “110: 12, 150: 15”."), code="tiers")
            yield Tier(int(Decimal(found[1]) * MICRO / 100), int(Decimal(found[2]) * MICRO))


class SheetForm(forms.Form):
    """The terms of each month."""

    quantity = ExactField(label=gettext_lazy("Quantity a month"), max_digits=16, decimal_places=6)
    price_per_unit = ExactField(label=gettext_lazy("Price"), max_digits=13, decimal_places=6)
    take_or_pay = PercentField(
        label=gettext_lazy("Take or pay"),
        help_text=gettext_lazy("This share of the quantity is paid whether it is taken or not."),
    )
    overage = TiersField(
        label=gettext_lazy("Overage"),
        required=False,
        max_length=300,
        help_text=gettext_lazy(
            "“110: 12, 150: 15” means: above 110 % of the quantity a unit costs 12, above 150 % 15. "
            "Empty: all of it costs the price."
        ),
    )
    make_up_months = forms.IntegerField(
        label=gettext_lazy("Make up within"),
        min_value=0,
        max_value=MOST_MONTHS,
        initial=0,
        help_text=gettext_lazy("What was paid and not taken may be taken free of charge for so long."),
    )
    carry_forward_months = forms.IntegerField(
        label=gettext_lazy("Carry forward for"),
        min_value=0,
        max_value=MOST_MONTHS,
        initial=0,
        help_text=gettext_lazy("What was taken beyond the quantity lowers what must be taken for so long."),
    )

    def unit(self) -> Unit:
        raise NotImplementedError

    def sheet(self) -> Sheet:
        data = self.cleaned_data
        return Sheet(
            unit=self.unit(),
            quantity=int(data["quantity"].scaleb(PLACES)),
            price=int(data["price_per_unit"].scaleb(PLACES)),
            take_or_pay=int(data["take_or_pay"] * MICRO),
            tiers=data["overage"],
            make_up_months=data["make_up_months"],
            carry_forward_months=data["carry_forward_months"],
        )


class TermForm(SheetForm):
    counterparty = forms.CharField(
        label=gettext_lazy("With"),
        max_length=120,
        help_text=gettext_lazy("The name of the organisation, as it stands on its documents."),
    )
    counted_in = forms.ChoiceField(
        label=gettext_lazy("Counted in"),
        choices=TermAgreement.Unit.choices,
        initial=TermAgreement.Unit.CARD_HOUR,
        required=False,
        help_text=gettext_lazy(
            "Card-hours are of one model. nP-hours are of one class of work, done by cards of any model."
        ),
    )
    model = forms.ModelChoiceField(
        AcceleratorModel.objects.all(),
        label=gettext_lazy("Accelerator model"),
        required=False,
        help_text=gettext_lazy("Of card-hours."),
    )
    workload = forms.ChoiceField(
        label=gettext_lazy("Workload"),
        choices=[("", gettext_lazy("None")), *WorkloadClass.choices],
        required=False,
        help_text=gettext_lazy("Of nP-hours."),
    )
    currency = forms.ChoiceField(label=gettext_lazy("Currency"), choices=CurrencyCode.choices)
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        help_text=gettext_lazy("Its months begin at midnight there."),
    )
    starts_at = HourField(label=gettext_lazy("The first month begins"))
    months = forms.IntegerField(
        label=gettext_lazy("Number of months"), min_value=1, max_value=MOST_MONTHS, initial=12
    )

    def __init__(self, *args: Any, organisation: Organisation, **options: Any) -> None:
        super().__init__(*args, **options)
        self.organisation = organisation

    def clean_counterparty(self) -> int:
        name = self.cleaned_data["counterparty"].strip()
        others = Organisation.objects.exclude(kind=self.organisation.kind)
        found = list((others.filter(name_en=name) | others.filter(name_zh=name))[:2])
        if len(found) != 1:
            raise forms.ValidationError(
                _("There is no such organisation on the other side of the market."), code="counterparty"
            )
        return found[0].pk

    def unit(self) -> Unit:
        return Unit(self.cleaned_data["counted_in"] or Unit.CARD_HOUR)

    def term(self) -> TermInput:
        data = self.cleaned_data
        names = ("counterparty", "model", "workload", "currency", "time_zone", "starts_at", "months")
        return TermInput(sheet=self.sheet(), **{name: data[name] for name in names})


class AmendmentForm(SheetForm):
    """Other terms; the price is agreed for all months."""

    from_month = forms.TypedChoiceField(label=gettext_lazy("From which month on"), coerce=int)

    def __init__(self, *args: Any, term: TermAgreement, months: Mapping[int, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.term = term
        self.fields["price_per_unit"].disabled = True
        field = self.fields["from_month"]
        if isinstance(field, forms.ChoiceField):
            field.choices = list(months.items())

    def unit(self) -> Unit:
        return Unit(self.term.unit)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def initial_of(sheet: Sheet) -> dict[str, Any]:
    """The terms as the form has them."""
    tiers = (
        f"{_plain(Decimal(tier.above) * 100 / MICRO)}: {_plain(Decimal(tier.price) / MICRO)}"
        for tier in sheet.tiers
    )
    return {
        "quantity": Decimal(sheet.quantity).scaleb(-PLACES),
        "price_per_unit": Decimal(sheet.price).scaleb(-PLACES),
        "take_or_pay": Decimal(sheet.take_or_pay) / MICRO,
        "overage": ", ".join(tiers),
        "make_up_months": sheet.make_up_months,
        "carry_forward_months": sheet.carry_forward_months,
    }
