"""Django's admin belongs to the operators."""

import pytest
from django.contrib import admin
from django.test import Client

from accounts.models import AuditEvent, User
from marketplace.catalogue.models import FxRate
from tests.cast import PASSWORD, Cast


def test_operators_enter_the_admin(cast: Cast, client: Client) -> None:
    client.force_login(cast.operator)

    assert client.get("/admin/").status_code == 200


def test_nobody_else_learns_that_there_is_one(cast: Cast, client: Client) -> None:
    staff_without_the_role = cast.person("former-operator", is_staff=True, is_superuser=True)
    for user in [cast.owner_admin, cast.auditor, cast.stranger, staff_without_the_role]:
        client.force_login(user)
        assert client.get("/admin/", follow=True).status_code == 404


def test_the_anonymous_sign_in_where_everybody_does(cast: Cast, client: Client) -> None:
    answer = client.get("/admin/", follow=True)

    assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=")
    assert User.objects.count() == 0


@pytest.mark.django_db
def test_whoever_createsuperuser_made_enters_it(client: Client) -> None:
    client.force_login(User.objects.create_superuser("first@example.com", PASSWORD))

    assert client.get("/admin/").status_code == 200


def test_an_exchange_rate_is_entered_and_attributed_and_never_changed(cast: Cast, client: Client) -> None:
    client.force_login(cast.operator)
    rate = {"currency": "USD", "cny": "7.1", "source": "PBoC fixing"}
    when = {"valid_from_0": "2026-03-02", "valid_from_1": "08:00:00"}

    client.post("/admin/catalogue/fxrate/add/", rate | when)

    entered = FxRate.objects.get(source="PBoC fixing")
    event = AuditEvent.objects.get(action="fx_rate.entered", object_id=str(entered.pk))
    assert event.user == cast.operator
    assert client.post(f"/admin/catalogue/fxrate/{entered.pk}/change/", rate | when).status_code == 403
    assert client.post(f"/admin/catalogue/fxrate/{entered.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_exchange_rate_the_wrong_way_round_is_refused_with_a_hint(cast: Cast, client: Client) -> None:
    client.force_login(cast.operator)
    rate = {"currency": "USD", "cny": "0.14", "source": "PBoC fixing"}
    when = {"valid_from_0": "2026-03-02", "valid_from_1": "08:00:00"}

    page = client.post("/admin/catalogue/fxrate/add/", rate | when)

    assert "Is the rate the right way round?" in page.content.decode()
    assert not FxRate.objects.filter(source="PBoC fixing").exists()


def test_the_admin_changes_only_what_leaves_an_audit_event() -> None:
    """What other packages register is changed behind the audit chain's back."""
    foreign = [
        model.__name__
        for model, its_admin in admin.site._registry.items()
        if type(its_admin).__module__.partition(".")[0] not in {"accounts", "billing", "marketplace"}
    ]

    assert foreign == []


@pytest.mark.parametrize("address", ["account/emailaddress", "mfa/authenticator", "auth/group"])
def test_addresses_second_factors_and_groups_are_not_in_the_admin(
    cast: Cast, client: Client, address: str
) -> None:
    client.force_login(cast.operator)

    assert client.get(f"/admin/{address}/").status_code == 404
