"""Readings × terms → charges: each slot once, late usage as the difference, nothing missing as zero."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pgtrigger
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts.models import AuditEvent
from billing.metering.models import ChangedSlot
from billing.rating.models import Charge, ParkedUsage, RatedUntil, RatingRun
from billing.rating.selectors import charges_for, history_of, parked_for, readings_of, totals_of
from billing.rating.tasks import rate_ended_slots
from marketplace.delivery.models import Delivery
from tests.billing.builders import (
    HOUR,
    MINUTE,
    START,
    agent_of,
    event,
    make_delivery,
    make_run,
    rate_at,
    refused,
    send,
)
from tests.cast import Cast

pytestmark = pytest.mark.django_db
GRACE = 15 * MINUTE


def _sums(delivery: Delivery) -> dict[Any, tuple[int, Decimal]]:
    sums: dict[Any, tuple[int, Decimal]] = {}
    for charge in Charge.objects.filter(agreement=delivery.agreement_id):
        quantity, amount = sums.get(charge.slot, (0, Decimal(0)))
        sums[charge.slot] = quantity + charge.quantity, amount + charge.amount
    return sums


def test_a_slot_costs_its_card_seconds_at_its_own_price(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "0.07"])
    send(
        agent_of(cast.owner),
        event(delivery, "a", quantity=480),
        event(delivery, "b", at=START + HOUR, quantity=1),
    )
    run = rate_at()
    assert run is not None
    assert (run.charges_made, run.parked_made) == (2, 0)
    first, second = Charge.objects.order_by("slot")
    assert (first.quantity, first.price, first.amount) == (480, Decimal(10), Decimal("1.333333333333"))
    assert (first.commission, first.credit) == (Decimal("0.04"), Decimal("1.293333333333"))
    assert second.amount == Decimal("0.000019444444")
    assert RatedUntil.objects.get().until > delivery.ends_at
    assert not ChangedSlot.objects.exists()


def test_a_slot_waits_until_its_grace_is_over(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    rate_at(START + HOUR + GRACE - MINUTE)
    assert not Charge.objects.exists()
    rate_at(START + HOUR + GRACE)
    assert [charge.slot for charge in Charge.objects.all()] == [START]
    assert not ParkedUsage.objects.exists()


def test_rating_again_finds_nothing_to_say(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    assert rate_at() is not None
    assert rate_at() is None
    assert (Charge.objects.count(), ParkedUsage.objects.count(), RatingRun.objects.count()) == (1, 3, 1)


def test_active_cards_and_energy_cost_nothing_and_do_not_stand_for_allocated_ones(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    agent = agent_of(cast.owner)
    send(
        agent,
        event(delivery, "a", meter="card-seconds.active"),
        event(delivery, "b", meter="energy.wh", quantity=9),
    )
    rate_at()
    assert ParkedUsage.objects.get().reason == "no_readings"
    send(agent, event(delivery, "c", quantity=100))
    rate_at()
    assert Charge.objects.get().quantity == 100


def test_an_active_slot_without_readings_is_parked_and_charged_when_they_come(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    rate_at()
    parked = ParkedUsage.objects.get()
    assert (parked.reason, parked.slot, parked.resolved_at) == ("no_readings", START, None)
    assert not Charge.objects.exists()
    send(agent_of(cast.owner), event(delivery))
    run = rate_at()
    parked.refresh_from_db()
    assert parked.resolved_at is not None
    assert run is not None
    assert run.parked_resolved == 1
    assert Charge.objects.get().sequence == 0


def test_a_reading_of_zero_is_a_fact_and_not_a_missing_one(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    send(agent_of(cast.owner), event(delivery, quantity=0))
    rate_at()
    assert Charge.objects.get().amount == 0
    assert not ParkedUsage.objects.exists()


def test_a_late_reading_is_a_correction_that_names_the_charge_it_corrects(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["0.01"])
    agent = agent_of(cast.owner)
    for minute in range(3):
        send(agent, event(delivery, f"m{minute}", at=START + minute * MINUTE, quantity=1))
        rate_at()
    first, second, third = Charge.objects.order_by("sequence")
    assert (first.corrects, second.corrects, third.corrects) == (None, first, second)
    # A third of 1e-8 thrice is not 1e-8 in decimals; the differences add up to it all the same.
    assert first.amount + second.amount + third.amount == Decimal("0.000008333333")
    assert [charge.quantity for charge in history_of(third)] == [1, 1, 1]
    assert [[reading.event_id for reading in readings_of(one)] for one in (first, second, third)] == [
        ["m0"],
        ["m1"],
        ["m2"],
    ]


def test_more_than_the_agreement_commits_is_parked(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    agent = agent_of(cast.owner)
    send(agent, event(delivery, "hour", seconds=3600, quantity=8 * 3600))
    rate_at()
    send(agent, event(delivery, "more", quantity=1))
    rate_at()
    assert Charge.objects.get().quantity == 8 * 3600
    parked = ParkedUsage.objects.get()
    assert (parked.reason, parked.details) == ("overage", {"quantity": 28801, "committed": 28800})
    send(agent, event(delivery, "even more", quantity=1))
    rate_at()
    assert ParkedUsage.objects.count() == 1


def test_only_the_active_part_of_an_agreement_is_expected(cast: Cast) -> None:
    """Active from 09:30 to 11:00: the slots 9 and 10, not 11 and 12."""
    make_delivery(
        owner=cast.owner,
        buyer=cast.buyer,
        state="ended",
        active_from=START + 30 * MINUTE,
        active_until=START + 2 * HOUR,
    )
    rate_at()
    assert sorted(row.slot for row in ParkedUsage.objects.all()) == [START, START + HOUR]


def test_a_delivery_that_was_never_active_is_expected_to_report_nothing(cast: Cast) -> None:
    make_delivery(
        owner=cast.owner, buyer=cast.buyer, state="failed", failure="x", active_from=None, acceptance=None
    )
    rate_at()
    assert not ParkedUsage.objects.exists()


def test_an_end_that_is_reported_late_takes_the_parked_slots_back(cast: Cast) -> None:
    make_delivery(owner=cast.owner, buyer=cast.buyer)
    rate_at()
    Delivery.objects.update(state="ended", active_until=START + HOUR)
    rate_at()
    assert [row.slot for row in ParkedUsage.objects.filter(resolved_at=None)] == [START]


def test_a_slot_without_a_price_is_parked_and_the_others_are_charged(cast: Cast) -> None:
    """The database refuses such an allocation; were it there all the same, no price is not zero."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10"])
    Delivery.objects.update(ends_at=START + 3 * HOUR)
    send(agent_of(cast.owner), *(event(delivery, f"h{hour}", at=START + hour * HOUR) for hour in range(3)))
    rate_at()
    assert Charge.objects.count() == 2
    assert ParkedUsage.objects.get().reason == "no_price"


