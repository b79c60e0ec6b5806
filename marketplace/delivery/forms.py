"""What of the list of deliveries is shown."""

from __future__ import annotations

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.delivery.models import Delivery, DeliveryState
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
