"""One-time codes: made by an administrator of the owner, shown once, used by one key."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer, viewer_of_user
from accounts.administration import administering
from accounts.authentication import digest_of
from accounts.models import User
from marketplace.agents.models import EnrolmentCode
from marketplace.errors import DomainError
from marketplace.supply.models import Site

PREFIX = "che_"


class CodeRefused(DomainError):
    code = "enrolment_code_refused"
    title = gettext_noop("The enrolment code does not work")
    status = 403


@transaction.atomic
def make_code(*, viewer: Viewer, site: Site, now: datetime, wall_now: datetime) -> tuple[EnrolmentCode, str]:
    """A code and its secret, which is never shown again. The one that was open before ends."""
    actor = administering(viewer, site.owner_id)
    for code in open_codes(site):
        _revoke(code, actor=actor, now=now)
    secret = PREFIX + secrets.token_urlsafe(24)
    made = EnrolmentCode.objects.create(
        site=site,
        digest=digest_of(secret),
        created_by=cast("User", actor.user),  # no token administers
        expires_at=wall_now + EnrolmentCode.LIFETIME,
    )
    _record(made, "enrolment_code.created", actor=actor, now=now)
    return made, secret


@transaction.atomic
def revoke_code(*, viewer: Viewer, site: Site, now: datetime) -> None:
    """The site's open code stops working with this commit. Where none is open, nothing changes."""
    actor = administering(viewer, site.owner_id)
    for code in open_codes(site):
        _revoke(code, actor=actor, now=now)


def open_codes(site: Site) -> list[EnrolmentCode]:
    """At most one: it was neither used nor revoked."""
    codes = EnrolmentCode.objects.select_for_update(no_key=True)
    return list(codes.filter(site=site, revoked_at=None, agent=None))


def usable_code(secret: str, *, wall_now: datetime) -> EnrolmentCode:
    """The code of a secret, locked. ``CodeRefused`` where it does not work, whatever the reason."""
    codes = EnrolmentCode.objects.select_related("site__owner", "created_by", "agent__token")
    found = codes.select_for_update(of=("self",), no_key=True).filter(
        digest=digest_of(secret), revoked_at=None, expires_at__gt=wall_now
    )
    code = found.first()
    if code is None or not _still_administers(code):
        raise CodeRefused(
            _(
                "The code is unknown, used, revoked or older than %(minutes)s minutes. "
                "Make a new one on the site’s page."
            )
            % {"minutes": EnrolmentCode.LIFETIME // timedelta(minutes=1)}
        )
    return code


def _still_administers(code: EnrolmentCode) -> bool:
    """Who made it may have left the organisation since."""
    return viewer_of_user(code.created_by).may(Capability.ADMINISTER, code.site.owner_id)


def _revoke(code: EnrolmentCode, *, actor: Actor, now: datetime) -> None:
    code.revoked_at = now
    code.save(update_fields=["revoked_at"])
    _record(code, "enrolment_code.revoked", actor=actor, now=now)


def _record(code: EnrolmentCode, action: str, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=code,
        organisation=code.site.owner_id,
        now=now,
        data={"site": code.site_id, "expires_at": code.expires_at.isoformat()},
    )
