from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from accounts import administration, joining, services
from accounts.actors import Viewer
from accounts.models import AuditEvent, Membership, Organisation, Role
from accounts.selectors import audit_events_for, members_for, organisations_for, tokens_for
from marketplace.errors import DomainError, InvalidInput, NotAllowed
from tests.cast import Cast

NEW = {
    "kind": "buyer",
    "name_en": "New Compute",
    "name_zh": "新算力",
    "jurisdiction": "CN",
    "time_zone": "Asia/Shanghai",
}


def founded(cast: Cast, now: datetime, **changes: Any) -> Organisation:
    return services.create_organisation(**({"founder": cast.nobody_yet, "now": now} | NEW | changes))


def administrators(organisation: Organisation) -> int:
    return Membership.objects.filter(organisation=organisation, role=Role.ADMIN).count()


def test_the_founder_is_the_first_administrator(cast: Cast, now: datetime) -> None:
    organisation = founded(cast, now)

    membership = organisation.memberships.get()
    assert (membership.user, membership.role) == (cast.nobody_yet, Role.ADMIN)
    event = AuditEvent.objects.get()
    assert (event.action, event.user, event.organisation) == (
        "organisation.created",
        cast.nobody_yet,
        organisation,
    )
    assert event.occurred_at == now


@pytest.mark.parametrize("taken", ["name_en", "name_zh"])
def test_a_name_is_given_once(cast: Cast, now: datetime, taken: str) -> None:
    changes = {"name_en": "Other", "name_zh": "别家"} | {taken: getattr(cast.owner, taken)}

    with pytest.raises(services.NameTaken):
        founded(cast, now, **changes)

    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"), [("kind", "broker"), ("time_zone", "Mars/Base"), ("name_en", " "), ("name_zh", "")]
)
def test_what_is_wrong_is_named(cast: Cast, now: datetime, field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        founded(cast, now, **{field: value})

    assert set(refusal.value.fields) == {field}


@pytest.mark.parametrize("role", ["trader", "finance", "viewer"])
def test_only_administrators_change_members(cast: Cast, now: datetime, role: str) -> None:
    viewer = cast.viewer_of(getattr(cast, f"owner_{role}"))
    membership = cast.owner_admin.memberships.get()

    with pytest.raises(NotAllowed):
        services.change_role(viewer=viewer, membership=membership, role=Role.VIEWER, now=now)
    with pytest.raises(NotAllowed):
        services.remove_member(viewer=viewer, membership=membership, now=now)
    with pytest.raises(NotAllowed):
        joining.invite(viewer=viewer, organisation=cast.owner, email="a@example.com", role=role, now=now)
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("who", ["auditor", "operator", "stranger"])
def test_seeing_everything_is_not_changing_it(cast: Cast, now: datetime, who: str) -> None:
    with pytest.raises(NotAllowed):
        services.change_role(
            viewer=cast.viewer_of(getattr(cast, who)),
            membership=cast.owner_viewer.memberships.get(),
            role=Role.ADMIN,
            now=now,
        )


def test_a_new_role_is_recorded_with_the_old_one(cast: Cast, now: datetime) -> None:
    services.change_role(
        viewer=cast.viewer_of(cast.owner_admin),
        membership=cast.owner_viewer.memberships.get(),
        role=Role.TRADER,
        now=now,
    )

    event = AuditEvent.objects.get()
    assert (event.action, event.data["before"], event.data["after"]) == (
        "member.role_changed",
        "viewer",
        "trader",
    )


def test_the_same_role_again_is_no_change(cast: Cast, now: datetime) -> None:
    services.change_role(
        viewer=cast.viewer_of(cast.owner_admin),
        membership=cast.owner_viewer.memberships.get(),
        role=Role.VIEWER,
        now=now,
    )

    assert not AuditEvent.objects.exists()


def test_the_last_administrator_stays(cast: Cast, now: datetime) -> None:
    admin = cast.viewer_of(cast.owner_admin)
    membership = cast.owner_admin.memberships.get()

    with pytest.raises(services.LastAdministrator):
        services.change_role(viewer=admin, membership=membership, role=Role.VIEWER, now=now)
    with pytest.raises(services.LastAdministrator):
        services.remove_member(viewer=admin, membership=membership, now=now)

    assert administrators(cast.owner) == 1


def test_an_administrator_whose_account_is_locked_does_not_count(cast: Cast, now: datetime) -> None:
    locked = cast.person("locked", is_active=False)
    cast.join(locked, cast.owner, "admin")

    with pytest.raises(services.LastAdministrator):
        services.remove_member(
            viewer=cast.viewer_of(cast.owner_admin),
            membership=cast.owner_admin.memberships.get(),
            now=now,
        )


@pytest.mark.django_db(transaction=True)
class TestTwoAdministratorsRemoveEachOther:
    def _race(self, cast: Cast, now: datetime) -> list[str]:
        second = cast.person("second")
        cast.join(second, cast.owner, "admin")
        pairs = [
            (cast.viewer_of(cast.owner_admin), second.memberships.get()),
            (cast.viewer_of(second), cast.owner_admin.memberships.get()),
        ]
        start = Barrier(2)

        def remove(pair: tuple[Viewer, Membership]) -> str:
            try:
                start.wait(20)
                services.remove_member(viewer=pair[0], membership=pair[1], now=now)
            except DomainError as refusal:
                return refusal.code
            else:
                return "removed"
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            return sorted(threads.map(remove, pairs))

    def test_one_of_them_stays(self, cast: Cast, now: datetime) -> None:
        assert self._race(cast, now) == ["not_allowed", "removed"]
        assert administrators(cast.owner) == 1

    def test_without_the_lock_nobody_would_be_left(
        self, cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The race is real: both look while both are still there."""
        looked = Barrier(2)
        check = services._keep_an_administrator

        def slow_check(membership: Membership) -> None:
            check(membership)
            looked.wait(20)

        monkeypatch.setattr(administration, "lock", lambda _organisation: None)
        monkeypatch.setattr(services, "_keep_an_administrator", slow_check)

        assert self._race(cast, now) == ["removed", "removed"]
        assert administrators(cast.owner) == 0


def test_everybody_sees_its_own(cast: Cast, now: datetime) -> None:
    assert cast.buyer_admin
    viewer = cast.viewer_of(cast.owner_viewer)
    services.change_role(
        viewer=cast.viewer_of(cast.owner_admin),
        membership=cast.owner_viewer.memberships.get(),
        role=Role.FINANCE,
        now=now,
    )
    cast.token(cast.owner, "read")

    assert list(organisations_for(viewer)) == [cast.owner]
    assert {m.organisation for m in members_for(viewer)} == {cast.owner}
    assert tokens_for(viewer).count() == audit_events_for(viewer).count() == 1


@pytest.mark.parametrize("who", ["stranger", "nobody_yet"])
def test_strangers_see_nothing(cast: Cast, now: datetime, who: str) -> None:
    services.change_role(
        viewer=cast.viewer_of(cast.owner_admin),
        membership=cast.owner_viewer.memberships.get(),
        role=Role.FINANCE,
        now=now,
    )
    viewer = cast.viewer_of(getattr(cast, who))
    cast.token(cast.owner, "read")

    assert cast.owner not in organisations_for(viewer)
    assert not members_for(viewer).filter(organisation=cast.owner).exists()
    assert not tokens_for(viewer).exists()
    assert not audit_events_for(viewer).exists()


@pytest.mark.parametrize("who", ["auditor", "operator"])
def test_the_exchange_sees_everything(cast: Cast, who: str) -> None:
    viewer = cast.viewer_of(getattr(cast, who))

    assert {cast.owner, cast.buyer} == set(organisations_for(viewer))
