"""The demo market as a whole: ``build_market(start)`` gives the same market for the same start.

Everything is drawn from ``demo.draw.SEED``. The start is a full UTC hour; hours of offers and requests
count from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from demo.mapping import node_kinds
from demo.offers import offers
from demo.organisations import buyers, owners
from demo.pricing import PriceList, price_list
from demo.requests import Demand
from demo.sites import fleets, sites
from demo.specs import FleetSpec, OfferSpec, OrganisationSpec, RequestSpec, SiteSpec
from demo.trace import load_jobs, load_nodes, load_prices
from marketplace.catalogue.data.tables import (
    load_accelerators,
    load_fx,
    load_inference,
    load_regions,
    load_training,
    load_zones,
)
from marketplace.catalogue.normalisation import profiles_for


@dataclass(frozen=True, slots=True)
class Market:
    start: datetime
    owners: tuple[OrganisationSpec, ...]
    buyers: tuple[OrganisationSpec, ...]
    sites: tuple[SiteSpec, ...]
    fleets: tuple[FleetSpec, ...]
    offers: tuple[OfferSpec, ...]
    prices: PriceList
    demand: Demand

    def requests_entering(self, hour: int) -> tuple[RequestSpec, ...]:
        """Requests that enter in one hour after the start: 260 in hour 0, then 40 to 60, without end."""
        return tuple(self.demand.entering(hour))


def build_market(start: datetime) -> Market:
    """The market that begins at ``start``. Raises ValueError unless that is a full hour in UTC."""
    if start.tzinfo != UTC or start != start.replace(minute=0, second=0, microsecond=0):
        raise ValueError(f"the market starts at a full UTC hour, not at {start.isoformat()}")
    accelerators = load_accelerators()
    profiles = profiles_for(accelerators, load_training(), load_inference())
    prices = price_list(load_prices(), accelerators, profiles, load_fx())
    all_owners, all_buyers = owners(), buyers()
    all_sites = sites(all_owners, load_regions(), load_zones())
    all_fleets = fleets(all_sites, tuple(node_kinds(load_nodes())), accelerators)
    by_slug = {site.slug: site for site in all_sites}
    return Market(
        start=start,
        owners=all_owners,
        buyers=all_buyers,
        sites=all_sites,
        fleets=all_fleets,
        offers=offers(all_fleets, by_slug, prices, start),
        prices=prices,
        demand=Demand(all_buyers, load_jobs(), _inventory(all_fleets, by_slug), prices, start.hour),
    )


def _inventory(
    all_fleets: tuple[FleetSpec, ...], all_sites: Mapping[str, SiteSpec]
) -> dict[bool, dict[str, int]]:
    """Cards by model, in mainland China (``True``) and abroad."""
    cards: dict[bool, Counter[str]] = defaultdict(Counter)
    for fleet in all_fleets:
        cards[all_sites[fleet.site].jurisdiction == "CN"][fleet.model] += fleet.cards
    return {where: dict(sorted(counted.items())) for where, counted in cards.items()}
