"""Is the result a well-made record: of this snapshot, in order, complete, adding up?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from marketplace.engine.codec import digest, snapshot_bytes
from marketplace.engine.result import OfferOutcome, Placement, Result
from marketplace.engine.snapshot import Offer
from marketplace.engine.validation import MAX_CARDS
from marketplace.engine.verification.market import Market
from marketplace.engine.verification.rules import Broken, Rule

RESULT_FORMAT = 2


def known_placements(market: Market, result: Result) -> tuple[list[Placement], list[Broken]]:
    """The placements that name known things and a possible run, and what is wrong with others."""
    known, broken = [], []
    for placement in result.placements:
        problem = _unknown(market, placement)
        if problem is None:
            known.append(placement)
        else:
            broken.append(Broken(Rule.REFERENCE, f"placement {placement}: {problem}"))
    return known, broken


def _unknown(market: Market, placement: Placement) -> str | None:
    if placement.request not in market.requests:
        return "the request is unknown"
    if market.alternative(placement.request, placement.alternative) is None:
        return "the alternative is unknown"
    if placement.offer not in market.offers:
        return "the offer is unknown"
    if not 1 <= placement.cards <= MAX_CARDS or placement.slots < 1:
        return "it has no slots, or no number of cards that an offer could have"
    if placement.first_slot < 0 or placement.first_slot + placement.slots > market.snapshot.slots:
        return "it leaves the horizon"
    return None


def record_rules(market: Market, result: Result, known: list[Placement]) -> Iterator[Broken]:
    """Header, order of rows and offer outcomes."""
    yield from _header(market, result)
    yield from _order("placements", [(p.request, p.offer, p.first_slot) for p in result.placements])
    yield from _order("prices", [(p.model, p.zone, p.slot, p.currency) for p in result.prices])
    yield from _order("explanations", [each.request for each in result.explanations])
    yield from _order("offers", [each.offer for each in result.offers])
    yield from _offers(market, result.offers, known)


def _header(market: Market, result: Result) -> Iterator[Broken]:
    if result.format != RESULT_FORMAT:
        yield Broken(Rule.FORMAT, f"the result's format is {result.format}, not {RESULT_FORMAT}")
    if result.repriced < 0:
        yield Broken(Rule.FORMAT, f"{result.repriced} orders were given up for a price")
    expected = digest(snapshot_bytes(market.snapshot))
    if result.snapshot != expected:
        yield Broken(Rule.SNAPSHOT, f"the result is of snapshot {result.snapshot}, not {expected}")


def _order(name: str, keys: Sequence[object]) -> Iterator[Broken]:
    """Rows ascend strictly, so none appears twice."""
    if list(keys) != sorted(set(keys), key=lambda key: key if isinstance(key, tuple) else (key,)):
        yield Broken(Rule.ORDER, f"{name} are not in order, or one appears twice")


def _offers(market: Market, outcomes: Sequence[OfferOutcome], known: list[Placement]) -> Iterator[Broken]:
    sold: Counter[int] = Counter()
    for placement in known:
        sold[placement.offer] += placement.cards * placement.slots
    counts = Counter(each.offer for each in outcomes)
    for offer in market.snapshot.offers:
        if counts[offer.id] != 1:
            yield Broken(Rule.OFFER, f"offer {offer.id} has {counts[offer.id]} outcomes")
    for outcome in outcomes:
        if outcome.offer not in market.offers:
            yield Broken(Rule.OFFER, f"offer {outcome.offer} has an outcome but is unknown")
            continue
        offer = market.offers[outcome.offer]
        expected = (sum(offer.free), sold[offer.id])
        if (outcome.free, outcome.sold) != expected:
            yield Broken(
                Rule.OFFER,
                f"offer {offer.id}: {outcome.sold} of {outcome.free} card-hours sold, "
                f"but it is {expected[1]} of {expected[0]}",
            )
        yield from _lower_ask(offer, outcome)


def _lower_ask(offer: Offer, outcome: OfferOutcome) -> Iterator[Broken]:
    """A lower ask is lower, and would have sold something that was left."""
    remedy, left = outcome.remedy, outcome.free - outcome.sold
    if remedy is None:
        return
    if not 0 < remedy.ask < max(offer.asks):
        yield Broken(Rule.OFFER, f"offer {offer.id}: {remedy.ask} is not between 0 and its highest ask")
    if not 1 <= remedy.card_hours <= left:
        yield Broken(Rule.OFFER, f"offer {offer.id}: {remedy.card_hours} of {left} card-hours would sell")
