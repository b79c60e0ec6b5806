"""The page of budgets and choices, and what the builder and the request's page say of them."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from marketplace.clearing import quote_book
from marketplace.demand.models import Budget, Choice, ComputeRequest, OwnerCap
from tests.cast import Cast
from tests.clearing.market import make_reference
from tests.demand.groups import make_budget, make_cap, make_choice
from tests.demand.purchases import buy
from tests.factories import make_fleet, make_model, make_offer, make_region, make_request, make_site
from tests.pages_trade.scenes import HOUR, START, local, page, queries_of, signed_in, status

pytestmark = pytest.mark.django_db
GROUPS, CREATE = "demand:groups", "demand:create"


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    make_model()
    make_region()


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def request_form(**changes: object) -> dict[str, object]:
    fields = {
        "amount": "16",
        "unit": "cards",
        "workload": "training",
        "hours": "4",
        "earliest_start": local(START),
        "deadline": local(START + 24 * HOUR),
        "together": "anywhere",
        "limit": "12.5",
    }
    given = {name: changes.pop(name, value) for name, value in fields.items()}
    of_alternative = {
        name: changes.pop(name) for name in ("gangs", "interruptible", "budget") if name in changes
    }
    typed = {f"alternatives-0-{name}": value for name, value in (given | of_alternative).items()}
    return {"title": "A", "currency": "CNY", "least_share": "100", "alternatives": "1"} | typed | changes


def test_a_budget_and_a_choice_are_made_and_closed_on_their_page(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.buyer_trader)
    budget = {"name": "Spring", "currency": "CNY", "amount": "1000"}
    assert client.post(reverse("demand:new_budget"), budget)["Location"] == reverse(GROUPS)
    assert client.post(reverse("demand:new_choice"), {"name": "Either", "most": "2"}).status_code == 302
    shown = page(cast.buyer_viewer, reverse(GROUPS))
    assert "Spring" in shown
    assert "Either" in shown
    for kind, name in ((Budget, "demand:close_budget"), (Choice, "demand:close_choice")):
        made = kind.objects.get()
        assert client.post(reverse(name, args=[made.pk])).status_code == 302
        made.refresh_from_db()
        assert made.closed_at == now


def test_a_refused_budget_keeps_what_was_typed(cast: Cast, now: datetime) -> None:
    answer = signed_in(cast.buyer_trader).post(
        reverse("demand:new_budget"), {"name": "Spring", "currency": "CNY", "amount": "0"}
    )
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "The amount is more than 0" in shown
    assert 'value="Spring"' in shown
    assert not Budget.objects.exists()


def test_a_budget_over_open_requests_is_not_closed_and_says_why(cast: Cast, now: datetime) -> None:
    budget = make_budget(cast.buyer)
    make_request(cast.buyer, shared_budget=budget)
    answer = signed_in(cast.buyer_trader).post(reverse("demand:close_budget", args=[budget.pk]))
    assert answer.status_code == 409
    assert "Withdraw them first" in answer.content.decode()


def test_what_is_left_is_shown(cast: Cast, now: datetime) -> None:
    budget = make_budget(cast.buyer, "1000")
    make_cap(cast.buyer, 400)
    offer = make_offer(make_fleet(make_site(cast.owner)))
    buy(make_request(cast.buyer, shared_budget=budget), offer, cards=8, hours=4, price="12.5")
    shown = plain(page(cast.buyer_viewer, reverse(GROUPS)))
    for text in ("¥600.00", "¥400.00", "400 card-h", "32 card-h", cast.owner.name_en):
        assert text in shown, text


def test_an_administrator_sets_and_lifts_the_cap(cast: Cast, now: datetime) -> None:
    client, address = signed_in(cast.buyer_admin), reverse("demand:owner_cap")
    assert client.post(address, {"card_hours": "500"}).status_code == 302
    assert OwnerCap.objects.get().card_hours == 500
    assert 'value="500"' in page(cast.buyer_admin, reverse(GROUPS))
    assert client.post(address, {"card_hours": "0"}).status_code == 422
    assert client.post(address, {"card_hours": ""}).status_code == 302
    assert not OwnerCap.objects.exists()
    assert signed_in(cast.buyer_trader).post(address, {"card_hours": "5"}).status_code == 403


def test_groups_are_their_buyers_and_owners_have_none(cast: Cast, now: datetime) -> None:
    make_budget(cast.buyer)
    assert "Budget 1" in page(cast.auditor, reverse(GROUPS))
    for user in (cast.stranger, cast.owner_admin):
        assert "Budget 1" not in page(user, reverse(GROUPS))
    assert signed_in(cast.owner_trader).post(reverse("demand:new_budget"), {}).status_code == 403
    assert status(None, reverse(GROUPS)) == 302


def test_the_builder_offers_open_groups_and_enters_under_them(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.buyer_trader)
    assert "Under the budget" not in page(cast.buyer_trader, reverse(CREATE))
    budget, choice, theirs = make_budget(cast.buyer), make_choice(cast.buyer), make_budget(cast.other_buyer)
    (budgets,) = re.findall(
        r'<select[^>]* name="shared_budget".*?</select>', page(cast.buyer_trader, reverse(CREATE)), re.DOTALL
    )
    assert f'<option value="{budget.pk}">' in budgets
    assert f'<option value="{theirs.pk}">' not in budgets
    refused = client.post(reverse(CREATE), request_form(shared_budget=theirs.pk))
    assert refused.status_code == 422
    assert "There is no open budget" in refused.content.decode()
    assert (
        client.post(reverse(CREATE), request_form(shared_budget=budget.pk, choice=choice.pk)).status_code
        == 302
    )
    made = ComputeRequest.objects.get()
    assert (made.shared_budget, made.choice) == (budget, choice)
    shown = page(cast.buyer_viewer, reverse("demand:request", args=[made.pk]))
    assert "Budget 1" in shown
    assert "Choice 1" in shown
    again = page(cast.buyer_trader, f"{reverse(CREATE)}?from={made.pk}")
    assert f'<option value="{budget.pk}" selected>' in again


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"together": "anywhere", "gangs": "4", "interruptible": "on"}, (0, False, False)),
        ({"together": "one_place"}, (1, False, False)),
        ({"together": "groups", "gangs": "4"}, (4, False, False)),
        ({"together": "spread"}, (0, True, False)),
        ({"together": "spread", "interruptible": "on"}, (0, True, True)),
    ],
)
def test_one_question_says_how_the_cards_come_together(
    cast: Cast, now: datetime, answer: dict[str, str], expected: tuple[int, bool, bool]
) -> None:
    assert signed_in(cast.buyer_trader).post(reverse(CREATE), request_form(**answer)).status_code == 302
    made = ComputeRequest.objects.get()
    asked = made.alternatives.get()
    assert (asked.gangs, asked.divisible, asked.interruptible) == expected
    again = page(cast.buyer_trader, f"{reverse(CREATE)}?from={made.pk}")
    assert f'<option value="{answer["together"]}" selected>' in again


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"together": "groups"}, "Say how many groups"),
        ({"together": "groups", "gangs": "5"}, "16 cards do not make 5 equal groups"),
        ({"together": "heap"}, "Select a valid choice"),
    ],
)
def test_an_answer_that_says_too_little_is_refused(
    cast: Cast, now: datetime, answer: dict[str, str], said: str
) -> None:
    refused = signed_in(cast.buyer_trader).post(reverse(CREATE), request_form(**answer))
    assert refused.status_code == 422
    assert said in refused.content.decode()
    assert not ComputeRequest.objects.exists()


def test_the_panel_of_the_quote_asks_for_no_group(cast: Cast, now: datetime) -> None:
    make_reference()
    quote_book.prepare(now=now)
    form = request_form(shared_budget="77", choice="nonsense", title="")
    answer = signed_in(cast.buyer_trader).post(reverse("clearing:quote"), form | {"choice": "78"})
    assert answer.status_code == 200
    assert "No open offer could serve it now" in answer.content.decode()


def test_a_request_without_an_exchange_rate_says_what_it_waits_for(cast: Cast, now: datetime) -> None:
    asked = make_request(cast.buyer, currency="USD", limit=Decimal(2))
    address = reverse("demand:request", args=[asked.pk])
    assert "it waits for an exchange rate of USD" in page(cast.buyer_viewer, address)
    make_reference()
    assert "exchange rate" not in page(cast.buyer_viewer, address)


def test_queries_do_not_grow_with_the_groups(cast: Cast, now: datetime) -> None:
    make_budget(cast.buyer)
    make_choice(cast.buyer)
    few = queries_of(cast.buyer_trader, reverse(GROUPS))
    for _ in range(4):
        make_request(cast.buyer, shared_budget=make_budget(cast.buyer), choice=make_choice(cast.buyer))
    assert queries_of(cast.buyer_trader, reverse(GROUPS)) == few
