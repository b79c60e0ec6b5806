"""Verification refuses a good result that was tampered with, whatever the way."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from marketplace.engine import (
    Constraint,
    LatencyLimit,
    Outcome,
    Placement,
    Precision,
    Remedy,
    Result,
    ResultRefused,
    Rule,
    Snapshot,
    Violation,
    clear,
    digest,
    snapshot_bytes,
    verification,
    verify,
)
from tests.engine.markets import alternative, market, money, national, offer, request, site


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


def funnels(result: Result, index: int, **changes: Any) -> Result:
    rows = result.explanations[index].funnels
    return explain(result, index, funnels=(replace(rows[0], **changes), *rows[1:]))


def without(rows: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return rows[:index] + rows[index + 1 :]


Tampering = Callable[[Result], Result]

TAMPERED: list[tuple[str, Rule, Tampering]] = [
    ("another format", Rule.FORMAT, lambda r: replace(r, format=2)),
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
    ("a price raised", Rule.PRICE, lambda r: price(r, 0, price=money(10) + 1)),
    ("a price lowered", Rule.ASK, lambda r: price(r, 0, price=money(10) - 1)),
    ("a price over a limit", Rule.LIMIT, lambda r: price(r, 0, price=money(1_000))),
    ("a price lost", Rule.PRICE, lambda r: replace(r, prices=r.prices[1:])),
    ("a price for nothing", Rule.PRICE, lambda r: price(r, 0, zone="aa")),
    ("a price in another currency", Rule.PRICE, lambda r: price(r, 0, currency="USD")),
    ("more surplus", Rule.SURPLUS, lambda r: replace(r, surplus=r.surplus + 1)),
    ("less surplus", Rule.SURPLUS, lambda r: replace(r, surplus=r.surplus - 1)),
    ("a request not explained", Rule.EXPLANATION, lambda r: replace(r, explanations=r.explanations[1:])),
    ("a request explained twice", Rule.EXPLANATION, lambda r: replace(r, explanations=r.explanations * 2)),
    ("a stranger explained", Rule.EXPLANATION, lambda r: explain(r, 3, request=99)),
    ("a yes called a no", Rule.EXPLANATION, lambda r: explain(r, 0, outcome=Outcome.UNMATCHED)),
    ("a part called a whole", Rule.EXPLANATION, lambda r: explain(r, 2, outcome=Outcome.MATCHED)),
    ("a no called a yes", Rule.EXPLANATION, lambda r: explain(r, 3, outcome=Outcome.MATCHED)),
    ("a no without a reason", Rule.EXPLANATION, lambda r: explain(r, 3, binding=None)),
    ("a yes with a reason", Rule.EXPLANATION, lambda r: explain(r, 0, binding=Constraint.LIMIT)),
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
]


def test_the_untouched_result_passes() -> None:
    snapshot = good()
    result = clear(snapshot)
    verify(snapshot, result)
    assert [(each.request, each.offer, each.cards) for each in result.placements] == [
        (1, 1, 8),
        (2, 2, 5),
        (2, 3, 3),
        (3, 4, 3),
    ]
    assert [each.outcome for each in result.explanations] == [
        Outcome.MATCHED,
        Outcome.MATCHED,
        Outcome.PARTLY,
        Outcome.UNMATCHED,
    ]


@pytest.mark.parametrize(("rule", "tamper"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_tampering_is_refused(rule: Rule, tamper: Tampering) -> None:
    snapshot = good()
    with pytest.raises(ResultRefused) as refused:
        verify(snapshot, tamper(clear(snapshot)))
    assert rule in refused.value.rules, refused.value.broken


def test_two_alternatives_at_once_are_refused() -> None:
    snapshot = good()
    result = clear(snapshot)
    extra = Placement(request=1, alternative=1, offer=4, first_slot=0, slots=4, cards=3)
    both = replace(result, placements=(result.placements[0], extra, *result.placements[1:]))
    assert Rule.ALTERNATIVE in _broken(snapshot, both)


def test_a_gang_on_two_offers_is_refused() -> None:
    split = market([offer(1, cards=4), offer(2, cards=4)], [request(gangs=0)])
    gang = market([offer(1, cards=4), offer(2, cards=4)], [request(gangs=1)])
    result = replace(clear(split), snapshot=digest(snapshot_bytes(gang)))
    assert _broken(gang, result) == {Rule.GANG}


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
    result = replace(clear(market()), snapshot=digest(snapshot_bytes(changed)))
    assert rule in _broken(changed, result)


def test_every_rule_is_broken_by_some_test() -> None:
    covered = {rule for _, rule, _ in TAMPERED}
    elsewhere = {Rule.ALTERNATIVE, Rule.GANG, Rule.MINIMUM_DURATION, Rule.WINDOW}
    by_construction = {Rule.BALANCE}
    assert covered | elsewhere | by_construction == set(Rule)


def test_all_breaches_are_listed() -> None:
    snapshot = good()
    result = replace(clear(snapshot), format=2, surplus=0, snapshot="")
    assert {Rule.FORMAT, Rule.SURPLUS, Rule.SNAPSHOT} == _broken(snapshot, result)
    with pytest.raises(Violation, match=r"format: .*; .*snapshot: .*; .*surplus"):
        verify(snapshot, result)


def test_a_large_market_is_verified() -> None:
    snapshot = national(7, offers=80, requests=300, slots=72)
    verify(snapshot, clear(snapshot))


def test_verification_shares_no_code_with_the_engine() -> None:
    allowed = {"result", "snapshot", "codec", "verification"}
    for path in Path(verification.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                if module.startswith("marketplace"):
                    assert module.split(".")[2] in allowed, (path.name, module)
                else:
                    assert module.split(".")[0] != "numpy"


def _broken(snapshot: Snapshot, result: Result) -> set[Rule]:
    with pytest.raises(ResultRefused) as refused:
        verify(snapshot, result)
    return set(refused.value.rules)
