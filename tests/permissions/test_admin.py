"""Django's admin belongs to the operators."""

from django.test import Client

from accounts.models import User
from tests.cast import Cast


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
