"""The life of a delivery: which steps it takes, which are refused, and what the exchange does itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.actors import Viewer
from accounts.models import AuditEvent, Scope
from marketplace.delivery.acceptance import AcceptanceFailed
from marketplace.delivery.models import (
    ALLOWED_STEPS,
    AcceptanceTest,
    Delivery,
    DeliveryState,
    DeliveryTransition,
)
from marketplace.delivery.selectors import deliveries_for, deliveries_of_agent, measured_profiles
from marketplace.delivery.services import (
    Step,
    StepConflict,
    StepRefused,
    fail_overdue,
    schedule_new,
    take_step,
    take_steps,
)
from marketplace.delivery.services import overdue as overdue_module
from marketplace.delivery.tasks import fail_overdue as fail_overdue_task
from marketplace.delivery.tasks import schedule as schedule_task
from marketplace.errors import InvalidInput, NotAllowed
from tests.cast import Cast
from tests.delivery.agreements import make_agreement, make_delivery
from tests.factories import HOUR, START

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
END = START + 2 * HOUR
PASSED = {"acceptance": {"cards_visible": 8, "model": "h800", "memory_gb": 80, "passed": True}}
WHOLE_LIFE = (
    Step("provisioning", START - 30 * MINUTE),
    Step("accepting", START - 20 * MINUTE, {"test": "nccl"}),
    Step("active", START, PASSED),
    Step("ended", END),
)


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    return make_delivery(owner=cast.owner, buyer=cast.buyer)


@pytest.fixture
def agent(cast: Cast) -> Viewer:
    return cast.viewer_of_token(cast.owner, Scope.AGENT)


def bring_to(delivery: Delivery, state: str, agent: Viewer) -> None:
    """Along the usual way; to “failed” and “evicted” at once."""
    why = {"reason": "fire"}
    if state in {"failed", "evicted"}:
        take_step(viewer=agent, delivery=delivery, step=Step(state, START, why), now=START)
        return
    if state == "suspended":
        bring_to(delivery, "active", agent)
        take_step(viewer=agent, delivery=delivery, step=Step(state, START, why), now=START)
        return
    for step in WHOLE_LIFE:
        if delivery.state == state:
            return
        take_step(viewer=agent, delivery=delivery, step=step, now=max(step.at, START))
        delivery.refresh_from_db()


def take(delivery: Delivery, agent: Viewer, to: str, at: datetime = END, **report: Any) -> DeliveryTransition:
    return take_step(viewer=agent, delivery=delivery, step=Step(to, at, report), now=END)


def test_a_delivery_goes_from_scheduled_to_ended(delivery: Delivery, agent: Viewer) -> None:
    bring_to(delivery, "ended", agent)
    assert (delivery.state, delivery.active_from, delivery.active_until) == ("ended", START, END)
    assert delivery.acceptance == PASSED["acceptance"]
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == [
        "delivery.provisioning",
        "delivery.accepting",
        "delivery.active",
        "delivery.tested",
        "delivery.ended",
    ]
    assert {event.token for event in AuditEvent.objects.all()} == {agent.actor.token}


@pytest.mark.parametrize("before", DeliveryState.values)
@pytest.mark.parametrize("after", DeliveryState.values)
def test_every_step_is_allowed_by_the_table_or_refused(
    delivery: Delivery, agent: Viewer, before: str, after: str
) -> None:
    bring_to(delivery, before, agent)
    at = START if after == "active" and before == "accepting" else END
    if (before, after) in ALLOWED_STEPS and not only_after_it_began(before, after):
        assert take(delivery, agent, after, at, reason="fire", **PASSED).from_state == before
    elif delivery.transitions.filter(to_state=after).exists():
        with pytest.raises(StepConflict):
            take(delivery, agent, after, reason="again", **PASSED)
    else:
        with pytest.raises(StepRefused):
            take(delivery, agent, after, reason="fire", **PASSED)
        assert Delivery.objects.get().state == before


def only_after_it_began(before: str, after: str) -> bool:
    return before == "accepting" and after in {"suspended", "ended"}


@pytest.mark.parametrize("before", DeliveryState.values)
def test_the_database_allows_the_same_steps_and_no_others(
    delivery: Delivery, agent: Viewer, before: str
) -> None:
    bring_to(delivery, before, agent)
    whole = {"active_from": START, "active_until": END, "acceptance": {}, "failure": "fire", "held": False}
    for after in set(DeliveryState.values) - {before}:
        if (before, after) not in ALLOWED_STEPS:
            with pytest.raises(DatabaseError, match="transition"), transaction.atomic():
                Delivery.objects.update(state=after, **whole)
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        Delivery.objects.all().delete()


@pytest.mark.parametrize(
    "facts",
    [
        {"active_until": START},
        {"active_from": START, "active_until": START - MINUTE},
        {"active_from": START, "active_until": END + MINUTE},
        {"active_from": END + MINUTE},
        {"ends_at": START},
    ],
)
def test_the_database_keeps_activity_inside_the_window(delivery: Delivery, facts: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.update(**facts)


def test_the_same_step_reported_again_is_the_same_transition(delivery: Delivery, agent: Viewer) -> None:
    bring_to(delivery, "ended", agent)
    for step in WHOLE_LIFE:
        again = take_step(viewer=agent, delivery=delivery, step=step, now=END)
        assert (again.to_state, again.at, again.report) == (step.to, step.at, step.report)
    assert (
        DeliveryTransition.objects.count()
        == AuditEvent.objects.exclude(action="delivery.tested").count()
        == 4
    )
    assert AcceptanceTest.objects.count() == 1


@pytest.mark.parametrize(
    "other", [Step("accepting", START), Step("accepting", START - 20 * MINUTE, {"test": "other"})]
)
def test_the_same_step_with_another_report_is_a_conflict(
    delivery: Delivery, agent: Viewer, other: Step
) -> None:
    bring_to(delivery, "accepting", agent)
    with pytest.raises(StepConflict):
        take_step(viewer=agent, delivery=delivery, step=other, now=END)


@pytest.mark.parametrize(
    ("refusal", "shown"),
    [
        (AcceptanceFailed, {"cards_visible": 7}),
        (AcceptanceFailed, {"model": "h20"}),
        (AcceptanceFailed, {"memory_gb": "75.9"}),
        (AcceptanceFailed, {"passed": False}),
        (InvalidInput, {"cards_visible": "8"}),
        (InvalidInput, {"cards_visible": True}),
        (InvalidInput, {"memory_gb": "much"}),
        (InvalidInput, {"memory_gb": "NaN"}),
        (InvalidInput, {"passed": 1}),
        (InvalidInput, {"model": None}),
        (AcceptanceFailed, {"probe": {"precision": "bf16", "compute_tflops": "494"}}),
        (AcceptanceFailed, {"probe": {"bandwidth_gb_s": 1674}}),
        (InvalidInput, {"probe": {"compute_tflops": 0}}),
        (InvalidInput, {"probe": {"benchmarks": {"games": ["1"]}}}),
        (InvalidInput, {"probe": {"benchmarks": {"training": []}}}),
        (InvalidInput, {"probe": "fast"}),
    ],
)
def test_cards_are_active_only_after_they_passed_acceptance(
    delivery: Delivery, agent: Viewer, refusal: type[Exception], shown: dict[str, Any]
) -> None:
    bring_to(delivery, "accepting", agent)
    with pytest.raises(refusal):
        take(delivery, agent, "active", START, acceptance=PASSED["acceptance"] | shown)
    with pytest.raises(InvalidInput):
        take(delivery, agent, "active", START)
    assert Delivery.objects.get().state == "accepting"
    measured = {
        "precision": "bf16",
        "compute_tflops": "494.5",
        "benchmarks": {"training": ["0.9", "1", "1.2"]},
    }
    more = PASSED["acceptance"] | {"cards_visible": 16, "memory_gb": "76.0", "probe": measured}
    take(delivery, agent, "active", START, acceptance=more)
    assert Delivery.objects.get().acceptance == more
    [test] = AcceptanceTest.objects.all()
    assert [(check["name"], check["passed"]) for check in test.checks] == [
        (name, True) for name in ("cards", "model", "memory", "compute")
    ]
    [profile] = measured_profiles(delivery.site)
    assert (profile.workload, profile.evidence_kind) == ("training", "measured")
    assert (profile.lower, profile.rate, profile.upper) == tuple(
        Decimal("0.989") * Decimal(run) for run in ("0.9", "1", "1.2")
    )


def test_a_test_that_failed_says_which_check_with_what_was_measured_and_sold(
    delivery: Delivery, agent: Viewer
) -> None:
    bring_to(delivery, "accepting", agent)
    shown = PASSED["acceptance"] | {"cards_visible": 7, "passed": False}
    with pytest.raises(AcceptanceFailed, match="cards: 7, sold 8"):
        take(delivery, agent, "active", START, acceptance=shown)
    assert not AcceptanceTest.objects.exists()
    take(delivery, agent, "scheduled", START, reason="7 of 8", acceptance=shown, evidence={"nodes": ["n1"]})
    [test] = AcceptanceTest.objects.all()
    assert (test.passed, test.evidence) == (False, {"nodes": ["n1"]})
    assert test.checks[0] == {"name": "cards", "sold": "8", "measured": "7", "passed": False}


def test_a_delivery_is_active_inside_its_window_only(delivery: Delivery, agent: Viewer) -> None:
    bring_to(delivery, "accepting", agent)
    for moment in (START - MINUTE, END):
        with pytest.raises(StepRefused):
            take(delivery, agent, "active", moment, **PASSED)
    take(delivery, agent, "active", START + MINUTE, **PASSED)
    assert Delivery.objects.get().active_from == START + MINUTE


def test_a_step_lies_neither_in_the_future_nor_before_the_previous_one(
    delivery: Delivery, agent: Viewer
) -> None:
    bring_to(delivery, "accepting", agent)
    for moment in (START - 21 * MINUTE, END + 6 * MINUTE):
        with pytest.raises(InvalidInput) as refusal:
            take(delivery, agent, "failed", moment, reason="fire")
        assert "at" in refusal.value.fields
    take(delivery, agent, "failed", END + 4 * MINUTE, reason="fire")


@pytest.mark.parametrize(
    ("at", "until"),
    [(START + HOUR, START + HOUR), (END + 4 * MINUTE, END)],
)
def test_activity_ends_when_the_site_says_so_and_with_the_window_at_the_latest(
    delivery: Delivery, agent: Viewer, at: datetime, until: datetime
) -> None:
    bring_to(delivery, "active", agent)
    take(delivery, agent, "ended", at)
    assert Delivery.objects.get().active_until == until


def test_a_failure_says_why_and_ends_the_activity(delivery: Delivery, agent: Viewer) -> None:
    bring_to(delivery, "active", agent)
    for reason in ("", "  ", 5):
        with pytest.raises(InvalidInput):
            take(delivery, agent, "failed", START + HOUR, reason=reason)
    take(delivery, agent, "failed", START + HOUR, reason="a pump broke")
    failed = Delivery.objects.get()
    assert (failed.failure, failed.active_until) == ("a pump broke", START + HOUR)


@pytest.mark.parametrize("report", [{"x": "\0"}, {"x": "\ud800"}, {"x": float("inf")}, {"x": "y" * 20_000}])
def test_a_report_that_cannot_be_kept_is_refused(
    delivery: Delivery, agent: Viewer, report: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        take(delivery, agent, "provisioning", START, **report)
    assert list(refusal.value.fields) == ["report"]


def test_only_the_agent_of_the_owner_takes_steps(cast: Cast, delivery: Delivery) -> None:
    for viewer in (
        cast.viewer_of(cast.owner_admin),
        cast.viewer_of(cast.operator),
        cast.viewer_of_token(cast.owner, Scope.TRADE, Scope.READ),
        cast.viewer_of_token(cast.other_owner, Scope.AGENT),
        cast.viewer_of_token(cast.buyer, Scope.AGENT),
    ):
        assert not deliveries_of_agent(viewer).exists()
        with pytest.raises(NotAllowed):
            take(delivery, viewer, "provisioning", START)


def test_both_parties_see_a_delivery_an_auditor_too_a_stranger_not(cast: Cast, delivery: Delivery) -> None:
    for user in (cast.owner_viewer, cast.buyer_viewer, cast.auditor, cast.operator):
        assert list(deliveries_for(cast.viewer_of(user))) == [delivery]
    for user in (cast.stranger, cast.nobody_yet):
        assert not deliveries_for(cast.viewer_of(user)).exists()


def test_each_agreement_gets_one_delivery(cast: Cast, now: datetime) -> None:
    first, second = (make_agreement(owner=cast.owner, buyer=cast.buyer) for _ in range(2))
    schedule_task()
    assert [schedule_new(now=now), schedule_new(now=now, only_newest=True)] == [0, 0]
    third = make_agreement(owner=cast.owner, buyer=cast.buyer)
    assert schedule_new(now=now, only_newest=True) == 1
    scheduled = Delivery.objects.order_by("agreement")
    assert [one.agreement for one in scheduled] == [first, second, third]
    assert {one.site for one in scheduled} == {
        one.allocation.offer.fleet.site for one in (first, second, third)
    }
    assert AuditEvent.objects.filter(action="delivery.scheduled", task="delivery.schedule").count() == 3


def test_a_gap_among_the_agreements_is_found_by_the_task(cast: Cast, now: datetime) -> None:
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    assert schedule_new(now=now, only_newest=True) == 0
    assert schedule_new(now=now) == 1


@pytest.mark.parametrize("state", ["scheduled", "provisioning", "accepting"])
def test_what_does_not_start_in_time_fails(
    delivery: Delivery, agent: Viewer, state: str, settings: Any
) -> None:
    settings.DELIVERY_RETRIES = 0
    bring_to(delivery, state, agent)
    assert fail_overdue(now=START + HOUR - MINUTE) == []
    assert fail_overdue(now=START + HOUR) == ["failed"]
    assert fail_overdue(now=START + HOUR) == []
    failed = Delivery.objects.get()
    assert (failed.state, failed.failure) == (
        "failed",
        f"Not active 60 minutes after its start; it was {state}.",
    )
    assert failed.transitions.get(to_state="failed").token is None
    assert AuditEvent.objects.get(action="delivery.failed").task == "delivery.fail_overdue"


def test_an_end_that_the_agent_reports_meanwhile_wins(
    delivery: Delivery, agent: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while the exchange goes through what was overdue a moment before."""
    bring_to(delivery, "active", agent)
    after = delivery.ends_at + 2 * HOUR
    found = list(overdue_module.overdue(after))
    take_step(viewer=agent, delivery=delivery, step=Step("ended", delivery.ends_at), now=after)
    monkeypatch.setattr(overdue_module, "overdue", lambda _now: Delivery.objects.values_list("pk", flat=True))
    assert (found, fail_overdue(now=after)) == ([delivery.pk], [])


