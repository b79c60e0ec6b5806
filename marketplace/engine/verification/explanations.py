"""Is every request told why it got what it got?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from marketplace.engine.result import (
    Constraint,
    Explanation,
    Funnel,
    Outcome,
    Placement,
    Remedy,
    Result,
)
from marketplace.engine.snapshot import Request
from marketplace.engine.verification.fitting import requests_that_fit
from marketplace.engine.verification.market import Market, by_request, goal
from marketplace.engine.verification.rules import Broken, Rule

ORDER = {constraint: index for index, constraint in enumerate(Constraint)}


def explanation_rules(market: Market, result: Result, known: list[Placement]) -> Iterator[Broken]:
    """One explanation a request, with its outcome, its funnels, a reason and a price for a no."""
    counts = Counter(each.request for each in result.explanations)
    for request in market.snapshot.requests:
        if counts[request.id] != 1:
            yield _wrong(request.id, f"is explained {counts[request.id]} times")
    placed = by_request(known)
    for explanation in result.explanations:
        if explanation.request not in market.requests:
            yield _wrong(explanation.request, "is explained but unknown")
        else:
            request = market.requests[explanation.request]
            yield from _explanation(market, request, explanation, placed.get(request.id, []))
    yield from _prices(market, result, placed)


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
    full = market.filled(alternative, placements) == goal(alternative)
    return Outcome.MATCHED if full else Outcome.PARTLY


def _funnel(market: Market, request: int, funnel: Funnel, used: int) -> Iterator[Broken]:
    constraints = [ORDER[constraint] for constraint, _ in funnel.removed]
    removed = sum(count for _, count in funnel.removed)
    name = f"funnel of alternative {funnel.alternative}"
    if funnel.offers != len(market.offers):
        yield _wrong(request, f"{name} counts {funnel.offers} offers of {len(market.offers)}")
    if constraints != sorted(set(constraints)):
        yield _wrong(request, f"{name} does not keep the order of constraints")
    if any(count < 1 for _, count in funnel.removed) or removed + used > len(market.offers):
        yield _wrong(request, f"{name} removes {removed} offers and uses {used}")


def _remedy(market: Market, request: Request, explanation: Explanation, remedy: Remedy) -> Iterator[Broken]:
    alternative = market.alternative(request.id, remedy.alternative)
    if explanation.outcome is not Outcome.UNMATCHED or explanation.binding is not remedy.constraint:
        yield _wrong(request.id, "has a remedy that does not answer its binding constraint")
    if alternative is None:
        yield _wrong(request.id, f"has a remedy for alternative {remedy.alternative}, which is unknown")
    elif remedy.constraint is Constraint.LIMIT and not (
        isinstance(remedy.value, int) and remedy.value > alternative.limit
    ):
        yield _wrong(request.id, f"has a remedy that does not raise its limit: {remedy.value}")


def _prices(market: Market, result: Result, placed: dict[int, list[Placement]]) -> Iterator[Broken]:
    """A refused request is told a price if and only if some offer could have served it."""
    unmatched = [request for request in market.snapshot.requests if request.id not in placed]
    fitting = requests_that_fit(market, unmatched)
    for explanation in result.explanations:
        request, price, foregone = explanation.request, explanation.price, explanation.foregone
        matched = request in placed or request not in market.requests
        if not matched and (price is not None) != (request in fitting):
            yield _wrong(request, "needs a price if and only if an offer could have served it")
        if price is not None and price < 0:
            yield _wrong(request, f"has a price of {price}")
        if foregone < 0 or (foregone > 0 and (matched or price is None)):
            yield _wrong(request, f"cannot have foregone {foregone}")


def _wrong(request: int, message: str) -> Broken:
    return Broken(Rule.EXPLANATION, f"request {request} {message}")
