"""Usual hours are charged by the million, the others one by one; nobody can tell them apart."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import numpy as np
import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from billing.metering.models import ChangedSlot, MeteredHour
from billing.metering.rules import microseconds
from billing.metering.storage import Usage
from billing.rating import services
from billing.rating.columns import read_columns
from billing.rating.judgement import Case, Due, judge
from billing.rating.models import Charge, ParkedUsage, RatedUntil, RatingRun
from billing.rating.records import line_of
from billing.rating.replay import replay_run
from billing.rating.services import charge_of, rate_all
from billing.rating.usual import NOTHING, DueDeliveries, Hours, first_charges
from billing.rating.writing import _lines
from marketplace.delivery.models import Delivery
from tests.billing.builders import (
    HOUR,
    LONG_AFTER,
    MINUTE,
    RATER,
    START,
    agent_of,
    event,
    make_delivery,
    rate_at,
    send,
)
from tests.billing.test_rating_replay import _correction, _event
from tests.cast import Cast

CUTOFF = 1_000
cases = st.tuples(
    st.integers(1, 10**6),  # cards
    st.one_of(st.none(), st.integers(0, 10**10)),  # card-seconds
    st.one_of(st.none(), st.integers(1, 10**12)),  # millionths of the price
    st.integers(0, 999_999),  # millionths of the rate
    st.integers(0, 3600),  # seconds in which the delivery was active
)


# A whole hour of all cards, and a card-second more.
@example([(8, 28_800, 10_000_000, 30_000, 3600), (8, 28_801, 10_000_000, 30_000, 3600)])
@given(st.lists(cases, min_size=1, max_size=20))
def test_what_is_usual_costs_what_judging_it_says_to_the_byte(drawn: list[Any]) -> None:
    hours = _hours(drawn)
    usual = hours.are_usual(CUTOFF)
    verdicts = [_verdict(number, *each) for number, each in enumerate(drawn)]
    assert usual.tolist() == [verdict is not None for verdict in verdicts]
    lines = _lines(first_charges(hours.where(usual)), slice(None))
    assert lines == [f"{line_of(verdict)}\n".encode() for verdict in verdicts if verdict is not None]


def _hours(drawn: list[Any]) -> Hours:
    cards, quantity, price, rate, active = (list(column) for column in zip(*drawn, strict=True))
    count, start = len(drawn), microseconds(START)
    numbers = np.arange(count)
    due = DueDeliveries(
        delivery=numbers,
        agreement=numbers,
        cards=np.array(cards),
        active_from=np.full(count, start),
        active_until=start + np.array(active) * 1_000_000,
        starts_at=np.full(count, start),
        rate=np.array(rate),
        currency=np.full(count, b"CNY"),
        is_fresh=np.full(count, True),
        first=np.full(count, start),
        count=np.ones(count, dtype=int),
    )
    return Hours(
        due,
        of=numbers,
        slot=np.full(count, start),
        mark=numbers,
        quantity=np.array([NOTHING if each is None else each for each in quantity]),
        last_reading=np.array([NOTHING if each is None else 7 for each in quantity]),
        price=np.array([NOTHING if each is None else each for each in price]),
    )


def _verdict(
    agreement: int, cards: int, quantity: int | None, price: int | None, rate: int, active: int
) -> Charge | None:
    case = Case(
        agreement=agreement,
        slot=START,
        cards=cards,
        committed=cards * active,
        price=None if price is None else Decimal(price).scaleb(-6),
        currency="CNY",
        commission_rate=Decimal(rate).scaleb(-6),
        usage=None if quantity is None else Usage(quantity, 7),
        charged=None,
    )
    verdict = judge(case)
    return charge_of(case, verdict) if isinstance(verdict, Due) else None


facts = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(30, 59), st.integers(0, 480)),
    unique_by=lambda one: one[:3],
    min_size=1,
    max_size=10,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.integers(0, 9), max_size=5)),
        st.tuples(st.just("correct"), st.tuples(st.integers(0, 9), st.integers(0, 480))),
        st.tuples(st.just("rate"), st.integers(0, 120)),
        st.tuples(st.just("end"), st.integers(40, 170)),
    ),
    max_size=12,
)


@pytest.fixture
def deliveries(cast: Cast) -> list[Delivery]:
    """A usual one, one that began late, and one of which an hour has no price."""
    usual = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "0.07", "3.333333"])
    late = make_delivery(
        owner=cast.owner,
        buyer=cast.buyer,
        prices=["11.37", "7", "0.01"],
        rate="0.012345",
        active_from=START + 30 * MINUTE,
    )
    unpriced = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["5", "6"])
    Delivery.objects.filter(pk=unpriced.pk).update(ends_at=START + 3 * HOUR)
    return [usual, late, unpriced]


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(facts=facts, history=steps)
def test_any_history_is_rated_to_the_same_bytes_by_both_ways(
    deliveries: list[Delivery], cast: Cast, facts: list[Any], history: list[Any]
) -> None:
    with transaction.atomic():
        agent, clock = agent_of(cast.owner), START
        for number, (kind, detail) in enumerate(history):
            if kind == "rate":
                clock += timedelta(minutes=detail)
                _rate_both_ways(clock)
            elif kind == "send":
                send(agent, *(_event(deliveries, facts[index % len(facts)]) for index in detail))
            elif kind == "end":
                found = Delivery.objects.filter(pk=deliveries[0].pk, state="active")
                found.update(state="ended", active_until=START + detail * MINUTE)
            else:
                send(agent, _correction(deliveries, facts[detail[0] % len(facts)], number, detail[1]))
        send(agent, *(_event(deliveries, fact) for fact in facts))
        _rate_both_ways(LONG_AFTER)
        assert all(replay_run(run).is_same for run in RatingRun.objects.all())
        transaction.set_rollback(True)


def _rate_both_ways(now: Any) -> None:
    """One by one and undone, then as it is."""
    nothing_is_usual = mock.patch.object(
        Hours, "are_usual", lambda hours, _cutoff: np.zeros(len(hours), dtype=bool)
    )
    with nothing_is_usual, transaction.atomic():
        rate_at(now)
        one_by_one = _said()
        transaction.set_rollback(True)
    rate_at(now)
    assert _said() == one_by_one


def _said() -> list[Any]:
    runs = RatingRun.objects.order_by("pk").values_list(
        "horizon", "last_reading", "charges_digest", "sums", "price_basis", "charges_made", "parked_made",
        "parked_resolved",
    )  # fmt: skip
    parked = ParkedUsage.objects.order_by("agreement", "slot", "reason", "resolved_at")
    charges = Charge.objects.order_by("agreement", "slot", "sequence")
    return [
        list(runs),
        [line_of(charge) for charge in charges],
        list(parked.values_list("agreement", "slot", "reason", "details", "resolved_at")),
        list(RatedUntil.objects.order_by("delivery").values_list("delivery", "until")),
        list(ChangedSlot.objects.order_by("pk").values_list("pk", flat=True)),
    ]


@pytest.mark.django_db
def test_an_hour_that_was_charged_is_corrected_even_where_its_turn_comes_again(cast: Cast) -> None:
    """An end was reported too early, and set right after the hour behind it had been charged."""
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10", "10"])
    agent = agent_of(cast.owner)
    send(agent, event(delivery, "a"), event(delivery, "b", at=START + HOUR, quantity=0))
    Delivery.objects.update(state="ended", active_until=START + 30 * MINUTE)
    rate_at(START + HOUR + 15 * MINUTE)
    rate_at(START + 2 * HOUR + 15 * MINUTE)
    assert Charge.objects.filter(slot=START + HOUR).count() == 1
    Delivery.objects.update(active_until=START + 2 * HOUR)
    send(agent, event(delivery, "c", at=START + HOUR, quantity=480))
    rate_at()
    first, second = Charge.objects.filter(slot=START + HOUR).order_by("sequence")
    assert (first.quantity, second.quantity, second.corrects) == (0, 480, first)


@pytest.mark.django_db
def test_a_run_takes_so_many_hours_and_the_next_goes_on_from_there(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two deliveries of four hours, and five hours a run: two hours of both, then the other two."""
    monkeypatch.setattr(services, "MOST_HOURS", 5)
    for name in ("a", "b"):
        delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
        send(
            agent_of(cast.owner),
            *(event(delivery, f"{name}{hour}", at=START + hour * HOUR) for hour in range(3)),
        )
    rate_at()
    assert RatingRun.objects.get().horizon == START + 2 * HOUR
    assert Charge.objects.count() == 4
    assert ChangedSlot.objects.count() == 2
    rate_all(now=LONG_AFTER, actor=RATER)
    assert [run.charges_made for run in RatingRun.objects.order_by("pk")] == [4, 2]
    assert ParkedUsage.objects.count() == 2
    assert all(replay_run(run).is_same for run in RatingRun.objects.all())
    assert rate_at() is None