def test_the_same_slots_are_looked_at_once_whatever_the_number_of_agreements(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    agent = agent_of(cast.owner)
    for number in range(12):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        send(agent, *(event(delivery, f"{number}-{hour}", at=START + hour * HOUR) for hour in range(3)))
    with django_assert_max_num_queries(22):
        run = rate_at()
    assert run is not None
    assert (run.charges_made, run.parked_made) == (36, 12)


def test_a_run_leaves_an_audit_event_when_it_made_something(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    rate_at()
    entry = AuditEvent.objects.get(action="rating.run")
    assert (entry.task, entry.data["charges"]) == ("billing.rate", 1)


def test_the_task_asks_the_market_clock(cast: Cast, now: Any) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, start=now.replace(minute=0) - 2 * HOUR)
    send(agent_of(cast.owner), event(delivery), now=now)
    rate_ended_slots()
    assert [charge.slot for charge in Charge.objects.all()] == [delivery.starts_at]


def test_the_parties_see_their_charges_and_a_stranger_sees_none(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10"])
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    for user in (cast.buyer_viewer, cast.owner_finance, cast.auditor, cast.operator):
        assert charges_for(cast.viewer_of(user)).count() == 1
    for viewer in (cast.viewer_of(cast.stranger), cast.viewer_of(cast.nobody_yet), agent_of(cast.owner)):
        assert not charges_for(viewer)
    for user, sees in ((cast.operator, 1), (cast.auditor, 1), (cast.owner_admin, 0), (cast.stranger, 0)):
        assert parked_for(cast.viewer_of(user)).count() == sees
    (total,) = totals_of(charges_for(cast.viewer_of(cast.auditor)))
    assert (total["currency"], total["total_amount"]) == ("CNY", Decimal("1.333333333333"))


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE rating_charge SET amount = 0", "Cannot update or delete"),
        ("DELETE FROM rating_charge", "Cannot update or delete"),
        ("DELETE FROM rating_parkedusage", "Cannot"),
        ("UPDATE rating_ratingrun SET charges_made = 0", "sealed once"),
        ("UPDATE rating_ratingrun SET charges_digest = ''", "sealed once"),
        ("DELETE FROM rating_ratingrun", "Cannot update or delete"),
    ],
)
def test_charges_and_the_parked_queue_cannot_be_tampered_with(
    cast: Cast, statement: str, problem: str
) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10"])
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    with pytest.raises(DatabaseError, match=problem), transaction.atomic():
        connection.cursor().execute(statement)


