"""The list of deliveries."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from marketplace.delivery.models import Delivery
from marketplace.web import tables
from marketplace.web.tables import cells


def _with_names(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """No more than the columns say: most of the time of a page is spent on making objects of its rows."""
    named = rows.select_related(None).select_related(
        "site", "agreement__buyer", "agreement__allocation__offer__fleet__model"
    )
    return named.defer("agreement__terms", "acceptance")


DELIVERIES: tables.Table[Delivery, Delivery] = tables.registered(
    tables.Table(
        name="deliveries",
        title=_("Deliveries"),
        columns=(
            tables.name(
                "delivery",
                _("Delivery"),
                str,
                link=lambda row: reverse("delivery:delivery", args=[row.pk]),
                value=lambda row: row.pk,
                sort="pk",
            ),
            tables.text(
                "agreement",
                _("Agreement"),
                lambda row: row.agreement_id,
                cell=lambda row: cells.link(
                    reverse("agreements:agreement", args=[row.agreement_id]), row.agreement
                ),
                sort="agreement",
            ),
            tables.text("site", _("Site"), lambda row: row.site, sort="site__name_en", width="min-w-48"),
            tables.text(
                "buyer",
                _("Buyer"),
                lambda row: row.agreement.buyer,
                sort="agreement__buyer__name_en",
                width="min-w-32",
            ),
            tables.text(
                "model",
                _("Model"),
                lambda row: row.agreement.allocation.offer.fleet.model,
                width="min-w-48",
            ),
            tables.number("cards", _("Cards"), lambda row: row.agreement.cards, sort="agreement__cards"),
            tables.window(
                "from", _("Window"), lambda row: row.starts_at, lambda row: row.ends_at, sort="starts_at"
            ),
            tables.aside(tables.moment("active", _("Active from"), lambda row: row.active_from)),
            tables.aside(tables.moment("ended", _("Active until"), lambda row: row.active_until)),
            tables.state("state", _("State"), lambda row: row.state, sort="state"),
        ),
        first="-delivery",
        whole=_with_names,
    )
)
