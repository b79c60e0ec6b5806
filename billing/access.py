"""Who sees pages of money."""

from __future__ import annotations

from accounts.actors import Capability
from accounts.requests import PageRequest
from billing.invoicing.selectors import needs_finance


def require_finance(request: PageRequest) -> None:
    """``NotAllowed`` unless the reader may see the money of some organisation."""
    if not request.viewer.sees_everything and not request.viewer.organisations_with(Capability.FINANCE):
        raise needs_finance()
