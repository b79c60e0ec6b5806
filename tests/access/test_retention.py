"""Personal data goes when its time is over; what law keeps stays, and the audit chain verifies after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command

from accounts import audit, joining, services
from accounts.actors import task_actor
from accounts.models import AuditEvent, Invitation, Membership, PersonalFact, User
from billing.invoicing.models import Document
from marketplace.audit.access.retention import due, periods, retain
from marketplace.notifications.models import Event
from tests.cast import Cast
from tests.evidence.scenes import traded

pytestmark = pytest.mark.django_db

WALL = datetime.now(UTC)
MUCH_LATER = WALL + timedelta(days=366)
ROBOT = task_actor("a test")


@pytest.fixture
def leaver(cast: Cast) -> User:
    """Was invited, joined, was removed, and is a member of nothing any more."""
    admin = cast.viewer_of(cast.owner_admin)
    user = cast.person("leaver")
    User.objects.filter(pk=user.pk).update(name="Lea Ver")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    invitation = joining.invite(
        viewer=admin, organisation=cast.owner, email=user.email, role="trader", now=WALL
    )
    membership = joining.accept(invitation=invitation, user=user, now=WALL)
    services.remove_member(viewer=admin, membership=membership, now=WALL)
    return user


def forget(at: datetime) -> dict[str, Any]:
    return retain(at=at, actor=ROBOT, now=WALL).forgotten


def breaks() -> list[audit.Break]:
    return list(audit.verify_chain(now=WALL, sealed_within=timedelta(0)))


def everything_about(address: str) -> list[str]:
    """Where an address still stands in the tables of accounts."""
    found = [
        *User.objects.filter(email=address),
        *EmailAddress.objects.filter(email=address),
        *Invitation.objects.filter(email=address),
        *PersonalFact.objects.filter(value=address),
        *(event for event in AuditEvent.objects.all() if address in str(event.data)),
    ]
    return [type(each).__name__ for each in found]


def test_of_a_person_who_left_nothing_but_a_number_remains(cast: Cast, leaver: User) -> None:
    address = leaver.email
    audit.seal()
    assert everything_about(address) == [
        "User", "EmailAddress", "Invitation", *["PersonalFact"] * 3,
    ]  # fmt: skip

    assert forget(MUCH_LATER)["people"] == 1

    leaver.refresh_from_db()
    assert everything_about(address) == []
    assert (leaver.email, leaver.name, leaver.is_active) == (f"{leaver.pk}@gone.invalid", "", False)
    assert not leaver.has_usable_password()
    audit.seal()
    assert breaks() == []
    assert AuditEvent.objects.filter(user=leaver, action="member.joined").exists()


def test_the_chain_tells_whether_a_fact_was_altered_while_it_is_kept(leaver: User) -> None:
    fact = PersonalFact.objects.select_related("event").first()
    assert fact is not None
    assert fact.event.data["email"] == audit.commitment(fact)
    fact.value = "somebody.else@example.com"
    assert fact.event.data["email"] != audit.commitment(fact)


def test_who_is_a_member_was_here_or_has_an_office_is_kept(cast: Cast, leaver: User) -> None:
    people = [cast.owner_viewer, cast.auditor, cast.operator]
    assert forget(WALL + timedelta(days=364))["people"] == 0
    User.objects.filter(pk=leaver.pk).update(last_login=WALL + timedelta(days=300))
    assert forget(MUCH_LATER)["people"] == 0
    assert {user.email for user in people} <= set(User.objects.values_list("email", flat=True))
    assert Membership.objects.filter(user=cast.owner_viewer).exists()


def test_sessions_and_news_go_after_their_time_and_not_before(cast: Cast) -> None:
    for number, days in enumerate((-1, 1)):
        Session.objects.create(
            session_key=str(number), session_data="", expire_date=WALL + timedelta(days=days)
        )
    for number, days in enumerate((-181, -179)):
        Event.objects.create(
            kind="matched",
            organisation=cast.buyer,
            key=str(number),
            facts={},
            page="home",
            happened_at=WALL + timedelta(days=days),
        )
    found = forget(WALL)
    assert (found["sessions"], found["notifications"]) == (1, 1)
    assert Session.objects.get().session_key == "1"
    assert Event.objects.get().key == "1"


def test_facts_beside_events_go_and_the_chain_holds(cast: Cast, leaver: User) -> None:
    audit.seal()
    days = periods()["audit_facts"]
    assert forget(WALL + timedelta(days=days + 1))["people"] == 1
    assert not PersonalFact.objects.exists()
    assert breaks() == []


def test_documents_stay_as_they_are(cast: Cast) -> None:
    traded(cast)
    before = list(Document.objects.order_by("pk").values())
    forget(WALL + timedelta(days=4_000))
    assert list(Document.objects.order_by("pk").values()) == before


def test_a_dry_run_says_the_same_and_changes_nothing(cast: Cast, leaver: User, capsys: Any) -> None:
    counted = due(MUCH_LATER)
    assert counted["people"] == 1
    assert User.objects.get(pk=leaver.pk).name == "Lea Ver"
    call_command("retain", "--dry-run")
    assert "Nothing was changed." in capsys.readouterr().out
    assert forget(MUCH_LATER)["people"] == counted["people"]
    with pytest.raises(CommandError, match="lies ahead"):
        call_command("retain", "--at", "2099-01-01")
