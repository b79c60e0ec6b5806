"""How people become members: somebody is invited by mail, follows the link, and accepts.

Nobody is a member, and no account is made, before that.
"""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit, tasks
from accounts.actors import Actor, Viewer
from accounts.administration import administering, check_role, lock
from accounts.caps import check_cap
from accounts.invitations import check_open
from accounts.models import Invitation, Membership, Organisation, User
from accounts.selectors import invitations_open
from marketplace.errors import DomainError, InvalidInput, NotAllowed


class AlreadyMember(DomainError):
    code = "already_member"
    title = gettext_noop("This person is a member already")


class AccountExists(DomainError):
    code = "account_exists"
    title = gettext_noop("This address has an account already")


@transaction.atomic
def invite(*, viewer: Viewer, organisation: Organisation, email: str, role: str, now: datetime) -> Invitation:
    """Ask somebody by mail to become a member. An earlier invitation to the same address ends."""
    check_role(role)
    address = _address(email)
    actor = administering(viewer, organisation.pk)
    if actor.user is None:
        raise NotAllowed(_("Only people invite people."))
    if Membership.objects.filter(user__email=address, organisation=organisation).exists():
        raise AlreadyMember(
            _("%(email)s is a member of %(organisation)s already. Change the role in the list instead.")
            % {"email": address, "organisation": organisation}
        )
    _withdraw(Invitation.objects.filter(organisation=organisation, email=address), actor=actor, now=now)
    check_cap(
        organisation.pk,
        invitations_open().filter(organisation=organisation),
        most=settings.MOST_OPEN_INVITATIONS,
        message=_("At most %(most)s invitations are open at once. Withdraw one first."),
    )
    invitation = Invitation.objects.create(
        organisation=organisation, email=address, role=role, invited_by=actor.user
    )
    _record(actor, "invitation.sent", invitation, now)
    transaction.on_commit(lambda: tasks.send_invitation.delay(invitation.pk), robust=True)
    return invitation


def _address(email: str) -> str:
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError as error:
        raise InvalidInput(_("Nobody was invited."), {"email": _("This is not an address.")}) from error
    return address


@transaction.atomic
def withdraw(*, viewer: Viewer, invitation: Invitation, now: datetime) -> None:
    """The link stops working. Doing it twice changes nothing."""
    actor = administering(viewer, invitation.organisation_id)
    _withdraw(Invitation.objects.filter(pk=invitation.pk), actor=actor, now=now)


def withdraw_those_of(membership: Membership, *, actor: Actor, now: datetime) -> None:
    """Withdraw what this member sent; call it with the organisation locked."""
    sent = Invitation.objects.filter(organisation=membership.organisation_id, invited_by=membership.user_id)
    _withdraw(sent, actor=actor, now=now)


def _withdraw(chosen: QuerySet[Invitation], *, actor: Actor, now: datetime) -> None:
    for invitation in chosen.filter(state=Invitation.State.OPEN):
        _close(invitation, Invitation.State.WITHDRAWN)
        _record(actor, "invitation.withdrawn", invitation, now)


@transaction.atomic
def accept(*, invitation: Invitation, user: User, now: datetime) -> Membership:
    """Make the person whom the invitation names a member. ``InvitationClosed`` if it was withdrawn."""
    if user.email.lower() != invitation.email:
        raise NotAllowed(
            _("This invitation is for %(invited)s, and you are signed in as %(email)s. Sign out first.")
            % {"invited": invitation.email, "email": user.email}
        )
    lock(invitation.organisation_id)
    invitation.refresh_from_db()
    check_open(invitation)
    _close(invitation, Invitation.State.ACCEPTED)
    membership, _is_new = Membership.objects.get_or_create(
        user=user, organisation=invitation.organisation, defaults={"role": invitation.role}
    )
    audit.record(
        actor=Actor(user=user),
        action="member.joined",
        target=membership,
        organisation=invitation.organisation_id,
        now=now,
        data={
            "user": user.pk,
            "role": membership.role,
            "invitation": invitation.pk,
            "invited_by": invitation.invited_by_id,
        },
        personal={"email": user.email},
    )
    return membership


@transaction.atomic
def accept_with_new_account(*, invitation: Invitation, name: str, password: str, now: datetime) -> Membership:
    """The same for somebody without an account. The address is verified: its mail held the link."""
    lock(invitation.organisation_id)
    if User.objects.filter(email=invitation.email).exists():
        raise AccountExists(_("%(email)s has an account. Sign in first.") % {"email": invitation.email})
    user = User.objects.create_user(invitation.email, password, name=name.strip())
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    audit.record(actor=Actor(user=user), action="user.signed_up", target=user, now=now)
    return accept(invitation=invitation, user=user, now=now)


def _close(invitation: Invitation, state: Invitation.State) -> None:
    invitation.state = state
    invitation.save(update_fields=["state"])


def _record(actor: Actor, action: str, invitation: Invitation, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=invitation,
        organisation=invitation.organisation_id,
        now=now,
        data={"role": invitation.role},
        personal={"email": invitation.email},
    )
