"""What the months of a term agreement came to; the agreement's page shows this as well."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from billing.money import counted
from billing.presentation import charge_line
from billing.rating.models import OF_MONTHS, MonthSettlement
from billing.rating.selectors import charges_for
from billing.rating.settling import months_of
from billing.tables import WITH_DOCUMENTS
from marketplace.terms.selectors import term_agreements_for
from marketplace.terms.sheet import Unit

FIGURES = (
    "quantity", "offered", "delivered", "undelivered", "shortfall", "overage", "made_up", "make_up_left",
    "carry_forward_left",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MonthLine:
    """A month in card-hours or nP-hours, as the agreement is."""

    row: MonthSettlement
    quantity: Decimal
    offered: Decimal
    delivered: Decimal
    undelivered: Decimal
    shortfall: Decimal
    overage: Decimal
    made_up: Decimal
    make_up_left: Decimal
    carry_forward_left: Decimal


def month_line(row: MonthSettlement, unit: Unit) -> MonthLine:
    return MonthLine(row, **{name: counted(getattr(row, name), unit) for name in FIGURES})


@login_required
@require_safe
def months(request: PageRequest, pk: int) -> HttpResponse:
    shown = get_object_or_404(term_agreements_for(request.viewer), pk=pk)
    charges = charges_for(request.viewer).filter(agreement__term=shown, kind__in=OF_MONTHS)
    unit = Unit(shown.unit)
    context = {
        "term": shown,
        "unit": unit.short,
        "months": [month_line(row, unit) for row in months_of(shown)],
        "charges": [charge_line(each) for each in charges.select_related(*WITH_DOCUMENTS)],
    }
    return render(request, "billing/term_months.html", context)
