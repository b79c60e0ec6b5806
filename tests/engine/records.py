"""Results made by hand: placements with everything that a well-made result says about them."""

from __future__ import annotations

from collections.abc import Sequence

from marketplace.engine import (
    MICRO,
    RESULT_FORMAT,
    Alternative,
    Bound,
    Constraint,
    Explanation,
    Funnel,
    Offer,
    OfferOutcome,
    Outcome,
    Placement,
    Price,
    Request,
    Result,
    Shadow,
    Snapshot,
    canonical,
    digest,
    snapshot_bytes,
)
from marketplace.engine.verification import proven_bound
from tests.engine.brute import Tiny


def record(snapshot: Snapshot, *placements: Placement, shadows: Sequence[Shadow] | None = None) -> Result:
    """The result that places just these, at floor prices; shadow prices are nought unless given."""
    snapshot = canonical(snapshot)
    tiny = Tiny(snapshot)
    placed = sorted(placements, key=lambda each: (each.request, each.offer, each.first_slot))
    by_request = {
        request.id: tuple(each for each in placed if each.request == request.id)
        for request in snapshot.requests
    }
    surplus = sum(
        tiny.worth(tiny.request(fill[0]), tiny.wanted(fill[0]), fill) - sum(map(tiny.cost, fill))
        for fill in by_request.values()
        if fill
    )
    shadows = nought(snapshot) if shadows is None else tuple(shadows)
    return Result(
        format=RESULT_FORMAT,
        engine="by hand",
        snapshot=digest(snapshot_bytes(snapshot)),
        surplus=surplus // MICRO,
        objective=(surplus - sum(map(tiny.emission, placed))) // MICRO,
        bound=Bound(proven_bound(snapshot, shadows), shadows),
        repriced=0,
        placements=tuple(placed),
        prices=_prices(tiny, placed),
        explanations=tuple(_explanation(tiny, each, by_request[each.id]) for each in snapshot.requests),
        offers=tuple(_outcome(each, placed) for each in snapshot.offers),
    )


def nought(snapshot: Snapshot) -> tuple[Shadow, ...]:
    """A shadow of nought for each product."""
    tiny = Tiny(snapshot)
    products = sorted({tiny.product(each) for each in snapshot.offers})
    return tuple(
        Shadow(
            tuple(each.id for each in snapshot.offers if tiny.product(each) == product), (0,) * snapshot.slots
        )
        for product in products
    )


def _prices(tiny: Tiny, placed: Sequence[Placement]) -> tuple[Price, ...]:
    prices = [
        Price(model, zone, slot, currency, price)
        for ((model, zone, currency), slot), price in tiny.floors(placed).items()
    ]
    return tuple(sorted(prices, key=lambda each: (each.model, each.zone, each.slot, each.currency)))


def _explanation(tiny: Tiny, request: Request, fill: tuple[Placement, ...]) -> Explanation:
    funnels = tuple(Funnel(wanted.position, len(tiny.snapshot.offers), ()) for wanted in request.alternatives)
    if not fill:
        price = 0 if fits(tiny, request) else None
        return Explanation(request.id, Outcome.UNMATCHED, Constraint.CAPACITY, funnels, None, price, 0)
    wanted = tiny.wanted(fill[0])
    goal = wanted.amount * (wanted.duration if wanted.divisible else 1)
    outcome = Outcome.MATCHED if tiny.filled(wanted, fill) == goal else Outcome.PARTLY
    return Explanation(request.id, outcome, None, funnels, None, None, 0)


def fits(tiny: Tiny, request: Request) -> bool:
    """Whether some offer alone has cards for the smallest use, in time, before anybody is served."""
    return any(
        _fits(tiny, request, wanted, offer)
        for wanted in request.alternatives
        for offer in tiny.snapshot.offers
        if tiny.suits(wanted, offer)
    )


def _fits(tiny: Tiny, request: Request, wanted: Alternative, offer: Offer) -> bool:
    length = offer.minimum_duration if wanted.divisible else wanted.duration
    if length < offer.minimum_duration:
        return False
    use = 1
    if wanted.gangs == 1:
        use = -(-wanted.amount * request.least // MICRO)
    elif wanted.gangs > 1:
        use = -(-wanted.amount // wanted.gangs)
    lots = -(-use // (tiny.rate(wanted, offer) * offer.lot))
    return any(
        tiny.most(offer, range(first, first + length)) >= lots * offer.lot
        and tiny.powered(wanted, offer, range(first, first + length))
        for first in range(wanted.earliest, wanted.deadline - length + 1)
    )


def _outcome(offer: Offer, placed: Sequence[Placement]) -> OfferOutcome:
    sold = sum(each.cards * each.slots for each in placed if each.offer == offer.id)
    return OfferOutcome(offer.id, sum(offer.free), sold, None)