def test_what_nobody_ended_is_ended_by_the_exchange_with_its_window(
    delivery: Delivery, agent: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_to(delivery, "active", agent)
    assert fail_overdue(now=END + HOUR - MINUTE) == []
    monkeypatch.setattr("marketplace.delivery.tasks.market_now", lambda: END + HOUR)
    fail_overdue_task()
    ended = Delivery.objects.get()
    assert (ended.state, ended.active_until) == ("ended", END)
    assert ended.transitions.get(to_state="ended").report == {"by": "exchange"}


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_step_is_taken_in_our_time(delivery: Delivery, agent: Viewer, at: datetime) -> None:
    """No zone could show the others."""
    with pytest.raises(InvalidInput):
        take_step(viewer=agent, delivery=delivery, step=Step("provisioning", at), now=START)
    assert not DeliveryTransition.objects.exists()


def test_nobody_locks_the_deliveries_of_another_site(cast: Cast, delivery: Delivery) -> None:
    stranger = cast.viewer_of_token(cast.other_owner, Scope.AGENT)
    with CaptureQueriesContext(connection) as queries:
        (answer,) = take_steps(viewer=stranger, steps=[(delivery.pk, WHOLE_LIFE[0])], now=START)
    assert getattr(answer, "status", 200) == 404
    assert not any(
        "FOR NO KEY UPDATE" in query["sql"] and f"({delivery.pk})" in query["sql"] for query in queries
    )
