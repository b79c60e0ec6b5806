"""A correction takes the place of the event that it names, whenever either comes."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.metering.models import ChangedSlot, EventKey, MeteredHour, Reading, ReadingCancellation
from billing.metering.storage import allocated_usage, cutoff_now
from billing.rating.models import Charge
from marketplace.delivery.models import Delivery
from tests.billing.builders import (
    HOUR,
    MINUTE,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    send,
    statuses,
)
from tests.cast import Cast
from tests.metering.scenes import correction, counted

pytestmark = pytest.mark.django_db
SECOND = MINUTE / 60


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    return make_delivery(owner=cast.owner, buyer=cast.buyer)


def test_a_correction_counts_instead_of_what_it_corrects_and_both_are_kept(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    send(agent, event(delivery))
    assert statuses(send(agent, correction(delivery, "c1", "e1", quantity=300))) == ["accepted"]
    assert counted(delivery) == {START: 300}
    assert [(row.event_id, row.sign, row.quantity) for row in Reading.objects.order_by("pk")] == [
        ("e1", 1, 480), ("c1", 1, 300), ("e1", -1, -480),
    ]  # fmt: skip
    assert MeteredHour.objects.get().readings == 1


def test_a_correction_may_come_before_what_it_corrects(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    assert statuses(send(agent, correction(delivery, "c1", "e1", quantity=300))) == ["accepted"]
    assert counted(delivery) == {START: 300}
    assert statuses(send(agent, event(delivery))) == ["accepted"]
    assert counted(delivery) == {START: 300}
    assert statuses(send(agent, event(delivery), correction(delivery, "c1", "e1", quantity=300))) == [
        "corrected",
        "duplicate",
    ]
    assert counted(delivery) == {START: 300}


def test_a_correction_may_be_corrected_and_the_order_does_not_matter(cast: Cast) -> None:
    agent = agent_of(cast.owner)
    for number, order in enumerate(itertools.permutations(range(4))):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        prefix = f"{number}-"
        events = [
            event(delivery, prefix + "e1"),
            correction(delivery, prefix + "c1", prefix + "e1", quantity=300),
            correction(delivery, prefix + "c2", prefix + "c1", quantity=200, after=2 * MINUTE),
            correction(delivery, prefix + "d1", prefix + "e1", quantity=100, after=0.5 * MINUTE),
        ]
        for place in order:
            assert statuses(send(agent, events[place])) == ["accepted"]
        assert counted(delivery) == {START: 200}, order


def test_of_two_corrections_of_one_event_the_newer_one_counts(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    send(agent, correction(delivery, "newer", "e1", quantity=1, after=HOUR), event(delivery))
    send(agent, correction(delivery, "older", "e1", quantity=2, after=MINUTE))
    assert counted(delivery) == {START: 1}


def test_a_correction_may_move_an_event_to_another_hour(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    send(agent, event(delivery))
    ChangedSlot.objects.all().delete()
    send(agent, correction(delivery, "c1", "e1", at=START + HOUR))
    assert counted(delivery) == {START + HOUR: 480}
    assert {row.slot for row in ChangedSlot.objects.all()} == {START, START + HOUR}
    usage = allocated_usage({(delivery.pk, START), (delivery.pk, START + HOUR)}, until=cutoff_now().reading)
    assert {slot: one.quantity for (_, slot), one in usage.items()} == {START: 0, START + HOUR: 480}


def test_what_was_charged_is_corrected_by_a_charge_that_names_it(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    agent = agent_of(cast.owner)
    send(agent, event(delivery))
    rate_at()
    send(agent, correction(delivery, "c1", "e1", quantity=300))
    rate_at()
    first, second = Charge.objects.order_by("sequence")
    assert (first.quantity, second.quantity, second.corrects) == (480, -180, first)


def test_a_mean_is_corrected_too_though_it_may_be_zero(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    mean = {"meter": "utilisation.mean"}
    send(
        agent,
        event(delivery, "m1", quantity=0, **mean),
        event(delivery, "m2", quantity=4_000, seconds=30, at=START + MINUTE, **mean),
    )
    hour = MeteredHour.objects.get()
    assert (hour.figure, hour.weight, hour.readings) == (Decimal(120_000) / 90, 90_000_000, 2)
    send(agent, correction(delivery, "c1", "m1", quantity=1_000, **mean))
    hour.refresh_from_db()
    assert hour.figure == 2_000
    assert counted(delivery, meter="utilisation.mean") == {START: 4_000 * 30_000_000 + 1_000 * 60_000_000}


def test_a_correction_of_another_deliverys_event_is_rejected(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    other = make_delivery(owner=cast.owner, buyer=cast.buyer)
    Delivery.objects.filter(pk=other.pk).update(site=delivery.site)
    other.refresh_from_db()
    send(agent, event(delivery), event(delivery, "energy", meter="energy.wh", quantity=5))
    answers = send(
        agent,
        correction(other, "c1", "e1", quantity=300),
        correction(delivery, "c2", "energy", quantity=300),
        correction(delivery, "c3", "e1", after=-MINUTE),
        correction(delivery, "c4", "e1", quantity=7),
    )
    assert statuses(answers) == ["corrects_another", "corrects_another", "corrects_later", "accepted"]
    assert counted(delivery) == {START: 7}
    assert counted(other) == {}


def test_a_correction_that_turns_out_to_be_of_another_delivery_counts_no_more(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    other = make_delivery(owner=cast.owner, buyer=cast.buyer)
    Delivery.objects.filter(pk=other.pk).update(site=delivery.site)
    other.refresh_from_db()
    assert statuses(send(agent, correction(other, "c1", "e1", quantity=300))) == ["accepted"]
    assert counted(other) == {START: 300}
    assert statuses(send(agent, event(delivery))) == ["accepted"]
    assert (counted(delivery), counted(other)) == ({START: 480}, {})


def test_a_correction_is_newer_than_what_it_corrects_by_their_own_times(
    cast: Cast, delivery: Delivery
) -> None:
    agent = agent_of(cast.owner)
    send(agent, event(delivery))
    same, newer = (
        correction(delivery, name, "e1", after=after) for name, after in (("c1", 0 * MINUTE), ("c2", SECOND))
    )
    assert statuses(send(agent, same, newer)) == ["corrects_later", "accepted"]


def test_a_rejected_correction_costs_nothing_else_in_its_batch(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    answers = send(
        agent,
        correction(delivery, "c0", "e1", after=-MINUTE),
        event(delivery),
        event(delivery, "e2", at=START + MINUTE),
        correction(delivery, "c1", "e2", at=START + MINUTE, quantity=5),
        correction(delivery, "c0", "e1", after=-MINUTE),
    )
    assert statuses(answers) == ["corrects_later", "accepted", "accepted", "accepted", "corrects_later"]
    assert counted(delivery) == {START: 485}


def test_another_sites_event_of_that_name_is_not_meant(cast: Cast, delivery: Delivery) -> None:
    """A correction names an event of its own source."""
    theirs = make_delivery(owner=cast.other_owner, buyer=cast.buyer)
    send(agent_of(cast.other_owner), event(theirs))
    send(agent_of(cast.owner), correction(delivery, "c1", "e1", quantity=300))
    assert (counted(theirs), counted(delivery)) == ({START: 480}, {START: 300})


def test_the_database_takes_a_reading_back_once(cast: Cast, delivery: Delivery) -> None:
    agent = agent_of(cast.owner)
    send(agent, event(delivery), correction(delivery, "c1", "e1", quantity=300))
    cancelled = ReadingCancellation.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        ReadingCancellation.objects.create(event=EventKey.objects.get(pk=cancelled.pk))
