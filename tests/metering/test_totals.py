"""Any interleaving of duplicates, late events, contradictions and corrections gives the same totals.

The oracle adds up what counts, once, from the events alone, and knows nothing of batches or arrival.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.actors import Viewer
from billing.metering.hours import differences
from billing.metering.models import MeteredHour
from marketplace.delivery.models import Delivery
from tests.billing.builders import HOUR, LONG_AFTER, MINUTE, START, agent_of, event, make_delivery, send
from tests.cast import Cast

pytestmark = pytest.mark.django_db
METERS = ("card-seconds.allocated", "utilisation.mean")
SECONDS = 60


@dataclass(frozen=True)
class Fact:
    """An event as the site knows it; ``corrects`` is the number of an earlier one, or of none at all."""

    delivery: int
    meter: str
    hour: int
    minute: int
    quantity: int
    time: int
    corrects: int | None

    def body(self, number: int, deliveries: list[Delivery], change: int = 0) -> dict[str, Any]:
        at = START + self.hour * HOUR + self.minute * MINUTE
        body = event(
            deliveries[self.delivery],
            f"e{number}",
            at=at,
            seconds=SECONDS,
            quantity=abs(self.quantity - change),
            meter=self.meter,
            time=(START + timedelta(hours=self.time)).isoformat(),
        )
        if self.corrects is not None:
            body["data"]["corrects"] = f"e{self.corrects}"
        return body


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    times = draw(st.permutations(range(draw(st.integers(1, 10)))))
    return [
        Fact(
            delivery=draw(st.sampled_from([0, 0, 0, 1])),
            meter=draw(st.sampled_from([METERS[0], METERS[0], METERS[1]])),
            hour=draw(st.integers(0, 1)),
            minute=draw(st.integers(0, 59)),
            quantity=draw(st.integers(0, 480)),
            time=time,
            corrects=draw(st.sampled_from([None, None, *range(number), *range(number), 99])),
        )
        for number, time in enumerate(times)
    ]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.integers(0, 9), min_size=1, max_size=5)),
        st.tuples(st.just("contradict"), st.lists(st.integers(0, 9), min_size=1, max_size=1)),
        st.tuples(st.just("spoil"), st.lists(st.integers(0, 9), min_size=1, max_size=3)),
    ),
    max_size=7,
)


def counting(known: list[Fact]) -> list[Fact]:
    """What counts. Those that may not correct what they name are turned down, each in its turn."""
    there: dict[int, Fact] = {}
    for number, fact in enumerate(known):
        target = there.get(fact.corrects) if fact.corrects is not None else None
        if target is None or _may_correct(fact, target):
            there[number] = fact
    first = [(number, fact) for number, fact in there.items() if fact.corrects is None]
    orphans = [(number, fact) for number, fact in there.items() if fact.corrects not in {None, *there}]
    for kind in {(fact.corrects, fact.delivery, fact.meter) for _, fact in orphans}:
        rivals = [one for one in orphans if (one[1].corrects, one[1].delivery, one[1].meter) == kind]
        first.append(max(rivals, key=_time))
    return [_last(number, fact, there) for number, fact in first]


def _last(number: int, fact: Fact, there: dict[int, Fact]) -> Fact:
    corrections = [(n, one) for n, one in there.items() if one.corrects == number]
    return _last(*max(corrections, key=_time), there) if corrections else fact


def _time(numbered: tuple[int, Fact]) -> int:
    return numbered[1].time


def _may_correct(fact: Fact, target: Fact) -> bool:
    return (fact.delivery, fact.meter) == (target.delivery, target.meter) and fact.time > target.time


@pytest.fixture
def deliveries(cast: Cast) -> list[Delivery]:
    """Two of one site, so that a source has events of both."""
    one, two = (make_delivery(owner=cast.owner, buyer=cast.buyer) for _ in range(2))
    Delivery.objects.filter(pk=two.pk).update(site=one.site)
    return [one, Delivery.objects.get(pk=two.pk)]


@pytest.fixture
def agent(cast: Cast) -> Viewer:
    return agent_of(cast.owner)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(known=facts(), history=steps)
def test_the_order_of_events_leaves_no_trace_in_the_totals(
    deliveries: list[Delivery], agent: Viewer, known: list[Fact], history: list[Any]
) -> None:
    with transaction.atomic():
        _live_through(known, history, deliveries, agent)
        assert _totals() == _expected(known, deliveries)
        assert differences() == []
        transaction.set_rollback(True)


def _live_through(known: list[Fact], history: list[Any], deliveries: list[Delivery], agent: Viewer) -> None:
    """At the end the site sends everything once more, as one does whose answers were lost."""
    bodies = [fact.body(number, deliveries) for number, fact in enumerate(known)]
    for kind, numbers in history:
        chosen = [number % len(known) for number in numbers]
        batch = [bodies[number] for number in chosen]
        if kind == "contradict":
            batch += [known[number].body(number, deliveries, change=7) for number in chosen]
        if kind == "spoil":
            batch = [{}, *batch, known[chosen[0]].body(97, deliveries) | {"subject": "delivery/999999999"}]
        send(agent, *batch, now=LONG_AFTER)
    send(agent, *bodies, now=LONG_AFTER)


def _totals() -> dict[Any, tuple[int, int, int]]:
    return {
        (hour.delivery_id, hour.meter, hour.slot): (hour.quantity, hour.weight, hour.readings)
        for hour in MeteredHour.objects.filter(readings__gt=0)
    }


def _expected(known: list[Fact], deliveries: list[Delivery]) -> dict[Any, tuple[int, int, int]]:
    sums: dict[Any, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    for fact in counting(known):
        slot = deliveries[fact.delivery].pk, fact.meter, START + fact.hour * HOUR
        weight = SECONDS * 1_000_000 if fact.meter == "utilisation.mean" else 0
        quantity, weights, count = sums[slot]
        sums[slot] = quantity + fact.quantity * (weight or 1), weights + weight, count + 1
    return dict(sums)
