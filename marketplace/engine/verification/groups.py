"""Do the placements keep what is agreed for several of them together?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from marketplace.engine.result import Placement
from marketplace.engine.snapshot import Offer, Site
from marketplace.engine.verification.columns import Ints
from marketplace.engine.verification.market import Market
from marketplace.engine.verification.rules import Broken, Rule


def group_rules(market: Market, placements: list[Placement]) -> Iterator[Broken]:
    """Choices, owner caps and power caps; budgets are with the money."""
    yield from _choices(market, placements)
    yield from _owner_caps(market, placements)
    yield from _power(market, placements)


def _choices(market: Market, placements: list[Placement]) -> Iterator[Broken]:
    matched = {placement.request for placement in placements}
    for choice in market.snapshot.choices:
        taken = matched.intersection(choice.requests)
        if len(taken) > choice.most:
            yield Broken(
                Rule.CHOICE,
                f"choice {choice.id} allows {choice.most} of its requests, but {sorted(taken)} are placed",
            )


def _owner_caps(market: Market, placements: list[Placement]) -> Iterator[Broken]:
    taken: Counter[tuple[int, int]] = Counter()
    for placement in placements:
        buyer = market.requests[placement.request].buyer
        owner = market.site(market.offers[placement.offer]).owner
        taken[buyer, owner] += placement.cards * placement.slots
    for cap in market.snapshot.owner_caps:
        card_hours = taken[cap.buyer, cap.owner]
        if card_hours > cap.card_hours:
            yield Broken(
                Rule.OWNER_CAP,
                f"buyer {cap.buyer} takes {card_hours} card-hours of owner {cap.owner}, "
                f"more than {cap.card_hours}",
            )


def _power(market: Market, placements: list[Placement]) -> Iterator[Broken]:
    """In no slot do the cards sold at a site draw more than its cap."""
    sold = market.columns.sold(placements)
    offers: dict[int, list[Offer]] = defaultdict(list)
    for offer in market.snapshot.offers:
        offers[offer.site].append(offer)
    for site in market.snapshot.sites:
        if site.power_cap:
            yield from _site_power(site, _drawn(market, offers[site.id], sold))


def _drawn(market: Market, offers: list[Offer], sold: Ints) -> Ints:
    """Watts by slot; a card draws at most a megawatt, so the sums are far from 2**63."""
    drawn: Ints = np.zeros(market.snapshot.slots, dtype=np.int64)
    for offer in offers:
        drawn += sold[market.columns.row[offer.id]] * (market.model(offer).power or 0)
    return drawn


def _site_power(site: Site, drawn: Ints) -> Iterator[Broken]:
    for slot, (watts, cap) in enumerate(zip(drawn.tolist(), site.power_cap, strict=True)):
        if watts > cap:
            yield Broken(Rule.POWER, f"what site {site.id} sells draws {watts} W of {cap} in slot {slot}")
