"""What people do with their own account is on record."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.test import Client

from accounts import audit
from accounts.models import AuditEvent, User
from accounts.selectors import audit_events_for
from tests.cast import PASSWORD, Cast

CHOSEN = "five horses ate my batteries"


@pytest.fixture
def signed_in(cast: Cast, now: datetime, client: Client) -> Client:
    address = {"user": cast.owner_admin, "email": cast.owner_admin.email}
    EmailAddress.objects.create(**address, verified=True, primary=True)
    client.post("/accounts/login/", {"login": cast.owner_admin.email, "password": PASSWORD})
    return client


def recorded(user: User) -> list[str]:
    return list(AuditEvent.objects.filter(user=user).order_by("pk").values_list("action", flat=True))


def test_signing_up_and_confirming_the_address(db: None, now: datetime, client: Client) -> None:
    form = {"email": "new@example.com", "password1": CHOSEN, "password2": CHOSEN}
    client.post("/accounts/signup/", form)
    user = User.objects.get()
    assert recorded(user) == ["user.signed_up"]

    link = next(word for word in mail.outbox[0].body.split() if "confirm-email" in word)
    client.post(link.partition("testserver")[2])
    assert recorded(user) == ["user.signed_up", "user.email_confirmed"]
    event = AuditEvent.objects.latest("pk")
    assert event.personal.get().value == "new@example.com"
    assert event.data == {"email": audit.commitment(event.personal.get())}


def test_changing_the_password(cast: Cast, signed_in: Client) -> None:
    form = {"oldpassword": PASSWORD, "password1": CHOSEN, "password2": CHOSEN}
    signed_in.post("/accounts/password/change/", form)

    cast.owner_admin.refresh_from_db()
    assert cast.owner_admin.check_password(CHOSEN)
    assert recorded(cast.owner_admin) == ["user.password_changed"]


def test_a_forgotten_password(cast: Cast, signed_in: Client) -> None:
    Client().post("/accounts/password/reset/", {"email": cast.owner_admin.email})
    link = next(word for word in mail.outbox[0].body.split() if "/key/" in word)
    stranger = Client()
    page = stranger.get(link.partition("testserver")[2], follow=True)
    stranger.post(page.request["PATH_INFO"], {"password1": CHOSEN, "password2": CHOSEN})

    assert recorded(cast.owner_admin) == ["user.password_reset"]


@pytest.mark.django_db(transaction=True)
def test_a_second_factor_comes_and_goes(
    cast: Cast, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totp, "validate_totp_code", lambda *_args: True)
    signed_in.post("/accounts/reauthenticate/", {"password": PASSWORD})
    signed_in.get("/accounts/2fa/totp/activate/")
    signed_in.post("/accounts/2fa/totp/activate/", {"code": "123456"})
    assert recorded(cast.owner_admin) == ["user.authenticator_added", "user.authenticator_added"]
    kinds = AuditEvent.objects.order_by("pk").values_list("data__kind", flat=True)
    assert list(kinds) == [Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES]

    signed_in.post("/accounts/2fa/totp/deactivate/")
    assert recorded(cast.owner_admin)[2:] == ["user.authenticator_removed"] * 2


def test_further_addresses(cast: Cast, signed_in: Client) -> None:
    signed_in.post("/accounts/email/", {"action_add": "", "email": "second@example.com"})
    signed_in.post("/accounts/email/", {"action_remove": "", "email": "second@example.com"})

    assert recorded(cast.owner_admin) == ["user.email_added", "user.email_removed"]


def test_it_is_of_no_organisation(cast: Cast, signed_in: Client) -> None:
    form: dict[str, Any] = {"oldpassword": PASSWORD, "password1": CHOSEN, "password2": CHOSEN}
    signed_in.post("/accounts/password/change/", form)

    assert not audit_events_for(cast.viewer_of(cast.owner_admin)).exists()
    assert audit_events_for(cast.viewer_of(cast.auditor)).count() == 1
