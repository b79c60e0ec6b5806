"""What of the accounts somebody may see. Everything else does not exist for them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.actors import Capability, Viewer
from accounts.models import ApiToken, AuditEvent, AuditSeal, Invitation, Membership, Organisation


def organisations_for(viewer: Viewer) -> QuerySet[Organisation]:
    """Those it reads for; auditors and operators see all."""
    return Organisation.objects.filter(_within(viewer, "pk", Capability.READ))


def members_for(viewer: Viewer) -> QuerySet[Membership]:
    found = Membership.objects.filter(_within(viewer, "organisation", Capability.READ))
    return found.select_related("user", "organisation")


def open_invitations_for(viewer: Viewer) -> QuerySet[Invitation]:
    """Who is invited and has not accepted yet, newest first; every member sees it."""
    found = invitations_open().filter(_within(viewer, "organisation", Capability.READ))
    return found.select_related("invited_by", "organisation").order_by("-pk")


def invitations_open() -> QuerySet[Invitation]:
    """Those whose link works."""
    return Invitation.objects.filter(state=Invitation.State.OPEN, created_at__gt=Now() - Invitation.LIFETIME)


def tokens_for(viewer: Viewer) -> QuerySet[ApiToken]:
    """Every member sees which tokens there are; nobody sees a secret, for none is kept."""
    found = ApiToken.objects.filter(_within(viewer, "organisation", Capability.READ))
    return found.select_related("organisation", "created_by")


def audit_events_for(viewer: Viewer) -> QuerySet[AuditEvent]:
    """Who did what in its organisations; auditors and operators see events of no organisation too."""
    found = AuditEvent.objects.filter(_within(viewer, "organisation", Capability.READ))
    return found.select_related("user", "token", "organisation", "seal")


def audit_seals_for(viewer: Viewer) -> QuerySet[AuditSeal]:
    """The links of the chain, for everyone who may read anything: digests tell nothing of the events."""
    may_read = viewer.sees_everything or viewer.organisations_with(Capability.READ)
    return AuditSeal.objects.all() if may_read else AuditSeal.objects.none()


@dataclass(frozen=True, slots=True)
class ChainState:
    """How far the audit chain reaches: its length, its last digest, and what waits to be sealed."""

    links: int
    last: AuditSeal | None
    unsealed: int


def chain_state() -> ChainState:
    """The same for everybody: it says how much happened and nothing of what."""
    last = AuditSeal.objects.order_by("-position").first()
    unsealed = AuditEvent.objects.filter(seal=None, pk__gt=last.event_id if last else 0).count()
    return ChainState(links=last.position if last else 0, last=last, unsealed=unsealed)


def _within(viewer: Viewer, field: str, capability: Capability) -> Q:
    if viewer.sees_everything:
        return Q()
    return Q(**{f"{field}__in": viewer.organisations_with(capability)})
