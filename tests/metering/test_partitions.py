"""Readings lie in the partition of their month, which is there before them and can be taken out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from accounts.models import AuditEvent
from billing.metering.models import ChangedSlot, DetachedMonth, MeteredHour, Reading, ReadingConflict
from billing.metering.partitions import Months, make_ahead, make_missing, months
from billing.metering.tasks import make_reading_partitions
from marketplace.clock import MarketClock
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, LONG_AFTER, agent_of, event, make_delivery, rate_at, send, statuses
from tests.cast import Cast
from tests.metering.scenes import correction, counted

pytestmark = pytest.mark.django_db
LEAP_DAY = datetime(2028, 2, 29, 22, tzinfo=UTC)
LATER = datetime(2028, 6, 1, tzinfo=UTC)


def _delivery(cast: Cast, start: datetime) -> Delivery:
    return make_delivery(owner=cast.owner, buyer=cast.buyer, start=start)


def _tables() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_id, tableoid::regclass::text FROM metering_reading")
        return dict(cursor.fetchall())


@pytest.mark.parametrize(
    ("border", "before", "after"),
    [
        (datetime(2028, 3, 1, tzinfo=UTC), "2028_02", "2028_03"),
        (datetime(2028, 1, 1, tzinfo=UTC), "2027_12", "2028_01"),
        (datetime(2027, 3, 1, tzinfo=UTC), "2027_02", "2027_03"),
    ],
    ids=["the leap day", "the new year", "no leap day"],
)
def test_a_reading_lies_in_the_month_of_its_hour(
    cast: Cast, border: datetime, before: str, after: str
) -> None:
    delivery = _delivery(cast, border - 2 * HOUR)
    answers = send(
        agent_of(cast.owner),
        event(delivery, "last second", at=border - timedelta(seconds=1), seconds=1, quantity=8),
        event(delivery, "first second", at=border, seconds=1, quantity=8),
        event(delivery, "over the border", at=border - timedelta(seconds=30)),
        now=LATER,
    )
    assert statuses(answers) == ["accepted", "accepted", "crosses_hour"]
    assert _tables() == {
        "last second": f"metering_reading_{before}",
        "first second": f"metering_reading_{after}",
    }


def test_the_month_is_that_of_utc_whatever_the_offset_of_the_event(cast: Cast) -> None:
    delivery = _delivery(cast, LEAP_DAY)
    body = event(delivery)
    body["data"]["starts_at"] = "2028-03-01T06:00:00+08:00"
    body["data"]["ends_at"] = "2028-03-01T06:01:00+08:00"
    send(agent_of(cast.owner), body, now=LATER)
    assert _tables() == {"e1": "metering_reading_2028_02"}
    assert Reading.objects.get().slot == LEAP_DAY


def test_partitions_are_made_ahead_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2031, 12, 31, 23, 59, tzinfo=UTC)
    ahead = [date(2031, 12, 1), date(2032, 1, 1), date(2032, 2, 1), date(2032, 3, 1)]
    monkeypatch.setattr(MarketClock, "now", lambda _: now)
    make_reading_partitions()
    assert set(ahead) <= months().attached
    assert make_ahead(now=now) == []
    assert make_ahead(now=now + timedelta(seconds=60)) == [date(2032, 4, 1)]


def test_the_beat_makes_partitions() -> None:
    tasks = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert make_reading_partitions.name in tasks


@pytest.mark.parametrize("change", ["UPDATE {} SET quantity = 0", "DELETE FROM {}", "TRUNCATE {}"])
def test_a_partition_is_guarded_like_the_whole_attached_or_not(cast: Cast, change: str) -> None:
    table = "metering_reading_2028_02"
    delivery = _delivery(cast, LEAP_DAY)
    send(agent_of(cast.owner), event(delivery), now=LATER)
    for _ in range(2):
        with (
            pytest.raises(DatabaseError, match="Cannot"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change.format(table))
        if table in _tables().values():
            _rate_and_detach("2028-02")


def _rate_and_detach(month: str) -> str:
    rate_at(LATER)
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MarketClock, "now", lambda _: LATER)
        call_command("detach_readings", month, stdout=out)
    return out.getvalue()


def test_a_month_is_taken_out_whole_and_its_hours_stay(cast: Cast) -> None:
    delivery = _delivery(cast, LEAP_DAY)
    agent = agent_of(cast.owner)
    march = LEAP_DAY + 2 * HOUR
    send(agent, event(delivery), event(delivery, "march", at=march), now=LATER)
    assert _rate_and_detach("2028-02") == "1 readings are in the table metering_reading_2028_02\n"
    assert [row.event_id for row in Reading.objects.all()] == ["march"]
    assert counted(delivery) == {LEAP_DAY: 480, march: 480}
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_id FROM metering_reading_2028_02")
        assert cursor.fetchall() == [("e1",)]
    assert AuditEvent.objects.filter(action="metering.month_detached").count() == 1
    assert DetachedMonth.objects.get().readings == 1


def test_a_month_that_was_taken_out_takes_no_more_and_still_knows_its_events(cast: Cast) -> None:
    delivery = _delivery(cast, LEAP_DAY)
    agent = agent_of(cast.owner)
    march = LEAP_DAY + 2 * HOUR
    send(agent, event(delivery), event(delivery, "march", at=march), now=LATER)
    _rate_and_detach("2028-02")
    answers = send(
        agent,
        event(delivery),
        event(delivery, quantity=7),
        event(delivery, "late"),
        correction(delivery, "c1", "e1", at=march),
        correction(delivery, "c2", "march", at=march, quantity=5),
        now=LATER,
    )
    assert statuses(answers) == ["duplicate", "conflict", "archived", "archived", "accepted"]
    assert ReadingConflict.objects.get().counted == ""
    assert counted(delivery) == {LEAP_DAY: 480, march: 5}
    assert make_missing([date(2028, 2, 1)]) == []
    assert date(2028, 2, 1) not in months().attached


def test_a_correction_of_what_was_corrected_in_a_month_that_is_gone_is_rejected(cast: Cast) -> None:
    """The correction that counts lies in the archive, so it cannot be taken back."""
    delivery = _delivery(cast, LEAP_DAY)
    agent = agent_of(cast.owner)
    march = LEAP_DAY + 2 * HOUR
    send(
        agent,
        event(delivery, "e1", at=march),
        correction(delivery, "c1", "e1", quantity=7, after=3 * HOUR, at=LEAP_DAY),
        now=LATER,
    )
    assert counted(delivery) == {LEAP_DAY: 7}
    _rate_and_detach("2028-02")
    answers = send(agent, correction(delivery, "c2", "e1", at=march, after=5 * HOUR), now=LATER)
    assert statuses(answers) == ["archived"]
    assert counted(delivery) == {LEAP_DAY: 7}


def test_a_month_that_is_still_needed_is_not_taken_out(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = _delivery(cast, LEAP_DAY)
    send(agent_of(cast.owner), event(delivery), now=LATER)
    clock = [LEAP_DAY + HOUR]
    monkeypatch.setattr(MarketClock, "now", lambda _: clock[0])

    def refused(reason: str, month: str = "2028-02") -> None:
        with pytest.raises(CommandError, match=reason):
            call_command("detach_readings", month)

    refused("is not over")
    clock[0] = LATER
    refused("There are no readings of 2027-06", "2027-06")
    refused("wait to be rated")
    ChangedSlot.objects.all().delete()
    MeteredHour.objects.update(quantity=1)
    refused("1 hours are not the sum")
    MeteredHour.objects.update(quantity=480)
    call_command("detach_readings", "2028-02")
    refused("There are no readings")


def test_a_months_partition_comes_with_its_first_event_when_nobody_made_it(cast: Cast) -> None:
    start = datetime(2033, 5, 31, 22, tzinfo=UTC)
    delivery = _delivery(cast, start)
    assert date(2033, 5, 1) not in months().attached
    send(
        agent_of(cast.owner),
        event(delivery),
        event(delivery, "june", at=start + 2 * HOUR),
        now=start + 9 * HOUR,
    )
    assert {date(2033, 5, 1), date(2033, 6, 1)} <= months().attached


def test_what_is_rejected_makes_no_partition(cast: Cast) -> None:
    delivery = _delivery(cast, datetime(2034, 1, 1, tzinfo=UTC))
    send(agent_of(cast.owner), event(delivery), now=LONG_AFTER)
    assert date(2034, 1, 1) not in months().attached


def test_a_query_for_one_hour_reads_one_partition(cast: Cast) -> None:
    make_missing([date(2028, 1, 1), date(2028, 2, 1), date(2028, 3, 1)])
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN SELECT sum(quantity) FROM metering_reading WHERE delivery_id = 1 AND slot = %s",
            [LEAP_DAY],
        )
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "metering_reading_2028_02" in plan
    assert "metering_reading_2028_03" not in plan


def test_months_are_read_from_the_database_itself() -> None:
    make_missing([date(2035, 1, 1)])
    DetachedMonth.objects.create(month=date(2001, 1, 1), readings=0, detached_at=LATER)
    found: Months = months()
    assert date(2035, 1, 1) in found.attached
    assert found.detached == {date(2001, 1, 1)}


def test_nothing_expires_and_commits_wait_for_the_disk(cast: Cast) -> None:
    """No cache stands before the ids, and an acknowledged event is on disk."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
    delivery = _delivery(cast, LEAP_DAY)
    agent = agent_of(cast.owner)
    send(agent, event(delivery), now=LATER)
    assert statuses(send(agent, event(delivery), now=LATER + timedelta(days=36_500))) == ["duplicate"]


def test_the_limits_of_what_may_be_sent_are_those_of_the_issue(settings: Any) -> None:
    from billing.metering import events  # noqa: PLC0415

    assert (events.MOST_EVENTS, events.MOST_BYTES) == (10_000, 8 * 1024 * 1024)
