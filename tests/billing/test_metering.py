"""Usage is counted once, every event gets its own answer, and a bad one costs only itself."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from accounts.models import AuditEvent
from billing.metering.events import BatchTooLarge, MalformedBatch, read_batch
from billing.metering.models import ChangedSlot, Reading, ReadingConflict
from billing.metering.partitions import make_missing, month_of
from billing.metering.services import store_events
from marketplace.delivery.models import Delivery
from marketplace.errors import NotAllowed
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    START,
    agent_of,
    event,
    make_delivery,
    send,
    statuses,
)
from tests.cast import Cast
from tests.factories import make_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    return make_delivery(owner=cast.owner, buyer=cast.buyer)


def test_an_event_is_stored_once_whatever_the_number_of_times_it_is_sent(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    first = send(agent, event(delivery), event(delivery))
    again = send(agent, event(delivery))
    assert statuses(first) == ["accepted", "duplicate"]
    assert statuses(again) == ["duplicate"]
    reading = Reading.objects.get()
    assert (reading.quantity, reading.slot, json.loads(reading.body)) == (480, START, event(delivery))


def test_the_order_of_members_and_white_space_do_not_make_another_body(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    send(agent, event(delivery))
    body = event(delivery)
    turned = {name: body[name] for name in reversed(body)}
    turned["data"] = {name: body["data"][name] for name in reversed(body["data"])}
    answers = store_events(read_batch(json.dumps([turned], indent=3).encode()), viewer=agent, now=LONG_AFTER)
    assert statuses(answers) == ["duplicate"]


def test_the_same_id_with_another_body_is_a_conflict_that_is_kept_once(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    assert statuses(send(agent, event(delivery), event(delivery, quantity=1))) == ["accepted", "conflict"]
    assert statuses(send(agent, event(delivery, quantity=1))) == ["conflict"]
    conflict = ReadingConflict.objects.get()
    assert json.loads(conflict.body)["data"]["quantity"] == 1
    assert json.loads(conflict.counted)["data"]["quantity"] == 480


def test_an_id_is_taken_by_what_was_stored_and_not_by_what_was_rejected(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    wrong, right = event(delivery, quantity=-1), event(delivery)
    assert statuses(send(agent, wrong, right, wrong)) == ["quantity_negative", "accepted", "conflict"]
    assert statuses(send(agent, wrong)) == ["conflict"]
    assert ReadingConflict.objects.count() == 1


def test_a_resent_event_is_a_duplicate_even_when_it_would_be_rejected_by_now(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    late = event(delivery, at=START + HOUR)
    send(agent, late)
    Delivery.objects.update(state="ended", active_until=START + HOUR)
    assert statuses(send(agent, late, event(delivery, "e2", at=START + HOUR))) == [
        "duplicate",
        "outside_interval",
    ]


def _changed(delivery: Delivery, **data: Any) -> dict[str, Any]:
    body = event(delivery)
    body["data"] |= data
    return body


REJECTED = {
    "no such meter": (lambda d: _changed(d, meter="cards"), "malformed"),
    "a field too many": (lambda d: _changed(d, qty=1), "malformed"),
    "a quantity in a string": (lambda d: _changed(d, quantity="480"), "malformed"),
    "a broken quantity": (lambda d: _changed(d, quantity=1.5), "malformed"),
    "a time without offset": (lambda d: _changed(d, ends_at="2026-03-02T09:01:00"), "malformed"),
    "another type": (lambda d: event(d, type="org.example"), "malformed"),
    "an old specification": (lambda d: event(d, specversion="0.3"), "malformed"),
    "an empty id": (lambda d: event(d, id=""), "malformed"),
    "an endless id": (lambda d: event(d, id="x" * 201), "malformed"),
    "an id that cannot be stored": (lambda d: event(d, id="a\x00b"), "malformed"),
    "no object": (lambda _: 7, "malformed"),
    "a source that is no site": (lambda d: event(d, source="urn:x"), "malformed"),
    "a subject that is no delivery": (lambda d: event(d, subject="agreement/1"), "malformed"),
    "a delivery that is not there": (lambda d: event(d, subject="delivery/999999999"), "unknown_delivery"),
    "a site that is not there": (lambda d: event(d, source="urn:cardhour:site:999999"), "other_site"),
    "half a pair of surrogates": (lambda d: event(d, extension="\ud800"), "malformed"),
    "a mean above all cards": (
        lambda d: event(d, quantity=10_001, meter="utilisation.mean"),
        "quantity_impossible",
    ),
    "a time before all times": (lambda d: event(d, time="0001-01-01T00:00:00+14:00"), "malformed"),
    "a time after all times": (lambda d: event(d, time="9999-12-31T23:59:59-12:00"), "malformed"),
    "a correction of itself": (lambda d: _changed(d, corrects="e1"), "corrects_itself"),
    "a correction of nothing": (lambda d: _changed(d, corrects=""), "malformed"),
    "an interval backwards": (lambda d: _changed(d, ends_at=START.isoformat()), "empty_interval"),
    "an interval before the delivery": (lambda d: event(d, at=START - MINUTE), "outside_interval"),
    "an interval before time": (
        lambda d: _changed(d, starts_at="0001-01-01T00:00:00+14:00"),
        "outside_interval",
    ),
    "an interval after the delivery": (lambda d: event(d, at=START + 4 * HOUR), "outside_interval"),
    "an interval over the hour": (lambda d: event(d, at=START + 59 * MINUTE, seconds=61), "crosses_hour"),
    "an interval in the future": (lambda d: event(d, at=LONG_AFTER + 5 * MINUTE), "in_future"),
    "a negative quantity": (lambda d: event(d, quantity=-1), "quantity_negative"),
    "more than all cards": (lambda d: event(d, quantity=481), "quantity_impossible"),
    "more than fits a number": (lambda d: event(d, quantity=2**70), "quantity_impossible"),
    "more energy than the cards can draw": (
        lambda d: event(d, quantity=1335, meter="energy.wh"),
        "quantity_impossible",
    ),
}


@pytest.mark.parametrize(("make", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_a_bad_event_is_rejected_with_its_reason_and_the_good_ones_beside_it_are_stored(
    cast: Cast, delivery: Delivery, make: Any, reason: str
) -> None:
    good = [event(delivery, "g1"), event(delivery, "g2", at=START + MINUTE)]
    answers = send(agent_of(cast.owner), good[0], make(delivery), good[1])
    assert statuses(answers) == ["accepted", reason, "accepted"]
    assert answers[1].message
    assert sorted(Reading.objects.values_list("event_id", flat=True)) == ["g1", "g2"]


def test_the_future_begins_after_the_allowed_skew_of_the_clocks(cast: Cast, delivery: Delivery) -> None:
    now = START + 10 * MINUTE
    agent = agent_of(cast.owner)
    answers = send(
        agent,
        event(delivery, "a", at=START + 14 * MINUTE),
        event(delivery, "b", at=START + 15 * MINUTE),
        now=now,
    )
    assert statuses(answers) == ["accepted", "in_future"]


def test_a_delivery_that_was_never_active_has_no_readings(cast: Cast) -> None:
    delivery = make_delivery(
        owner=cast.owner, buyer=cast.buyer, state="accepting", active_from=None, acceptance=None
    )
    assert statuses(send(agent_of(cast.owner), event(delivery))) == ["not_active"]


def test_a_delivery_of_a_neighbouring_site_is_not_this_sites_to_meter(cast: Cast, delivery: Delivery) -> None:
    neighbour = make_site(cast.owner)
    wrong = event(delivery, source=f"urn:cardhour:site:{neighbour.pk}")
    assert statuses(send(agent_of(cast.owner), wrong)) == ["other_site"]


def test_a_part_of_a_site_may_be_a_source_of_its_own(cast: Cast, delivery: Delivery) -> None:
    part = event(delivery, source=f"urn:cardhour:site:{delivery.site_id}:node:7")
    assert statuses(send(agent_of(cast.owner), event(delivery), part)) == ["accepted", "accepted"]


def test_a_stranger_learns_nothing_and_changes_nothing(cast: Cast, delivery: Delivery) -> None:
    send(agent_of(cast.owner), event(delivery))
    answers = send(
        agent_of(cast.other_owner), event(delivery), event(delivery, quantity=1), event(delivery, "e2")
    )
    assert statuses(answers) == ["unknown_delivery"] * 3
    assert (Reading.objects.count(), ReadingConflict.objects.count()) == (1, 0)


def test_only_a_token_with_the_right_to_deliver_sends_events(cast: Cast, delivery: Delivery) -> None:
    for viewer in (
        cast.viewer_of(cast.owner_admin),
        cast.viewer_of(cast.operator),
        cast.viewer_of_token(cast.owner, "read", "trade"),
    ):
        with pytest.raises(NotAllowed):
            send(viewer, event(delivery))


def test_a_batch_that_stores_something_leaves_one_audit_event(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    send(
        agent,
        event(delivery, "a"),
        event(delivery, "b"),
        event(delivery, "a"),
        event(delivery, "c", quantity=-1),
    )
    entry = AuditEvent.objects.get()
    assert (entry.action, entry.token, entry.organisation) == (
        "metering.batch_stored",
        agent.actor.token,
        cast.owner,
    )
    assert {name: entry.data[name] for name in ("accepted", "duplicate", "rejected")} == {
        "accepted": 2, "duplicate": 1, "rejected": 1,
    }  # fmt: skip
    send(agent, event(delivery, "a"), event(delivery, "c", quantity=-1))
    assert AuditEvent.objects.count() == 1
    send(agent, event(delivery, "a", quantity=7))
    assert AuditEvent.objects.count() == 2


def test_only_allocated_card_seconds_are_left_for_rating(cast: Cast, delivery: Delivery) -> None:
    send(
        agent_of(cast.owner),
        event(delivery, "a", meter="card-seconds.active"),
        event(delivery, "b", meter="energy.wh"),
    )
    assert not ChangedSlot.objects.exists()
    send(agent_of(cast.owner), event(delivery, "c"), event(delivery, "d", at=START + MINUTE))
    assert [(row.delivery_id, row.slot) for row in ChangedSlot.objects.all()] == [(delivery.pk, START)]


def test_the_number_of_queries_does_not_depend_on_the_number_of_events(
    cast: Cast, delivery: Delivery, django_assert_max_num_queries: Any
) -> None:
    agent, other = agent_of(cast.owner), make_delivery(owner=cast.owner, buyer=cast.buyer)
    events = [
        event(one, f"{one.pk}-{minute}", at=START + minute * MINUTE)
        for one, minute in itertools.product((delivery, other), range(200))
    ]
    make_missing([month_of(START)])
    with django_assert_max_num_queries(7):
        answers = send(agent, *events)
    assert {answer.status.value for answer in answers} == {"accepted"}


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b"[1,]", b'"\xff', b"[" * 5000, b"null"])
def test_what_is_no_batch_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(MalformedBatch):
        read_batch(content)


def test_more_events_than_a_batch_may_have_are_refused() -> None:
    with pytest.raises(BatchTooLarge):
        read_batch(b"[" + b",".join([b"1"] * 10_001) + b"]")


@pytest.mark.parametrize(
    "statement",
    [
        f"{change} {table}{what}"
        for table in ("metering_reading", "metering_reading_2026_03", "metering_eventkey")
        for change, what in (("UPDATE", " SET slot = slot"), ("DELETE FROM", ""))
    ],
)
def test_a_reading_never_changes(cast: Cast, delivery: Delivery, statement: str) -> None:
    send(agent_of(cast.owner), event(delivery))
    with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
        connection.cursor().execute(statement)


def test_the_database_refuses_a_reading_outside_its_slot(cast: Cast, delivery: Delivery) -> None:
    send(agent_of(cast.owner), event(delivery))
    reading = Reading.objects.get()
    reading.pk, reading.event_id, reading.slot = None, "other", START + HOUR
    with pytest.raises(IntegrityError, match="reading_inside_its_slot"), transaction.atomic():
        reading.save(force_insert=True)
    reading.slot, reading.ends_at = START, START + HOUR + timedelta(seconds=1)
    with pytest.raises(IntegrityError, match="reading_inside_its_slot"), transaction.atomic():
        reading.save(force_insert=True)


def test_an_event_nested_without_end_costs_only_itself(cast: Cast, delivery: Delivery) -> None:
    """Stored, it could neither be compared with a conflicting one nor be shown."""
    nested: Any = []
    for _ in range(32):
        nested = [nested]
    answers = send(agent_of(cast.owner), event(delivery, "deep", extension=nested), event(delivery, "flat"))
    assert statuses(answers) == ["malformed", "accepted"]
