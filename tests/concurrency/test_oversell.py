"""Rule 1: two workers that commit runs over the same cards at once never sell them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Barrier, Thread

import pytest
from django.db import connection

from marketplace.agreements import services as agreements
from marketplace.clearing import services as clearing
from marketplace.clearing.models import Allocation, MarketRun
from marketplace.demand.models import ComputeRequest
from marketplace.supply.models import OfferHour
from tests.clearing.market import ACTOR, Prepared, make_reference, prepare
from tests.conftest import NOW
from tests.factories import HOUR, START, make_offer, make_request

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 50
CARDS = 8


@pytest.fixture
def two_runs_at_once() -> Iterator[None]:
    """Take away the constraint that would refuse the second run before it could do any harm."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX one_run_under_way")
    yield
    fail_what_is_under_way()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE UNIQUE INDEX one_run_under_way ON clearing_marketrun ((1))"
            " WHERE state IN ('open', 'snapshotted')"
        )


@pytest.fixture
def without_the_guard() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE supply_offerhour DROP CONSTRAINT offer_hour_never_oversold")
    yield
    OfferHour.objects.filter(pk__isnull=False).update(cards_sold=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE supply_offerhour ADD CONSTRAINT offer_hour_never_oversold"
            " CHECK (cards_sold <= cards_offered)"
        )


def two_results_for_the_same_cards() -> list[Prepared]:
    """Two runs that each give all cards of the one offer to another buyer.

    The second buyer came after the first run's snapshot and pays more.
    """
    make_offer(cards=CARDS, hours=4)
    make_request(cards=CARDS, limit="12", deadline=START + 4 * HOUR)
    first = prepare()
    fail_what_is_under_way()
    make_request(cards=CARDS, limit="50", deadline=START + 4 * HOUR)
    return [first, prepare()]


def fail_what_is_under_way() -> None:
    MarketRun.objects.filter(clearing.UNDER_WAY).update(state=MarketRun.State.FAILED)


def revived(prepared: Prepared) -> Prepared:
    """The run that had to make room for the other's snapshot, under way again."""
    run = prepared.run
    again = MarketRun.objects.create(
        opened_at=run.opened_at,
        horizon_start=run.horizon_start,
        slots=run.slots,
        base_currency=run.base_currency,
        state=MarketRun.State.SNAPSHOTTED,
        profile_version=run.profile_version,
        snapshot=run.snapshot,
        snapshot_digest=run.snapshot_digest,
        requests_open=run.requests_open,
        offers_open=run.offers_open,
    )
    return Prepared(again, prepared.data, prepared.result)


def commit_all_at_once(prepared: list[Prepared]) -> list[str]:
    """Commit in as many threads, started together; what became of each."""
    barrier = Barrier(len(prepared))
    outcomes: list[str] = []

    def commit(one: Prepared) -> None:
        try:
            barrier.wait(timeout=10)
            agreements.commit(one.run, one.data, one.result, now=NOW, actor=ACTOR)
            outcomes.append("committed")
        except clearing.SnapshotStale:
            outcomes.append("stale")
        except Exception as error:  # noqa: BLE001 - a thread's error must reach the assertion
            outcomes.append(repr(error))
        finally:
            connection.close()

    _in_threads([lambda one=one: commit(one) for one in prepared])
    return sorted(outcomes)


def _in_threads(calls: list[Callable[[], None]]) -> None:
    threads = [Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)


def a_round() -> list[str]:
    make_reference()
    first, second = two_results_for_the_same_cards()
    return commit_all_at_once([revived(first), second])


@pytest.mark.usefixtures("two_runs_at_once", "without_the_guard")
def test_without_the_guard_the_same_cards_are_sold_twice() -> None:
    assert a_round() == ["committed", "committed"]
    assert set(OfferHour.objects.values_list("cards_sold", flat=True)) == {2 * CARDS}


@pytest.mark.usefixtures("two_runs_at_once")
def test_with_it_fifty_races_sell_them_once() -> None:
    for number in range(ROUNDS):
        assert a_round() == ["committed", "stale"], f"round {number}"
        fail_what_is_under_way()
        ComputeRequest.objects.filter(state="open").update(state="withdrawn")
    assert Allocation.objects.count() == ROUNDS
    assert set(OfferHour.objects.values_list("cards_sold", flat=True)) == {CARDS}
