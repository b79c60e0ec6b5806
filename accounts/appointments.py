"""The exchange's own people: auditors, who see everything, and operators, who also enter the admin."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor
from accounts.models import User
from marketplace.errors import DomainError


class NoAccount(DomainError):
    code = "no_account"
    title = gettext_noop("There is no such account")


@transaction.atomic
def appoint(*, email: str, role: str, actor: Actor, now: datetime) -> bool:
    """Give an account a role on the exchange, or none; returns whether that changed anything."""
    user = User.objects.select_for_update(no_key=True).filter(email__iexact=email.strip()).first()
    if user is None:
        message = _("Nobody has signed up with %(email)s. Ask them to, and appoint them then.")
        raise NoAccount(message % {"email": email})
    before = user.platform_role
    enters_the_admin = role == User.PlatformRole.OPERATOR
    if before == role and user.is_staff == user.is_superuser == enters_the_admin:
        return False
    user.platform_role = role
    user.is_staff = user.is_superuser = enters_the_admin
    user.save(update_fields=["platform_role", "is_staff", "is_superuser"])
    audit.record(
        actor=actor,
        action="user.appointed",
        target=user,
        now=now,
        data={"before": before, "after": role},
        personal={"email": user.email},
    )
    return True
