"""Pages on which a file of offers is read, mended and confirmed."""

from __future__ import annotations

import csv
from datetime import timedelta
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from accounts.pages import refusals_on, with_organisation
from accounts.requests import PageRequest
from marketplace.clock import floor_hour, market_now
from marketplace.errors import DomainError
from marketplace.jobs.models import Job
from marketplace.supply.importing import services
from marketplace.supply.importing.columns import COLUMNS, NEEDED, text_of
from marketplace.supply.models import OfferImport, OfferImportLine
from marketplace.supply.selectors import fleets_for
from marketplace.web.access import may, require_trader
from marketplace.web.fields import posted
from marketplace.web.listing import page_of, refused

MOST_EXAMPLES = 30
MOST_SHOWN = 20


def imports_for(viewer: Viewer) -> QuerySet[OfferImport]:
    """Imports of the viewer's organisations, newest first."""
    imports = OfferImport.objects.select_related("owner", "created_by", "batch").order_by("-pk")
    if viewer.sees_everything:
        return imports
    return imports.filter(owner__in=viewer.organisations_with(Capability.READ))


class FileForm(forms.Form):
    file = forms.FileField(label=_("CSV file"), required=False)
    text = forms.CharField(
        label=_("Or paste its lines"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_("The first line names the columns."),
    )

    def content(self) -> tuple[str, str]:
        """The name of the file and its text; ``InvalidInput`` where it is none."""
        file, text = self.cleaned_data["file"], self.cleaned_data["text"]
        if file:
            return file.name, text_of(file.read())
        return str(_("Pasted lines")), text_of(text.encode())


@with_organisation
@require_http_methods(["GET", "POST"])
def new_import(request: PageRequest, organisation: Organisation) -> HttpResponse:
    require_trader(request, organisation, Organisation.Kind.OWNER)
    form = FileForm(posted(request), request.FILES or None)
    if form.is_valid():
        with refusals_on(form):
            name, text = form.content()
            begun = services.begin(
                viewer=request.viewer, owner=organisation, name=name, text=text, now=market_now()
            )
            return redirect("supply:import", begun.pk)
    context = {
        "form": form,
        "columns": [(name, label, name in NEEDED) for name, label in COLUMNS.items()],
        "imports": imports_for(request.viewer).filter(owner=organisation)[:MOST_SHOWN],
    }
    if form.errors:
        return refused(request, "supply/new_import.html", context)
    return render(request, "supply/new_import.html", context)


@with_organisation
@require_safe
def example(request: PageRequest, organisation: Organisation) -> HttpResponse:
    """A file to begin with: tomorrow, once for each of the reader's fleets."""
    require_trader(request, organisation, Organisation.Kind.OWNER)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="offers.csv"'
    response.write("\N{BYTE ORDER MARK}")
    writer = csv.writer(response)
    writer.writerow(COLUMNS)
    for fleet in fleets_for(request.viewer).filter(site__owner=organisation).order_by("pk")[:MOST_EXAMPLES]:
        zone = ZoneInfo(fleet.site.region.time_zone)
        midnight = floor_hour(market_now()).astimezone(zone).replace(hour=0) + timedelta(days=1)
        times = (f"{midnight:%F %H:%M}", f"{midnight + timedelta(days=1):%F %H:%M}")
        names = (fleet.site.name_en, str(fleet.model))
        writer.writerow([*names, fleet.cards, *times, "9.50", fleet.node_size, 1, 0])
    return response


@login_required
@require_safe
def offer_import(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(imports_for(request.viewer), pk=pk)
    return render(request, "supply/import.html", _context(request, shown))


def _context(request: PageRequest, shown: OfferImport) -> dict[str, object]:
    lines = shown.lines.order_by("number")
    wrong = lines.exclude(problems={})
    return {
        "import": shown,
        "columns": COLUMNS,
        "wrong": [_to_mend(line) for line in wrong[:MOST_SHOWN]],
        "wrong_count": wrong.count(),
        "left_out": lines.filter(left_out=True)[:MOST_SHOWN],
        "left_out_count": lines.filter(left_out=True).count(),
        "page": page_of(request, lines.filter(left_out=False, problems={})),
        "job": Job.objects.filter(kind=Job.Kind.OFFER_IMPORT, subject=shown.pk).order_by("-pk").first(),
        "may_change": may(request, Capability.TRADE, shown.owner_id),
    }


def _to_mend(line: OfferImportLine) -> dict[str, object]:
    """A line with its fields: name, label, value, and what is wrong with it."""
    fields = [
        (name, label, line.values[name], line.problems.get(name, "")) for name, label in COLUMNS.items()
    ]
    return {"line": line, "fields": fields}


@login_required
@require_POST
def mend_line(request: PageRequest, pk: int, number: int) -> HttpResponse:
    """``do`` says what: other values, left out, or taken in again."""
    shown = get_object_or_404(imports_for(request.viewer), pk=pk)
    line = get_object_or_404(shown.lines.select_related("source__owner"), number=number)
    step = request.POST.get("do", "mend")
    if step == "mend":
        values = {name: request.POST.get(name, "") for name in COLUMNS}
        services.mend(viewer=request.viewer, line=line, values=values, now=market_now())
    else:
        services.leave_out(viewer=request.viewer, line=line, left_out=step == "leave", now=market_now())
    return redirect("supply:import", shown.pk)


@login_required
@require_POST
def confirm_import(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(imports_for(request.viewer), pk=pk)
    try:
        job = services.confirm(viewer=request.viewer, source=shown, now=market_now())
    except services.ImportNotReady as error:
        return _refused(request, shown, error)
    return redirect("jobs:job", job.pk)


def _refused(request: PageRequest, shown: OfferImport, error: DomainError) -> HttpResponse:
    return refused(request, "supply/import.html", _context(request, shown) | {"refusal": error.message})
