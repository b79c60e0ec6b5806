"""A rating run says what it depended on, and computed again it gives the same bytes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.actors import Viewer
from accounts.models import AuditEvent
from billing.metering.models import Reading
from billing.rating.models import Charge, ParkedUsage, RatingRun
from billing.rating.records import code_version
from billing.rating.replay import replay_run
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    send,
)
from tests.billing.scenes import close
from tests.billing.test_decisions import an_overage, decide
from tests.cast import Cast
from tests.triggers import without_triggers

pytestmark = pytest.mark.django_db
PRICES = (["10", "0.07", "3.333333"], ["11.37", "7", "0.01"])


def replays() -> list[bool]:
    return [replay_run(run).is_same for run in RatingRun.objects.order_by("pk")]


def a_run(cast: Cast) -> RatingRun:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "0.07"])
    send(
        agent_of(cast.owner),
        event(delivery, "a", quantity=480),
        event(delivery, "b", at=START + HOUR, quantity=1),
    )
    run = rate_at()
    assert run is not None
    return run


def test_a_run_says_all_that_it_depended_on(cast: Cast) -> None:
    run = a_run(cast)
    newest = Reading.objects.order_by("pk").last()
    assert newest is not None
    assert run.last_reading == newest.pk
    assert run.stored_until >= newest.stored_at
    assert run.horizon == LONG_AFTER - HOUR
    assert run.code == code_version()
    assert run.sums == {
        "CNY": {
            "charges": 2,
            "quantity": 481,
            "amount": "1.333352777777",
            "commission": "0.040000583333",
            "credit": "1.293352194444",
        }
    }
    assert {len(run.price_basis), len(run.charges_digest), len(run.code)} == {64}
    assert AuditEvent.objects.get(action="rating.run").data["charges_sha256"] == run.charges_digest


def test_what_comes_later_leaves_an_earlier_run_as_it_was(cast: Cast) -> None:
    run = a_run(cast)
    delivery = Delivery.objects.get()
    correction = event(delivery, "c", quantity=100)
    correction["data"]["corrects"] = "a"
    correction["time"] = (START + 2 * HOUR).isoformat()
    send(agent_of(cast.owner), event(delivery, "late", at=START + MINUTE), correction)
    rate_at()
    assert Charge.objects.count() == 3
    assert replays() == [True, True]
    assert replay_run(run).charges_digest == run.charges_digest


def test_an_end_that_is_reported_late_leaves_an_earlier_run_as_it_was(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    send(agent_of(cast.owner), event(delivery, seconds=3600, quantity=28_800))
    rate_at()
    Delivery.objects.update(state="ended", active_until=START + HOUR / 2)
    assert replays() == [True]


def test_a_decision_of_a_person_replays_as_well(cast: Cast) -> None:
    decide(cast, an_overage(cast, charged_first=True), quantity=28_000)
    assert RatingRun.objects.exclude(decision=None).get().decision["quantities"][0][2] == 28_000
    assert replays() == [True] * 3


@pytest.mark.parametrize(
    ("table", "change", "named"),
    [
        ("rating_charge", "amount = amount + 1e-12, credit = credit + 1e-12", "charge A"),
        ("rating_charge", "quantity = quantity + 1", "charge A"),
        ("rating_charge", "last_reading = last_reading + 1", "charge A"),
        ("rating_ratingrun", "charges_digest = repeat('0', 64)", "charges_digest"),
        ("rating_ratingrun", "sums = '{}'", "sums"),
        ("rating_ratingrun", "last_reading = last_reading - 1", "charge A"),
        ("agreements_agreement", "terms = '{\"a\": 1}'", "terms of A"),
        ("agreements_agreement", "commission_rate = 0.04", "charge A"),
        ("clearing_allocation", "prices = array[9, 9]", "charge A"),
        ("metering_reading", "quantity = quantity - 1 WHERE event_id = 'a'", "charge A"),
    ],
)
def test_whatever_was_altered_is_named(cast: Cast, table: str, change: str, named: str) -> None:
    run = a_run(cast)
    assert replay_run(run).is_same
    with without_triggers(table), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {change}")
    found = replay_run(RatingRun.objects.get()).differences
    assert found
    assert str(found[0]).startswith(named)


def test_a_charge_that_a_run_should_have_made_is_missed(cast: Cast) -> None:
    run = a_run(cast)
    with without_triggers("rating_charge"):
        Charge.objects.filter(slot=START).delete()
    first = replay_run(run).differences[0]
    assert (first.subject, first.recorded) == (
        f"charge A{Agreement.objects.get().pk} {START.isoformat()} #0",
        "nothing",
    )


def test_the_command_says_so_and_fails_where_something_differs(cast: Cast, capsys: Any) -> None:
    run = a_run(cast)
    call_command("rating_replay", str(run.pk))
    assert (
        f"rating run {run.pk}: 2 charges, SHA-256 {run.charges_digest}, the same bytes"
        in capsys.readouterr().out
    )
    with without_triggers("rating_charge"):
        Charge.objects.filter(slot=START).update(quantity=481)
    with pytest.raises(SystemExit, match="1"):
        call_command("rating_replay", "--all")
    assert f"charge A{Agreement.objects.get().pk}" in capsys.readouterr().err
    for wrong in ([], ["7", "--all"], ["999999"]):
        with pytest.raises(CommandError):
            call_command("rating_replay", *wrong)


facts = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 59), st.integers(0, 480)),
    unique_by=lambda one: one[:3],
    min_size=1,
    max_size=10,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.integers(0, 9), max_size=5)),
        st.tuples(st.just("correct"), st.tuples(st.integers(0, 9), st.integers(0, 480))),
        st.tuples(st.just("rate"), st.integers(0, 120)),
        st.tuples(st.just("close"), st.integers(0, 120)),
    ),
    min_size=3,
    max_size=12,
)


@pytest.fixture
def deliveries(cast: Cast, settings: Any) -> list[Delivery]:
    settings.BILLING_PERIOD = "hours:2"
    return [make_delivery(owner=cast.owner, buyer=cast.buyer, prices=prices) for prices in PRICES]


@pytest.fixture
def agent(cast: Cast) -> Viewer:
    return agent_of(cast.owner)


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(facts=facts, history=steps)
def test_any_history_replays_run_by_run(
    deliveries: list[Delivery], agent: Viewer, facts: list[Any], history: list[Any]
) -> None:
    with transaction.atomic():
        clock = START
        for number, (kind, detail) in enumerate(history):
            if kind in {"rate", "close"}:
                clock += timedelta(minutes=detail)
                rate_at(clock) if kind == "rate" else close(clock)
            elif kind == "send":
                send(agent, *(_event(deliveries, facts[index % len(facts)]) for index in detail), now=clock)
            else:
                send(agent, _correction(deliveries, facts[detail[0] % len(facts)], number, detail[1]))
        send(agent, *(_event(deliveries, fact) for fact in facts))
        rate_at()
        close(clock + 10 * HOUR)
        assert all(replays())
        assert RatingRun.objects.count() > 0
        transaction.set_rollback(True)


def _event(deliveries: list[Delivery], fact: tuple[int, int, int, int]) -> dict[str, Any]:
    number, slot, minute, quantity = fact
    at = START + slot * HOUR + minute * MINUTE
    return event(deliveries[number], f"{slot}:{minute}", at=at, quantity=quantity)


def _correction(
    deliveries: list[Delivery], fact: tuple[int, int, int, int], number: int, quantity: int
) -> dict[str, Any]:
    corrected = _event(deliveries, fact)
    later = START + 9 * HOUR + number * MINUTE
    data = corrected["data"] | {"quantity": quantity, "corrects": corrected["id"]}
    return corrected | {"id": f"correction {number}", "time": later.isoformat(), "data": data}


def test_what_waits_for_a_person_is_charged_by_no_replay(cast: Cast) -> None:
    """A slot that is parked for more than its commitment has readings and no charge."""
    an_overage(cast)
    assert ParkedUsage.objects.filter(resolved_at=None).exists()
    assert not Charge.objects.exists()
    assert replays() == [True]
