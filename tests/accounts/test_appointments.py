from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEvent, User
from tests.cast import Cast


def appoint(email: str, role: str) -> str:
    out = StringIO()
    call_command("appoint", email, "--role", role, stdout=out)
    return out.getvalue()


def test_an_auditor_is_appointed_and_sees_everything(cast: Cast, client: Client) -> None:
    assert cast.owner
    client.force_login(cast.nobody_yet)
    assert client.get("/operator/parked/").status_code == 404

    appoint(cast.nobody_yet.email.upper(), "auditor")

    assert client.get("/operator/parked/").status_code == 200
    assert client.get("/admin/", follow=True).status_code == 404
    event = AuditEvent.objects.get(action="user.appointed")
    assert (event.task, event.data["after"]) == ("manage.py appoint", "auditor")


def test_a_second_operator_enters_the_admin(cast: Cast, client: Client) -> None:
    appoint(cast.nobody_yet.email, "operator")

    client.force_login(cast.nobody_yet)
    assert client.get("/admin/").status_code == 200


def test_appointing_again_changes_nothing(cast: Cast) -> None:
    for _ in range(2):
        said = appoint(cast.nobody_yet.email, "operator")

    assert "as before" in said
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("role", ["none", "auditor"])
def test_who_is_operator_no_more_loses_the_admin(cast: Cast, client: Client, role: str) -> None:
    appoint(cast.operator.email, role)

    client.force_login(User.objects.get(pk=cast.operator.pk))
    assert client.get("/admin/", follow=True).status_code == 404
    cast.operator.refresh_from_db()
    assert (cast.operator.is_staff, cast.operator.is_superuser) == (False, False)


def test_nobody_is_appointed_without_an_account(db: None) -> None:
    with pytest.raises(CommandError, match="Nobody has signed up with nobody"):
        appoint("nobody@example.com", "auditor")

    assert not User.objects.exists()
