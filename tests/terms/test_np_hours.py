"""Term agreements in nP-hours: work of one class, called off by the amount and done by cards of any model."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from billing.rating.replay import replay_run
from billing.rating.settlement import Use, settle
from marketplace.agreements.models import Agreement
from marketplace.agreements.term_services import propose_agreement, propose_amendment
from marketplace.catalogue.models import AcceleratorModel
from marketplace.clearing.models import Explanation, MarketRun
from marketplace.clearing.services import stored_snapshot
from marketplace.demand.groups import BudgetInput, create_budget
from marketplace.engine import snapshot_from_bytes
from marketplace.errors import InvalidInput
from marketplace.supply.models import Offer
from marketplace.terms.models import TermAgreement, sheets_of
from marketplace.terms.sheet import MICRO, Unit
from tests.cast import Cast
from tests.clearing.market import run
from tests.factories import make_fleet, make_model, make_offer, make_site
from tests.terms.months import HOUR, MONTH, NOON, deliver, months_of, settle_at
from tests.terms.scenes import APRIL, agreement_of, concluded, proposal
from tests.terms.work import (
    BEFORE,
    H800,
    IN_NP,
    OTHER,
    SHEET,
    call_off,
    owed,
    placed,
    profile,
    reserve,
    short_months,
    sold,
    two_models,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def models() -> tuple[AcceleratorModel, AcceleratorModel]:
    return two_models()


def test_it_is_of_a_class_of_work_and_of_no_model(cast: Cast) -> None:
    term = concluded(cast, **IN_NP)
    agreement = agreement_of(term)
    assert (term.unit, term.model, term.workload) == ("nP-hours", None, "training")
    assert (agreement.card_hours, agreement.np_hours) == (None, Decimal(300))
    assert agreement.value == Decimal(3750)
    assert agreement.terms["workload"] == "training"
    assert "model" not in agreement.terms


@pytest.mark.parametrize(
    ("change", "named"),
    [({"workload": ""}, "workload"), ({"workload": "weaving"}, "workload"), ({"sheet": None}, "model")],
)
def test_a_proposal_names_what_its_unit_is_of(cast: Cast, change: dict[str, Any], named: str) -> None:
    changes = IN_NP | change
    changes["sheet"] = changes["sheet"] or replace(SHEET, unit=Unit.CARD_HOUR)
    with pytest.raises(InvalidInput) as refused:
        propose_agreement(
            viewer=cast.viewer_of(cast.buyer_trader),
            organisation=cast.buyer,
            term=proposal(cast.owner.pk, **changes),
            now=BEFORE - 30 * 24 * HOUR,
        )
    assert list(refused.value.fields) == [named]


def test_what_all_months_together_cannot_count_is_refused(cast: Cast) -> None:
    """What was not taken in all of them may be one right, in millionths of nP-seconds."""
    most = replace(SHEET, quantity=10**8 * MICRO, price=MICRO, make_up_months=36)
    with pytest.raises(InvalidInput) as refused:
        concluded(cast, **IN_NP | {"sheet": most, "months": 21})
    assert list(refused.value.fields) == ["quantity", "months"]
    term = concluded(cast, **IN_NP | {"sheet": most, "months": 20})
    sheets = [(sheet, Use(delivered=0)) for sheet in sheets_of(term, list(term.versions.all()))]
    assert sum(right.left for right in settle(sheets)[-1].make_up) < 2**63


def test_neither_the_unit_nor_the_price_is_amended(cast: Cast) -> None:
    term = concluded(cast, **IN_NP)
    with pytest.raises(InvalidInput) as refused:
        propose_amendment(
            viewer=cast.viewer_of(cast.buyer_trader),
            agreement=term,
            sheet=replace(SHEET, unit=Unit.CARD_HOUR),
            from_month=1,
            now=BEFORE - 24 * HOUR,
        )
    assert list(refused.value.fields) == ["price_per_unit"]


@pytest.mark.parametrize("change", [{"model": None}, {"workload": "training"}, {"unit": "nP-hours"}])
def test_the_database_says_which_fields_belong_to_a_unit(cast: Cast, change: dict[str, Any]) -> None:
    term = concluded(cast)
    facts = {
        field.attname: getattr(term, field.attname)
        for field in TermAgreement._meta.concrete_fields
        if field.name not in {"id", "state", "concluded_at"}
    }
    with pytest.raises(DatabaseError, match="term_is_of_its_unit"), transaction.atomic():
        TermAgreement.objects.create(**{**facts, **({"model_id": None} if "model" in change else change)})


def test_an_offer_for_it_has_no_ask(cast: Cast, models: Any) -> None:
    term = concluded(cast, **IN_NP)
    offer = reserve(cast, term, models[1])
    assert (offer.asks, offer.np_per_card) == ([], OTHER)
    with pytest.raises(InvalidInput, match="listed") as refused:
        reserve(cast, term, models[1], asks=(Decimal(5),))
    assert list(refused.value.fields) == ["asks"]
    with pytest.raises(InvalidInput) as unknown:
        reserve(cast, term, make_model("mi300x"))
    assert "Nobody knows how much" in unknown.value.fields["reserved_for"]


def test_the_database_keeps_offers_and_asks_apart(cast: Cast, models: Any) -> None:
    in_np, in_cards = concluded(cast, **IN_NP), concluded(cast)
    fleet = make_fleet(make_site(cast.owner), cards=8)
    with pytest.raises(DatabaseError, match="offer_at_its_asks_or_by_np"), transaction.atomic():
        make_offer(fleet, ask=[], start=APRIL)
    with pytest.raises(DatabaseError, match="is not one of the owner"), transaction.atomic():
        make_offer(fleet, ask="10", start=APRIL, reserved_for=in_np)
    with pytest.raises(DatabaseError, match="is not one of the owner"), transaction.atomic():
        make_offer(fleet, ask=[], start=APRIL, reserved_for=in_cards, np_per_card=H800)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"unit": "cards"}, "unit"),
        ({"workload": "vision"}, "workload"),
        ({"careful": True}, "careful"),
        ({"limit": Decimal(13)}, "limit"),
    ],
)
def test_work_of_the_class_is_called_off_at_the_agreed_price(
    cast: Cast, models: Any, change: dict[str, Any], named: str
) -> None:
    term = concluded(cast, **IN_NP)
    with pytest.raises(InvalidInput) as refused:
        call_off(cast, term, "4", **change)
    assert list(refused.value.fields) == [f"alternatives.0.{named}"]


def test_a_card_hour_costs_the_price_times_what_the_card_does(cast: Cast, models: Any) -> None:
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0])
    request = call_off(cast, term, "2.967")
    run(BEFORE)
    # 12.50 × 0.989; three cards do exactly what was asked for.
    assert sold() == [("h800", 3, {Decimal("12.3625")})]
    agreement = Agreement.objects.get(allocation__request=request)
    assert (agreement.kind, agreement.np_per_card) == ("call_off", H800)
    assert (agreement.card_hours, agreement.np_hours) == (12, None)
    assert agreement.value == Decimal("148.35")
    assert agreement.terms["np_per_card"] == "0.989000"


def test_cards_are_taken_whole_and_paid_whole(cast: Cast, models: Any) -> None:
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0])
    call_off(cast, term, "2")
    run(BEFORE)
    assert sold() == [("h800", 3, {Decimal("12.3625")})]


def test_of_all_ways_to_do_it_the_one_with_the_least_beyond_is_taken(cast: Cast, models: Any) -> None:
    """Two cards of one model are too few by 0.022, and three too many by 0.967; of the other, five do it."""
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0])
    reserve(cast, term, models[1])
    call_off(cast, term, "2")
    run(BEFORE)
    assert sold() == [("ascend-910b2", 5, {Decimal(5)})]


def test_cards_of_several_models_do_it_together(cast: Cast, models: Any) -> None:
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0], cards=2)
    reserve(cast, term, models[1], cards=5)
    call_off(cast, term, "3.9")
    run(BEFORE)
    assert sorted(sold()) == [("ascend-910b2", 5, {Decimal(5)}), ("h800", 2, {Decimal("12.3625")})]


@pytest.mark.parametrize(
    "change",
    [{"divisible": True, "amount": Decimal("1.7")}, {"gangs": 3, "amount": Decimal("4.5")}],
)
def test_however_the_cards_come_together_the_price_is_the_agreed_one(
    cast: Cast, models: Any, change: dict[str, Any]
) -> None:
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0])
    request = call_off(cast, term, "1", **change)
    run(BEFORE)
    request.refresh_from_db()
    assert request.state == "matched"
    assert {price for _, _, prices in sold() for price in prices} == {Decimal("12.3625")}


def test_prices_that_the_slack_of_the_limits_lets_rise_are_paid_by_nobody(cast: Cast, models: Any) -> None:
    """More is called off than there is in some hours: the engine's prices rise, and what is paid does not."""
    profile(make_model("odd"), Decimal("0.123457"))
    term = concluded(cast, **IN_NP)
    reserve(cast, term, make_model("odd"), cards=4)
    for _ in range(6):
        call_off(cast, term, "0.2", hours=7)
    run(BEFORE)
    # 12.5 × 0.123457 = 1.5432125, and there are six places.
    assert {price for _, _, prices in sold() for price in prices} == {Decimal("1.543212")}
    assert len(sold()) == 4


