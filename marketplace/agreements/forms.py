"""What of the list of agreements is shown."""

from __future__ import annotations

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.agreements.models import Agreement
from marketplace.catalogue.models import AcceleratorModel


class AgreementFilter(forms.Form):
    """A value that does not exist shows everything. Offer and request are named by links only."""

    SIDES = (("", _("Bought and sold")), ("bought", _("Bought")), ("sold", _("Sold")))
    TIMES = (
        ("", _("Any time")),
        ("ahead", _("Not begun")),
        ("now", _("Under way")),
        ("over", _("Over")),
    )
    side = forms.ChoiceField(label=_("Side"), choices=SIDES, required=False)
    time = forms.ChoiceField(label=_("Time"), choices=TIMES, required=False)
    model = forms.ModelChoiceField(
        AcceleratorModel.objects.all(), label=_("Model"), required=False, empty_label=_("Any model")
    )
    offer = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)
    request = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**63 - 1)

    def of(self, rows: QuerySet[Agreement], *, mine: list[int], now: object) -> QuerySet[Agreement]:
        """The chosen rows; ``mine`` are the organisations from whose side bought and sold are told."""
        self.is_valid()
        chosen = {name: value for name, value in self.cleaned_data.items() if value}
        lookups = {
            "offer": "allocation__offer",
            "request": "allocation__request",
            "model": "allocation__offer__fleet__model",
        }
        rows = rows.filter(**{lookups[name]: value for name, value in chosen.items() if name in lookups})
        if "side" in chosen:
            rows = rows.filter(buyer__in=mine) if chosen["side"] == "bought" else rows.filter(owner__in=mine)
        times = {
            "ahead": Q(starts_at__gt=now),
            "now": Q(starts_at__lte=now, ends_at__gt=now),
            "over": Q(ends_at__lte=now),
        }
        return rows.filter(times[chosen["time"]]) if "time" in chosen else rows
