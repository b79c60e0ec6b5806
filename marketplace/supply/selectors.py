"""Reading supply: the sites, fleets and offers that a viewer may see, and what is left of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import Self

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.actors import Capability, Viewer
from marketplace.catalogue.selectors import currencies_with_rate
from marketplace.clock import HOUR, hours_between
from marketplace.supply.models import Fleet, Offer, OfferHour, RoundTrip, Site


def sites_for(viewer: Viewer) -> QuerySet[Site]:
    """Sites with owner, region and zone, newest first."""
    sites = Site.objects.select_related("owner", "region__zone").order_by("-pk")
    if viewer.sees_everything:
        return sites
    return sites.filter(owner__in=viewer.organisations_with(Capability.READ))


def off_the_market(viewer: Viewer) -> QuerySet[Site]:
    """Sites of which no offer enters a run, because their agent is silent; by name."""
    return sites_for(viewer).filter(agent_silent_since__isnull=False).order_by("name_en")


def fleets_for(viewer: Viewer) -> QuerySet[Fleet]:
    """Fleets with site, region, zone, model and stack, newest first."""
    fleets = Fleet.objects.select_related("site__owner", "site__region__zone", "model", "stack")
    if viewer.sees_everything:
        return fleets.order_by("-pk")
    return fleets.filter(site__owner__in=viewer.organisations_with(Capability.READ)).order_by("-pk")


def offers_for(viewer: Viewer) -> QuerySet[Offer]:
    """Offers with fleet, model, stack, site, region, zone and owner, newest first."""
    offers = Offer.objects.select_related(
        "fleet__model", "fleet__stack", "fleet__site__owner", "fleet__site__region__zone"
    )
    if viewer.sees_everything:
        return offers.order_by("-pk")
    mine = viewer.organisations_with(Capability.READ)
    return offers.filter(fleet__site__owner__in=mine).order_by("-pk")


def card_hours_sold() -> Coalesce:
    """Of an offer, over its whole window."""
    hours = OfferHour.objects.filter(offer=OuterRef("pk")).order_by().values("offer")
    return Coalesce(Subquery(hours.annotate(sum=Sum("cards_sold")).values("sum")), 0)


def with_card_hours_sold(offers: QuerySet[Offer]) -> QuerySet[Offer]:
    """Each offer with ``card_hours_sold``."""
    return offers.annotate(card_hours_sold=card_hours_sold())


def cards_at_site() -> Coalesce:
    """What is installed at a site."""
    fleets = Fleet.objects.filter(site=OuterRef("pk")).order_by().values("site")
    return Coalesce(Subquery(fleets.annotate(sum=Sum("cards")).values("sum")), 0)


def with_fleet_totals(sites: QuerySet[Site]) -> QuerySet[Site]:
    """Each site with ``fleets_installed`` and ``cards_installed``."""
    return sites.annotate(fleets_installed=Count("fleets"), cards_installed=cards_at_site())


def sites_of_unknown_power() -> QuerySet[Site]:
    """Sites with a power cap that cannot be kept: nobody knows what some of their cards draw.

    Entry refuses them; they come about where a fact of the catalogue is taken back.
    """
    unknown = Fleet.objects.filter(site=OuterRef("pk"), model__tdp_w=None)
    return Site.objects.filter(Exists(unknown), power_cap_kw__isnull=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What clears an offer beside its own terms: currencies with an exchange rate, sites without power.

    And that the site is there: where its agent is silent, nobody would deliver what a run sells.
    """

    currencies: Collection[str]
    without_power: Collection[int]

    @classmethod
    def at(cls, moment: datetime) -> Self:
        sites = frozenset(sites_of_unknown_power().values_list("pk", flat=True))
        return cls(currencies_with_rate(at=moment), sites)

    def missing_for(self, offer: Offer) -> str:
        """What an open offer waits for: ``agent``, ``fx_rate``, ``power``, ``memory``, or nothing."""
        if offer.state != Offer.State.OPEN:
            return ""
        if offer.fleet.site.agent_silent_since is not None:
            return "agent"
        if offer.currency not in self.currencies:
            return "fx_rate"
        if offer.fleet.site_id in self.without_power:
            return "power"
        return "memory" if offer.fleet.model.memory_gb is None else ""


