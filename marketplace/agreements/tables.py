"""The list of agreements."""

from __future__ import annotations

from django.db.models import QuerySet, Sum
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from marketplace.agreements.models import Agreement
from marketplace.web import tables


def _with_names(rows: QuerySet[Agreement]) -> QuerySet[Agreement]:
    """No more than the columns say: most of the time of a page is spent on making objects of its rows."""
    fleet = "allocation__offer__fleet"
    named = rows.select_related(None).select_related(
        "buyer", "owner", "delivery", f"{fleet}__model", f"{fleet}__site"
    )
    return named.defer("terms")


def _state(agreement: Agreement) -> str:
    """That of its delivery; before there is one, it is pending."""
    delivery = getattr(agreement, "delivery", None)
    return delivery.state if delivery else "pending"


AGREEMENTS: tables.Table[Agreement, Agreement] = tables.registered(
    tables.Table(
        name="agreements",
        title=_("Agreements"),
        columns=(
            tables.name(
                "agreement",
                _("Agreement"),
                str,
                link=lambda row: reverse("agreements:agreement", args=[row.pk]),
                value=lambda row: row.pk,
                sort="pk",
            ),
            tables.text("buyer", _("Buyer"), lambda row: row.buyer, sort="buyer__name_en", width="min-w-32"),
            tables.text("owner", _("Owner"), lambda row: row.owner, sort="owner__name_en", width="min-w-32"),
            tables.text(
                "model",
                _("Model"),
                lambda row: row.allocation.offer.fleet.model,
                sort="allocation__offer__fleet__model__name",
                width="min-w-48",
            ),
            tables.aside(
                tables.text(
                    "site",
                    _("Site"),
                    lambda row: row.allocation.offer.fleet.site,
                    sort="allocation__offer__fleet__site__name_en",
                    width="min-w-48",
                )
            ),
            tables.number("cards", _("Cards"), lambda row: row.cards, sort="cards"),
            tables.window(
                "from", _("Window"), lambda row: row.starts_at, lambda row: row.ends_at, sort="starts_at"
            ),
            tables.number(
                "quantity",
                _("Committed"),
                lambda row: row.card_hours,
                unit="card-h",
                field=_("Committed, card-h"),
                sort="card_hours",
                total=tables.of_numbers(Sum("card_hours")),
            ),
            tables.price(
                "price",
                _("Price"),
                lambda row: row.average_price,
                lambda row: row.currency,
                field=_("Price per card-h"),
            ),
            tables.money(
                "value",
                _("Value"),
                lambda row: row.value,
                lambda row: row.currency,
                sort="value",
                total=tables.of_money(Sum("value")),
            ),
            tables.state("delivery", _("Delivery"), _state),
            tables.aside(tables.moment("concluded", _("Concluded"), lambda row: row.concluded_at)),
        ),
        first="-agreement",
        whole=_with_names,
        sums_by="currency",
    )
)
