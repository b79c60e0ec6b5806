"""Pages on which a site's power is read hour by hour, and files of hours are looked at and confirmed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Capability
from accounts.pages import refusals_on
from accounts.requests import PageRequest
from marketplace.clock import HOUR, floor_hour, market_now
from marketplace.energy import services
from marketplace.energy.files import lines_of
from marketplace.energy.hours import COLUMNS, NEEDED
from marketplace.energy.models import TOLD, Basis, EnergyBatch, EnergyFile
from marketplace.energy.selectors import Power, batches_of, files_for, power_of
from marketplace.supply.importing.columns import text_of
from marketplace.supply.models import Site
from marketplace.supply.selectors import sites_for
from marketplace.web.access import may
from marketplace.web.charts import sparkline
from marketplace.web.fields import posted
from marketplace.web.listing import refused

WEEK = 168
MOST_SHOWN = 50
MOST_BATCHES = 20


class FileForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("CSV file"), required=False)
    text = forms.CharField(
        label=gettext_lazy("Or paste its lines"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=gettext_lazy("The first line names the columns."),
    )
    basis = forms.ChoiceField(
        label=gettext_lazy("The figures are"),
        choices=TOLD,
    )

    def content(self) -> tuple[str, str]:
        """The name of the file and its text; ``InvalidInput`` where it is none."""
        file, text = self.cleaned_data["file"], self.cleaned_data["text"]
        if file:
            return file.name, text_of(file.read())
        return _("Pasted lines"), text_of(text.encode())


@login_required
@require_safe
def site(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    hours = _week_of(shown)
    told = [each for each in hours if each.is_hourly]
    context = {
        "site": shown,
        "hours": hours,
        "told": len(told),
        "greenest": min(told, key=lambda each: each.supplied) if told else None,
        "surplus": sum(1 for each in hours if each.surplus),
        "carbon": sparkline([each.supplied for each in hours], 1000, 160),
        "renewable": sparkline([each.renewable_share for each in hours], 1000, 160),
        "batches": batches_of(shown)[:MOST_BATCHES],
        "may_tell": may(request, Capability.TRADE, shown.owner_id),
        "bases": dict(Basis.choices),
    }
    return render(request, "energy/site.html", context)


@login_required
@require_safe
def site_csv(request: PageRequest, pk: int) -> HttpResponse:
    """The hours ahead as a file that can be imported again, with what each rests on."""
    shown = get_object_or_404(sites_for(request.viewer), pk=pk)
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="energy-of-site-{shown.pk}.csv"'
    lines = csv.writer(answer)
    lines.writerow([*COLUMNS, "basis", "batch"])
    for each in _week_of(shown):
        values = [getattr(each, name) for name in COLUMNS[1:]]
        lines.writerow([f"{each.hour:%FT%H:%MZ}", *values, each.basis, each.batch or ""])
    return answer


def _week_of(shown: Site) -> Sequence[Power]:
    start = floor_hour(market_now())
    return power_of(shown, start, start + WEEK * HOUR)


@login_required
@require_http_methods(["GET", "POST"])
def new_file(request: PageRequest, pk: int) -> HttpResponse:
    at = get_object_or_404(sites_for(request.viewer), pk=pk)
    request.viewer.require(Capability.TRADE, at.owner_id)
    form = FileForm(posted(request), request.FILES or None)
    if form.is_valid():
        with refusals_on(form):
            name, text = form.content()
            opened = services.open_file(
                viewer=request.viewer,
                site=at,
                name=name,
                basis=form.cleaned_data["basis"],
                text=text,
                now=market_now(),
            )
            return redirect("energy:file", opened.pk)
    context = {"site": at, "form": form, "columns": [(name, name in NEEDED) for name in COLUMNS]}
    return render(request, "energy/new_file.html", context, status=422 if form.is_bound else 200)


@login_required
@require_safe
def file(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(files_for(request.viewer), pk=pk)
    return render(request, "energy/file.html", _file_context(request, shown))


def _file_context(request: PageRequest, shown: EnergyFile) -> dict[str, Any]:
    lines = lines_of(shown.text, shown.created_at)
    wrong = [line for line in lines if line.problems]
    right = [line for line in lines if not line.problems]
    return {
        "file": shown,
        "site": shown.site,
        "columns": COLUMNS,
        "wrong": wrong[:MOST_SHOWN],
        "wrong_count": len(wrong),
        "right": [[line.values.get(name, "") for name in COLUMNS] for line in right[:MOST_SHOWN]],
        "right_count": len(right),
        "may_tell": may(request, Capability.TRADE, shown.site.owner_id),
    }


@login_required
@require_POST
def confirm(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(files_for(request.viewer), pk=pk)
    try:
        batch: EnergyBatch = services.confirm(
            viewer=request.viewer, file=shown, left_out="left_out" in request.POST, now=market_now()
        )
    except services.FileNotReady as error:
        context = _file_context(request, shown) | {"refusal": error.message}
        return refused(request, "energy/file.html", context)
    messages.success(
        request, _("The hours of %(batch)s count from the next market run on.") % {"batch": batch}
    )
    return redirect("energy:site", shown.site_id)
