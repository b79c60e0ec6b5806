from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts import services
from accounts.actors import Capability
from accounts.authentication import digest_of
from accounts.models import ApiToken, AuditEvent, Membership, Scope, User
from marketplace.errors import InvalidInput, NotAllowed
from tests.cast import Cast, bearer

PATH = "/api/v1/organisations"


def ask(secret: str) -> Any:
    return Client().get(PATH, headers=bearer(secret))


def make(cast: Cast, now: datetime, **changes: Any) -> tuple[ApiToken, str]:
    usual = {"name": "a program", "scopes": [Scope.READ], "organisation": cast.owner, "now": now}
    return services.create_token(viewer=cast.viewer_of(cast.owner_admin), **(usual | changes))


def test_a_token_acts_for_its_organisation_and_no_other(cast: Cast, now: datetime) -> None:
    _token, secret = make(cast, now)
    assert cast.buyer

    assert [found["name_en"] for found in ask(secret).json()["results"]] == [cast.owner.name_en]


def test_only_its_digest_is_kept(cast: Cast, now: datetime) -> None:
    token, secret = make(cast, now)

    assert secret.startswith("chk_")
    assert token.digest == digest_of(secret)
    assert secret.startswith(token.prefix)
    assert len(token.prefix) == 10
    stored = [str(vars(row)) for model in (ApiToken, AuditEvent) for row in model.objects.all()]
    assert all(secret not in row for row in stored)


def test_two_secrets_are_never_alike(cast: Cast, now: datetime) -> None:
    assert len({make(cast, now)[1] for _ in range(20)}) == 20


@pytest.mark.parametrize("header", ["bearer", "BEARER", "Bearer"])
def test_the_scheme_is_written_as_one_likes(cast: Cast, now: datetime, header: str) -> None:
    _token, secret = make(cast, now)

    assert Client().get(PATH, headers={"Authorization": f"{header} {secret}"}).status_code == 200


@pytest.mark.parametrize("secret", ["", "chk_unknown", "chk_ü", "a b", "'; DROP TABLE"])
def test_unknown_tokens_are_refused(db: None, secret: str) -> None:
    answer = ask(secret)

    assert answer.status_code == 401
    assert answer.json()["code"] == "authentication_failed"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_other_schemes_are_no_credentials(db: None) -> None:
    answer = Client().get(PATH, headers={"Authorization": "Basic dTpw"})

    assert answer.json()["code"] == "not_authenticated"


def test_a_revoked_token_is_refused_at_once(cast: Cast, now: datetime) -> None:
    token, secret = make(cast, now)
    admin = cast.viewer_of(cast.owner_admin)

    services.revoke_token(viewer=admin, token=token, now=now)
    services.revoke_token(viewer=admin, token=token, now=now + timedelta(hours=1))

    assert ask(secret).status_code == 401
    token.refresh_from_db()
    assert token.revoked_at == now
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["token.created", "token.revoked"]


def test_tokens_expire_by_the_clock_on_the_wall(cast: Cast, now: datetime) -> None:
    """Market time may run faster in the demo; a token must not die early for that."""
    wall = datetime.now(UTC)
    _token, over = make(cast, now, expires_at=wall - timedelta(seconds=1))
    _token, valid = make(cast, now, expires_at=wall + timedelta(minutes=5))

    assert (ask(over).status_code, ask(valid).status_code) == (401, 200)


def test_tokens_of_a_locked_account_are_refused(cast: Cast, now: datetime) -> None:
    _token, secret = make(cast, now)
    User.objects.filter(pk=cast.owner_admin.pk).update(is_active=False)

    assert ask(secret).status_code == 401


def test_tokens_of_a_removed_member_are_revoked(cast: Cast, now: datetime) -> None:
    second_admin = cast.person("second-admin")
    cast.join(second_admin, cast.owner, "admin")
    _token, of_removed = make(cast, now)
    _token, of_other = services.create_token(
        viewer=cast.viewer_of(second_admin),
        organisation=cast.owner,
        name="stays",
        scopes=["read"],
        now=now,
    )

    services.remove_member(
        viewer=cast.viewer_of(second_admin), membership=cast.owner_admin.memberships.get(), now=now
    )

    assert (ask(of_removed).status_code, ask(of_other).status_code) == (401, 200)


@pytest.mark.parametrize("role", ["viewer", "trader", "finance"])
def test_tokens_of_a_demoted_administrator_are_revoked(cast: Cast, now: datetime, role: str) -> None:
    """They may do more than this person may from now on, and it has seen their secrets."""
    second_admin = cast.person("second-admin")
    cast.join(second_admin, cast.owner, "admin")
    token, secret = make(cast, now)

    services.change_role(
        viewer=cast.viewer_of(second_admin),
        membership=cast.owner_admin.memberships.get(),
        role=role,
        now=now,
    )

    token.refresh_from_db()
    assert (ask(secret).status_code, token.revoked_at) == (401, now)
    revoked = AuditEvent.objects.get(action="token.revoked")
    assert (revoked.user, revoked.object_id) == (second_admin, str(token.pk))


