"""Reading what shifting saved, and the certificates that a viewer may see."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts.actors import Viewer
from marketplace.audit.carbon.models import Certificate, Shifting
from marketplace.supply.selectors import sites_for

MG_A_KG = 1_000_000


@dataclass(frozen=True, slots=True)
class Saved:
    """What was avoided: less than nothing where waiting cost more than it saved."""

    kg: Decimal
    kg_at_once: Decimal
    paid_saved: Decimal

    @property
    def kg_saved(self) -> Decimal:
        return self.kg_at_once - self.kg

    @property
    def share(self) -> Decimal | None:
        return self.kg_saved / self.kg_at_once if self.kg_at_once else None


def saved(shifting: Shifting) -> Saved:
    return Saved(
        kg=shifting.milligrams / MG_A_KG,
        kg_at_once=shifting.milligrams_at_once / MG_A_KG,
        paid_saved=shifting.paid_at_once - shifting.paid,
    )


def shiftings() -> QuerySet[Shifting]:
    """Newest runs first."""
    return Shifting.objects.select_related("run").order_by("-run")


def certificates_for(viewer: Viewer) -> QuerySet[Certificate]:
    """Newest hours first, each with the Wh that are used."""
    used = Coalesce(Sum("uses__wh"), 0)
    rows = Certificate.objects.filter(site__in=sites_for(viewer)).annotate(used_wh=used)
    return rows.order_by("-hour", "-pk")
