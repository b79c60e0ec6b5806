"""Changes to organisations, their members and their tokens. How people become members: ``joining``.

Whoever changes the members of an organisation locks its row first, so that two administrators cannot
remove each other at the same moment.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from psycopg.errors import UniqueViolation

from accounts import audit, joining
from accounts.actors import Actor, Viewer
from accounts.administration import administering, check_role
from accounts.authentication import SHOWN, digest_of, new_secret
from accounts.models import ApiToken, Membership, Organisation, Role, Scope, User
from marketplace.errors import DomainError, InvalidInput


class LastAdministrator(DomainError):
    code = "last_administrator"
    title = gettext_noop("An organisation keeps at least one administrator")


class NameTaken(DomainError):
    code = "organisation_name_taken"
    title = gettext_noop("An organisation of this name exists already")


@transaction.atomic
def create_organisation(
    *,
    founder: User,
    kind: str,
    name_en: str,
    name_zh: str,
    jurisdiction: str,
    time_zone: str,
    now: datetime,
) -> Organisation:
    """A new organisation with its founder as administrator. Names are unique, whoever asks first."""
    _check_organisation(kind=kind, name_en=name_en, name_zh=name_zh, time_zone=time_zone)
    organisation = Organisation(
        kind=kind,
        name_en=name_en.strip(),
        name_zh=name_zh.strip(),
        jurisdiction=jurisdiction,
        time_zone=time_zone,
    )
    _insert(organisation)
    Membership.objects.create(user=founder, organisation=organisation, role=Role.ADMIN)
    audit.record(
        actor=Actor(user=founder),
        action="organisation.created",
        target=organisation,
        organisation=organisation,
        now=now,
        data={"kind": kind, "name_en": organisation.name_en, "jurisdiction": jurisdiction},
    )
    return organisation


def _check_organisation(*, kind: str, name_en: str, name_zh: str, time_zone: str) -> None:
    wrong = {}
    if kind not in Organisation.Kind.values:
        wrong["kind"] = _("Choose owner or buyer.")
    if time_zone not in zoneinfo.available_timezones():
        wrong["time_zone"] = _("Choose a zone of the IANA list, for example Asia/Shanghai.")
    for field, name in {"name_en": name_en, "name_zh": name_zh}.items():
        if not name.strip():
            wrong[field] = _("Give a name.")
    if wrong:
        raise InvalidInput(_("The organisation was not created."), wrong)


def _insert(organisation: Organisation) -> None:
    try:
        with transaction.atomic():
            organisation.save(force_insert=True)
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise NameTaken(
                _("“%(name)s” is taken. Ask its administrator to invite you, or choose another name.")
                % {"name": organisation}
            ) from error
        raise


@transaction.atomic
def change_role(*, viewer: Viewer, membership: Membership, role: str, now: datetime) -> Membership:
    """Give a member another role. Who is no administrator any more loses what it made as one."""
    check_role(role)
    actor = administering(viewer, membership.organisation_id)
    membership.refresh_from_db()
    before = membership.role
    if before == role:
        return membership
    if before == Role.ADMIN:
        _keep_an_administrator(membership)
        _take_back(membership, actor=actor, now=now)
    membership.role = role
    membership.save(update_fields=["role"])
    _record(actor, "member.role_changed", membership, now, before=before, after=role)
    return membership


@transaction.atomic
def remove_member(*, viewer: Viewer, membership: Membership, now: datetime) -> None:
    """End a membership. What this person made for the organisation as its administrator ends too."""
    actor = administering(viewer, membership.organisation_id)
    membership.refresh_from_db()
    _keep_an_administrator(membership)
    _take_back(membership, actor=actor, now=now)
    _record(actor, "member.removed", membership, now, role=membership.role)
    membership.delete()


def _take_back(membership: Membership, *, actor: Actor, now: datetime) -> None:
    """Tokens, whose secrets this person has seen, and invitations, which may have gone to itself."""
    tokens = ApiToken.objects.filter(
        organisation=membership.organisation, created_by=membership.user, revoked_at=None
    )
    for token in tokens:
        _revoke(token, actor=actor, now=now)
    joining.withdraw_those_of(membership, actor=actor, now=now)


def _keep_an_administrator(membership: Membership) -> None:
    administrators = Membership.objects.filter(
        organisation=membership.organisation_id, role=Role.ADMIN, user__is_active=True
    )
    if membership.role == Role.ADMIN and not administrators.exclude(pk=membership.pk).exists():
        raise LastAdministrator(
            _("%(member)s is the only administrator of %(organisation)s. Make somebody else one first.")
            % {"member": membership.user, "organisation": membership.organisation}
        )


def _record(actor: Actor, action: str, membership: Membership, now: datetime, **data: str) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=membership,
        organisation=membership.organisation_id,
        now=now,
        data={"user": membership.user_id, **data},
        personal={"email": membership.user.email},
    )


@transaction.atomic
def create_token(
    *,
    viewer: Viewer,
    organisation: Organisation,
    name: str,
    scopes: Collection[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A token and its secret, which is never shown again. ``expires_at`` is wall time."""
    actor = administering(viewer, organisation.pk)
    wanted = sorted(set(scopes))
    # An agent's token belongs to a key, and comes about with it: ``marketplace.agents``.
    if not wanted or not set(wanted) <= {*Scope.values} - {Scope.AGENT}:
        raise InvalidInput(_("The token was not created."), {"scopes": _("Choose at least one of the list.")})
    if not name.strip():
        raise InvalidInput(_("The token was not created."), {"name": _("Say what it is for.")})
    secret = new_secret()
    token = ApiToken.objects.create(
        organisation=organisation,
        name=name.strip(),
        digest=digest_of(secret),
        prefix=secret[:SHOWN],
        scopes=wanted,
        created_by=actor.user,
        expires_at=expires_at,
    )
    audit.record(
        actor=actor,
        action="token.created",
        target=token,
        organisation=organisation,
        now=now,
        data={
            "name": token.name,
            "prefix": token.prefix,
            "scopes": wanted,
            "expires_at": expires_at and expires_at.isoformat(),
        },
    )
    return token, secret


@transaction.atomic
def revoke_token(*, viewer: Viewer, token: ApiToken, now: datetime) -> ApiToken:
    """The token stops working with this commit. Revoking it again changes nothing."""
    actor = administering(viewer, token.organisation_id)
    locked = ApiToken.objects.select_for_update(no_key=True).get(pk=token.pk)
    if locked.revoked_at is None:
        _revoke(locked, actor=actor, now=now)
    return locked


def _revoke(token: ApiToken, *, actor: Actor, now: datetime) -> None:
    token.revoked_at = now
    token.save(update_fields=["revoked_at"])
    audit.record(
        actor=actor,
        action="token.revoked",
        target=token,
        organisation=token.organisation_id,
        now=now,
        data={"name": token.name, "prefix": token.prefix},
    )
