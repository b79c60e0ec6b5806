"""Does everybody get what was asked for, from cards that exist?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from marketplace.engine.result import Placement
from marketplace.engine.snapshot import MICRO, Alternative, Offer, Request
from marketplace.engine.verification.market import Market, by_request, slots_of
from marketplace.engine.verification.rules import Broken, Rule


def delivery_rules(market: Market, placements: list[Placement]) -> Iterator[Broken]:
    """Requirements of the buyers and terms of the offers; ``placements`` name known things."""
    for request, group in by_request(placements).items():
        yield from _request(market, market.requests[request], group)
    for placement in placements:
        yield from _requirements(market, placement)
        yield from _terms(market, placement)
    yield from _capacity(market, placements)


def _request(market: Market, request: Request, group: list[Placement]) -> Iterator[Broken]:
    name = f"request {request.id}"
    if len({placement.alternative for placement in group}) > 1:
        yield Broken(Rule.ALTERNATIVE, f"{name} is placed in more than one alternative")
        return
    alternative = market.chosen(group[0])
    if len({(placement.first_slot, placement.slots) for placement in group}) > 1:
        yield Broken(Rule.RUN, f"{name} has placements over different slots")
    offers = {placement.offer for placement in group}
    if alternative.gang and len(offers) > 1:
        yield Broken(Rule.GANG, f"{name} asks for one fabric but is placed on offers {sorted(offers)}")
    filled = market.filled(alternative, group)
    if filled * MICRO < alternative.amount * request.least:
        yield Broken(
            Rule.FILL,
            f"{name} fills {filled} of {alternative.amount}, less than {request.least} ppm",
        )
    yield from _idle_lots(market, alternative, group)


def _idle_lots(market: Market, alternative: Alternative, group: list[Placement]) -> Iterator[Broken]:
    """Nobody is sold a lot that its amount does not need."""
    idle = market.capability(alternative, group) - alternative.amount
    for placement in group:
        offer = market.offers[placement.offer]
        rate = market.rate(alternative, offer)
        if rate is not None and idle >= offer.lot * rate:
            yield Broken(Rule.FILL, f"request {placement.request} buys a lot of offer {offer.id} for nothing")


def _requirements(market: Market, placement: Placement) -> Iterator[Broken]:
    alternative, offer = market.chosen(placement), market.offers[placement.offer]
    name = f"request {placement.request} on offer {offer.id}"
    for requirement, met in _answers(market, alternative, offer):
        if not met:
            yield Broken(Rule.REQUIREMENT, f"{name}: {requirement} is not met")
    if placement.slots != alternative.duration:
        yield Broken(Rule.RUN, f"{name}: {placement.slots} slots where {alternative.duration} were asked for")
    last = placement.first_slot + placement.slots
    if placement.first_slot < alternative.earliest or last > alternative.deadline:
        yield Broken(
            Rule.WINDOW,
            f"{name}: slots {placement.first_slot} to {last} leave the window "
            f"{alternative.earliest} to {alternative.deadline}",
        )


def _answers(market: Market, wanted: Alternative, offer: Offer) -> Iterator[tuple[str, bool]]:
    """Every requirement with whether the offer meets it; an unknown fact meets none."""
    site, model = market.site(offer), market.model(offer)
    yield "model", not wanted.models or offer.model in wanted.models
    yield "rate", market.rate(wanted, offer) is not None
    yield "precision", wanted.precision is None or wanted.precision in model.precisions
    yield "memory", _at_least(wanted.memory, model.memory)
    yield "stack", not wanted.stacks or offer.stack in wanted.stacks
    yield "jurisdiction", not wanted.jurisdictions or site.jurisdiction in wanted.jurisdictions
    yield "latency", _near_enough(market, wanted, offer)
    yield "bandwidth", _at_least(wanted.bandwidth, site.bandwidth)
    yield "renewable share", _at_least(wanted.renewable_share, site.renewable_share)
    yield (
        "carbon",
        wanted.carbon is None or (site.carbon is not None and site.carbon <= wanted.carbon),
    )
    yield "verification", _at_least(wanted.verification, site.verification)
    yield "notice", _at_least(wanted.notice, offer.notice)


def _at_least(wanted: int | None, fact: int | None) -> bool:
    return wanted is None or (fact is not None and fact >= wanted)


def _near_enough(market: Market, wanted: Alternative, offer: Offer) -> bool:
    if wanted.latency is None:
        return True
    return any(
        trip.place == wanted.latency.place and trip.microseconds <= wanted.latency.microseconds
        for trip in market.site(offer).round_trips
    )


def _terms(market: Market, placement: Placement) -> Iterator[Broken]:
    offer = market.offers[placement.offer]
    name = f"request {placement.request} on offer {offer.id}"
    if placement.cards % offer.lot:
        yield Broken(Rule.LOT, f"{name}: {placement.cards} cards are not whole lots of {offer.lot}")
    if placement.slots < offer.minimum_duration:
        yield Broken(
            Rule.MINIMUM_DURATION,
            f"{name}: {placement.slots} slots are fewer than {offer.minimum_duration}",
        )


def _capacity(market: Market, placements: list[Placement]) -> Iterator[Broken]:
    """Cards sold never exceed cards free, offer by offer and slot by slot."""
    sold: Counter[tuple[int, int]] = Counter()
    for placement in placements:
        for slot in slots_of(placement):
            sold[placement.offer, slot] += placement.cards
    for (identity, slot), cards in sorted(sold.items()):
        offer = market.offers[identity]
        position = slot - offer.first_slot
        free = offer.free[position] if 0 <= position < len(offer.free) else 0
        if cards > free:
            yield Broken(Rule.CAPACITY, f"offer {identity} sells {cards} cards of {free} in slot {slot}")
