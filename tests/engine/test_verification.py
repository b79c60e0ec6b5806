"""Verification refuses a good result that was tampered with, whatever the way.

The good results are made by hand: nothing here trusts the engine.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketplace.engine import (
    Bound,
    Constraint,
    LatencyLimit,
    LowerAsk,
    MalformedSnapshot,
    Outcome,
    Placement,
    Precision,
    Remedy,
    Result,
    ResultRefused,
    Rule,
    Shadow,
    Snapshot,
    Violation,
    digest,
    snapshot_bytes,
    verification,
    verify,
)
from tests.engine.markets import alternative, market, money, offer, request, site
from tests.engine.records import record


def good() -> Snapshot:
    """A gang (1), a split over offers 2 and 3 (2), a part (3) and a no (4)."""
    return market(
        [
            offer(1, cards=16, ask=10, lot=4, minimum_duration=2, model="h800"),
            offer(2, cards=5, ask=10, hours=12),
            offer(3, cards=5, ask=11, hours=12),
            offer(4, cards=3, ask=12, site=2),
        ],
        [
            request(1, alternative(0, models=("h800",)), alternative(1, limit=1, models=("h800",))),
            request(2, amount=8, gangs=0, jurisdictions=("cn",), models=("ascend-910b",)),
            request(3, amount=4, least=500_000, jurisdictions=("sg",), limit=15),
            request(4, amount=9, limit=1),
        ],
        sites=[site(1), site(2, zone="sg", jurisdiction="sg")],
    )


def good_result() -> Result:
    return record(
        good(),
        Placement(1, 0, 1, first_slot=0, slots=4, cards=8),
        Placement(2, 0, 2, first_slot=0, slots=4, cards=5),
        Placement(2, 0, 3, first_slot=0, slots=4, cards=3),
        Placement(3, 0, 4, first_slot=0, slots=4, cards=3),
    )


def plain_result() -> Result:
    """Of ``market()``: eight cards for the first four hours."""
    return record(market(), Placement(1, 0, 1, first_slot=0, slots=4, cards=8))


def place(result: Result, index: int, **changes: int) -> Result:
    rows = list(result.placements)
    rows[index] = replace(rows[index], **changes)
    return replace(result, placements=tuple(sorted(rows, key=lambda row: (row.request, row.offer))))


def explain(result: Result, index: int, **changes: Any) -> Result:
    rows = list(result.explanations)
    rows[index] = replace(rows[index], **changes)
    return replace(result, explanations=tuple(rows))


def price(result: Result, index: int, **changes: Any) -> Result:
    rows = list(result.prices)
    rows[index] = replace(rows[index], **changes)
    return replace(result, prices=tuple(rows))


def outcome(result: Result, index: int, **changes: Any) -> Result:
    rows = list(result.offers)
    rows[index] = replace(rows[index], **changes)
    return replace(result, offers=tuple(rows))


def shadow(result: Result, index: int, **changes: Any) -> Result:
    rows = list(result.bound.shadows)
    rows[index] = replace(rows[index], **changes)
    return replace(result, bound=replace(result.bound, shadows=tuple(rows)))


def funnels(result: Result, index: int, **changes: Any) -> Result:
    rows = result.explanations[index].funnels
    return explain(result, index, funnels=(replace(rows[0], **changes), *rows[1:]))


def without(rows: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return rows[:index] + rows[index + 1 :]


Tampering = Callable[[Result], Result]

TAMPERED: list[tuple[str, Rule, Tampering]] = [
    ("another format", Rule.FORMAT, lambda r: replace(r, format=1)),
    ("less than no orders given up", Rule.FORMAT, lambda r: replace(r, repriced=-1)),
    ("another snapshot", Rule.SNAPSHOT, lambda r: replace(r, snapshot=digest(b"another"))),
    ("rows out of order", Rule.ORDER, lambda r: replace(r, placements=r.placements[::-1])),
    ("prices out of order", Rule.ORDER, lambda r: replace(r, prices=r.prices[::-1])),
    ("explanations out of order", Rule.ORDER, lambda r: replace(r, explanations=r.explanations[::-1])),
    ("outcomes out of order", Rule.ORDER, lambda r: replace(r, offers=r.offers[::-1])),
    ("a placement twice", Rule.ORDER, lambda r: replace(r, placements=(r.placements[0], *r.placements))),
    ("an unknown request", Rule.REFERENCE, lambda r: place(r, 0, request=99)),
    ("an unknown alternative", Rule.REFERENCE, lambda r: place(r, 0, alternative=9)),
    ("an unknown offer", Rule.REFERENCE, lambda r: place(r, 0, offer=99)),
    ("no cards", Rule.REFERENCE, lambda r: place(r, 0, cards=0)),
    ("more cards than exist anywhere", Rule.REFERENCE, lambda r: place(r, 0, cards=10**30)),
    ("negative cards", Rule.REFERENCE, lambda r: place(r, 0, cards=-4)),
    ("no slots", Rule.REFERENCE, lambda r: place(r, 0, slots=0)),
    ("before the horizon", Rule.REFERENCE, lambda r: place(r, 0, first_slot=-1)),
    ("after the horizon", Rule.REFERENCE, lambda r: place(r, 0, first_slot=22)),
    ("another duration", Rule.RUN, lambda r: place(r, 0, slots=5)),
    ("a split at different times", Rule.RUN, lambda r: place(r, 1, first_slot=5)),
    ("too few cards", Rule.FILL, lambda r: place(r, 0, cards=4)),
    ("too many cards", Rule.FILL, lambda r: place(r, 0, cards=12)),
    ("a broken lot", Rule.LOT, lambda r: place(r, 0, cards=9)),
    ("more cards than there are", Rule.CAPACITY, lambda r: place(r, 1, cards=6)),
    (
        "after the offer's window",
        Rule.CAPACITY,
        lambda r: place(place(r, 1, first_slot=10), 2, first_slot=10),
    ),
    ("another model", Rule.REQUIREMENT, lambda r: place(r, 0, offer=2)),
    ("another jurisdiction", Rule.REQUIREMENT, lambda r: place(r, 1, offer=4)),
    ("a placement lost", Rule.FILL, lambda r: replace(r, placements=without(r.placements, 1))),
    ("a price below nothing", Rule.ASK, lambda r: price(r, 0, price=-(10**30))),
    ("a price lowered", Rule.ASK, lambda r: price(r, 0, price=money(10) - 1)),
    ("a price over a limit", Rule.LIMIT, lambda r: price(r, 0, price=money(1_000))),
    ("a price out of this world", Rule.LIMIT, lambda r: price(r, 0, price=10**40)),
    ("a price outside the horizon", Rule.PRICE, lambda r: price(r, 0, slot=24)),
    ("a price lost", Rule.PRICE, lambda r: replace(r, prices=r.prices[1:])),
    ("a price for nothing", Rule.PRICE, lambda r: price(r, 0, zone="aa")),
    ("a price in another currency", Rule.PRICE, lambda r: price(r, 0, currency="USD")),
    ("more surplus", Rule.SURPLUS, lambda r: replace(r, surplus=r.surplus + 1)),
    ("less surplus", Rule.SURPLUS, lambda r: replace(r, surplus=r.surplus - 1)),
    ("more objective", Rule.OBJECTIVE, lambda r: replace(r, objective=r.objective + 1)),
    ("less objective", Rule.OBJECTIVE, lambda r: replace(r, objective=r.objective - 1)),
    (
        "an objective above its bound",
        Rule.BOUND,
        lambda r: replace(r, bound=Bound(r.objective - 1, r.bound.shadows)),
    ),
    (
        "a bound that is not proven",
        Rule.BOUND,
        lambda r: replace(r, bound=replace(r.bound, value=r.bound.value - 1)),
    ),
    ("a bound without shadows", Rule.BOUND, lambda r: replace(r, bound=Bound(10**18, ()))),
    ("an offer in two shadows", Rule.BOUND, lambda r: shadow(r, 0, offers=(*r.bound.shadows[0].offers, 1))),
    ("an unknown offer's shadow", Rule.BOUND, lambda r: shadow(r, 0, offers=(99,))),
    ("a shadow of nothing", Rule.BOUND, lambda r: shadow(r, 0, offers=())),
    (
        "a shadow of two products",
        Rule.BOUND,
        lambda r: replace(r, bound=replace(r.bound, shadows=(Shadow((1, 2, 3, 4), (0,) * 24),))),
    ),
    ("a shadow of fewer slots", Rule.BOUND, lambda r: shadow(r, 0, prices=(0,) * 23)),
    ("a shadow below nothing", Rule.BOUND, lambda r: shadow(r, 0, prices=(-1,) * 24)),
    ("a shadow that overflows", Rule.BOUND, lambda r: shadow(r, 0, prices=(2**52 // 24 + 1,) * 24)),
    ("a request not explained", Rule.EXPLANATION, lambda r: replace(r, explanations=r.explanations[1:])),
    ("a request explained twice", Rule.EXPLANATION, lambda r: replace(r, explanations=r.explanations * 2)),
    ("a stranger explained", Rule.EXPLANATION, lambda r: explain(r, 3, request=99)),
    ("a yes called a no", Rule.EXPLANATION, lambda r: explain(r, 0, outcome=Outcome.UNMATCHED)),
    ("a part called a whole", Rule.EXPLANATION, lambda r: explain(r, 2, outcome=Outcome.MATCHED)),
    ("a no called a yes", Rule.EXPLANATION, lambda r: explain(r, 3, outcome=Outcome.MATCHED)),
    ("a no without a reason", Rule.EXPLANATION, lambda r: explain(r, 3, binding=None)),
    ("a yes with a reason", Rule.EXPLANATION, lambda r: explain(r, 0, binding=Constraint.LIMIT)),
    ("a no without a price", Rule.EXPLANATION, lambda r: explain(r, 3, price=None)),
    ("a price below nothing for a no", Rule.EXPLANATION, lambda r: explain(r, 3, price=-1)),
    ("less than nothing foregone", Rule.EXPLANATION, lambda r: explain(r, 3, foregone=-1)),
    ("something foregone by a yes", Rule.EXPLANATION, lambda r: explain(r, 0, price=1, foregone=1)),
    ("a funnel lost", Rule.EXPLANATION, lambda r: explain(r, 0, funnels=r.explanations[0].funnels[1:])),
    ("a funnel of fewer offers", Rule.EXPLANATION, lambda r: funnels(r, 3, offers=3)),
    (
        "a funnel out of order",
        Rule.EXPLANATION,
        lambda r: funnels(r, 3, removed=((Constraint.LIMIT, 1), (Constraint.MODEL, 1))),
    ),
    ("a funnel of nothing", Rule.EXPLANATION, lambda r: funnels(r, 3, removed=((Constraint.LIMIT, 0),))),
    ("a funnel of too much", Rule.EXPLANATION, lambda r: funnels(r, 0, removed=((Constraint.MODEL, 4),))),
    (
        "a remedy for a yes",
        Rule.EXPLANATION,
        lambda r: explain(r, 0, remedy=Remedy(0, Constraint.LIMIT, 10**9)),
    ),
    (
        "a remedy that raises nothing",
        Rule.EXPLANATION,
        lambda r: explain(r, 3, binding=Constraint.LIMIT, remedy=Remedy(0, Constraint.LIMIT, money(1))),
    ),
    (
        "a remedy for an unknown alternative",
        Rule.EXPLANATION,
        lambda r: explain(r, 3, binding=Constraint.LIMIT, remedy=Remedy(7, Constraint.LIMIT, money(50))),
    ),
    (
        "a remedy for something else",
        Rule.EXPLANATION,
        lambda r: explain(r, 3, binding=Constraint.MODEL, remedy=Remedy(0, Constraint.LIMIT, money(50))),
    ),
    ("an offer without an outcome", Rule.OFFER, lambda r: replace(r, offers=r.offers[1:])),
    (
        "a stranger's outcome",
        Rule.OFFER,
        lambda r: replace(r, offers=(*r.offers, replace(r.offers[0], offer=99))),
    ),
    (
        "an outcome that sells more",
        Rule.OFFER,
        lambda r: replace(r, offers=(replace(r.offers[0], sold=r.offers[0].sold + 1), *r.offers[1:])),
    ),
    (
        "an outcome with more to sell",
        Rule.OFFER,
        lambda r: replace(r, offers=(replace(r.offers[0], free=r.offers[0].free + 1), *r.offers[1:])),
    ),
    ("a lower ask that is not", Rule.OFFER, lambda r: outcome(r, 0, remedy=LowerAsk(money(10), 1))),
    ("a lower ask of nothing", Rule.OFFER, lambda r: outcome(r, 0, remedy=LowerAsk(0, 1))),
    ("a lower ask that sells nothing", Rule.OFFER, lambda r: outcome(r, 0, remedy=LowerAsk(1, 0))),
    (
        "a lower ask that sells more than is left",
        Rule.OFFER,
        lambda r: outcome(r, 0, remedy=LowerAsk(1, r.offers[0].free - r.offers[0].sold + 1)),
    ),
]


def test_the_untouched_result_passes() -> None:
    verify(good(), good_result())
    assert [each.outcome for each in good_result().explanations] == [
        Outcome.MATCHED,
        Outcome.MATCHED,
        Outcome.PARTLY,
        Outcome.UNMATCHED,
    ]


@pytest.mark.parametrize(("rule", "tamper"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_tampering_is_refused(rule: Rule, tamper: Tampering) -> None:
    assert rule in _broken(good(), tamper(good_result()))


def test_any_price_that_everybody_can_bear_is_admissible() -> None:
    """The asks are 10 and the limit is 20 for each of eight cards over four hours."""
    result = plain_result()
    for hourly in (10, 15, 20):
        rows = tuple(replace(row, price=money(hourly)) for row in result.prices)
        verify(market(), replace(result, prices=rows))
    dear = (replace(result.prices[0], price=money(50)), *result.prices[1:])
    verify(market(), replace(result, prices=dear))
    dearer = (replace(result.prices[0], price=money(50) + 1), *result.prices[1:])
    assert _broken(market(), replace(result, prices=dearer)) == {Rule.LIMIT}


def test_a_bound_may_be_looser_than_what_is_proven() -> None:
    result = good_result()
    verify(good(), replace(result, bound=replace(result.bound, value=result.bound.value + 1)))


def test_a_result_of_no_market_is_refused() -> None:
    with pytest.raises(MalformedSnapshot):
        verify(market(slots=0), plain_result())


def test_two_alternatives_at_once_are_refused() -> None:
    result = good_result()
    extra = Placement(request=1, alternative=1, offer=4, first_slot=0, slots=4, cards=3)
    both = replace(result, placements=(result.placements[0], extra, *result.placements[1:]))
    assert Rule.ALTERNATIVE in _broken(good(), both)


def test_a_gang_on_two_offers_is_refused() -> None:
    gang = market([offer(1, cards=4), offer(2, cards=4)], [request(gangs=1)])
    halves = (Placement(1, 0, identity, first_slot=0, slots=4, cards=4) for identity in (1, 2))
    assert Rule.GANG in _broken(gang, record(gang, *halves))


def test_a_request_that_nothing_fits_has_no_price() -> None:
    """Nine cards in one place, where no offer has more than eight."""
    snapshot = market(requests=[request(amount=9)])
    result = record(snapshot)
    assert result.explanations[0].price is None
    verify(snapshot, result)
    assert _broken(snapshot, explain(result, 0, price=1)) == {Rule.EXPLANATION}
    assert _broken(snapshot, explain(result, 0, foregone=1)) == {Rule.EXPLANATION}


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        (market([offer(minimum_duration=5)]), Rule.MINIMUM_DURATION),
        (market([offer(lot=3)]), Rule.LOT),
        (market([offer(cards=7)]), Rule.CAPACITY),
        (market([offer(ask=11)]), Rule.ASK),
        (market(requests=[request(earliest=1)]), Rule.WINDOW),
        (market(requests=[request(deadline=3)]), Rule.WINDOW),
        (market(requests=[request(duration=3)]), Rule.RUN),
        (market(requests=[request(amount=9)]), Rule.FILL),
        (market(requests=[request(amount=7)]), Rule.FILL),
        (market(requests=[request(limit=9)]), Rule.LIMIT),
        (market(requests=[request(limit=1.3, currency="USD")]), Rule.LIMIT),
        (market(requests=[request(models=("h800",))]), Rule.REQUIREMENT),
        (market(requests=[request(precision=Precision.FP8)]), Rule.REQUIREMENT),
        (market(requests=[request(memory=65_537)]), Rule.REQUIREMENT),
        (market(requests=[request(stacks=("cuda-12",))]), Rule.REQUIREMENT),
        (market(requests=[request(jurisdictions=("sg",))]), Rule.REQUIREMENT),
        (market(requests=[request(latency=LatencyLimit("beijing", 4_999))]), Rule.REQUIREMENT),
        (market(requests=[request(latency=LatencyLimit("mars", 10**9))]), Rule.REQUIREMENT),
        (market(requests=[request(bandwidth=10_001)]), Rule.REQUIREMENT),
        (market(requests=[request(renewable_share=500_001)]), Rule.REQUIREMENT),
        (market(requests=[request(carbon=399_999)]), Rule.REQUIREMENT),
        (market(requests=[request(verification=3)]), Rule.REQUIREMENT),
        (market(requests=[request(notice=25)]), Rule.REQUIREMENT),
        (market(requests=[request(carbon=10**9)], sites=[site(carbon=None)]), Rule.REQUIREMENT),
        (market(requests=[request(bandwidth=0)], sites=[site(bandwidth=None)]), Rule.REQUIREMENT),
    ],
)
def test_a_result_does_not_hold_in_a_market_with_stricter_terms(changed: Snapshot, rule: Rule) -> None:
    """The plain market's result, relabelled as the result of one that does not allow it."""
    result = replace(plain_result(), snapshot=digest(snapshot_bytes(changed)))
    assert rule in _broken(changed, result)


