"""No organisation fills the market, or the mail, for all others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from accounts import caps, joining
from accounts.caps import CapReached
from accounts.models import Invitation
from tests.cast import Cast, bearer
from tests.factories import (
    HOUR,
    START,
    make_fleet,
    make_model,
    make_offer,
    make_request,
    make_site,
)

REQUEST = {
    "title": "A run",
    "currency": "CNY",
    "alternatives": [
        {
            "unit": "cards",
            "amount": "8",
            "limit": "12",
            "workload": "training",
            "earliest_start": START.isoformat(),
            "hours": 4,
            "deadline": (START + 24 * HOUR).isoformat(),
        }
    ],
}


def post(secret: str, path: str, body: Any) -> Any:
    headers = bearer(secret) | {"Idempotency-Key": str(uuid4())}
    return Client().post(path, body, content_type="application/json", headers=headers)


def test_a_buyer_has_so_many_open_requests(cast: Cast, now: datetime, settings: Any) -> None:
    settings.MOST_OPEN_REQUESTS = 2
    make_model()
    make_request(cast.buyer)
    make_request(cast.buyer, state="withdrawn")
    make_request(cast.other_buyer)
    secret = cast.token(cast.buyer, "trade")

    answers = [post(secret, "/api/v1/requests", REQUEST) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert (answers[1].json()["code"], answers[1].json()["most"]) == ("cap_reached", 2)


def test_an_owner_has_so_many_open_offers(cast: Cast, now: datetime, settings: Any) -> None:
    settings.MOST_OPEN_OFFERS = 2
    fleet = make_fleet(make_site(cast.owner))
    make_offer(fleet)
    make_offer(fleet, state="withdrawn", withdrawn_at=now)
    make_offer(fleet, start=START - 48 * HOUR, hours=24)  # over
    make_offer(make_fleet(make_site(cast.other_owner)))
    secret = cast.token(cast.owner, "trade")
    ends_at = (START + HOUR).isoformat()
    offer = {
        "fleet": fleet.pk,
        "cards": 1,
        "starts_at": START.isoformat(),
        "ends_at": ends_at,
        "asks": ["10"],
    }

    answers = [post(secret, "/api/v1/offers", offer) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert (answers[1].json()["code"], answers[1].json()["most"]) == ("cap_reached", 2)


def invite(cast: Cast, now: datetime, email: str) -> Invitation:
    return joining.invite(
        viewer=cast.viewer_of(cast.owner_admin), organisation=cast.owner, email=email, role="viewer", now=now
    )


def test_an_organisation_has_so_many_open_invitations(cast: Cast, now: datetime, settings: Any) -> None:
    settings.MOST_OPEN_INVITATIONS = 2
    first = invite(cast, now, "a@example.com")
    invite(cast, now, "b@example.com")
    with pytest.raises(CapReached, match="At most 2 invitations"):
        invite(cast, now, "c@example.com")
    invite(cast, now, "b@example.com")  # takes the place of the earlier one

    long_ago = datetime.now(UTC) - Invitation.LIFETIME - timedelta(hours=1)
    Invitation.objects.filter(pk=first.pk).update(created_at=long_ago)
    invite(cast, now, "c@example.com")


@pytest.mark.django_db(transaction=True)
class TestTwoAtTheSameMoment:
    def _race(self, cast: Cast, now: datetime) -> list[str]:
        cast.viewer_of(cast.owner_admin)
        start = Barrier(2)

        def one(email: str) -> str:
            try:
                start.wait(20)
                invite(cast, now, email)
            except CapReached as refusal:
                return refusal.code
            else:
                return "invited"
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            return sorted(threads.map(one, ["a@example.com", "b@example.com"]))

    def test_do_not_get_past_the_cap(self, cast: Cast, now: datetime, settings: Any) -> None:
        settings.MOST_OPEN_INVITATIONS = 1
        assert self._race(cast, now) == ["cap_reached", "invited"]

    def test_without_the_lock_they_would(
        self, cast: Cast, now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The race is real: both count while neither has added."""
        settings.MOST_OPEN_INVITATIONS = 1
        counted = Barrier(2)

        def count_together(*args: Any, **kwargs: Any) -> None:
            caps.check_cap(*args, **kwargs)
            counted.wait(20)

        monkeypatch.setattr("accounts.administration.lock", lambda _organisation: None)
        monkeypatch.setattr("accounts.caps.lock", lambda _organisation: None)
        monkeypatch.setattr(joining, "check_cap", count_together)
        assert self._race(cast, now) == ["invited", "invited"]
