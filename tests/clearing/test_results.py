"""What a run stores of its result beside the bytes, and what the database refuses to store."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from marketplace import engine
from marketplace.agreements import services as agreements
from marketplace.clearing import selectors
from marketplace.clearing import services as clearing
from marketplace.clearing.models import Allocation, Explanation, MarketRun, OfferOutcome
from tests.clearing.market import ACTOR, Prepared, make_market, prepare, run
from tests.conftest import NOW
from tests.factories import make_request
from tests.pages_market.scenes import make_explanation, make_run

# The snapshot is read in a repeatable-read transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)


def commit(prepared: Prepared, **changes: Any) -> MarketRun:
    """Commit the result with these of its fields in place of what the engine gave."""
    computed = replace(prepared.result, result=replace(prepared.result.result, **changes))
    return agreements.commit(prepared.run, prepared.data, computed, now=NOW, actor=ACTOR)


def refused(explanation: engine.Explanation, foregone: int) -> engine.Explanation:
    return replace(explanation, price=9_500_000, foregone=foregone)


def test_a_run_stores_how_near_it_came_to_the_best_possible() -> None:
    make_market()

    done = commit(prepare(), objective=993_999, bound=engine.Bound(1_000_000, ()), repriced=2)

    assert (done.objective, done.bound, done.repriced) == (Decimal("0.993999"), Decimal(1), 2)
    assert done.share_of_best == Decimal("0.993")


def test_a_run_counts_who_was_in_the_money_and_yet_refused() -> None:
    make_market(ask="10", limit="9")
    more = [make_request(limit="9").pk for _ in range(2)]
    prepared = prepare()
    said = prepared.result.result.explanations
    told = tuple(refused(each, 1_250_000 if each.request in more else 0) for each in said)

    done = commit(prepared, explanations=told)

    assert (done.refused_in_money, done.foregone) == (2, Decimal("2.5"))
    stored = Explanation.objects.get(request=more[0])
    assert (stored.price, stored.foregone) == (Decimal("9.5"), Decimal("1.25"))


def test_a_run_in_which_nobody_was_in_the_money_counts_none() -> None:
    make_market()

    done = run()

    assert (done.refused_in_money, done.foregone) == (0, Decimal(0))
    assert done.share_of_best is not None


def test_a_run_stores_what_its_steps_took() -> None:
    make_market()

    done = run()

    assert None not in (done.snapshot_ms, done.clear_ms, done.verify_ms)


def test_each_offer_is_told_what_lower_ask_would_have_sold_how_much() -> None:
    offer, _ = make_market(ask="10", limit="8.999999")

    run()

    outcome = OfferOutcome.objects.get(offer=offer)
    assert (outcome.free, outcome.sold) == (8 * 24, 0)
    assert (outcome.ask, outcome.card_hours) == (Decimal("8.999999"), 32)


def test_an_offer_that_no_lower_ask_would_have_sold_is_told_its_sales_only() -> None:
    offer, _ = make_market()
    prepared = prepare()

    commit(prepared, offers=tuple(replace(each, remedy=None) for each in prepared.result.result.offers))

    outcome = OfferOutcome.objects.get(offer=offer)
    assert (outcome.sold, outcome.ask, outcome.card_hours) == (32, None, None)


def test_a_request_may_hold_two_runs_of_one_offer_but_not_the_same_twice() -> None:
    offer, request = make_market(cards=8)
    prepared = prepare()
    [whole] = prepared.result.result.placements
    first, second = (replace(whole, first_slot=slot, slots=1) for slot in (0, 3))

    commit(prepared, placements=(first, second))

    assert [each.starts_at for each in request.allocations.order_by("pk")] == [
        prepared.run.horizon_start,
        prepared.run.horizon_start + 3 * (offer.ends_at - offer.starts_at) / 24,
    ]
    again = Allocation.objects.first()
    assert again is not None
    again.pk = None
    with pytest.raises(IntegrityError, match="allocation_once"):
        again.save(force_insert=True)


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"objective": Decimal("1242.000001")}, "run_objective_within_bound"),
        ({"refused_in_money": 1}, "run_foregone_by_refusals"),
        ({"foregone": Decimal(1)}, "run_foregone_by_refusals"),
        ({"bound": None}, "committed_run_is_whole"),
        ({"refused_in_money": None, "foregone": None}, "committed_run_is_whole"),
    ],
)
def test_the_database_refuses_a_run_whose_figures_cannot_be(facts: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        make_run(**facts)


@pytest.mark.parametrize(
    "facts",
    [
        {"outcome": "matched", "price": "9", "foregone": "1"},
        {"price": None, "foregone": "1"},
        {"price": "9", "foregone": "-1"},
    ],
)
def test_only_a_refused_request_with_a_price_was_in_the_money(facts: dict[str, Any]) -> None:
    done, request = make_run(), make_request()

    with pytest.raises(IntegrityError, match="explanation_foregone_if_refused"):
        make_explanation(done, request, **facts)


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"sold": 9}, "offer_outcome_sold_was_free"),
        ({"ask": Decimal(9)}, "offer_outcome_remedy_is_whole"),
        ({"card_hours": 1}, "offer_outcome_remedy_is_whole"),
        ({"ask": Decimal(9), "card_hours": 6}, "offer_outcome_remedy_is_whole"),
        ({"ask": Decimal(0), "card_hours": 5}, "offer_outcome_remedy_is_whole"),
    ],
)
def test_the_database_refuses_an_outcome_of_an_offer_that_cannot_be(
    facts: dict[str, Any], constraint: str
) -> None:
    offer, _ = make_market()

    with pytest.raises(IntegrityError, match=constraint):
        OfferOutcome.objects.create(**{"run": make_run(), "offer": offer, "free": 8, "sold": 3} | facts)


def test_an_outcome_of_an_offer_is_kept_as_it_is() -> None:
    make_market()
    run()
    outcome = OfferOutcome.objects.get()

    for change in (outcome.save, outcome.delete):
        with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
            change()


def test_a_failed_run_waits_for_a_person_only_until_a_later_one_is_committed() -> None:
    before = make_run(state="failed")
    make_run()
    since = [make_run(state="failed") for _ in range(2)]

    assert list(selectors.failed_runs_waiting()) == since[::-1]
    assert before not in selectors.failed_runs_waiting()
    make_run()
    assert not selectors.failed_runs_waiting().exists()


def test_before_any_run_was_committed_every_failed_one_waits() -> None:
    failed = make_run(state="failed")

    assert list(selectors.failed_runs_waiting()) == [failed]


def test_the_stored_bytes_are_smaller_than_what_they_hold() -> None:
    make_market()
    done = run()

    for stored, whole in (
        (done.snapshot, clearing.stored_snapshot(done)),
        (done.result, clearing.stored_result(done)),
    ):
        assert stored is not None
        assert len(stored) < len(whole)