@pytest.mark.parametrize(("field", "problem"), [("lot", "card by card"), ("minimum_hours", "hour by hour")])
def test_nobody_has_to_take_many_cards_for_a_little_work(
    cast: Cast, models: Any, field: str, problem: str
) -> None:
    term = concluded(cast, **IN_NP)
    with pytest.raises(InvalidInput) as refused_because:
        reserve(cast, term, models[0], **{field: 2})
    assert problem in str(refused_because.value.fields[field])
    offer = reserve(cast, term, models[0])
    with pytest.raises(IntegrityError, match="offer_at_its_asks_or_by_np"), transaction.atomic():
        Offer.objects.filter(pk=offer.pk).update(**{field: 2})


def test_the_profile_of_the_run_decides(cast: Cast, models: Any) -> None:
    term = concluded(cast, **IN_NP)
    offer = reserve(cast, term, models[0])
    profile(models[0], Decimal("1.2"), version=2)
    call_off(cast, term, "2.4")
    run(BEFORE)
    assert sold() == [("h800", 2, {Decimal(15)})]
    agreement = Agreement.objects.get(kind="call_off")
    assert (agreement.np_per_card, agreement.profile_version.number) == (Decimal("1.2"), 2)
    offer.refresh_from_db()
    assert offer.np_per_card == H800


