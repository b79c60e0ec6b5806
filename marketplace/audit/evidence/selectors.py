"""Reading packs: they show what is of several tenants, so only auditors and operators see them."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.actors import Viewer
from marketplace.audit.evidence.models import EvidencePack


def packs_for(viewer: Viewer) -> QuerySet[EvidencePack]:
    """Newest first, without their bytes."""
    packs = EvidencePack.objects.defer("content").select_related("made_for").order_by("-pk")
    return packs if viewer.sees_everything else packs.none()
