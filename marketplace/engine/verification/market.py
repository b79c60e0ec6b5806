"""A snapshot with its rows by name, and what placements amount to.

Money that crosses currencies is counted in *pico*, 1e-12 of the base currency: micro-units of a currency
times its ``base_micro``. Amounts in pico are exact integers.
"""

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
from marketplace.engine.verification.columns import Columns

Product = tuple[str, str, str]
"""Model, zone and currency: what one price is for."""


class Market:
    """Look-ups over one well-formed snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.columns = Columns(snapshot)
        self.requests = {request.id: request for request in snapshot.requests}
        self.offers = {offer.id: offer for offer in snapshot.offers}
        self.base = {currency.code: currency.base_micro for currency in snapshot.currencies}
        self._sites = {site.id: site for site in snapshot.sites}
        self._models = {model.slug: model for model in snapshot.models}
        self._alternatives = {
            (request.id, each.position): each
            for request in snapshot.requests
            for each in request.alternatives
        }
        self._highest_power = max((model.power or 0 for model in snapshot.models), default=0)
        self._hours = {hours.site: hours for hours in snapshot.site_hours}
        stated = [site.carbon or 0 for site in snapshot.sites]
        stated += [figure for hours in snapshot.site_hours for figure in hours.carbon]
        self._highest_carbon = max(stated, default=0)

    def site(self, offer: Offer) -> Site:
        return self._sites[offer.site]

    def model(self, offer: Offer) -> Model:
        return self._models[offer.model]

    def product(self, offer: Offer) -> Product:
        site = self.site(offer)
        return offer.model, site.zone, site.currency

    def alternative(self, request: int, position: int) -> Alternative | None:
        return self._alternatives.get((request, position))

    def chosen(self, placement: Placement) -> Alternative:
        """The alternative of a placement that is known to name one."""
        return self._alternatives[placement.request, placement.alternative]

    def rate(self, alternative: Alternative, offer: Offer) -> int | None:
        """How much of the amount one card fills; ``None`` if nobody knows."""
        if alternative.unit is Unit.CARDS:
            return 1
        for rate in self.model(offer).rates:
            if rate.workload is alternative.workload:
                return rate.lower if alternative.careful else rate.point
        return None

    def capability(self, alternative: Alternative, placements: Iterable[Placement]) -> int:
        """What the cards can do: units of the amount, or unit-hours where it is divisible."""
        total = 0
        for placement in placements:
            hours = placement.slots if alternative.divisible else 1
            total += placement.cards * hours * (self.rate(alternative, self.offers[placement.offer]) or 0)
        return total

    def cards_of_a_gang(self, alternative: Alternative, offer: Offer) -> int | None:
        """Cards of an offer, in whole lots, that hold one of the equal parts of the amount."""
        rate = self.rate(alternative, offer)
        if rate is None:
            return None
        part = divided_up(alternative.amount, alternative.gangs)
        return divided_up(divided_up(part, rate), offer.lot) * offer.lot

    def gangs(self, alternative: Alternative, placements: Iterable[Placement]) -> int:
        """How many whole gangs the cards make up."""
        total = 0
        for placement in placements:
            cards = self.cards_of_a_gang(alternative, self.offers[placement.offer])
            total += placement.cards // cards if cards is not None else 0
        return total

    def filled(self, alternative: Alternative, placements: Iterable[Placement]) -> int:
        """How much of ``goal`` the placements fill: of several gangs, only whole ones count."""
        if alternative.gangs > 1:
            whole = min(self.gangs(alternative, placements), alternative.gangs)
            return alternative.amount * whole // alternative.gangs
        return min(goal(alternative), self.capability(alternative, placements))

    def worth(self, alternative: Alternative, placements: Iterable[Placement]) -> int:
        """What the buyer may be asked to pay at most, micro-units of the request's currency."""
        return worth_of(alternative, self.filled(alternative, placements))

    def emission(self, offer: Offer, slot: int) -> int:
        """What the emissions of one card-hour in a slot count for, in pico, rounded up.

        W / 1000 kWh x mg / 1e6 kg x micro-units x 1e6 pico. A fact that nobody has stated counts as the
        highest that anybody has.
        """
        power, carbon = self.model(offer).power, self.carbon(offer, slot)
        watts = self._highest_power if power is None else power
        milligrams = self._highest_carbon if carbon is None else carbon
        return divided_up(self.snapshot.carbon_price * watts * milligrams, 1_000)

    def varies(self, offer: Offer) -> bool:
        """Whether something is stated of the offer's site by the hour."""
        return offer.site in self._hours

    def carbon(self, offer: Offer, slot: int) -> int | None:
        """What a kWh emits at the offer's site in a slot; ``None`` if nobody has stated it."""
        hours = self._hours.get(offer.site)
        return hours.carbon[slot] if hours and hours.carbon else self.site(offer).carbon

    def renewable_share(self, offer: Offer, slot: int) -> int | None:
        hours = self._hours.get(offer.site)
        return (
            hours.renewable_share[slot]
            if hours and hours.renewable_share
            else self.site(offer).renewable_share
        )


def goal(alternative: Alternative) -> int:
    """All that is asked for: the amount, or the unit-hours of work where it is divisible."""
    return alternative.amount * (alternative.duration if alternative.divisible else 1)


def scale(alternative: Alternative) -> int:
    """How many units of the amount the limit is for: one card, or a million micro-nP."""
    return 1 if alternative.unit is Unit.CARDS else MICRO


def worth_of(alternative: Alternative, filled: int) -> int:
    """What ``filled`` is worth to the buyer, micro-units of the request's currency.

    Rounded down to whole micro-units an hour, or once for all where the work is divisible.
    """
    covered = alternative.limit * filled // scale(alternative)
    return covered if alternative.divisible else covered * alternative.duration


def least(request: Request, alternative: Alternative) -> int:
    """The smallest part of ``goal`` that may be filled, rounded up."""
    return divided_up(goal(alternative) * request.least, MICRO)


def least_gangs(request: Request, alternative: Alternative) -> int:
    """The smallest number of whole gangs that may be placed."""
    return divided_up(alternative.gangs * request.least, MICRO)


def whole_gangs(request: Request, alternative: Alternative) -> bool:
    """Whether the cards come in whole equal parts only, and not in some share of the amount."""
    return alternative.gangs > 1 or (alternative.gangs == 1 and all_or_nothing(request, alternative))


def all_or_nothing(request: Request, alternative: Alternative) -> bool:
    """Whether nothing less than ``goal`` may be filled."""
    if alternative.gangs > 1:
        return least_gangs(request, alternative) == alternative.gangs
    return least(request, alternative) == goal(alternative)


def by_request(placements: Iterable[Placement]) -> dict[int, list[Placement]]:
    groups: dict[int, list[Placement]] = defaultdict(list)
    for placement in placements:
        groups[placement.request].append(placement)
    return dict(groups)


def slots_of(placement: Placement) -> range:
    return range(placement.first_slot, placement.first_slot + placement.slots)


def divided_up(dividend: int, divisor: int) -> int:
    """The quotient rounded up."""
    return -(-dividend // divisor)