def test_a_model_that_nobody_knows_any_more_waits(cast: Cast, models: Any) -> None:
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0])
    reserve(cast, term, models[1])
    profile(models[1], OTHER, version=2)
    call_off(cast, term, "2")
    run(BEFORE)
    assert sold() == [("ascend-910b2", 5, {Decimal(5)})]
    market = snapshot_from_bytes(stored_snapshot(MarketRun.objects.get(term=term)))
    assert {offer.model for offer in market.offers} == {"ascend-910b2"}


def test_what_is_not_there_is_told_as_such_and_not_as_too_dear(cast: Cast, models: Any) -> None:
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0], cards=2)
    request = call_off(cast, term, "2")
    run(BEFORE)
    explanation = Explanation.objects.get(request=request)
    assert (explanation.outcome, explanation.binding) == ("unmatched", "capacity")


def test_the_most_that_a_request_may_be_worth_is_cleared(cast: Cast, models: Any) -> None:
    """12.50 × 1,000,000 nP × 20 hours is just that; the room in its limit would be beyond."""
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0], ends_at=APRIL + 20 * HOUR)
    request = call_off(cast, term, "1000000", hours=20, deadline=APRIL + 20 * HOUR)
    run(BEFORE)
    assert MarketRun.objects.get(term=term).state == "committed"
    assert Explanation.objects.get(request=request).binding == "capacity"


