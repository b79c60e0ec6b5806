"""Is the result a well-made record: of this snapshot, in order, complete, adding up?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from marketplace.engine.codec import digest, snapshot_bytes
from marketplace.engine.result import (
    Constraint,
    Explanation,
    Funnel,
    OfferOutcome,
    Outcome,
    Placement,
    Remedy,
    Result,
)
from marketplace.engine.snapshot import Request
from marketplace.engine.verification.market import Market, by_request
from marketplace.engine.verification.rules import Broken, Rule

RESULT_FORMAT = 2
ORDER = list(Constraint)


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
    request = market.requests.get(placement.request)
    if request is None:
        return "the request is unknown"
    if market.alternative(request, placement.alternative) is None:
        return "the alternative is unknown"
    if placement.offer not in market.offers:
        return "the offer is unknown"
    if placement.cards < 1 or placement.slots < 1:
        return "it has no cards or no slots"
    if placement.first_slot < 0 or placement.first_slot + placement.slots > market.snapshot.slots:
        return "it leaves the horizon"
    return None


def record_rules(market: Market, result: Result, known: list[Placement]) -> Iterator[Broken]:
    """Header, order of rows, explanations and offer outcomes."""
    yield from _header(market, result)
    yield from _order("placements", [(each.request, each.offer) for each in result.placements])
    yield from _order("prices", [(p.model, p.zone, p.slot, p.currency) for p in result.prices])
    yield from _order("explanations", [each.request for each in result.explanations])
    yield from _order("offers", [each.offer for each in result.offers])
    yield from _explanations(market, result.explanations, known)
    yield from _offers(market, result.offers, known)


def _header(market: Market, result: Result) -> Iterator[Broken]:
    if result.format != RESULT_FORMAT:
        yield Broken(Rule.FORMAT, f"the result's format is {result.format}, not {RESULT_FORMAT}")
    expected = digest(snapshot_bytes(market.snapshot))
    if result.snapshot != expected:
        yield Broken(Rule.SNAPSHOT, f"the result is of snapshot {result.snapshot}, not {expected}")


def _order(name: str, keys: Sequence[object]) -> Iterator[Broken]:
    """Rows ascend strictly, so none appears twice."""
    if list(keys) != sorted(set(keys), key=lambda key: key if isinstance(key, tuple) else (key,)):
        yield Broken(Rule.ORDER, f"{name} are not in order, or one appears twice")


def _explanations(
    market: Market, explanations: Sequence[Explanation], known: list[Placement]
) -> Iterator[Broken]:
    counts = Counter(each.request for each in explanations)
    for request in market.snapshot.requests:
        if counts[request.id] != 1:
            yield _wrong(request.id, f"is explained {counts[request.id]} times")
    placed = by_request(known)
    for explanation in explanations:
        if explanation.request not in market.requests:
            yield _wrong(explanation.request, "is explained but unknown")
        else:
            request = market.requests[explanation.request]
            yield from _explanation(market, request, explanation, placed.get(request.id, []))


def _explanation(
    market: Market, request: Request, explanation: Explanation, placements: list[Placement]
) -> Iterator[Broken]:
    outcome = _outcome(market, placements)
    if explanation.outcome is not outcome:
        yield _wrong(request.id, f"is called {explanation.outcome} but is {outcome}")
    if (explanation.binding is None) != bool(placements):
        yield _wrong(request.id, "must name a binding constraint if and only if it is unmatched")
    positions = sorted(each.position for each in request.alternatives)
    if [funnel.alternative for funnel in explanation.funnels] != positions:
        yield _wrong(request.id, f"needs one funnel for each of its alternatives {positions}")
    for funnel in explanation.funnels:
        used = {each.offer for each in placements if each.alternative == funnel.alternative}
        yield from _funnel(market, request.id, funnel, len(used))
    if explanation.remedy is not None:
        yield from _remedy(market, request, explanation, explanation.remedy)


def _outcome(market: Market, placements: list[Placement]) -> Outcome:
    if not placements:
        return Outcome.UNMATCHED
    alternative = market.chosen(placements[0])
    full = market.filled(alternative, placements) == alternative.amount
    return Outcome.MATCHED if full else Outcome.PARTLY


def _funnel(market: Market, request: int, funnel: Funnel, used: int) -> Iterator[Broken]:
    constraints = [ORDER.index(constraint) for constraint, _ in funnel.removed]
    removed = sum(count for _, count in funnel.removed)
    name = f"funnel of alternative {funnel.alternative}"
    if funnel.offers != len(market.offers):
        yield _wrong(request, f"{name} counts {funnel.offers} offers of {len(market.offers)}")
    if constraints != sorted(set(constraints)):
        yield _wrong(request, f"{name} does not keep the order of constraints")
    if any(count < 1 for _, count in funnel.removed) or removed + used > len(market.offers):
        yield _wrong(request, f"{name} removes {removed} offers and uses {used}")


def _remedy(market: Market, request: Request, explanation: Explanation, remedy: Remedy) -> Iterator[Broken]:
    alternative = market.alternative(request, remedy.alternative)
    if explanation.outcome is not Outcome.UNMATCHED or explanation.binding is not remedy.constraint:
        yield _wrong(request.id, "has a remedy that does not answer its binding constraint")
    if alternative is None:
        yield _wrong(request.id, f"has a remedy for alternative {remedy.alternative}, which is unknown")
    elif remedy.constraint is Constraint.LIMIT and not (
        isinstance(remedy.value, int) and remedy.value > alternative.limit
    ):
        yield _wrong(request.id, f"has a remedy that does not raise its limit: {remedy.value}")


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
        expected = (sum(market.offers[outcome.offer].free), sold[outcome.offer])
        if (outcome.free, outcome.sold) != expected:
            yield Broken(
                Rule.OFFER,
                f"offer {outcome.offer}: {outcome.sold} of {outcome.free} card-hours sold, "
                f"but it is {expected[1]} of {expected[0]}",
            )


def _wrong(request: int, message: str) -> Broken:
    return Broken(Rule.EXPLANATION, f"request {request} {message}")
