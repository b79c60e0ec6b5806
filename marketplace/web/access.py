"""What a page asks before it shows a form that only some may send."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.actors import Capability
from accounts.models import Organisation
from accounts.requests import PageRequest
from marketplace.errors import NotAllowed


def require_trader(request: PageRequest, organisation: Organisation, kind: str) -> None:
    """``NotAllowed`` unless the reader may trade for the organisation, and it is of that kind."""
    request.viewer.require(Capability.TRADE, organisation.pk)
    if organisation.kind != kind:
        owners = kind == Organisation.Kind.OWNER
        raise NotAllowed(
            _("Only owners of data centres list capacity.") if owners else _("Only buyers make requests.")
        )


def may(request: PageRequest, capability: Capability, organisation_id: int) -> bool:
    """Whether the reader is a member with this capability: what a button needs, and a service asks again."""
    return organisation_id in request.viewer.organisations_with(capability)


def may_trade_as(request: PageRequest, kind: str) -> bool:
    """Whether the reader acts for an organisation of that kind and may trade for it."""
    organisation = request.organisation
    if not organisation or organisation.kind != kind:
        return False
    return may(request, Capability.TRADE, organisation.pk)
