"""Pages: energy and carbon of an agreement for its parties, and what shifting saved for the exchange."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from marketplace.agreements.selectors import placed_for
from marketplace.audit.carbon.figures import Hour, expected, metered
from marketplace.audit.carbon.models import Shifting
from marketplace.audit.carbon.selectors import Saved, saved, shiftings
from marketplace.web.listing import Field, as_csv, csv_link, page_of

HOURS: Sequence[Field[tuple[str, Hour]]] = (
    Field(gettext_lazy("Figure"), lambda row: row[0]),
    Field(gettext_lazy("Hour from"), lambda row: row[1].hour),
    Field(gettext_lazy("Energy, Wh"), lambda row: row[1].wh),
    Field(gettext_lazy("Location-based, mg"), lambda row: row[1].located),
    Field(gettext_lazy("Market-based, mg"), lambda row: row[1].contracted),
    Field(gettext_lazy("Covered by certificates, Wh"), lambda row: row[1].covered),
    Field(gettext_lazy("Estimated"), lambda row: row[1].estimated),
    Field(gettext_lazy("Rests on"), lambda row: row[1].basis),
)
RUNS: Sequence[Field[Shifting]] = (
    Field(gettext_lazy("Run"), lambda row: row.run_id),
    Field(gettext_lazy("Flexible requests"), lambda row: row.flexible),
    Field(gettext_lazy("Compared"), lambda row: row.compared),
    Field(gettext_lazy("Placed only later"), lambda row: row.only_later),
    Field(gettext_lazy("Placed only at once"), lambda row: row.only_at_once),
    Field(gettext_lazy("Energy, Wh"), lambda row: row.wh),
    Field(gettext_lazy("Carbon, mg"), lambda row: row.milligrams),
    Field(gettext_lazy("Carbon at once, mg"), lambda row: row.milligrams_at_once),
    Field(gettext_lazy("Paid"), lambda row: row.paid),
    Field(gettext_lazy("Paid at once"), lambda row: row.paid_at_once),
    Field(gettext_lazy("Currency"), lambda row: row.currency),
)


@login_required
@require_safe
def agreement(request: PageRequest, pk: int) -> HttpResponseBase:
    """Expected and metered, hour by hour; the agreement's page shows this as well."""
    shown = get_object_or_404(placed_for(request.viewer), pk=pk)
    was_expected, was_metered = expected(shown), metered(shown)
    if request.GET.get("format") == "csv":
        both = (("expected", was_expected), ("metered", was_metered))
        rows = [(name, hour) for name, figures in both if figures for hour in figures.hours]
        return as_csv(f"{shown}-carbon", HOURS, rows)
    context = {
        "agreement": shown,
        "expected": was_expected,
        "metered": was_metered,
        "page": page_of(request, was_metered.hours if was_metered else []),
        "csv": csv_link(request),
    }
    return render(request, "carbon/agreement.html", context)


@login_required
@require_safe
def shifting(request: PageRequest) -> HttpResponseBase:
    """What flexible requests saved in each run that was looked at; for auditors and operators."""
    if not request.viewer.sees_everything:
        raise Http404
    rows = shiftings()
    if request.GET.get("format") == "csv":
        return as_csv("shifting", RUNS, rows)
    page = page_of(request, rows)
    context = {
        "page": page,
        "lines": [(row, saved(row)) for row in page],
        "sums": [
            _sum(currency) for currency in rows.order_by().values_list("currency", flat=True).distinct()
        ],
        "csv": csv_link(request),
    }
    return render(request, "carbon/shifting.html", context)


def _sum(currency: str) -> tuple[str, Saved]:
    """Over all runs that were looked at, in one currency."""
    names = ("milligrams", "milligrams_at_once", "paid", "paid_at_once")
    sums = shiftings().order_by().filter(currency=currency).aggregate(**{name: Sum(name) for name in names})
    return currency, saved(Shifting(**sums))
