"""How the cards of a request come together: what may be asked, and in which words."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from marketplace.demand import services, words
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.demand.together import Answer, Together
from marketplace.errors import InvalidInput
from tests.cast import Cast
from tests.factories import HOUR, START, make_model, make_region, make_request

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    make_model()
    make_region()


def alternative(**facts: Any) -> AlternativeInput:
    usual = {
        "unit": "cards",
        "amount": Decimal(12),
        "workload": "training",
        "earliest_start": START,
        "hours": 4,
        "deadline": START + 24 * HOUR,
        "limit": Decimal(12),
    }
    return AlternativeInput(**usual | facts)


def enter(cast: Cast, now: datetime, **facts: Any) -> Alternative:
    wanted = RequestInput("A run", "CNY", (alternative(**facts),))
    viewer = cast.viewer_of(cast.buyer_trader)
    made = services.create_request(viewer=viewer, organisation=cast.buyer, request=wanted, now=now)
    return made.alternatives.get()


@pytest.mark.parametrize(
    "facts",
    [
        {"gangs": 0},
        {"gangs": 1},
        {"gangs": 4},
        {"gangs": 12},
        {"unit": "np", "amount": Decimal("2.5"), "gangs": 3},
        {"divisible": True},
        {"divisible": True, "interruptible": True},
    ],
)
def test_cards_come_together_in_each_of_these_ways(cast: Cast, now: datetime, facts: dict[str, Any]) -> None:
    made = enter(cast, now, **facts)
    assert {name: getattr(made, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("gangs", {"gangs": -1}),
        ("gangs", {"gangs": 1_001, "amount": Decimal(1_001)}),
        ("gangs", {"gangs": 5}),
        ("gangs", {"gangs": 24}),
        ("gangs", {"gangs": 1, "divisible": True}),
        ("interruptible", {"interruptible": True}),
        ("interruptible", {"gangs": 1, "interruptible": True}),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field(
    cast: Cast, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, **facts)
    assert list(refusal.value.fields) == [f"alternatives.0.{field}"]
    assert not ComputeRequest.objects.exists()


@pytest.mark.parametrize(
    "facts",
    [
        {"gangs": 1_001, "unit": "np"},
        {"gangs": 1, "divisible": True},
        {"interruptible": True},
        {"gangs": 5},
    ],
)
def test_the_database_refuses_it_too(cast: Cast, facts: dict[str, Any]) -> None:
    make_request(cast.buyer, cards=12)
    with pytest.raises(IntegrityError), transaction.atomic():
        Alternative.objects.update(**facts)


def test_equal_groups_of_np_need_not_divide(cast: Cast) -> None:
    make_request(cast.buyer, cards=12)
    Alternative.objects.update(unit="np", amount=Decimal("2.5"), gangs=7)
    assert Alternative.objects.get().gangs == 7


def test_work_that_is_spread_needs_one_hour_of_its_window(cast: Cast, now: datetime) -> None:
    """More cards make up for hours: 12 cards for 100 hours are done by 1,200 cards in one."""
    made = enter(cast, now, hours=100, divisible=True, deadline=START + HOUR)
    assert (made.hours, made.deadline) == (100, START + HOUR)
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, hours=100, divisible=True, deadline=START + HOUR - MINUTE)
    assert list(refusal.value.fields) == ["alternatives.0.deadline"]


def test_work_that_is_spread_expires_with_the_last_hour(cast: Cast) -> None:
    late = {"deadline": START + 6 * HOUR, "hours": 5, "divisible": True}
    request = make_request(cast.buyer, alternatives=[late])
    assert services.expire_requests(now=START + 5 * HOUR - MINUTE) == 0
    assert services.expire_requests(now=START + 5 * HOUR) == 1
    request.refresh_from_db()
    assert request.state == "expired"


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("limit", {"limit": Decimal(10_000), "amount": Decimal(1_000), "hours": 26, "gangs": 0}),
        ("budget", {"limit": None, "budget": Decimal(250_000_001), "amount": Decimal(1_000), "hours": 100}),
    ],
)
def test_what_no_run_could_reckon_with_is_refused_with_advice(
    cast: Cast, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, deadline=START + 160 * HOUR, **facts)
    ((name, message),) = refusal.value.fields.items()
    assert name == f"alternatives.0.{field}"
    assert "Split it" in message
    enter(cast, now, deadline=START + 160 * HOUR, limit=Decimal(10_000), amount=Decimal(1_000), hours=25)
    with pytest.raises(IntegrityError), transaction.atomic():
        Alternative.objects.update(hours=26)


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (Answer(Together.ANYWHERE), {"gangs": 0, "divisible": False, "interruptible": False}),
        (Answer(Together.ONE_PLACE), {"gangs": 1, "divisible": False, "interruptible": False}),
        (Answer(Together.GROUPS, gangs=4), {"gangs": 4, "divisible": False, "interruptible": False}),
        (Answer(Together.SPREAD), {"gangs": 0, "divisible": True, "interruptible": False}),
        (
            Answer(Together.SPREAD, interruptible=True),
            {"gangs": 0, "divisible": True, "interruptible": True},
        ),
    ],
)
def test_the_question_has_one_answer_for_each_way_and_back(
    cast: Cast, answer: Answer, fields: dict[str, Any]
) -> None:
    assert answer.fields() == fields
    request = make_request(cast.buyer, cards=12, alternatives=[fields])
    assert Answer.of(request.alternatives.get()) == answer


def test_what_belongs_to_another_answer_means_nothing() -> None:
    assert Answer(Together.ANYWHERE, gangs=3, interruptible=True).fields() == Answer().fields()


@pytest.mark.parametrize(
    ("facts", "sentence", "together"),
    [
        ({}, "12 cards for 4 h, Training", ""),
        ({"gangs": 1}, "12 cards for 4 h, Training", "all cards at one site"),
        ({"gangs": 3}, "12 cards for 4 h, Training", "3 equal groups at the same hours"),
        ({"divisible": True}, "48 card-h in all, Training", "without a pause"),
        ({"divisible": True, "interruptible": True}, "48 card-h in all, Training", "with pauses"),
        ({"divisible": True, "unit": "np", "amount": Decimal("2.5")}, "10 nP-h in all, Training", "spread"),
    ],
)
def test_it_is_said_in_words(cast: Cast, facts: dict[str, Any], sentence: str, together: str) -> None:
    asked = make_request(cast.buyer, cards=12, alternatives=[facts])
    wish = words.wish_of(asked.alternatives.get(), "CNY")
    assert wish.sentence.replace("\N{NO-BREAK SPACE}", " ") == sentence
    said = dict(wish.constraints).get("How the cards come together", "")
    assert together in said
    assert bool(said) == bool(together)
