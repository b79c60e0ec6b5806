"""What of the list of requests is shown."""

from __future__ import annotations

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from marketplace.catalogue.models import WorkloadClass
from marketplace.demand.models import ComputeRequest


class RequestFilter(forms.Form):
    """A value that does not exist shows everything."""

    state = forms.ChoiceField(
        label=_("State"), choices=[("", _("Any state")), *ComputeRequest.State.choices], required=False
    )
    workload = forms.ChoiceField(
        label=_("Workload"), choices=[("", _("Any workload")), *WorkloadClass.choices], required=False
    )

    def of(self, rows: QuerySet[ComputeRequest]) -> QuerySet[ComputeRequest]:
        self.is_valid()
        if self.cleaned_data.get("state"):
            rows = rows.filter(state=self.cleaned_data["state"])
        if self.cleaned_data.get("workload"):
            wanted = ComputeRequest.objects.filter(alternatives__workload=self.cleaned_data["workload"])
            rows = rows.filter(pk__in=wanted.order_by().values("pk"))
        return rows
