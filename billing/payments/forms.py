"""What people enter about payments. Amounts are in units of the currency, and go on in minor units."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, TypeVar

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Organisation
from billing.invoicing.models import Document
from billing.money import MINOR_PLACES, exact_minor, from_minor
from billing.payments.bank_accounts import Entered
from billing.payments.models import BankAccount, Payment, Payout, RailName, SavedMethod
from billing.payments.statements.by_hand import Decision, What
from marketplace.catalogue.models import CurrencyCode
from marketplace.web.fields import ExactField

M = TypeVar("M", Document, Payout)

BY_TRANSFER = "bank"
MOST = Decimal(10) ** 13


class PayForm(forms.Form):
    amount = ExactField(label=gettext_lazy("Amount"), max_value=MOST)
    method = forms.ChoiceField(label=gettext_lazy("Pay with"), widget=forms.RadioSelect)

    def __init__(
        self, data: Any, *, invoice: Document, payable: int, methods: list[SavedMethod], by_transfer: bool
    ) -> None:
        self.invoice = invoice
        self.methods = {str(method.pk): method for method in methods}
        super().__init__(data, initial={"amount": from_minor(payable, invoice.currency)})
        choices = [(key, method.label) for key, method in self.methods.items()]
        if by_transfer:
            choices.append((BY_TRANSFER, _("Bank transfer")))
        self.fields["method"].choices = choices  # type: ignore[attr-defined]
        self.fields["amount"].decimal_places = MINOR_PLACES[invoice.currency]  # type: ignore[attr-defined]

    def clean_amount(self) -> int:
        try:
            return exact_minor(self.cleaned_data["amount"], self.invoice.currency)
        except ValueError as error:
            raise forms.ValidationError(
                _("Give an amount without more decimals than the currency has.")
            ) from error

    def clean_method(self) -> SavedMethod | None:
        return self.methods.get(self.cleaned_data["method"])


class MethodForm(forms.Form):
    currency = forms.ChoiceField(
        label=gettext_lazy("For invoices in"), choices=CurrencyCode.choices, initial=CurrencyCode.CNY
    )


class BankAccountForm(forms.Form):
    currency = forms.ChoiceField(label=gettext_lazy("Currency"), choices=CurrencyCode.choices)
    holder = forms.CharField(label=gettext_lazy("Account holder"), max_length=70)
    iban = forms.CharField(label=gettext_lazy("IBAN"), max_length=42, required=False)
    bic = forms.CharField(label=gettext_lazy("BIC"), max_length=11, required=False)
    number = forms.CharField(label=gettext_lazy("Account number"), max_length=34, required=False)
    clearing_number = forms.CharField(
        label=gettext_lazy("CNAPS number of the bank"), max_length=14, required=False
    )

    def entered(self) -> Entered:
        return Entered(**self.cleaned_data)


class StatementForm(forms.Form):
    account = forms.ModelChoiceField(BankAccount.objects.none(), label=gettext_lazy("Account"))
    file = forms.FileField(
        label=gettext_lazy("Statement"),
        help_text=gettext_lazy("CAMT.053, or CSV with the columns named below."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        own = BankAccount.objects.filter(organisation=None, state=BankAccount.State.CONFIRMED)
        self.fields["account"].queryset = own.order_by("currency")  # type: ignore[attr-defined]


class DecisionForm(forms.Form):
    """What a line of the statement is, and what goes with it."""

    what = forms.ChoiceField(label=gettext_lazy("This is"), choices=What.choices)
    invoice = forms.CharField(label=gettext_lazy("Invoice number"), max_length=40, required=False)
    buyer = forms.ModelChoiceField(
        Organisation.objects.filter(kind=Organisation.Kind.BUYER).order_by("name_en"),
        label=gettext_lazy("Buyer"),
        required=False,
    )
    payout = forms.UUIDField(label=gettext_lazy("Operation of the payout"), required=False)

    def clean_invoice(self) -> Document | None:
        return _found(
            Document.objects.filter(kind=Document.Kind.INVOICE), "number", self.cleaned_data["invoice"]
        )

    def clean_payout(self) -> Payout | None:
        return _found(Payout.objects.all(), "operation", self.cleaned_data["payout"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        needed = {What.INVOICE: "invoice", What.CREDIT: "buyer", What.PAYOUT: "payout"}.get(
            data.get("what", "")
        )
        if needed and not data.get(needed) and needed not in self.errors:
            self.add_error(needed, _("This is needed for what you have chosen."))
        return data

    def decision(self) -> Decision:
        chosen = self.cleaned_data
        return Decision(
            chosen["what"],
            invoice=chosen["invoice"] if chosen["what"] == What.INVOICE else None,
            buyer=chosen["buyer"] if chosen["what"] == What.CREDIT else None,
            payout=chosen["payout"] if chosen["what"] == What.PAYOUT else None,
        )


class BatchForm(forms.Form):
    rail = forms.ChoiceField(label=gettext_lazy("By"), choices=RailName.choices, initial=RailName.BANK)
    currency = forms.ChoiceField(label=gettext_lazy("Currency"), choices=CurrencyCode.choices)


class HoldForm(forms.Form):
    organisation = forms.ModelChoiceField(
        Organisation.objects.filter(kind=Organisation.Kind.OWNER).order_by("name_en"),
        label=gettext_lazy("Owner"),
    )
    currency = forms.ChoiceField(label=gettext_lazy("Currency"), choices=CurrencyCode.choices)
    amount = ExactField(
        label=gettext_lazy("Amount"), min_value=Decimal("0.01"), max_value=MOST, decimal_places=2
    )
    why = forms.CharField(label=gettext_lazy("Why"), max_length=300)

    def minor(self) -> int:
        return exact_minor(self.cleaned_data["amount"], self.cleaned_data["currency"])


class FailureForm(forms.Form):
    why = forms.CharField(label=gettext_lazy("What the bank said"), max_length=300)


class PaymentFilter(forms.Form):
    """A value that does not exist shows everything."""

    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        choices=[("", gettext_lazy("Any state")), *Payment.State.choices],
        required=False,
    )
    currency = forms.ChoiceField(
        label=gettext_lazy("Currency"),
        choices=[("", gettext_lazy("Any currency")), *CurrencyCode.choices],
        required=False,
    )

    def of(self, rows: QuerySet[Payment]) -> QuerySet[Payment]:
        self.is_valid()
        return rows.filter(**{name: value for name, value in self.cleaned_data.items() if value})


def _found(rows: QuerySet[M], name: str, value: str | uuid.UUID | None) -> M | None:
    """The row of that name, nothing where none was given."""
    if not value:
        return None
    row = rows.filter(**{name: value}).select_related("organisation").first()
    if row is None:
        raise forms.ValidationError(_("There is none of that name."))
    return row