def test_a_budget_is_charged_what_was_agreed(cast: Cast, models: Any) -> None:
    """Three cards for four hours cost 148.35, and nothing of the room in the limits."""
    term = concluded(cast, **IN_NP)
    reserve(cast, term, models[0])
    viewer = cast.viewer_of(cast.buyer_trader)
    given = BudgetInput("Work", "CNY", Decimal("148.35"))
    budget = create_budget(viewer=viewer, organisation=cast.buyer, budget=given, now=BEFORE)
    call_off(cast, term, "2", shared_budget=budget.pk)
    run(BEFORE)
    assert sold() == [("h800", 3, {Decimal("12.3625")})]


def test_a_month_counts_what_the_cards_did(cast: Cast, settings: Any, models: Any) -> None:
    """1.978 nP for three hours are 5.934 nP-hours; 80 % of 10 must be paid."""
    term = short_months(cast, settings)
    reserve(cast, term, models[0])
    deliver(placed(cast, term, 0, "1.978", hours=3), 2, 2, 2)
    done = settle_at(NOON + MONTH + HOUR)
    month = months_of(term)[0]
    assert (month.quantity, month.delivered) == (36_000 * MICRO, 5_934_000 * 3_600)
    assert owed(term) == [("shortfall", Decimal("2.066"), Decimal("7.4376"))]
    assert done is not None
    assert replay_run(done).is_same


def test_what_the_site_does_not_deliver_lowers_the_quantity_by_what_it_would_have_done(
    cast: Cast, settings: Any, models: Any
) -> None:
    """Of six card-hours one is missing: the quantity is 10 − 0.989, and 80 % of it 7.2088."""
    term = short_months(cast, settings)
    reserve(cast, term, models[0])
    deliver(placed(cast, term, 0, "1.978", hours=3), 2, 1, 2)
    settle_at(NOON + MONTH + HOUR)
    month = months_of(term)[0]
    assert month.undelivered == 989_000 * 3_600
    # A minimum is in whole nP-seconds: 25,951.68 of them, so 25,951.
    assert month.minimum == 25_951 * MICRO
    assert month.shortfall == 25_951 * MICRO - 4_945_000 * 3_600


def test_what_is_not_offered_lowers_the_quantity_by_what_it_would_have_done(
    cast: Cast, settings: Any, models: Any
) -> None:
    term = short_months(cast, settings)
    reserve(cast, term, models[1], cards=5)
    deliver(placed(cast, term, 0, "2", hours=1), 5)
    settle_at(NOON + MONTH + HOUR)
    month = months_of(term)[0]
    assert month.offered == 8 * 3_600 * MICRO
    assert owed(term) == [("shortfall", Decimal("4.4"), Decimal("15.84"))]


def test_overage_and_what_is_made_up_are_in_np_hours_as_well(cast: Cast, settings: Any, models: Any) -> None:
    """First 3.956 too few by 4.044; then 15.824: 4.044 of it were paid, and 0.78 are above 11."""
    term = short_months(cast, settings)
    reserve(cast, term, models[0])
    deliver(placed(cast, term, 0, "3.956", hours=1), 4)
    deliver(placed(cast, term, 1, "3.956"), 4, 4, 4, 4)
    settle_at(NOON + 2 * MONTH + HOUR)
    assert [each.delivered // 3_600 for each in months_of(term)] == [3_956_000, 15_824_000]
    assert owed(term) == [
        ("shortfall", Decimal("4.044"), Decimal("14.5584")),
        ("overage", Decimal("0.78"), Decimal("2.808")),
        ("make_up", Decimal("-4.044"), Decimal("-14.5584")),
    ]


def test_cards_of_several_models_count_by_what_each_does(cast: Cast, settings: Any, models: Any) -> None:
    term = short_months(cast, settings)
    reserve(cast, term, models[0], cards=2)
    deliver(placed(cast, term, 0, "1.978", hours=2), 2, 2)
    reserve(cast, term, models[1], cards=8, starts_at=NOON + MONTH)
    deliver(placed(cast, term, 1, "3.2", hours=2), 8, 8)
    settle_at(NOON + 2 * MONTH + HOUR)
    assert [each.delivered // 3_600 for each in months_of(term)] == [3_956_000, 6_400_000]
