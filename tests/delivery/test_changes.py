"""An agent waits for what is to be done, and hears of it when it changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from marketplace.delivery import changes
from marketplace.delivery.models import Delivery
from tests.agents_at_work import agent_of
from tests.cast import Cast, bearer
from tests.delivery.agreements import make_agreement, make_delivery
from tests.factories import HOUR, START, make_fleet, make_site

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]


class Waiting:
    """Sleeping that does something instead, one thing a second."""

    def __init__(self, *deeds: Any) -> None:
        self.deeds, self.seconds = list(deeds), 0

    def __call__(self, _seconds: float) -> None:
        self.seconds += 1
        assert self.seconds < 100
        if self.deeds:
            self.deeds.pop(0)()


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    return make_delivery(owner=cast.owner, buyer=cast.buyer)


def test_who_waits_hears_of_a_change_and_of_nothing_else(cast: Cast, delivery: Delivery) -> None:
    site = delivery.site_id
    known = changes.version_of(site)
    elsewhere = make_fleet(make_site(cast.owner), cards=8)
    waiting = Waiting(
        lambda: make_delivery(owner=cast.owner, buyer=cast.buyer, fleet=elsewhere),
        lambda: make_delivery(owner=cast.owner, buyer=cast.buyer, start=START + 48 * HOUR),
        lambda: Delivery.objects.filter(pk=delivery.pk).update(state="provisioning"),
    )
    version, waited = changes.wait_for_change(site, after=known, seconds=25, sleep=waiting)
    assert (version != known, waited, waiting.seconds) == (True, True, 3)
    for change in (
        lambda: make_delivery(owner=cast.owner, buyer=cast.buyer),
        lambda: Delivery.objects.filter(pk=delivery.pk).update(state="failed", failure="fire"),
    ):
        before = version
        change()
        version, _ = changes.wait_for_change(site, after=before, seconds=0)
        assert version != before
    assert changes.wait_for_change(site, after="", seconds=25, sleep=pytest.fail) == (version, True)


def test_few_wait_and_the_others_are_told_to_ask_again(cast: Cast, delivery: Delivery, settings: Any) -> None:
    """Else agents that wait would take all threads of the web server."""
    site = delivery.site_id
    known = changes.version_of(site)
    told: list[bool] = []

    def another() -> None:
        waiting = Waiting(another, lambda: Delivery.objects.update(state="provisioning"))
        told.append(changes.wait_for_change(site, after=known, seconds=25, sleep=waiting)[1])

    another()
    assert told == [False] + [True] * settings.AGENT_SEATS


def test_it_is_asked_over_the_api(cast: Cast, client: Client, delivery: Delivery, now: datetime) -> None:
    headers = bearer(agent_of(cast.owner).secret)
    address = "/api/v1/agent/changes"
    first = client.get(address, headers=headers).json()
    assert first == {"version": changes.version_of(delivery.site_id), "waited": True}
    make_agreement(owner=cast.owner, buyer=cast.buyer)
    client.get("/api/v1/agent/deliveries", headers=headers)  # a poll schedules what was sold
    again = client.get(f"{address}?after={first['version']}&wait=20", headers=headers).json()
    assert again["version"] != first["version"]
    assert client.get(f"{address}?wait=26", headers=headers).status_code == 422
