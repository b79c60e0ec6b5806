"""The top navigation: which rooms there are and who sees them.

A room appears once its URL name exists, so a slice that is not installed leaves no dead link, and to those
whom its page would not refuse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.actors import Capability

EVERYONE, BUYER, OWNER, AUDITOR, OPERATOR = "everyone", "buyer", "owner", "auditor", "operator"


@dataclass(frozen=True)
class Room:
    url_name: str
    label: str | Promise
    audience: frozenset[str]
    needs: Capability


def _room(url_name: str, label: str | Promise, *audience: str, needs: Capability = Capability.READ) -> Room:
    return Room(url_name, label, frozenset(audience), needs)


ROOMS: tuple[Room, ...] = (
    _room("clearing:board", _("Market"), EVERYONE),
    _room("demand:create", _("Find compute"), BUYER, needs=Capability.TRADE),
    _room("demand:requests", _("Requests"), BUYER),
    _room("supply:fleets", _("Sites and fleets"), OWNER),
    _room("supply:offers", _("Offers"), OWNER),
    _room("delivery:list", _("Deliveries"), OWNER, BUYER),
    _room("agreements:list", _("Agreements"), BUYER, OWNER, AUDITOR, OPERATOR),
    _room("billing:usage", _("Usage"), BUYER, OWNER, needs=Capability.FINANCE),
    _room("billing:invoices", _("Invoices"), BUYER, needs=Capability.FINANCE),
    _room("payments:payments", _("Payments"), BUYER, needs=Capability.FINANCE),
    _room("billing:statements", _("Statements"), OWNER, needs=Capability.FINANCE),
    _room("payments:payouts", _("Payouts"), OWNER, needs=Capability.FINANCE),
    _room("billing:ledger", _("Ledger"), AUDITOR, OPERATOR),
    _room("payments:bank", _("Bank"), AUDITOR, OPERATOR),
    _room("payments:batches", _("Payout batches"), AUDITOR, OPERATOR),
    _room("audit:overview", _("Utilisation"), OWNER, AUDITOR, OPERATOR),
    _room("compliance:policies", _("Policies"), OWNER, AUDITOR, OPERATOR),
    _room("evidence:packs", _("Evidence"), AUDITOR, OPERATOR),
    _room("access:looks", _("Who looked"), OWNER, BUYER, AUDITOR, OPERATOR),
    _room("carbon:shifting", _("Carbon"), AUDITOR, OPERATOR),
    _room("findings:findings", _("Findings"), BUYER, OWNER, AUDITOR, OPERATOR, needs=Capability.ADMINISTER),
    _room("agents:list", _("Agents"), AUDITOR, OPERATOR),
    _room("audit:parked", _("Parked work"), AUDITOR, OPERATOR),
    _room("catalogue:models", _("Catalogue"), EVERYONE),
)


def audiences_of(request: HttpRequest) -> frozenset[str]:
    """Who is reading: the kind of the organisation, and the user's role on the platform."""
    kind = getattr(getattr(request, "organisation", None), "kind", "")
    role = getattr(getattr(request, "user", None), "platform_role", "")
    return frozenset({EVERYONE, kind, role} - {""})


def navigation(request: HttpRequest, badges: dict[str, int] | None = None) -> list[dict[str, Any]]:
    """The items of the top navigation; the one whose address the request's path begins with is active."""
    audiences = audiences_of(request)
    items = [_item(room, badges or {}) for room in ROOMS if room.audience & audiences and _may(request, room)]
    shown = [item for item in items if item is not None]
    matching = [item for item in shown if _leads_to(item["url"], request.path)]
    if matching:
        max(matching, key=lambda item: len(item["url"]))["active"] = True
    return shown


def resolve(names: Iterable[str]) -> str:
    """The address of the first URL name that exists, or nothing."""
    for name in names:
        try:
            return reverse(name)
        except NoReverseMatch:
            continue
    return ""


def _item(room: Room, badges: dict[str, int]) -> dict[str, Any] | None:
    url = resolve([room.url_name])
    if not url:
        return None
    return {"label": room.label, "url": url, "active": False, "badge": badges.get(room.url_name, 0)}


def _may(request: HttpRequest, room: Room) -> bool:
    """Whether the role of the reader in the organisation opens the room; the platform's roles open theirs."""
    organisation, viewer = getattr(request, "organisation", None), getattr(request, "viewer", None)
    return not organisation or viewer is None or viewer.may(room.needs, organisation.pk)


def _leads_to(url: str, path: str) -> bool:
    return path == url or (url != "/" and path.startswith(url))
