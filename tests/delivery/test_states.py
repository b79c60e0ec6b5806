"""What is taken away for a time, ended early, tried again, and replaced."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounts.actors import Viewer
from accounts.models import AuditEvent, Scope
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery, DeliveryTransition, Replacement, Suspension
from marketplace.delivery.services import (
    Step,
    StepRefused,
    evict,
    fail_overdue,
    give_back,
    suspend,
    take_step,
)
from marketplace.errors import InvalidInput, NotAllowed
from marketplace.notifications.models import Event, Kind
from tests.billing import builders
from tests.cast import Cast
from tests.delivery.agreements import make_delivery
from tests.factories import HOUR, START

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
END = START + 4 * HOUR
PASSED = {"acceptance": {"cards_visible": 8, "model": "h800", "memory_gb": 80, "passed": True}}
GONE = {"reason": "The node is down"}


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    return make_delivery(owner=cast.owner, buyer=cast.buyer, hours=4)


@pytest.fixture
def agent(cast: Cast) -> Viewer:
    return cast.viewer_of_token(cast.owner, Scope.AGENT)


@pytest.fixture
def owner(cast: Cast) -> Viewer:
    return cast.viewer_of(cast.owner_trader)


def take(delivery: Delivery, agent: Viewer, to: str, at: datetime, **report: Any) -> DeliveryTransition:
    return take_step(viewer=agent, delivery=delivery, step=Step(to, at, report), now=max(at, START))


def activate(delivery: Delivery, agent: Viewer) -> None:
    take(delivery, agent, "provisioning", START - 30 * MINUTE)
    take(delivery, agent, "accepting", START - 20 * MINUTE)
    take(delivery, agent, "active", START, **PASSED)
    delivery.refresh_from_db()


def states(delivery: Delivery) -> list[str]:
    return list(delivery.transitions.order_by("pk").values_list("to_state", flat=True))


def suspensions(delivery: Delivery) -> list[tuple[datetime, datetime | None, str]]:
    return list(delivery.suspensions.order_by("pk").values_list("starts_at", "ends_at", "reason"))


def test_a_delivery_is_suspended_twice_and_each_time_passes_a_test(delivery: Delivery, agent: Viewer) -> None:
    activate(delivery, agent)
    for number in (1, 2):
        away = START + number * HOUR
        for _ in range(2):
            take(delivery, agent, "suspended", away, **GONE)
        take(delivery, agent, "accepting", away + 5 * MINUTE)
        with pytest.raises(InvalidInput):
            take(delivery, agent, "active", away + 6 * MINUTE)
        for _ in range(2):
            take(delivery, agent, "active", away + 6 * MINUTE, **PASSED)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.active_from) == ("active", START)
    assert suspensions(delivery) == [
        (START + number * HOUR, START + number * HOUR + 6 * MINUTE, "The node is down") for number in (1, 2)
    ]
    assert states(delivery)[2:] == ["active", *["suspended", "accepting", "active"] * 2]
    late = Step("suspended", START + HOUR + 2 * MINUTE, GONE)
    with pytest.raises(InvalidInput):
        take_step(viewer=agent, delivery=delivery, step=late, now=END)


def test_an_end_ends_the_suspension_and_the_database_keeps_it(delivery: Delivery, agent: Viewer) -> None:
    activate(delivery, agent)
    take(delivery, agent, "suspended", START + HOUR, **GONE)
    take(delivery, agent, "ended", END + MINUTE)
    assert suspensions(delivery) == [(START + HOUR, END, "The node is down")]
    for change in ({"ends_at": START + 2 * HOUR}, {"reason": "sun"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Suspension.objects.update(**change)


def test_a_suspension_says_why(delivery: Delivery, agent: Viewer, owner: Viewer) -> None:
    activate(delivery, agent)
    with pytest.raises(InvalidInput):
        take(delivery, agent, "suspended", START + HOUR)
    for reason in (" ", "x" * 501, "\0"):
        with pytest.raises(InvalidInput):
            suspend(viewer=owner, delivery=delivery, reason=reason, now=START + HOUR)
    assert not Suspension.objects.exists()


def test_what_the_owner_holds_no_agent_gives_back(delivery: Delivery, agent: Viewer, owner: Viewer) -> None:
    with pytest.raises(StepRefused):
        suspend(viewer=owner, delivery=delivery, reason="A pump", now=START)
    activate(delivery, agent)
    for _ in range(2):
        held = suspend(viewer=owner, delivery=delivery, reason="A pump", now=START + HOUR)
    assert (held.state, held.held) == ("suspended", True)
    with pytest.raises(StepRefused):
        take(delivery, agent, "accepting", START + HOUR + MINUTE)
    for _ in range(2):
        back = give_back(viewer=owner, delivery=delivery, now=START + HOUR + 2 * MINUTE)
    assert (back.state, back.held) == ("accepting", False)
    take(delivery, agent, "active", START + HOUR + 3 * MINUTE, **PASSED)
    taken = delivery.transitions.get(to_state="suspended")
    assert (taken.user, taken.token, taken.report["by"]) == (owner.actor and owner.actor.user, None, "owner")
    assert AuditEvent.objects.get(action="delivery.suspended").data["reason"] == "A pump"


def test_what_the_site_lost_already_the_owner_can_hold(
    delivery: Delivery, agent: Viewer, owner: Viewer
) -> None:
    activate(delivery, agent)
    take(delivery, agent, "suspended", START + HOUR, **GONE)
    assert suspend(viewer=owner, delivery=delivery, reason="A pump", now=START + HOUR + MINUTE).held
    assert AuditEvent.objects.get(action="delivery.held").data["reason"] == "A pump"
    assert len(suspensions(delivery)) == 1


def test_only_the_owner_holds_and_only_owner_and_operator_evict(cast: Cast, delivery: Delivery) -> None:
    others = [cast.viewer_of(user) for user in (cast.buyer_admin, cast.owner_viewer, cast.stranger)]
    for viewer in others:
        for act in (suspend, evict):
            with pytest.raises(NotAllowed):
                act(viewer=viewer, delivery=delivery, reason="mine", now=START)
        with pytest.raises(NotAllowed):
            give_back(viewer=viewer, delivery=delivery, now=START)
    with pytest.raises(NotAllowed):
        suspend(viewer=cast.viewer_of(cast.operator), delivery=delivery, reason="mine", now=START)


def test_both_sides_are_told_of_an_end_before_its_time(cast: Cast, delivery: Delivery, agent: Viewer) -> None:
    activate(delivery, agent)
    evict(viewer=cast.viewer_of(cast.owner_admin), delivery=delivery, reason="Flood", now=START + HOUR)
    told = Event.objects.filter(kind=Kind.DELIVERY_FAILED)
    assert {event.organisation for event in told} == {cast.buyer, cast.owner}
    assert all(event.facts == {"delivery": str(delivery), "why": "Flood"} for event in told)


@pytest.mark.parametrize("fault", ["owner", "buyer", ""])
def test_an_operator_says_on_whose_account_it_ends(
    cast: Cast, delivery: Delivery, agent: Viewer, fault: str
) -> None:
    activate(delivery, agent)
    operator, at = cast.viewer_of(cast.operator), START + HOUR
    evict(viewer=operator, delivery=delivery, reason="Abuse", fault=fault, now=at)
    with pytest.raises(StepRefused):
        evict(viewer=operator, delivery=delivery, reason="Abuse", fault=fault, now=at)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.fault, delivery.active_until) == ("evicted", fault, at)
    assert Replacement.objects.exists() == (fault == "owner")
    assert AuditEvent.objects.get(action="delivery.evicted").user == cast.operator


def test_an_owner_cannot_blame_the_buyer(delivery: Delivery, owner: Viewer) -> None:
    evicted = evict(viewer=owner, delivery=delivery, reason="Sold elsewhere", fault="buyer", now=START)
    assert evicted.fault == "owner"


def test_an_attempt_that_lasts_too_long_begins_again_so_many_times(delivery: Delivery, agent: Viewer) -> None:
    assert fail_overdue(now=START + 20 * MINUTE) == []
    for minutes in (20, 40):
        take(delivery, agent, "provisioning", START + (minutes - 20) * MINUTE)
        assert fail_overdue(now=START + (minutes - 1) * MINUTE) == []
        assert fail_overdue(now=START + minutes * MINUTE) == ["scheduled"]
    take(delivery, agent, "provisioning", START + 40 * MINUTE)
    with pytest.raises(StepRefused):
        take(delivery, agent, "scheduled", START + 41 * MINUTE, reason="again")
    assert fail_overdue(now=START + 59 * MINUTE) == []
    assert fail_overdue(now=START + 60 * MINUTE) == ["failed"]
    delivery.refresh_from_db()
    assert (delivery.retries, delivery.failure[:10]) == (2, "Not active")
    assert AuditEvent.objects.filter(action="delivery.retried").count() == 2


def test_what_stays_away_too_long_failed_however_often_it_was_tested(
    delivery: Delivery, agent: Viewer, settings: Any
) -> None:
    settings.DELIVERY_SUSPENDED_AT_MOST = 90 * MINUTE
    activate(delivery, agent)
    take(delivery, agent, "suspended", START + HOUR, **GONE)
    take(delivery, agent, "accepting", START + HOUR + 50 * MINUTE)
    assert fail_overdue(now=START + HOUR + 69 * MINUTE) == []
    assert fail_overdue(now=START + HOUR + 70 * MINUTE) == ["suspended"]
    assert fail_overdue(now=START + HOUR + 89 * MINUTE) == []
    assert fail_overdue(now=START + HOUR + 90 * MINUTE) == ["failed"]
    assert suspensions(delivery) == [(START + HOUR, START + HOUR + 90 * MINUTE, "The node is down")]


def test_what_is_suspended_at_its_end_ended(delivery: Delivery, agent: Viewer) -> None:
    activate(delivery, agent)
    take(delivery, agent, "suspended", END - MINUTE, **GONE)
    assert fail_overdue(now=END + HOUR) == ["ended"]


def test_the_rest_is_bought_again_for_the_buyer_at_once(cast: Cast, now: datetime) -> None:
    delivery = builders.make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "11", "12", "13"])
    first = delivery.agreement.allocation.request
    agent = cast.viewer_of_token(cast.owner, Scope.AGENT)
    take(delivery, agent, "failed", builders.START + 70 * MINUTE, reason="fire")
    request = Replacement.objects.get(delivery=delivery).request
    assert request is not None
    served, wanted = first.alternatives.get(), request.alternatives.get()
    assert (request.organisation, request.currency, request.state) == (cast.buyer, first.currency, "open")
    assert (request.least_share, request.created_by) == (1, None)
    assert (wanted.unit, wanted.amount, wanted.hours) == (served.unit, 8, 2)
    assert (wanted.earliest_start, wanted.deadline) == (builders.START + 2 * HOUR, served.deadline)
    assert wanted.budget == 8 * (12 + 13) * Decimal("1.5")
    entered = AuditEvent.objects.get(action="request.entered")
    assert (entered.task, entered.organisation) == ("delivery.replace", cast.buyer)


def test_where_nothing_can_be_bought_again_it_says_why(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    agent = cast.viewer_of_token(cast.owner, Scope.AGENT)
    take(delivery, agent, "failed", START + 61 * MINUTE, reason="fire")
    found = Replacement.objects.get()
    assert (found.request, found.why_not) == (None, "no_time")
    assert Agreement.objects.count() == 1