@pytest.mark.parametrize(
    "statement", ["DELETE FROM agreements_agreement", "UPDATE agreements_agreement SET id = id + 1000"]
)
def test_no_agreement_is_taken_away_from_its_charges(cast: Cast, statement: str) -> None:
    """No foreign key would notice, so what switches off the triggers of pgtrigger switches off none here."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    rate_at()
    problem = "Cannot update or delete agreements_agreement: its rows are kept"
    with pgtrigger.ignore(), pytest.raises(DatabaseError, match=problem), transaction.atomic():
        connection.cursor().execute(statement)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, "a sealed rating run takes no more charges"),
        ({"run_id": 0}, "has a run_id of nothing"),
        ({"agreement_id": 0}, "has a agreement_id of nothing"),
    ],
)
def test_no_charge_is_added_to_a_run_afterwards_or_to_nothing(
    cast: Cast, changed: dict[str, Any], problem: str
) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    run = rate_at()
    facts = _facts_of(Charge.objects.get()) | {"slot": START - HOUR, "run": run}
    charge = Charge(**facts)
    for name, value in changed.items():
        setattr(charge, name, value)
    with pytest.raises(IntegrityError, match=problem), transaction.atomic():
        charge.save(force_insert=True)


def test_a_run_that_nobody_sealed_is_not_committed() -> None:
    facts = RatingRun.objects.values().get(pk=make_run().pk)
    with refused("is not sealed"):
        RatingRun.objects.create(**facts | {"id": None, "charges_digest": ""})


def test_a_moment_at_the_end_of_a_delivery_is_no_slot(cast: Cast) -> None:
    """Nothing that takes less than a second can be metered, so nothing is expected of it."""
    make_delivery(
        owner=cast.owner,
        buyer=cast.buyer,
        state="ended",
        active_until=START + HOUR + timedelta(milliseconds=300),
    )
    rate_at()
    assert [row.slot for row in ParkedUsage.objects.all()] == [START]


@pytest.mark.parametrize(
    ("facts", "slot"),
    [
        ({"active_from": START + 30 * MINUTE}, START),
        ({"state": "ended", "active_until": START + 90 * MINUTE}, START + HOUR),
    ],
)
def test_no_slot_costs_more_than_the_time_in_which_its_delivery_was_active(
    cast: Cast, facts: dict[str, Any], slot: datetime
) -> None:
    """The same half hour under two ids would fill the hour, and be paid twice."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10"], **facts)
    at = max(slot, delivery.active_from or slot)
    agent = agent_of(cast.owner)
    send(agent, event(delivery, "a", at=at, seconds=1800, quantity=8 * 1800))
    rate_at()
    assert Charge.objects.get().quantity == 8 * 1800
    send(agent, event(delivery, "b", at=at, seconds=1800, quantity=8 * 1800))
    rate_at()
    assert Charge.objects.get().quantity == 8 * 1800
    parked = ParkedUsage.objects.get(slot=slot)
    assert (parked.reason, parked.details) == ("overage", {"quantity": 28800, "committed": 14400})


def test_a_slot_may_be_corrected_more_often_than_a_small_integer_counts(cast: Cast) -> None:
    """One event a second corrects a slot 3,600 times an hour; a full counter would stop all rating."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery, "a"))
    rate_at()
    first = Charge.objects.get()
    make_run([Charge(**_facts_of(first), sequence=2**15, corrects=first)])
    send(agent_of(cast.owner), event(delivery, "b", at=START + MINUTE, quantity=470))
    rate_at()
    assert [charge.sequence for charge in history_of(first)] == [0, 2**15, 2**15 + 1]


def _facts_of(charge: Charge) -> dict[str, Any]:
    names = (
        "agreement",
        "slot",
        "quantity",
        "committed",
        "price",
        "currency",
        "amount",
        "commission",
        "credit",
    )
    return {name: getattr(charge, name) for name in names} | {"last_reading": charge.last_reading}
