from __future__ import annotations

from datetime import datetime

import pytest

from billing.metering.models import ReadingConflict
from billing.rating.models import ParkedUsage
from tests.billing.builders import agent_of, event, make_delivery, send
from tests.billing.builders import make_run as make_rating_run
from tests.cast import Cast
from tests.factories import START
from tests.pages_market.scenes import make_run, queries_of, signed_in

pytestmark = pytest.mark.django_db


def make_parked(cast: Cast, **facts: object) -> ParkedUsage:
    rating = make_rating_run()
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    return ParkedUsage.objects.create(
        **{
            "run": rating,
            "agreement": delivery.agreement,
            "slot": START,
            "reason": "overage",
            "details": {"quantity": 30_000, "committed": 28_800},
        }
        | facts
    )


def make_conflict(cast: Cast) -> ReadingConflict:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    send(agent_of(cast.owner), event(delivery), event(delivery, quantity=1))
    return ReadingConflict.objects.latest("pk")


def test_everything_that_waits_for_a_person_is_here(cast: Cast, now: datetime) -> None:
    parked, conflict = make_parked(cast), make_conflict(cast)
    make_parked(cast, resolved_at=START)
    failed = make_delivery(
        owner=cast.owner, buyer=cast.buyer, state="failed", active_from=None, failure="The agent never came."
    )
    lost = make_run(state="failed", failure="stale after 5 snapshots")

    page = signed_in(cast.operator).get("/operator/parked/")

    assert [row.pk for row in page.context["usage"]] == [parked.pk]
    assert [row.pk for row in page.context["conflicts"]] == [conflict.pk]
    assert [row.pk for row in page.context["failed"]] == [failed.pk]
    assert lost.pk in [row.pk for row in page.context["failed_runs"]]
    text = page.content.decode()
    assert "More card-seconds than the agreement commits" in text
    assert "The agent never came." in text


def test_nothing_parked_is_said_to_be_nothing(cast: Cast, now: datetime) -> None:
    assert "Nothing waits for a person" in signed_in(cast.auditor).get("/operator/parked/").content.decode()


def test_the_queue_is_for_operators_and_auditors_alone(cast: Cast, now: datetime) -> None:
    names = ("operator", "auditor", "owner_admin", "buyer_admin", "stranger", "nobody_yet")

    seen = {name: signed_in(getattr(cast, name)).get("/operator/parked/").status_code for name in names}

    assert list(seen.values()) == [200, 200, 404, 404, 404, 404]


def test_more_parked_work_takes_no_more_queries(cast: Cast, now: datetime) -> None:
    client = signed_in(cast.operator)
    make_parked(cast)
    make_conflict(cast)
    few = queries_of(client, "/operator/parked/")
    for _ in range(5):
        make_parked(cast)
        make_conflict(cast)

    assert queries_of(client, "/operator/parked/") == few <= 13
