"""What parties are told about the price they lost against, and about the bounds that orders share."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from marketplace.clearing import remedies, wording
from marketplace.clearing.models import Explanation, OfferOutcome
from marketplace.demand.models import Budget, Choice
from marketplace.engine import Constraint
from tests.cast import Cast
from tests.conftest import NOW
from tests.factories import make_offer, make_request
from tests.pages_market.scenes import make_explanation, make_run

pytestmark = pytest.mark.django_db


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def asked(cast: Cast, **alternative: Any) -> Any:
    [made] = make_request(cast.buyer, alternatives=[alternative]).alternatives.all()
    return made


def lost(explanation: Explanation, *units: str) -> str:
    return plain(wording.lost_against(explanation, units or ("cards",)))


def test_a_refused_request_is_told_the_price_it_lost_against_with_every_digit(cast: Cast) -> None:
    told = make_explanation(make_run(), make_request(cast.buyer), price="12.000001")

    assert lost(told) == "The price it lost against is ¥12.000001/card-h."
    assert lost(told, "np", "np") == "The price it lost against is ¥12.000001/nP-h."
    assert lost(told, "np", "cards") == "The price it lost against is ¥12.000001/unit-hour."


def test_who_was_in_the_money_is_told_that_it_was_refused_because_of_indivisibility(cast: Cast) -> None:
    told = make_explanation(
        make_run(), make_request(cast.buyer), binding="capacity", price="9.5", foregone="35.2"
    )

    text = lost(told)

    assert text.startswith(
        "It was in the money: it could have paid the price of ¥9.50/card-h with ¥35.20 to spare, "
        "and was refused because of indivisibility"
    )


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        ("budget", "because of the budget shared with other requests."),
        ("choice", "because of the choice among several requests."),
        ("owner_cap", "because of the cap on what one owner delivers."),
        ("power", "because of the power available at the site."),
    ],
)
def test_who_was_in_the_money_and_shares_a_bound_is_told_which(binding: str, reason: str, cast: Cast) -> None:
    told = make_explanation(make_run(), make_request(cast.buyer), binding=binding, price="9", foregone="1")

    assert lost(told).endswith(reason)


def test_who_could_not_be_served_lost_against_no_price(cast: Cast) -> None:
    told = make_explanation(make_run(), make_request(cast.buyer), binding="memory")

    assert lost(told) == "No offer could have served it."


def test_who_was_matched_lost_against_nothing(cast: Cast) -> None:
    assert lost(make_explanation(make_run(), make_request(cast.buyer), outcome="matched")) == ""


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"ask": Decimal("8.999999"), "card_hours": 40},
            "At ¥8.999999/card-h, 40 card-h more would have sold",
        ),
        ({}, "No lower ask was found that would have sold more"),
        ({"sold": 64}, "sold all that was free"),
    ],
)
def test_an_owner_is_told_what_lower_ask_would_have_sold(facts: dict[str, Any], words: str) -> None:
    done = make_run()
    outcome = OfferOutcome.objects.create(
        **{"run": done, "offer": make_offer(), "free": 64, "sold": 24} | facts
    )

    assert words in plain(wording.unsold(outcome))
    assert str(done) in wording.unsold(outcome)


@pytest.mark.parametrize(
    ("alternative", "words"),
    [
        ({}, "Free cards: 8 cards"),
        ({"gangs": 1}, "Free cards: 8 cards in one fabric"),
        ({"gangs": 4}, "Free cards: 8 cards in 4 equal groups, each in one fabric"),
        ({"divisible": True}, "Free cards: 32 card-h without a pause"),
        (
            {"divisible": True, "interruptible": True, "unit": "np", "amount": Decimal("0.5")},
            "Free cards: 2 nP-h at any hours of the window",
        ),
    ],
)
def test_how_the_cards_come_together_is_said_beside_what_is_free(
    alternative: dict[str, Any], words: str, cast: Cast
) -> None:
    said = wording.requirement(Constraint.CAPACITY, asked(cast, **alternative), "CNY")

    assert plain(said) == words


def test_work_that_is_spread_over_the_window_is_asked_for_in_card_hours(cast: Cast) -> None:
    alternative = asked(cast, divisible=True)

    assert plain(wording.wanted(alternative, "CNY")) == (
        "32 card-h spread over the window, Training, at most ¥12.00/card-h"
    )
    assert plain(wording.requirement(Constraint.WINDOW, alternative, "CNY")).startswith(
        "Time window: 32 card-h between "
    )


def test_the_bounds_that_requests_share_are_named_with_their_figures(cast: Cast) -> None:
    group = {"organisation": cast.buyer, "created_at": NOW}
    budget = Budget.objects.create(name="Spring", currency="CNY", amount=Decimal(5000), **group)
    choice = Choice.objects.create(name="One of them", most=1, **group)
    [alternative] = make_request(cast.buyer, shared_budget=budget, choice=choice).alternatives.all()

    said = {
        constraint: plain(wording.requirement(constraint, alternative, "CNY"))
        for constraint in (Constraint.BUDGET, Constraint.CHOICE, Constraint.OWNER_CAP, Constraint.POWER)
    }

    assert said == {
        "budget": "Budget shared with other requests: “Spring”, ¥5,000.00 in all",
        "choice": "Choice among several requests: “One of them”, at most 1 of them",
        "owner_cap": "Cap on what one owner delivers",
        "power": "Power available at the site",
    }


def test_the_funnel_of_who_shares_a_bound_ends_with_that_bound(cast: Cast) -> None:
    told = make_explanation(make_run(), make_request(cast.buyer), binding="choice", removed=[("memory", 3)])

    [funnel] = wording.funnels(told, list(told.request.alternatives.all()))

    assert funnel.stages[-1] == {
        "label": "Choice among several requests",
        "kept": 0,
        "removed": 7,
        "binding": True,
    }


def test_a_remedy_outside_of_the_request_is_said_and_is_nothing_to_ask_again_with(cast: Cast) -> None:
    remedy = {"alternative": 0, "constraint": "budget", "value": 12_000_000}
    told = make_explanation(make_run(), make_request(cast.buyer), binding="budget", remedy=remedy)

    said = remedies.remedy(told, list(told.request.alternatives.all()), {})

    assert said is not None
    assert said.words == "A wider budget shared with other requests would have matched it."
    assert not said.fields


def test_every_constraint_of_the_engine_has_words(cast: Cast) -> None:
    alternative = asked(cast)

    assert {str(constraint) for constraint in Constraint} == set(Explanation.Binding.values)
    assert all(wording.requirement(constraint, alternative, "CNY") for constraint in Constraint)
