"""The lists of sites and of offers."""

from __future__ import annotations

from django.db.models import F, Sum
from django.db.models.functions import Extract
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from marketplace.supply.models import Offer, Site
from marketplace.supply.presentation import Line
from marketplace.supply.selectors import (
    card_hours_sold,
    cards_at_site,
    with_card_hours_sold,
    with_fleet_totals,
)
from marketplace.web import formats, tables
from marketplace.web.tables import cells

SECONDS_LISTED = F("cards") * Extract(F("ends_at") - F("starts_at"), "epoch")


def _asks(line: Line) -> SafeString:
    """Those of an offer; one that is reserved in nP-hours has none, but the price of its agreement."""
    currency, term = line.offer.currency, line.offer.reserved_for_id
    if line.lowest_ask is None or line.highest_ask is None:
        return cells.link(reverse("agreements:term", args=[term]), f"T{term}")
    lowest, highest = (formats.money(ask, currency) for ask in (line.lowest_ask, line.highest_ask))
    return escape(lowest if line.lowest_ask == line.highest_ask else f"{lowest}{formats.DASH}{highest}")


OFFERS: tables.Table[Offer, Line] = tables.registered(
    tables.Table(
        name="offers",
        title=_("Offers"),
        columns=(
            tables.name(
                "offer",
                _("Offer"),
                lambda line: line.offer,
                link=lambda line: reverse("supply:offer", args=[line.offer.pk]),
                value=lambda line: line.offer.pk,
                sort="pk",
            ),
            tables.text(
                "site",
                _("Site"),
                lambda line: line.offer.fleet.site,
                sort="fleet__site__name_en",
                width="min-w-48",
            ),
            tables.text(
                "model",
                _("Model"),
                lambda line: line.offer.fleet.model,
                sort="fleet__model__name",
                width="min-w-48",
            ),
            tables.number("cards", _("Cards"), lambda line: line.offer.cards, sort="cards"),
            tables.window(
                "from",
                _("Window"),
                lambda line: line.offer.starts_at,
                lambda line: line.offer.ends_at,
                sort="starts_at",
            ),
            tables.Column(
                "ask",
                _("Ask"),
                _asks,
                (
                    tables.Field(_("Lowest ask"), lambda line: line.lowest_ask),
                    tables.Field(_("Highest ask"), lambda line: line.highest_ask),
                    tables.Field(_("Currency"), lambda line: line.offer.currency),
                ),
                sort="asks__0",
                is_number=True,
                unit=_("per card-h"),
            ),
            tables.number(
                "listed",
                _("Listed"),
                lambda line: line.card_hours,
                unit="card-h",
                field=_("Listed, card-h"),
                total=tables.of_numbers(Sum(SECONDS_LISTED) / 3600),
            ),
            tables.number(
                "sold",
                _("Sold"),
                lambda line: line.card_hours_sold,
                unit="card-h",
                field=_("Sold, card-h"),
                sort=card_hours_sold(),
                total=tables.of_numbers(Sum(card_hours_sold())),
            ),
            tables.state("state", _("State"), lambda line: line.state),
        ),
        first="-offer",
        whole=with_card_hours_sold,
    )
)

SITES: tables.Table[Site, Site] = tables.registered(
    tables.Table(
        name="sites",
        title=_("Sites"),
        columns=(
            tables.name(
                "site",
                _("Site"),
                str,
                link=lambda site: reverse("supply:site", args=[site.pk]),
                sort="name_en",
                width="min-w-48",
            ),
            tables.text(
                "owner", _("Owner"), lambda site: site.owner, sort="owner__name_en", width="min-w-32"
            ),
            tables.text("region", _("Region"), lambda site: site.region, sort="region__name_en"),
            tables.number("fleets", _("Fleets"), lambda site: site.fleets_installed),  # type: ignore[attr-defined]
            tables.number(
                "cards",
                _("Cards"),
                lambda site: site.cards_installed,  # type: ignore[attr-defined]
                sort=cards_at_site(),
            ),
            tables.number(
                "pue", _("PUE"), lambda site: site.pue, written=lambda pue: formats.number(pue, 2), sort="pue"
            ),
            tables.share(
                "renewable", _("Renewable power"), lambda site: site.renewable_share, sort="renewable_share"
            ),
            tables.text(
                "verification",
                _("Verification"),
                lambda site: site.get_verification_display(),
                sort="verification",
            ),
            tables.aside(
                tables.moment("registered", _("Registered"), lambda site: site.created_at, sort="pk")
            ),
        ),
        first="-registered",
        whole=with_fleet_totals,
    )
)
