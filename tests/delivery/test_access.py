"""Access details: sealed at the site, opened for the buyer's people alone, gone with the delivery."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Scope
from marketplace.agent.sealing import NoKey, seal
from marketplace.delivery.models import AccessDetails, Delivery, OrganisationKey
from marketplace.delivery.services import Step, evict, give_access, show_access, take_step
from marketplace.delivery.services.access import AccessNotGiven, ensure_keys
from marketplace.errors import InvalidInput, NotAllowed
from tests.billing.builders import make_delivery
from tests.cast import Cast
from tests.factories import HOUR, START

pytestmark = pytest.mark.django_db

DETAILS = {"login": "ssh alice@site", "secret": "correct horse"}


@pytest.fixture
def delivery(cast: Cast) -> Delivery:
    delivery = make_delivery(owner=cast.owner, buyer=cast.buyer)
    ensure_keys({cast.buyer.pk, cast.other_buyer.pk}, now=START)
    return delivery


def sealed_for(organisation: Any, delivery: int) -> str:
    return seal(DETAILS, public_key=organisation.access_key.public_key, delivery=delivery)


def give(cast: Cast, delivery: Delivery, sealed: str) -> None:
    agent = cast.viewer_of_token(cast.owner, Scope.AGENT)
    for _ in range(2):
        give_access(viewer=agent, delivery=delivery, sealed=sealed, now=START)


def test_the_buyers_people_see_what_the_site_sealed_and_each_look_is_recorded(
    cast: Cast, delivery: Delivery
) -> None:
    give(cast, delivery, sealed_for(cast.buyer, delivery.pk))
    assert b"correct horse" not in b64decode(AccessDetails.objects.get().sealed)
    for _ in range(2):
        shown = show_access(viewer=cast.viewer_of(cast.buyer_trader), delivery=delivery, now=START)
        assert shown == DETAILS
    assert AuditEvent.objects.filter(action="delivery.access_given").count() == 1
    looks = AuditEvent.objects.filter(action="delivery.access_shown")
    assert [look.user for look in looks] == [cast.buyer_trader] * 2
    assert "correct horse" not in str([event.data for event in AuditEvent.objects.all()])


def test_nobody_else_does(cast: Cast, delivery: Delivery) -> None:
    give(cast, delivery, sealed_for(cast.buyer, delivery.pk))
    for user in (cast.buyer_viewer, cast.buyer_finance, cast.owner_admin, cast.operator, cast.stranger):
        with pytest.raises(NotAllowed):
            show_access(viewer=cast.viewer_of(user), delivery=delivery, now=START)
    assert not AuditEvent.objects.filter(action="delivery.access_shown").exists()


def test_what_was_sealed_for_others_is_not_opened(cast: Cast, delivery: Delivery) -> None:
    reader = cast.viewer_of(cast.buyer_trader)
    for sealed in (
        sealed_for(cast.other_buyer, delivery.pk),
        sealed_for(cast.buyer, delivery.pk + 1),
        "AAAA",
    ):
        give(cast, delivery, sealed)
        with pytest.raises(AccessNotGiven):
            show_access(viewer=reader, delivery=delivery, now=START)
    for sealed in ("", "no base64!", "A" * 70_000):
        with pytest.raises(InvalidInput):
            give(cast, delivery, sealed)
    with pytest.raises(NoKey):
        seal(DETAILS, public_key="AAAA", delivery=delivery.pk)


def test_they_are_shown_while_it_is_active_and_destroyed_at_the_end(cast: Cast, delivery: Delivery) -> None:
    reader, agent = cast.viewer_of(cast.buyer_trader), cast.viewer_of_token(cast.owner, Scope.AGENT)
    give(cast, delivery, sealed_for(cast.buyer, delivery.pk))
    gone = Step("suspended", START + HOUR, {"reason": "The node is down"})
    take_step(viewer=agent, delivery=delivery, step=gone, now=START + HOUR)
    delivery.refresh_from_db()
    with pytest.raises(AccessNotGiven):
        show_access(viewer=reader, delivery=delivery, now=START + HOUR)
    evict(viewer=cast.viewer_of(cast.owner_trader), delivery=delivery, reason="Sold", now=START + 2 * HOUR)
    kept = AccessDetails.objects.get()
    assert (kept.sealed, kept.destroyed_at) == ("", START + 2 * HOUR)


def test_private_keys_are_stored_encrypted_and_the_key_over_them_is_rotated(
    cast: Cast, delivery: Delivery, settings: Any
) -> None:
    """A new key over them is put before the old one; what was made under the old one still opens."""
    before = OrganisationKey.objects.get(pk=cast.buyer.pk)
    ensure_keys({cast.buyer.pk}, now=START)
    assert OrganisationKey.objects.get(pk=cast.buyer.pk) == before
    with pytest.raises(NoKey):
        seal(DETAILS, public_key=before.private_key, delivery=1)
    first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    OrganisationKey.objects.all().delete()
    settings.ACCESS_KEYS = [first]
    ensure_keys({cast.buyer.pk}, now=START)
    cast.buyer.refresh_from_db()
    give(cast, delivery, sealed_for(cast.buyer, delivery.pk))
    settings.ACCESS_KEYS = [second, first]
    assert show_access(viewer=cast.viewer_of(cast.buyer_trader), delivery=delivery, now=START) == DETAILS


def test_the_page_shows_them_on_asking(cast: Cast, client: Client, delivery: Delivery) -> None:
    give(cast, delivery, sealed_for(cast.buyer, delivery.pk))
    client.force_login(cast.buyer_trader)
    page = client.get(reverse("delivery:delivery", args=[delivery.pk])).content.decode()
    assert "correct horse" not in page
    assert reverse("delivery:access", args=[delivery.pk]) in page
    shown = client.post(reverse("delivery:access", args=[delivery.pk]))
    assert "correct horse" in shown.content.decode()
    assert shown.headers["Cache-Control"] == "no-store"
