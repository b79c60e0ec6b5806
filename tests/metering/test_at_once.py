"""Two at once: an id is stored once, whatever the bodies, and corrections meet what they correct."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection, connections, transaction

from accounts.actors import task_actor
from billing.metering import storage
from billing.metering.hours import differences
from billing.metering.models import ChangedSlot, EventKey, Reading, ReadingConflict
from billing.metering.partitions import detach, make_missing, month_of, months
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, LONG_AFTER, START, agent_of, event, make_delivery, send, statuses
from tests.cast import Cast
from tests.metering.scenes import correction, counted
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two(cast: Cast) -> list[Delivery]:
    """Deliveries of one site."""
    one, other = (make_delivery(owner=cast.owner, buyer=cast.buyer) for _ in range(2))
    Delivery.objects.filter(pk=other.pk).update(site=one.site)
    return [one, Delivery.objects.get(pk=other.pk)]


def test_one_event_sent_by_many_at_once_is_stored_once(cast: Cast, two: list[Delivery]) -> None:
    agent = agent_of(cast.owner)
    for number in range(4):
        results = at_once(*[lambda n=number: send(agent, event(two[0], f"e{n}"))] * 6)
        assert sorted(statuses(itertools.chain(*results))) == ["accepted", *["duplicate"] * 5]
    assert (Reading.objects.count(), EventKey.objects.count()) == (4, 4)
    assert counted(two[0]) == {START: 4 * 480}


def test_one_id_with_other_bodies_at_once_is_stored_once_and_the_rest_are_conflicts(
    cast: Cast, two: list[Delivery]
) -> None:
    """Half of them about another delivery, which no lock of a delivery keeps apart."""
    agent = agent_of(cast.owner)
    bodies = [event(two[number % 2], quantity=number) for number in range(6)]
    results = at_once(*(lambda body=body: send(agent, body) for body in bodies))
    assert sorted(statuses(itertools.chain(*results))) == ["accepted", *["conflict"] * 5]
    assert (Reading.objects.count(), ReadingConflict.objects.count()) == (1, 5)
    assert differences() == []


def test_two_batches_with_common_ids_in_any_order_never_wait_in_a_circle(
    cast: Cast, two: list[Delivery]
) -> None:
    agent = agent_of(cast.owner)
    mine = [event(two[0], f"{number}", quantity=number) for number in range(200)]
    theirs = [event(two[1], f"{number}", quantity=number) for number in reversed(range(200))]
    results = at_once(lambda: send(agent, *mine), lambda: send(agent, *theirs))
    assert not [result for result in results if isinstance(result, Exception)]
    assert sorted({status for result in results for status in statuses(result)}) == ["accepted", "conflict"]
    assert Reading.objects.count() == 200


def test_a_correction_and_its_event_at_once_count_once(cast: Cast, two: list[Delivery]) -> None:
    agent = agent_of(cast.owner)
    for number in range(6):
        at_once(
            lambda n=number: send(agent, event(two[0], f"e{n}")),
            lambda n=number: send(agent, correction(two[0], f"c{n}", f"e{n}", quantity=1)),
            lambda n=number: send(agent, correction(two[0], f"d{n}", f"c{n}", quantity=2, after=HOUR)),
        )
    assert counted(two[0]) == {START: 12}


def test_a_correction_of_another_deliverys_event_never_counts_beside_it(
    cast: Cast, two: list[Delivery]
) -> None:
    agent = agent_of(cast.owner)
    for number in range(6):
        at_once(
            lambda n=number: send(agent, event(two[0], f"e{n}")),
            lambda n=number: send(agent, correction(two[1], f"c{n}", f"e{n}", quantity=1)),
        )
    assert (counted(two[0]), counted(two[1])) == ({START: 6 * 480}, {})


def test_without_the_lock_both_would_count(
    cast: Cast, two: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race that the lock of the organisation prevents."""
    make_missing([month_of(START)])
    begin, insert = storage.begin, storage.insert
    stored, corrected = threading.Event(), threading.Event()

    def insert_and_wait(**facts: Any) -> Any:
        result = insert(**facts)
        if result.count and not stored.is_set():
            stored.set()
            corrected.wait(10)
        return result

    def correct() -> None:
        stored.wait(10)
        assert statuses(send(agent, correction(two[1], "c1", "e1", quantity=1))) == ["accepted"]
        corrected.set()

    monkeypatch.setattr(storage, "begin", lambda *args, **facts: begin(*args, **(facts | {"alone": False})))
    monkeypatch.setattr(storage, "insert", insert_and_wait)
    agent = agent_of(cast.owner)
    assert not [
        one for one in at_once(lambda: send(agent, event(two[0])), correct) if isinstance(one, Exception)
    ]
    assert (counted(two[0]), counted(two[1])) == ({START: 480}, {START: 1})