def test_every_rule_is_broken_by_some_test() -> None:
    covered = {rule for _, rule, _ in TAMPERED}
    elsewhere = {Rule.ALTERNATIVE, Rule.GANG, Rule.MINIMUM_DURATION, Rule.WINDOW}
    in_groups = {Rule.BUDGET, Rule.CHOICE, Rule.OWNER_CAP, Rule.POWER}
    by_construction = {Rule.BALANCE}
    assert covered | elsewhere | in_groups | by_construction == set(Rule)


def test_all_breaches_are_listed() -> None:
    result = replace(good_result(), format=1, surplus=0, snapshot="")
    assert {Rule.FORMAT, Rule.SURPLUS, Rule.SNAPSHOT} == _broken(good(), result)
    with pytest.raises(Violation, match=r"format: .*; .*snapshot: .*; .*surplus"):
        verify(good(), result)


def test_verification_shares_no_code_with_the_engine() -> None:
    allowed = {"result", "snapshot", "codec", "validation", "verification"}
    for path in Path(verification.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                if module.startswith("marketplace"):
                    assert module.split(".")[2] in allowed, (path.name, module)


def _broken(snapshot: Snapshot, result: Result) -> set[Rule]:
    with pytest.raises(ResultRefused) as refused:
        verify(snapshot, result)
    return set(refused.value.rules)