def watts_sold(sites: Iterable[int], start: datetime, end: datetime) -> Mapping[tuple[int, datetime], int]:
    """What the cards sold at sites draw in each hour of a window, W, by (site, hour)."""
    hours = OfferHour.objects.filter(offer__fleet__site__in=list(sites), slot__gte=start, slot__lt=end)
    rows = hours.order_by().values_list("offer__fleet__site", "slot")
    drawn = rows.annotate(watts=Sum(F("cards_sold") * F("offer__fleet__model__tdp_w")))
    return {(site, slot): watts or 0 for site, slot, watts in drawn}


@dataclass(frozen=True, slots=True)
class BookLine:
    """One hour of an offer. Nothing of a withdrawn offer is free."""

    slot: datetime
    ask: Decimal | None
    offered: int
    sold: int
    free: int


def offer_book(offer: Offer) -> list[BookLine]:
    """Every hour of an offer's window; one query."""
    sold = dict(offer.hours.values_list("slot", "cards_sold"))
    return [
        _book_line(offer, number, sold.get(offer.starts_at + number * HOUR, 0))
        for number in range(hours_of(offer))
    ]


def _book_line(offer: Offer, number: int, sold: int) -> BookLine:
    slot = offer.starts_at + number * HOUR
    withdrawn = offer.withdrawn_at is not None and slot >= offer.withdrawn_at
    offered = sold if withdrawn else offer.cards
    ask = offer.asks[number if len(offer.asks) > 1 else 0] if offer.asks else None
    return BookLine(slot, ask, offered, sold, 0 if offer.withdrawn_at else offer.cards - sold)


def hours_of(offer: Offer) -> int:
    return hours_between(offer.starts_at, offer.ends_at)


def most_listed(fleet: Fleet, starts_at: datetime, ends_at: datetime, *, besides: Offer | None = None) -> int:
    """The most cards that the fleet owes to its offers at once within a window.

    All cards of an open offer count, and of a withdrawn one those that it sold. This is the rule of
    the trigger ``OFFER_FITS_THE_FLEET``.
    """
    changes: list[tuple[datetime, int]] = []
    offers = Offer.objects.filter(fleet=fleet, state=Offer.State.OPEN)
    others = offers.exclude(pk=besides.pk) if besides is not None else offers
    for offer in others.filter(starts_at__lt=ends_at, ends_at__gt=starts_at):
        changes += [(offer.starts_at, offer.cards), (offer.ends_at, -offer.cards)]
    for slot, cards in _sold_by_withdrawn(fleet, starts_at, ends_at):
        changes += [(slot, cards), (slot + HOUR, -cards)]
    return max(accumulate((change for _, change in sorted(changes)), initial=0))


def _sold_by_withdrawn(
    fleet: Fleet, starts_at: datetime, ends_at: datetime
) -> Iterable[tuple[datetime, int]]:
    withdrawn = Q(offer__fleet=fleet, offer__state=Offer.State.WITHDRAWN)
    hours = OfferHour.objects.filter(withdrawn, slot__gte=starts_at, slot__lt=ends_at)
    return hours.values_list("slot", "cards_sold")


def fresh_round_trips(now: datetime) -> QuerySet[RoundTrip]:
    """The newest measurement of each site and region, where it was answered and is not too old."""
    since = now - settings.ROUND_TRIP_FRESH
    measured = RoundTrip.objects.filter(
        measured_at__gt=since, measured_at__lte=now, microseconds__isnull=False
    )
    return measured.order_by("site", "region", "-measured_at").distinct("site", "region")


def measured_round_trips(now: datetime) -> Mapping[tuple[int, int], int]:
    """Microseconds from a site to a region, by their ids."""
    rows = fresh_round_trips(now).values_list("site", "region", "microseconds")
    return {(site, region): trip for site, region, trip in rows if trip is not None}
