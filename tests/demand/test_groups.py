"""Budgets, choices and the cap on one owner: who makes them, what they refuse, and what is left of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts.models import AuditEvent, Scope
from marketplace.demand import groups, services
from marketplace.demand.commitments import budgets_for, choices_for, open_with_owners, owner_caps_for
from marketplace.demand.groups import BudgetInput, ChoiceInput, GroupInUse
from marketplace.demand.models import Budget, Choice, ComputeRequest, OwnerCap
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.errors import InvalidInput, NotAllowed
from tests.cast import Cast
from tests.conftest import NOW
from tests.demand.groups import make_budget, make_cap, make_choice
from tests.demand.purchases import buy
from tests.factories import (
    HOUR,
    START,
    make_fleet,
    make_model,
    make_offer,
    make_region,
    make_request,
    make_site,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue(db: None) -> None:
    make_model()
    make_region()


def request_input(**facts: Any) -> RequestInput:
    wanted = AlternativeInput(
        unit="cards",
        amount=Decimal(8),
        workload="training",
        earliest_start=START,
        hours=4,
        deadline=START + 24 * HOUR,
        limit=Decimal(12),
    )
    return RequestInput(**{"title": "A run", "currency": "CNY", "alternatives": (wanted,)} | facts)


def enter(cast: Cast, now: datetime, **facts: Any) -> ComputeRequest:
    viewer = cast.viewer_of(cast.buyer_trader)
    wanted = request_input(**facts)
    return services.create_request(viewer=viewer, organisation=cast.buyer, request=wanted, now=now)


def refused(cast: Cast, now: datetime, **facts: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        enter(cast, now, **facts)
    return refusal.value.fields


def new_budget(cast: Cast, now: datetime, **facts: Any) -> Budget:
    wanted = BudgetInput(**{"name": "Spring", "currency": "CNY", "amount": Decimal(1000)} | facts)
    viewer = cast.viewer_of(cast.buyer_trader)
    return groups.create_budget(viewer=viewer, organisation=cast.buyer, budget=wanted, now=now)


def new_choice(cast: Cast, now: datetime, **facts: Any) -> Choice:
    wanted = ChoiceInput(**{"name": "Either", "most": 1} | facts)
    viewer = cast.viewer_of(cast.buyer_trader)
    return groups.create_choice(viewer=viewer, organisation=cast.buyer, choice=wanted, now=now)


def set_cap(cast: Cast, now: datetime, card_hours: int | None) -> OwnerCap | None:
    viewer = cast.viewer_of(cast.buyer_admin)
    return groups.set_owner_cap(viewer=viewer, organisation=cast.buyer, card_hours=card_hours, now=now)


def test_requests_enter_under_a_budget_and_a_choice(cast: Cast, now: datetime) -> None:
    budget, choice = new_budget(cast, now), new_choice(cast, now)
    request = enter(cast, now, shared_budget=budget.pk, choice=choice.pk)
    assert (request.shared_budget, request.choice) == (budget, choice)
    assert [event.action for event in AuditEvent.objects.order_by("pk")] == [
        "budget.created",
        "choice.created",
        "request.entered",
    ]
    entered = AuditEvent.objects.get(action="request.entered")
    assert (entered.data["shared_budget"], entered.data["choice"]) == (budget.pk, choice.pk)


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "x" * 81}),
        ("currency", {"currency": "XAU"}),
        ("amount", {"amount": Decimal(0)}),
        ("amount", {"amount": Decimal(10_000_000_001)}),
    ],
)
def test_a_wrong_budget_is_refused_with_the_name_of_the_field(
    cast: Cast, now: datetime, field: str, facts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        new_budget(cast, now, **facts)
    assert list(refusal.value.fields) == [field]
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("most", [0, -1, 32_768])
def test_a_choice_is_of_one_request_at_least(cast: Cast, now: datetime, most: int) -> None:
    with pytest.raises(InvalidInput) as refusal:
        new_choice(cast, now, most=most)
    assert list(refusal.value.fields) == ["most"]


def test_a_name_is_taken_until_its_group_is_closed(cast: Cast, now: datetime) -> None:
    viewer = cast.viewer_of(cast.buyer_trader)
    first = new_budget(cast, now)
    with pytest.raises(InvalidInput) as refusal:
        new_budget(cast, now, name=" Spring ")
    assert list(refusal.value.fields) == ["name"]
    with pytest.raises(IntegrityError), transaction.atomic():
        Budget.objects.create(
            organisation=cast.buyer, name="Spring", currency="CNY", amount=1, created_at=now
        )
    groups.close_budget(viewer=viewer, budget=first, now=now)
    assert new_budget(cast, now).name == first.name


def test_only_an_open_group_of_the_buyer_takes_requests(cast: Cast, now: datetime) -> None:
    viewer = cast.viewer_of(cast.buyer_trader)
    budget, choice = new_budget(cast, now), new_choice(cast, now)
    groups.close_budget(viewer=viewer, budget=budget, now=now)
    groups.close_choice(viewer=viewer, choice=choice, now=now)
    assert set(refused(cast, now, shared_budget=budget.pk, choice=choice.pk)) == {"shared_budget", "choice"}
    theirs = make_budget(cast.other_buyer)
    assert list(refused(cast, now, shared_budget=theirs.pk)) == ["shared_budget"]
    assert list(refused(cast, now, choice=make_choice(cast.other_buyer).pk)) == ["choice"]
    assert list(refused(cast, now, shared_budget=2**70)) == ["shared_budget"]


def test_a_request_is_in_the_currency_of_its_budget(cast: Cast, now: datetime) -> None:
    budget = new_budget(cast, now, currency="USD")
    assert "in USD" in refused(cast, now, shared_budget=budget.pk)["shared_budget"]
    assert enter(cast, now, shared_budget=budget.pk, currency="USD").shared_budget == budget


def test_the_database_keeps_requests_in_open_groups_of_their_buyer(cast: Cast) -> None:
    mine, theirs = make_budget(cast.buyer), make_budget(cast.other_buyer)
    in_dollars, choice = make_budget(cast.buyer, currency="USD"), make_choice(cast.other_buyer)
    for group in ({"shared_budget": theirs}, {"shared_budget": in_dollars}, {"choice": choice}):
        with pytest.raises(IntegrityError, match="is not an open one"), transaction.atomic():
            make_request(cast.buyer, **group)
    request = make_request(cast.buyer, shared_budget=mine)
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        ComputeRequest.objects.filter(pk=request.pk).update(shared_budget=None)
    Budget.objects.filter(pk=mine.pk).update(closed_at=NOW)
    with pytest.raises(IntegrityError, match="is not an open one"), transaction.atomic():
        make_request(cast.buyer, shared_budget=mine)


@pytest.mark.parametrize("make", [make_budget, make_choice])
def test_a_group_never_changes_but_for_its_closing_and_stays(cast: Cast, make: Any) -> None:
    group = make(cast.buyer)
    rows = type(group).objects.filter(pk=group.pk)
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        rows.update(name="Another")
    rows.update(closed_at=NOW)
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        rows.update(closed_at=None)
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        group.delete()


def test_a_group_closes_once_and_not_over_open_requests(cast: Cast, now: datetime) -> None:
    viewer = cast.viewer_of(cast.buyer_trader)
    budget = new_budget(cast, now)
    request = enter(cast, now, shared_budget=budget.pk)
    with pytest.raises(GroupInUse) as refusal:
        groups.close_budget(viewer=viewer, budget=budget, now=now)
    assert refusal.value.details == {"open_requests": 1}
    services.withdraw_request(viewer=viewer, request=request, now=now)
    for moment in (now, now + HOUR):
        assert groups.close_budget(viewer=viewer, budget=budget, now=moment).closed_at == now
    assert AuditEvent.objects.filter(action="budget.closed").count() == 1


def test_what_is_spent_is_the_value_of_the_agreements_at_the_rates_of_their_runs(cast: Cast) -> None:
    budget, other = make_budget(cast.buyer, "1000"), make_budget(cast.buyer)
    abroad, home = make_offer(cards=64), make_offer(cards=64)
    buy(make_request(cast.buyer, shared_budget=budget), home, cards=8, hours=4, price="12.5")
    buy(
        make_request(cast.buyer, shared_budget=budget),
        abroad,
        cards=1,
        hours=2,
        price="1",
        fx_rate="7.123456789012",
    )
    make_request(cast.buyer, shared_budget=budget)
    buy(make_request(cast.buyer), home, cards=8, hours=4, price="99")
    found = {each.pk: each for each in budgets_for(cast.viewer_of(cast.buyer_viewer))}
    assert found[budget.pk].spent == Decimal("414.246913578024")
    assert found[budget.pk].left == Decimal("585.753086421976")
    assert (found[other.pk].spent, found[other.pk].left) == (0, 1000)


def test_nothing_is_left_of_a_budget_that_was_overspent(cast: Cast) -> None:
    budget = make_budget(cast.buyer, "10")
    buy(make_request(cast.buyer, shared_budget=budget), make_offer(), cards=8, hours=4)
    assert budgets_for(cast.viewer_of(cast.buyer_viewer)).get().left == 0


def test_what_is_left_of_a_choice_is_what_is_not_matched_yet(cast: Cast) -> None:
    choice = make_choice(cast.buyer, most=2)
    for state in ("open", "matched", "expired", "withdrawn"):
        make_request(cast.buyer, choice=choice, state=state)
    found = choices_for(cast.viewer_of(cast.buyer_viewer)).get()
    assert (found.matched, found.left) == (1, 1)


def test_groups_are_their_buyers(cast: Cast) -> None:
    budget, choice, cap = make_budget(cast.buyer), make_choice(cast.buyer), make_cap(cast.buyer, 5)
    for user in (cast.buyer_viewer, cast.auditor, cast.operator):
        viewer = cast.viewer_of(user)
        assert [*budgets_for(viewer), *choices_for(viewer), *owner_caps_for(viewer)] == [budget, choice, cap]
    for user in (cast.stranger, cast.owner_admin, cast.nobody_yet):
        viewer = cast.viewer_of(user)
        assert [*budgets_for(viewer), *choices_for(viewer), *owner_caps_for(viewer)] == []


def test_traders_make_groups_and_administrators_set_the_cap(cast: Cast, now: datetime) -> None:
    budget, choice = make_budget(cast.buyer), make_choice(cast.buyer)
    of_buyer = {"organisation": cast.buyer, "now": now}
    one_more = BudgetInput("B", "CNY", Decimal(1))
    for viewer in (
        cast.viewer_of(cast.buyer_viewer),
        cast.viewer_of(cast.buyer_finance),
        cast.viewer_of(cast.stranger),
        cast.viewer_of(cast.operator),
        cast.viewer_of_token(cast.buyer, Scope.READ),
    ):
        for act in (
            lambda who: groups.create_budget(viewer=who, budget=one_more, **of_buyer),
            lambda who: groups.create_choice(viewer=who, choice=ChoiceInput("C", 1), **of_buyer),
            lambda who: groups.close_budget(viewer=who, budget=budget, now=now),
            lambda who: groups.close_choice(viewer=who, choice=choice, now=now),
            lambda who: groups.set_owner_cap(viewer=who, card_hours=1, **of_buyer),
        ):
            with pytest.raises(NotAllowed):
                act(viewer)
    with pytest.raises(NotAllowed):
        groups.set_owner_cap(viewer=cast.viewer_of(cast.buyer_trader), card_hours=1, **of_buyer)
    with pytest.raises(InvalidInput) as refusal:
        groups.create_choice(
            viewer=cast.viewer_of(cast.owner_trader),
            organisation=cast.owner,
            choice=ChoiceInput("C", 1),
            now=now,
        )
    assert "organisation" in refusal.value.fields


def test_an_owner_cap_is_set_changed_and_lifted_and_each_is_recorded(cast: Cast, now: datetime) -> None:
    for card_hours in (100, 50, None, None):
        set_cap(cast, now, card_hours)
        cap = OwnerCap.objects.filter(organisation=cast.buyer).first()
        assert (cap and cap.card_hours) == card_hours
    changes = AuditEvent.objects.filter(action="owner_cap.changed").order_by("pk")
    assert [(event.data["before"], event.data["after"]) for event in changes] == [
        (None, 100),
        (100, 50),
        (50, None),
        (None, None),
    ]
    for wrong in (0, -1, 10**13):
        with pytest.raises(InvalidInput) as refusal:
            set_cap(cast, now, wrong)
        assert list(refusal.value.fields) == ["card_hours"]


def test_open_with_an_owner_is_what_is_not_over(cast: Cast) -> None:
    """Hours that ended count no more; the one under way counts in full."""
    mine, other = make_fleet(make_site(cast.owner)), make_fleet(make_site(cast.other_owner))
    offer = make_offer(mine, cards=64)
    buy(make_request(cast.buyer), offer, cards=8, hours=4)
    buy(make_request(cast.buyer), offer, cards=2, hours=2, start=START + 6 * HOUR)
    buy(make_request(cast.buyer), make_offer(other), cards=1, hours=1)
    buy(make_request(cast.other_buyer), offer, cards=5, hours=1, start=START + 8 * HOUR)
    buyer, owner, far = cast.buyer.pk, cast.owner.pk, cast.other_owner.pk
    assert open_with_owners([buyer], now=NOW) == {(buyer, owner): 36, (buyer, far): 1}
    assert open_with_owners([buyer], now=START + 3.5 * HOUR) == {(buyer, owner): 12}
    assert open_with_owners([buyer], now=START + 8 * HOUR) == {}
