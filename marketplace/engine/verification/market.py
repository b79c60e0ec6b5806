"""A snapshot with its rows by name, and what placements amount to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from marketplace.engine.result import Placement
from marketplace.engine.snapshot import (
    MICRO,
    Alternative,
    Model,
    Offer,
    Request,
    Site,
    Snapshot,
    Unit,
)

Product = tuple[str, str, str]
"""Model, zone and currency: what one price is for."""


class Market:
    """Look-ups over one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.requests = {request.id: request for request in snapshot.requests}
        self.offers = {offer.id: offer for offer in snapshot.offers}
        self.base = {currency.code: currency.base_micro for currency in snapshot.currencies}
        self._sites = {site.id: site for site in snapshot.sites}
        self._models = {model.slug: model for model in snapshot.models}

    def site(self, offer: Offer) -> Site:
        return self._sites[offer.site]

    def model(self, offer: Offer) -> Model:
        return self._models[offer.model]

    def product(self, offer: Offer) -> Product:
        site = self.site(offer)
        return offer.model, site.zone, site.currency

    def alternative(self, request: Request, position: int) -> Alternative | None:
        found = [each for each in request.alternatives if each.position == position]
        return found[0] if found else None

    def chosen(self, placement: Placement) -> Alternative:
        """The alternative of a placement that is known to name one."""
        found = self.alternative(self.requests[placement.request], placement.alternative)
        if found is None:
            raise LookupError(f"request {placement.request} has no such alternative")
        return found

    def rate(self, alternative: Alternative, offer: Offer) -> int | None:
        """How much of the amount one card fills; ``None`` if nobody knows."""
        if alternative.unit is Unit.CARDS:
            return 1
        for rate in self.model(offer).rates:
            if rate.workload is alternative.workload:
                return rate.lower if alternative.careful else rate.point
        return None

    def capability(self, alternative: Alternative, placements: Iterable[Placement]) -> int:
        """What the cards can do, in the unit of the amount, before it is cut to the amount."""
        total = 0
        for placement in placements:
            total += placement.cards * (self.rate(alternative, self.offers[placement.offer]) or 0)
        return total

    def filled(self, alternative: Alternative, placements: Iterable[Placement]) -> int:
        return min(alternative.amount, self.capability(alternative, placements))

    def worth(self, alternative: Alternative, placements: Iterable[Placement]) -> int:
        """What the buyer may be asked to pay at most, micro-units of the request's currency."""
        hourly = alternative.limit * self.filled(alternative, placements)
        if alternative.unit is Unit.NP:
            hourly //= MICRO
        return hourly * alternative.duration


def by_request(placements: Iterable[Placement]) -> dict[int, list[Placement]]:
    groups: dict[int, list[Placement]] = defaultdict(list)
    for placement in placements:
        groups[placement.request].append(placement)
    return dict(groups)


def slots_of(placement: Placement) -> range:
    return range(placement.first_slot, placement.first_slot + placement.slots)
