"""What the runs so far have used of budgets, choices and owner caps.

The agreements that say so lie beyond this slice; here they are reached through the rows of requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from django.db.models import Count, DecimalField, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Extract, Greatest

from accounts.actors import Capability, Viewer
from marketplace.clock import floor_hour
from marketplace.demand.models import Budget, Choice, ComputeRequest, OwnerCap

Row = TypeVar("Row", Budget, Choice, OwnerCap)

OPEN_FIRST = (F("closed_at").desc(nulls_first=True), "-pk")
# A value of six places times a rate of twelve.
PAID: DecimalField[Decimal, Decimal] = DecimalField(max_digits=60, decimal_places=18)


def budgets_for(viewer: Viewer) -> QuerySet[Budget]:
    """Budgets with their buyer and with ``spent`` and ``left``, open ones first."""
    return with_spent(_of(viewer, Budget.objects.select_related("organisation"))).order_by(*OPEN_FIRST)


def choices_for(viewer: Viewer) -> QuerySet[Choice]:
    """Choices with their buyer and with ``matched`` and ``left``, open ones first."""
    return with_matched(_of(viewer, Choice.objects.select_related("organisation"))).order_by(*OPEN_FIRST)


def owner_caps_for(viewer: Viewer) -> QuerySet[OwnerCap]:
    return _of(viewer, OwnerCap.objects.select_related("organisation")).order_by("organisation")


def with_spent(budgets: QuerySet[Budget]) -> QuerySet[Budget]:
    """``spent``: the value of the agreements made under a budget, each at the exchange rate of its run."""
    paid = (
        ComputeRequest.objects.filter(shared_budget=OuterRef("pk"))
        .order_by()
        .values("shared_budget")
        .annotate(sum=Sum(F("allocations__agreement__value") * F("allocations__fx_rate"), output_field=PAID))
    )
    spent = Coalesce(Subquery(paid.values("sum")), Value(Decimal(0)), output_field=PAID)
    return budgets.annotate(spent=spent).annotate(
        left=Greatest(F("amount") - F("spent"), Value(Decimal(0)), output_field=PAID)
    )


def with_matched(choices: QuerySet[Choice]) -> QuerySet[Choice]:
    """``matched``: how many requests of a choice are matched already."""
    matched = Count("requests", filter=Q(requests__state=ComputeRequest.State.MATCHED))
    return choices.annotate(matched=matched, left=Greatest(F("most") - matched, Value(0)))


def open_with_owners(buyers: Iterable[int], *, now: datetime) -> Mapping[tuple[int, int], int]:
    """Open card-hours by (buyer, owner): those of allocations in hours that have not ended by ``now``.

    The hour under way counts in full.
    """
    start = floor_hour(now)
    seconds = Extract(
        F("allocations__ends_at") - Greatest(F("allocations__starts_at"), Value(start)), "epoch"
    )
    rows = (
        ComputeRequest.objects.filter(organisation__in=list(buyers), allocations__ends_at__gt=start)
        .order_by()
        .values_list("organisation", "allocations__offer__fleet__site__owner")
        .annotate(sum=Sum(F("allocations__cards") * seconds))
    )
    return {(buyer, owner): int(total) // 3600 for buyer, owner, total in rows}


def _of(viewer: Viewer, rows: QuerySet[Row]) -> QuerySet[Row]:
    if viewer.sees_everything:
        return rows
    return rows.filter(organisation__in=viewer.organisations_with(Capability.READ))