def test_a_month_without_partition_may_be_needed_by_several_at_once(cast: Cast) -> None:
    start = datetime(2041, 7, 1, tzinfo=UTC)
    deliveries = [make_delivery(owner=cast.owner, buyer=cast.buyer, start=start) for _ in range(4)]
    agent = agent_of(cast.owner)
    results = at_once(
        *(lambda d=one: send(agent, event(d, str(d.pk)), now=start + HOUR) for one in deliveries)
    )
    assert [statuses(result) for result in results] == [["accepted"]] * 4
    assert date(2041, 7, 1) in months().attached
    with connection.cursor() as cursor:  # other tests begin without it
        cursor.execute("DROP TABLE metering_reading_2041_07")


def test_a_month_is_taken_out_after_whoever_was_storing_in_it(cast: Cast) -> None:
    start = datetime(2041, 8, 1, tzinfo=UTC)
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, start=start)
    agent, detached = agent_of(cast.owner), threading.Event()
    later = datetime(2042, 1, 1, tzinfo=UTC)
    send(agent, event(delivery, "before"), now=later)
    ChangedSlot.objects.all().delete()
    results: list[Any] = []

    def take_out() -> None:
        results.append(detach(date(2041, 8, 1), now=later, actor=task_actor("a test")).readings)
        detached.set()
        connections.close_all()

    with transaction.atomic():
        send(agent, event(delivery, "meanwhile", meter="energy.wh", quantity=1), now=later)
        thread = threading.Thread(target=take_out)
        thread.start()
        assert not detached.wait(0.5)
    thread.join(20)
    assert results == [2]
    assert statuses(send(agent, event(delivery, "after"), now=later)) == ["archived"]
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE metering_reading_2041_08")


def test_who_stores_waits_for_a_month_that_is_being_taken_out_and_is_told(cast: Cast) -> None:
    start = datetime(2041, 9, 1, tzinfo=UTC)
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, start=start)
    agent, later = agent_of(cast.owner), datetime(2042, 1, 1, tzinfo=UTC)
    send(agent, event(delivery, "before"), now=later)
    ChangedSlot.objects.all().delete()
    results: list[Any] = []

    def store() -> None:
        results.extend(statuses(send(agent, event(delivery, "after"), now=later)))
        connections.close_all()

    with transaction.atomic():
        detach(date(2041, 9, 1), now=later, actor=task_actor("a test"))
        thread = threading.Thread(target=store)
        thread.start()
        time.sleep(0.3)
        assert results == []
    thread.join(20)
    assert results == ["archived"]
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE metering_reading_2041_09")


def test_readings_of_a_delivery_are_stored_in_the_order_of_their_commits(cast: Cast) -> None:
    """Rating cuts off by ``stored_at``: nothing that commits later may bear an earlier one."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    agent = agent_of(cast.owner)
    order: list[str] = []

    def second() -> None:
        send(agent, event(delivery, "second"), now=LONG_AFTER)
        order.append("second")
        connections.close_all()

    with transaction.atomic():
        send(agent, event(delivery, "first"), now=LONG_AFTER)
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
    rows = Reading.objects.order_by("stored_at").values_list("event_id", flat=True)
    assert list(rows) == list(Reading.objects.order_by("pk").values_list("event_id", flat=True)) == order
