"""Reading term agreements: each party sees its own, auditors and operators see all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.db.models import Prefetch, Q, QuerySet

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from marketplace.terms.models import TermAgreement, TermVersion
from marketplace.terms.sheet import PLACES


def term_agreements_for(viewer: Viewer) -> QuerySet[TermAgreement]:
    """Newest first, with the parties, the model and all versions, the first first."""
    versions = TermVersion.objects.select_related("proposer", "closed_by").order_by("number")
    rows = TermAgreement.objects.select_related("buyer", "owner", "model").order_by("-pk")
    rows = rows.prefetch_related(Prefetch("versions", versions))
    if viewer.sees_everything:
        return rows
    mine = viewer.organisations_with(Capability.READ)
    return rows.filter(Q(buyer__in=mine) | Q(owner__in=mine))


def under_way(*, now: datetime) -> QuerySet[TermAgreement]:
    """Concluded ones that are not over."""
    return TermAgreement.objects.filter(state=TermAgreement.State.CONCLUDED, ends_at__gt=now).order_by("pk")


def can_be_called_off(buyer: Organisation, *, now: datetime) -> QuerySet[TermAgreement]:
    """The agreements that a request of the buyer may be under."""
    return under_way(now=now).filter(buyer=buyer).select_related("owner")


def can_be_reserved_for(owner: Organisation | int, *, now: datetime) -> QuerySet[TermAgreement]:
    """The agreements that an offer of the owner may be reserved for."""
    return under_way(now=now).filter(owner=owner).select_related("buyer", "model")


def agreed_price(agreement: TermAgreement) -> Decimal:
    """What a unit costs up to the quantity: the same in all versions, or orders would have to change."""
    first = agreement.versions.get(number=1)
    return Decimal(first.sheet.price).scaleb(-PLACES)
