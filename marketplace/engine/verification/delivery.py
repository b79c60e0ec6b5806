"""Does everybody get what was asked for, from cards that exist?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from marketplace.engine.result import Placement
from marketplace.engine.snapshot import Alternative, Offer, Request
from marketplace.engine.verification.market import (
    Market,
    by_request,
    goal,
    least,
    least_gangs,
    slots_of,
)
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
    if alternative.divisible:
        yield from _schedule(name, alternative, group)
    else:
        yield from _one_run(name, alternative, group)
    if alternative.gangs > 1:
        yield from _several_gangs(market, request, alternative, group)
    else:
        yield from _fill(market, request, alternative, group)


def _one_run(name: str, alternative: Alternative, group: list[Placement]) -> Iterator[Broken]:
    """All cards over the same slots, as many as were asked for."""
    if len({(placement.first_slot, placement.slots) for placement in group}) > 1:
        yield Broken(Rule.RUN, f"{name} has placements over different slots")
    for placement in group:
        if placement.slots != alternative.duration:
            yield Broken(
                Rule.RUN,
                f"{name} on offer {placement.offer}: {placement.slots} slots "
                f"where {alternative.duration} were asked for",
            )


def _schedule(name: str, alternative: Alternative, group: list[Placement]) -> Iterator[Broken]:
    """Divisible work: runs of equal cards on each offer, and no pause unless one is allowed."""
    if not alternative.interruptible and not _unbroken({slot for each in group for slot in slots_of(each)}):
        yield Broken(Rule.RUN, f"{name} is interrupted")
    latest: dict[int, Placement] = {}
    for placement in sorted(group, key=lambda each: each.first_slot):
        before = latest.get(placement.offer)
        if before is not None:
            yield from _apart(name, before, placement)
        latest[placement.offer] = placement


def _apart(name: str, before: Placement, after: Placement) -> Iterator[Broken]:
    """Runs on one offer do not overlap; where one follows at once, it is of another number of cards."""
    end = before.first_slot + before.slots
    if after.first_slot < end:
        yield Broken(Rule.RUN, f"{name} has placements on offer {before.offer} that overlap")
    elif after.first_slot == end and after.cards == before.cards:
        yield Broken(Rule.RUN, f"{name} has two placements on offer {before.offer} that are one run")


def _unbroken(slots: set[int]) -> bool:
    return not slots or max(slots) - min(slots) + 1 == len(slots)


def _fill(
    market: Market, request: Request, alternative: Alternative, group: list[Placement]
) -> Iterator[Broken]:
    name = f"request {request.id}"
    offers = {placement.offer for placement in group}
    if alternative.gangs == 1 and len(offers) > 1:
        yield Broken(Rule.GANG, f"{name} asks for one fabric but is placed on offers {sorted(offers)}")
    filled = market.filled(alternative, group)
    if filled < least(request, alternative):
        yield Broken(
            Rule.FILL,
            f"{name} fills {filled} of {goal(alternative)}, less than {request.least} ppm",
        )
    yield from _for_nothing(market, alternative, group)


def _several_gangs(
    market: Market, request: Request, alternative: Alternative, group: list[Placement]
) -> Iterator[Broken]:
    """Whole gangs, each in lots of its own on one offer, so on one site and one fabric."""
    name = f"request {request.id}"
    for placement in group:
        cards = market.cards_of_a_gang(alternative, market.offers[placement.offer])
        if cards is not None and placement.cards % cards:
            yield Broken(
                Rule.GANG,
                f"{name} on offer {placement.offer}: {placement.cards} cards are not whole gangs of {cards}",
            )
    gangs, fewest = market.gangs(alternative, group), least_gangs(request, alternative)
    if not fewest <= gangs <= alternative.gangs:
        yield Broken(Rule.FILL, f"{name} gets {gangs} gangs, not {fewest} to {alternative.gangs}")


def _for_nothing(market: Market, alternative: Alternative, group: list[Placement]) -> Iterator[Broken]:
    """Nobody is sold a lot, or an hour of divisible work, that its amount does not need."""
    idle = market.capability(alternative, group) - goal(alternative)
    if idle <= 0:
        return
    held = Counter(slot for placement in group for slot in slots_of(placement))
    buys = f"request {group[0].request} buys"
    for placement in group:
        offer, run = market.offers[placement.offer], slots_of(placement)
        rate = market.rate(alternative, offer) or 0
        hours = placement.slots if alternative.divisible else 1
        spared = range(0) if placement.cards > offer.lot else run
        if idle >= offer.lot * hours * rate and _goes_on_without(spared, held, alternative):
            yield Broken(Rule.FILL, f"{buys} a lot of offer {offer.id} for nothing")
        ends = [run[:1], run[-1:]] if alternative.divisible and len(run) > offer.minimum_duration else []
        if idle >= placement.cards * rate and any(_goes_on_without(end, held, alternative) for end in ends):
            yield Broken(Rule.FILL, f"{buys} an hour of offer {offer.id} for nothing")


def _goes_on_without(spared: range, held: Counter[int], alternative: Alternative) -> bool:
    """Whether one placement may leave these slots without a pause in work that must have none.

    ``held`` counts the request's placements by slot.
    """
    gone = {slot for slot in spared if held[slot] == 1}
    return not alternative.divisible or alternative.interruptible or _unbroken(set(held) - gone)


def _requirements(market: Market, placement: Placement) -> Iterator[Broken]:
    alternative, offer = market.chosen(placement), market.offers[placement.offer]
    name = f"request {placement.request} on offer {offer.id}"
    for requirement, met in standing(market, alternative, offer):
        if not met:
            yield Broken(Rule.REQUIREMENT, f"{name}: {requirement} is not met")
    hours = slots_of(placement) if market.varies(offer) else range(0)
    for requirement, slot in _hours_without(market, alternative, offer, hours):
        yield Broken(Rule.REQUIREMENT, f"{name}: {requirement} is not met in slot {slot}")
    last = placement.first_slot + placement.slots
    if placement.first_slot < alternative.earliest or last > alternative.deadline:
        yield Broken(
            Rule.WINDOW,
            f"{name}: slots {placement.first_slot} to {last} leave the window "
            f"{alternative.earliest} to {alternative.deadline}",
        )


def standing(market: Market, wanted: Alternative, offer: Offer) -> Iterator[tuple[str, bool]]:
    """Every standing requirement with whether the offer meets it; an unknown fact meets none.

    What varies by the hour is met if it is in some slot of the offer's window.
    """
    site, model = market.site(offer), market.model(offer)
    yield "model", not wanted.models or offer.model in wanted.models
    yield "rate", market.rate(wanted, offer) is not None
    yield "precision", wanted.precision is None or wanted.precision in model.precisions
    yield "memory", _at_least(wanted.memory, model.memory)
    yield "stack", not wanted.stacks or offer.stack in wanted.stacks
    yield "jurisdiction", not wanted.jurisdictions or site.jurisdiction in wanted.jurisdictions
    yield "latency", _near_enough(market, wanted, offer)
    yield "bandwidth", _at_least(wanted.bandwidth, site.bandwidth)
    window = range(offer.first_slot, offer.first_slot + len(offer.free))
    shares = (market.renewable_share(offer, slot) for slot in window)
    yield "renewable share", any(_at_least(wanted.renewable_share, share) for share in shares)
    yield "carbon", any(_at_most(wanted.carbon, market.carbon(offer, slot)) for slot in window)
    yield "verification", _at_least(wanted.verification, site.verification)
    yield "notice", _at_least(wanted.notice, offer.notice)


def _hours_without(
    market: Market, wanted: Alternative, offer: Offer, slots: range
) -> Iterator[tuple[str, int]]:
    """The slots in which the power of the offer's site is not what was asked for."""
    for slot in slots:
        carbon = market.carbon(offer, slot)
        if not _at_least(wanted.renewable_share, market.renewable_share(offer, slot)):
            yield "renewable share", slot
        if not _at_most(wanted.carbon, carbon):
            yield "carbon", slot


def _at_least(wanted: int | None, fact: int | None) -> bool:
    return wanted is None or (fact is not None and fact >= wanted)


def _at_most(wanted: int | None, fact: int | None) -> bool:
    return wanted is None or (fact is not None and fact <= wanted)


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
    sold, free = market.columns.sold(placements), market.columns.free
    rows, slots = (sold > free).nonzero()
    for row, slot in zip(rows.tolist(), slots.tolist(), strict=True):
        yield Broken(
            Rule.CAPACITY,
            f"offer {market.snapshot.offers[row].id} sells {sold[row, slot]} cards "
            f"of {free[row, slot]} in slot {slot}",
        )