@pytest.mark.django_db
def test_one_hour_of_all_is_taken_even_where_it_is_more_than_a_run_takes(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_HOURS", 1)
    for _ in range(3):
        make_delivery(owner=cast.owner, buyer=cast.buyer)
    rate_all(now=LONG_AFTER, actor=RATER)
    # The last one finds nothing, and says until when there was nothing.
    assert [run.parked_made for run in RatingRun.objects.order_by("pk")] == [3, 3, 3, 3, 0]


@pytest.mark.django_db
def test_a_run_that_fails_half_way_leaves_nothing_behind(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery))
    with monkeypatch.context() as broken, transaction.atomic():
        broken.setattr(services, "_record", mock.Mock(side_effect=RuntimeError("pulled the plug")))
        with pytest.raises(RuntimeError, match="pulled the plug"):
            rate_at()
    assert [model.objects.count() for model in (Charge, RatingRun, RatedUntil)] == [0, 0, 0]
    assert ChangedSlot.objects.exists()
    rate_at()
    assert Charge.objects.count() == 1


@pytest.mark.django_db
def test_sums_that_are_not_those_of_the_readings_are_found_by_a_replay(cast: Cast) -> None:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer, prices=["10"])
    send(agent_of(cast.owner), event(delivery, quantity=480))
    MeteredHour.objects.update(quantity=481)
    run = rate_at()
    assert run is not None
    assert Charge.objects.get().quantity == 481
    (first, *_) = replay_run(run).differences
    assert first.subject == f"charge A{delivery.agreement_id} {START.isoformat()} #0"


@pytest.mark.django_db
@pytest.mark.parametrize(("value", "problem"), [("NULL::bigint", "not all"), ("1::int", "not all")])
def test_a_column_that_is_not_of_its_width_is_refused(value: str, problem: str) -> None:
    assert read_columns("SELECT 7::bigint, true", {}, number="i8", flag="?")["number"].tolist() == [7]
    with pytest.raises(ValueError, match=problem):
        read_columns(f"SELECT {value}", {}, number="i8")


@pytest.mark.django_db
def test_columns_that_make_up_for_each_other_are_refused() -> None:
    """A short one and a long one: the row has the right length, and its fields are elsewhere."""
    with pytest.raises(ValueError, match="is not always"):
        read_columns("SELECT 1::int, 2::bigint", {}, one="i8", other="i4")
