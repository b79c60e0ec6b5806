"""What other asks would have brought: runs cleared again, not guessed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from django.test import Client

from marketplace.clearing import asks
from marketplace.clearing.models import AskReplay
from marketplace.clearing.tasks import replay_asks
from marketplace.errors import DomainError
from marketplace.jobs.models import Job
from tests.cast import Cast
from tests.clearing.market import make_reference, run
from tests.factories import make_fleet, make_offer, make_request, make_site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cleared(cast: Cast, now: datetime) -> None:
    """The owner asks 10 for 8 cards and 14 for 8 more; two buyers would pay 13 and 12 for four hours each."""
    make_reference()
    fleet = make_fleet(make_site(cast.owner))
    make_offer(fleet, cards=8, ask="10", hours=4)
    make_offer(fleet, cards=8, ask="14", hours=4)
    make_request(cast.buyer, cards=8, hours=4, limit="13")
    make_request(cast.buyer, cards=8, hours=4, limit="12")
    run()


def replayed(cast: Cast, now: datetime) -> Job:
    job = asks.start_replay(viewer=cast.viewer_of(cast.owner_trader), owner=cast.owner, now=now)
    replay_asks(job.pk)
    job.refresh_from_db()
    return job


def test_a_lower_ask_would_have_sold_both(cleared: None, cast: Cast, now: datetime) -> None:
    job = replayed(cast, now)
    (of_run,) = asks.replayed_runs(cast.owner, asks.last_runs(cast.owner))
    sold = {step.percent: step.card_hours for step in of_run.steps}

    assert job.state == Job.State.DONE
    assert sold[0] == sold[-5] == sold[5] == 32
    assert sold[-20] == 64
    assert of_run.best.percent == -20
    assert of_run.best.more_earned > 0


def test_the_replay_changes_the_asks_of_one_owner_only(cleared: None, cast: Cast, now: datetime) -> None:
    make_offer(make_fleet(make_site(cast.other_owner)), cards=8, ask="11", hours=4)
    make_request(cast.buyer, cards=8, hours=4, limit="12")
    run(now)
    replayed(cast, now)

    assert {row.owner for row in AskReplay.objects.all()} == {cast.owner}
    assert set(asks.last_runs(cast.other_owner)) < set(asks.last_runs(cast.owner))


def test_what_was_replayed_is_not_replayed_again(cleared: None, cast: Cast, now: datetime) -> None:
    replayed(cast, now)
    with pytest.raises(DomainError, match="replayed already"):
        replayed(cast, now)


def test_what_the_run_did_is_what_it_sold(cleared: None, cast: Cast, now: datetime) -> None:
    replayed(cast, now)
    row = AskReplay.objects.get(percent=0)
    allocation = row.run.allocations.get()
    assert row.earned == sum(allocation.prices) * allocation.cards
    assert row.currency == "CNY"
    assert row.earned >= Decimal(320)


def test_home_says_it_and_offers_the_replay(cleared: None, cast: Cast, now: datetime, client: Client) -> None:
    client.force_login(cast.owner_trader)
    assert "Replay the last run with other asks" in client.get("/").content.decode()
    answer = client.post("/market/asks/replay/")
    replay_asks(Job.objects.get().pk)
    assert "It is done." in client.get(answer["Location"]).content.decode()

    page = client.get("/").content.decode()
    assert "Asks lower by 20 % would have brought" in page
    assert "Replay the last run" not in page