def test_tokens_in_another_organisation_stay(cast: Cast, now: datetime) -> None:
    second_admin = cast.person("second-admin")
    cast.join(second_admin, cast.owner, "admin")
    cast.join(cast.owner_admin, cast.other_owner, "admin")
    _token, elsewhere = make(cast, now, organisation=cast.other_owner)

    services.change_role(
        viewer=cast.viewer_of(second_admin),
        membership=cast.owner_admin.memberships.get(organisation=cast.owner),
        role="viewer",
        now=now,
    )

    assert ask(elsewhere).status_code == 200


def test_an_administrator_demoted_since_the_request_began_makes_no_token(cast: Cast, now: datetime) -> None:
    second_admin = cast.person("second-admin")
    cast.join(second_admin, cast.owner, "admin")
    viewer = cast.viewer_of(cast.owner_admin)
    Membership.objects.filter(user=cast.owner_admin).update(role="viewer")

    with pytest.raises(NotAllowed):
        services.create_token(viewer=viewer, organisation=cast.owner, name="late", scopes=["read"], now=now)


@pytest.mark.django_db(transaction=True)
def test_a_token_that_is_made_during_the_demotion_waits_for_it_and_is_refused(
    cast: Cast, now: datetime
) -> None:
    second_admin = cast.person("second-admin")
    cast.join(second_admin, cast.owner, "admin")
    demoted = cast.viewer_of(cast.owner_admin)
    outcome: list[str] = []

    def make_one() -> None:
        try:
            services.create_token(
                viewer=demoted, organisation=cast.owner, name="late", scopes=["read"], now=now
            )
            outcome.append("made")
        except NotAllowed:
            outcome.append("refused")
        finally:
            connection.close()

    thread = Thread(target=make_one)
    with transaction.atomic():
        services.change_role(
            viewer=cast.viewer_of(second_admin),
            membership=cast.owner_admin.memberships.get(),
            role="viewer",
            now=now,
        )
        thread.start()
        assert somebody_waits_for_us()
    thread.join(timeout=20)
    assert outcome == ["refused"]
    assert not ApiToken.objects.exists()


def somebody_waits_for_us() -> bool:
    """Whether another connection waits for a lock of this one within twenty seconds.

    Locks are read as they are; of ``pg_stat_activity`` a transaction sees the connections of its first look.
    """
    with connection.cursor() as cursor:
        for _ in range(400):
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone():
                return True
            cursor.execute("SELECT pg_sleep(0.05)")
    return False


@pytest.mark.parametrize(
    ("scopes", "granted"),
    [
        (["read"], {"read", "finance"}),
        (["trade"], {"read", "trade"}),
        (["agent"], {"deliver"}),
        (["agent", "read"], {"deliver", "read", "finance"}),
    ],
)
def test_what_scopes_may_do(cast: Cast, scopes: list[str], granted: set[str]) -> None:
    viewer = cast.viewer_of_token(cast.owner, *scopes)

    assert {c for c in Capability if viewer.may(c, cast.owner.pk)} == granted
    assert not any(viewer.may(c, cast.buyer.pk) for c in Capability)


def test_no_token_makes_tokens(cast: Cast, now: datetime) -> None:
    viewer = cast.viewer_of_token(cast.owner, *Scope.values)

    with pytest.raises(NotAllowed):
        services.create_token(viewer=viewer, organisation=cast.owner, name="more", scopes=["read"], now=now)


@pytest.mark.parametrize(
    "changes", [{"scopes": []}, {"scopes": ["admin"]}, {"scopes": ["agent"]}, {"name": " "}]
)
def test_tokens_that_are_not_made(cast: Cast, now: datetime, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        make(cast, now, **changes)

    assert not ApiToken.objects.exists()


def test_a_token_is_stronger_than_the_session_it_comes_with(cast: Cast, client: Client) -> None:
    client.force_login(cast.owner_admin)
    secret = cast.token(cast.other_buyer, Scope.READ)

    answer = client.get(PATH, headers=bearer(secret))

    assert [found["name_en"] for found in answer.json()["results"]] == [cast.other_buyer.name_en]


def test_the_page_shows_the_secret_once(cast: Cast, client: Client) -> None:
    client.force_login(cast.owner_admin)

    answer = client.post("/tokens/new/", {"name": "reports", "scopes": ["read"], "days": "30"})

    token = ApiToken.objects.get()
    secret = answer.context["secret"]
    assert token.digest == digest_of(secret)
    assert token.expires_at is not None
    assert secret in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret not in client.get("/tokens/").content.decode()
