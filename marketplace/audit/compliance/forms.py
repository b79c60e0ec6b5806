"""Other figures of a policy, to look at and to enact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from marketplace.audit.compliance.models import Policy
from marketplace.audit.compliance.services import FIGURES
from marketplace.supply.models import MOST_CARDS

MOST_DAYS, MOST_CURE = 366, 3_660


class WhatIfForm(forms.Form):
    """The figures of one policy, which it begins with."""

    threshold = forms.DecimalField(label=_("Threshold"), min_value=0, max_digits=12, decimal_places=6)
    warning = forms.DecimalField(
        label=_("Width of the warning band"), min_value=0, max_digits=12, decimal_places=6
    )
    window_days = forms.IntegerField(label=_("Window, days"), min_value=1, max_value=MOST_DAYS)
    cure_days = forms.IntegerField(label=_("Days to cure"), min_value=0, max_value=MOST_CURE)
    least_cards = forms.IntegerField(label=_("From so many cards"), min_value=0, max_value=MOST_CARDS)
    most_cards = forms.IntegerField(
        label=_("To so many cards"), min_value=0, max_value=MOST_CARDS, required=False
    )

    def __init__(self, *args: Any, policy: Policy, **facts: Any) -> None:
        self.policy = policy
        facts["initial"] = {name: getattr(policy, name) for name in FIGURES} | facts.get("initial", {})
        super().__init__(*args, **facts)

    def clean_threshold(self) -> Decimal:
        threshold: Decimal = self.cleaned_data["threshold"]
        if self.policy.unit == "share" and threshold > 1:
            raise forms.ValidationError(_("Write a share as a number between 0 and 1, for example 0.4."))
        if self.policy.kind == Policy.Kind.PUE and threshold < 1:
            raise forms.ValidationError(_("No PUE is below 1."))
        return threshold


class EnactForm(WhatIfForm):
    valid_from = forms.DateTimeField(label=_("In force from"))
    source = forms.CharField(label=_("Where it is written"), max_length=2000, widget=forms.Textarea)
