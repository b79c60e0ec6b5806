"""What of the list of deliveries is shown."""

from __future__ import annotations

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.delivery.models import Delivery, DeliveryState
from marketplace.delivery.services.people import LONGEST_REASON
from marketplace.supply.models import Site
from marketplace.web.choices import offer_choice


class DeliveryFilter(forms.Form):
    """A value that does not exist shows everything."""

    state = forms.ChoiceField(
        label=_("State"), choices=[("", _("Any state")), *DeliveryState.choices], required=False
    )
    site = forms.ModelChoiceField(
        Site.objects.none(), label=_("Site"), required=False, empty_label=_("Any site")
    )

    def __init__(self, *args: object, deliveries: QuerySet[Delivery], **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        sites = Site.objects.filter(pk__in=deliveries.order_by().values("site"))
        offer_choice(self.fields["site"], sites.order_by("name_en"))

    def of(self, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        self.is_valid()
        return rows.filter(**{name: value for name, value in self.cleaned_data.items() if value})


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("Why"),
        max_length=LONGEST_REASON,
        help_text=_("Both parties read it, and it is kept."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class EvictionForm(ReasonForm):
    """Operators say on whose account; an owner ends a delivery on its own."""

    fault = forms.ChoiceField(
        label=_("On whose account"),
        choices=Delivery.Fault.choices,
        required=False,
        help_text=_("What the owner is to blame for is replaced at its cost, and credited."),
    )

    def __init__(self, *args: object, names_fault: bool, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        if not names_fault:
            del self.fields["fault"]
