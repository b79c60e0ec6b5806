"""Membership begins when somebody accepts, and the link in the mail says who that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client

from accounts import invitations, joining, services
from accounts.models import AuditEvent, Invitation, Membership, Role, User
from marketplace.errors import InvalidInput, NotAllowed
from tests.cast import PASSWORD, Cast

NEW = "new@example.com"
CHOSEN = "five horses ate my batteries"


def invite(cast: Cast, now: datetime, email: str = NEW, role: str = Role.TRADER) -> Invitation:
    return joining.invite(
        viewer=cast.viewer_of(cast.owner_admin), organisation=cast.owner, email=email, role=role, now=now
    )


def link_of(invitation: Invitation) -> str:
    """As it arrives by mail, without the address of the server."""
    mail.outbox.clear()
    invitations.send(invitation.pk)
    (message,) = mail.outbox
    assert message.to == [invitation.email]
    link = next(word for word in message.body.split() if word.startswith("http"))
    return link.removeprefix(settings.BASE_URL)


def follow_and_choose(client: Client, link: str, **changes: str) -> Any:
    form = {"name": "Li Na", "password": CHOSEN, "again": CHOSEN}
    return client.post(link, form | changes)


def test_who_is_invited_is_nobody_until_the_link_is_used(cast: Cast, now: datetime, client: Client) -> None:
    invitation = invite(cast, now, email=" New@Example.com ")
    assert invitation.email == NEW
    assert not User.objects.filter(email=NEW).exists()
    assert not cast.owner.memberships.filter(role=Role.TRADER).exists()

    link = link_of(invitation)
    page = client.get(link).content.decode()
    assert "Join Blue River Data Centres" in page
    assert "Change Password" not in page
    assert not User.objects.filter(email=NEW).exists()

    answer = follow_and_choose(client, link)
    member = Membership.objects.get(user__email=NEW)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert (member.organisation, member.role, member.user.name) == (cast.owner, Role.TRADER, "Li Na")
    assert member.user.check_password(CHOSEN)
    assert client.get("/team/").status_code == 200


def test_the_link_proves_the_address(cast: Cast, now: datetime, client: Client) -> None:
    follow_and_choose(client, link_of(invite(cast, now)))

    address = EmailAddress.objects.get(email=NEW)
    assert (address.verified, address.primary) == (True, True)
    signs_in = Client().post("/accounts/login/", {"login": NEW, "password": CHOSEN})
    assert signs_in.headers["Location"] == "/"


def test_who_has_an_account_signs_in_and_accepts(cast: Cast, now: datetime, client: Client) -> None:
    known = {"user": cast.nobody_yet, "email": cast.nobody_yet.email}
    EmailAddress.objects.create(**known, verified=True, primary=True)
    link = link_of(invite(cast, now, email=cast.nobody_yet.email))
    page = client.get(link).content.decode()
    assert "/accounts/login/?next=%2Fjoin%2F" in page
    assert "password" not in page
    assert not cast.nobody_yet.memberships.exists()

    client.post("/accounts/login/", {"login": cast.nobody_yet.email, "password": PASSWORD, "next": link})
    assert not cast.nobody_yet.memberships.exists()
    client.post(link)
    assert cast.nobody_yet.memberships.get().organisation == cast.owner


def test_nobody_chooses_a_password_for_an_account_that_exists(
    cast: Cast, now: datetime, client: Client
) -> None:
    link = link_of(invite(cast, now, email=cast.nobody_yet.email))

    follow_and_choose(client, link)

    cast.nobody_yet.refresh_from_db()
    assert cast.nobody_yet.check_password(PASSWORD)
    assert not cast.nobody_yet.memberships.exists()


def test_an_invitation_is_not_handed_on(cast: Cast, now: datetime, client: Client) -> None:
    link = link_of(invite(cast, now))
    client.force_login(cast.stranger)

    assert "Sign out, and follow the link again" in client.get(link).content.decode()
    assert client.post(link).status_code == 403
    assert not Membership.objects.filter(user=cast.stranger, organisation=cast.owner).exists()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"password": "short", "again": "short"}, "too short"),
        ({"again": "another one"}, "The two passwords differ"),
        ({"password": "new@example.com", "again": "new@example.com"}, "too similar"),
    ],
)
def test_a_password_that_is_refused_makes_no_account(
    cast: Cast, now: datetime, client: Client, changes: dict[str, str], problem: str
) -> None:
    answer = follow_and_choose(client, link_of(invite(cast, now)), **changes)

    assert answer.status_code == 422
    assert problem in answer.content.decode()
    assert not User.objects.filter(email=NEW).exists()


def test_a_link_works_once(cast: Cast, now: datetime, client: Client) -> None:
    link = link_of(invite(cast, now))
    follow_and_choose(client, link)

    answer = Client().get(link)
    assert answer.status_code == 410
    assert "accepted or withdrawn" in answer.content.decode()


def test_a_withdrawn_invitation_is_not_accepted(cast: Cast, now: datetime, client: Client) -> None:
    invitation = invite(cast, now)
    link = link_of(invitation)
    joining.withdraw(viewer=cast.viewer_of(cast.owner_admin), invitation=invitation, now=now)
    joining.withdraw(viewer=cast.viewer_of(cast.owner_admin), invitation=invitation, now=now)

    assert follow_and_choose(client, link).status_code == 410
    assert not User.objects.filter(email=NEW).exists()
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["invitation.sent", "invitation.withdrawn"]


def test_an_invitation_withdrawn_after_the_page_was_read_is_not_accepted(cast: Cast, now: datetime) -> None:
    invitation = invite(cast, now, email=cast.nobody_yet.email)
    joining.withdraw(viewer=cast.viewer_of(cast.owner_admin), invitation=invitation, now=now)

    with pytest.raises(invitations.InvitationClosed):
        joining.accept(invitation=invitation, user=cast.nobody_yet, now=now)


def test_an_invitation_expires_after_a_week_on_the_wall(cast: Cast, now: datetime, client: Client) -> None:
    invitation = invite(cast, now)
    link = link_of(invitation)
    created = datetime.now(UTC) - Invitation.LIFETIME
    Invitation.objects.filter(pk=invitation.pk).update(created_at=created + timedelta(minutes=1))
    assert client.get(link).status_code == 200
    Invitation.objects.filter(pk=invitation.pk).update(created_at=created - timedelta(seconds=1))
    assert client.get(link).status_code == 410


@pytest.mark.parametrize("key", ["1", "1:forged", "x", "999999:AAAA"])
def test_a_forged_link_leads_nowhere(cast: Cast, now: datetime, client: Client, key: str) -> None:
    invite(cast, now)

    assert client.get(f"/join/{key}/").status_code == 404


def test_a_new_invitation_takes_the_place_of_the_old_one(cast: Cast, now: datetime, client: Client) -> None:
    old, new = link_of(invite(cast, now)), link_of(invite(cast, now, role=Role.VIEWER))

    assert client.get(old).status_code == 410
    follow_and_choose(client, new)
    assert Membership.objects.get(user__email=NEW).role == Role.VIEWER


def test_a_member_is_not_invited_again(cast: Cast, now: datetime) -> None:
    with pytest.raises(joining.AlreadyMember, match="Change the role"):
        invite(cast, now, email=cast.owner_viewer.email.upper(), role=Role.ADMIN)

    assert cast.owner_viewer.memberships.get().role == Role.VIEWER


@pytest.mark.parametrize(("email", "role"), [("no address", "viewer"), (NEW, "owner")])
def test_an_invitation_that_makes_no_sense_is_refused(
    cast: Cast, now: datetime, email: str, role: str
) -> None:
    with pytest.raises(InvalidInput):
        invite(cast, now, email=email, role=role)


def test_what_a_demoted_administrator_sent_is_withdrawn(cast: Cast, now: datetime, client: Client) -> None:
    """It may have gone to a second address of the same person."""
    second_admin = cast.person("second-admin")
    cast.join(second_admin, cast.owner, "admin")
    link = link_of(invite(cast, now, role=Role.ADMIN))

    services.change_role(
        viewer=cast.viewer_of(second_admin),
        membership=cast.owner_admin.memberships.get(),
        role=Role.VIEWER,
        now=now,
    )

    assert client.get(link).status_code == 410


def test_a_withdrawn_invitation_is_not_mailed(cast: Cast, now: datetime) -> None:
    invitation = invite(cast, now)
    joining.withdraw(viewer=cast.viewer_of(cast.owner_admin), invitation=invitation, now=now)

    invitations.send(invitation.pk)

    assert mail.outbox == []


def test_joining_is_recorded_with_who_invited(cast: Cast, now: datetime, client: Client) -> None:
    invitation = invite(cast, now)
    follow_and_choose(client, link_of(invitation))

    event = AuditEvent.objects.get(action="member.joined")
    assert event.user is not None
    assert (event.user.email, event.organisation) == (NEW, cast.owner)
    assert event.data["invited_by"] == cast.owner_admin.pk


def test_colleagues_see_who_is_invited_and_administrators_withdraw(
    cast: Cast, now: datetime, client: Client
) -> None:
    invitation = invite(cast, now)
    client.force_login(cast.owner_viewer)
    page = client.get("/team/").content.decode()
    assert NEW in page
    assert "/withdraw/" not in page
    assert client.post(f"/team/invitations/{invitation.pk}/withdraw/").status_code == 403

    client.force_login(cast.owner_admin)
    client.post(f"/team/invitations/{invitation.pk}/withdraw/")
    assert f"/team/invitations/{invitation.pk}/withdraw/" not in client.get("/team/").content.decode()


def test_no_token_invites(cast: Cast, now: datetime) -> None:
    viewer = cast.viewer_of_token(cast.owner, "read", "trade", "agent")

    with pytest.raises(NotAllowed):
        joining.invite(viewer=viewer, organisation=cast.owner, email=NEW, role=Role.VIEWER, now=now)


def test_the_database_keeps_invitations_as_they_were(cast: Cast, now: datetime) -> None:
    invitation = invite(cast, now)
    with pytest.raises(IntegrityError, match="open_invitation_once"), transaction.atomic():
        Invitation.objects.create(
            organisation=cast.owner, email=NEW, role="viewer", invited_by=cast.owner_admin
        )
    joining.withdraw(viewer=cast.viewer_of(cast.owner_admin), invitation=invitation, now=now)
    with pytest.raises(DatabaseError, match="transition"), transaction.atomic():
        Invitation.objects.filter(pk=invitation.pk).update(state="open")
    with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
        invitation.delete()
