"""What a fleet lists and has sold in each hour of a window, read once for everything that is checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketplace.clock import HOUR
from marketplace.supply.models import Fleet, Offer, OfferHour
from marketplace.supply.utilisation import offers_between


@dataclass(frozen=True, slots=True)
class FleetHours:
    """``listed`` counts all cards of open offers, and of withdrawn ones those that are sold."""

    cards: int
    listed: Mapping[datetime, int]
    sold: Mapping[datetime, int]
    offers: Mapping[datetime, Sequence[Offer]]

    def is_free_for(self, cards: int, slot: datetime) -> bool:
        return cards + self.listed.get(slot, 0) <= self.cards


def fleet_hours(fleet: Fleet, start: datetime, end: datetime) -> FleetHours:
    """Two queries, whatever the window."""
    listed: dict[datetime, int] = defaultdict(int)
    sold: dict[datetime, int] = defaultdict(int)
    offers: dict[datetime, list[Offer]] = defaultdict(list)
    for offer in offers_between([fleet], start, end):
        slot = max(start, offer.starts_at)
        while slot < min(end, offer.ends_at):
            listed[slot] += offer.cards
            offers[slot].append(offer)
            slot += HOUR
    hours = OfferHour.objects.filter(offer__fleet=fleet, slot__gte=start, slot__lt=end, cards_sold__gt=0)
    for slot, cards, state in hours.values_list("slot", "cards_sold", "offer__state"):
        sold[slot] += cards
        if state == Offer.State.WITHDRAWN:
            listed[slot] += cards
    return FleetHours(fleet.cards, listed, sold, offers)
