"""The link of an invitation and the mail that brings it.

The link is signed and names the invitation, so that following it proves who reads the mail of its
address.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.core import signing
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.models import Invitation
from marketplace.errors import DomainError

SALT = "accounts.invitation"


class InvitationClosed(DomainError):
    code = "invitation_closed"
    title = gettext_noop("The invitation is not open any more")
    status = 410


def send(invitation_id: int) -> None:
    """Mail the link, unless the invitation was withdrawn meanwhile."""
    open_ones = Invitation.objects.select_related("organisation", "invited_by")
    invitation = open_ones.filter(pk=invitation_id, state=Invitation.State.OPEN).first()
    if invitation is None:
        return
    context = {
        "invitation": invitation,
        "days": Invitation.LIFETIME.days,
        "link": settings.BASE_URL + reverse("accounts:join", kwargs={"key": key_of(invitation)}),
    }
    subject = _("Join %(organisation)s on Cardhour")
    send_mail(
        subject=subject % {"organisation": invitation.organisation},
        message=render_to_string("accounts/email/invitation.txt", context),
        from_email=None,
        recipient_list=[invitation.email],
    )


def key_of(invitation: Invitation) -> str:
    """What the link ends with."""
    return signing.Signer(salt=SALT).sign(str(invitation.pk))


def find(key: str) -> Invitation | None:
    """The invitation of a link, ``None`` where no link ends so. ``InvitationClosed`` where it is too late."""
    try:
        pk = signing.Signer(salt=SALT).unsign(key)
    except signing.BadSignature:
        return None
    invitation = Invitation.objects.select_related("organisation", "invited_by").get(pk=pk)
    check_open(invitation)
    return invitation


def check_open(invitation: Invitation) -> None:
    expired = invitation.expires_at <= datetime.now(UTC)
    if expired or invitation.state != Invitation.State.OPEN:
        raise InvitationClosed(
            _("It was accepted or withdrawn, or it has expired. Ask an administrator of %(organisation)s.")
            % {"organisation": invitation.organisation}
        )
