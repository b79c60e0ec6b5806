"""Every look of an auditor at somebody's data is written to the audit chain, before the page leaves.

Whose data an address shows follows from its route: see ``OBJECTS``. What is not there is a list or a sum
over several organisations, and is written down as a look at everybody. Pages that ask again by themselves
leave one event in ``ONCE_IN``, not one a poll.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from django.apps import apps
from django.core.cache import cache
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch

from accounts import audit
from accounts.actors import Actor
from accounts.models import User
from accounts.requests import PageRequest
from marketplace.clock import market_now

LOOKED = "auditor.looked"
ONCE_IN = 600  # wall seconds
# Routes that show nothing of any organisation, or only what is the reader's own.
NOBODYS = (
    *("accounts/", "admin/", "api/docs/", "api/schema/", "api/v1/activity", "api/v1/audit/policies"),
    *("audit/evidence/", "audit/policies/", "catalogue/", "healthz", "i18n/", "jobs/", "looks/", "market/"),
    *("notifications/", "problems/", "readyz", "styleguide/"),
)
# Of those the pages that do show something.
STILL = ("audit/policies/<slug:slug>/", "market/explanations/", "jobs/<int:pk>/")


@dataclass(frozen=True, slots=True)
class Of:
    """What an address names: a model, the field that it names it by, and the paths to its organisations."""

    model: str
    paths: tuple[str, ...]
    field: str = "pk"


PARTIES = ("agreement__buyer", "agreement__owner")
# By the beginning of the route, without that of the API; the longest that fits.
OBJECTS: Mapping[str, Of] = {
    "agents/": Of("supply.Site", ("owner",)),
    "agreements/": Of("agreements.Agreement", ("buyer", "owner")),
    "term-agreements/": Of("terms.TermAgreement", ("buyer", "owner")),
    "audit/sites/": Of("supply.Site", ("owner",)),
    "sites/": Of("supply.Site", ("owner",)),
    "fleets/": Of("supply.Fleet", ("site__owner",)),
    "offers/": Of("supply.Offer", ("fleet__site__owner",)),
    "requests/": Of("demand.ComputeRequest", ("organisation",)),
    "deliveries/": Of("delivery.Delivery", PARTIES),
    "charges/": Of("rating.Charge", PARTIES),
    "disputes/": Of("rating.Dispute", PARTIES),
    "findings/": Of("findings.Finding", ("subjects__organisation",)),
    "readings/": Of("metering.Reading", ("delivery__agreement__buyer", "delivery__agreement__owner")),
    "invoices/": Of("invoicing.Document", ("organisation",), "number"),
    "statements/": Of("invoicing.Document", ("organisation",), "number"),
    "credit-notes/": Of("invoicing.Document", ("organisation",), "number"),
}


class LooksMiddleware:
    """Stands next to the view, so that a page that was refused is no look."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, http_request: HttpRequest) -> HttpResponse:
        response = self.get_response(http_request)
        request = cast("PageRequest", http_request)
        if request.method in {"GET", "HEAD"} and response.status_code == HTTPStatus.OK and shows(request):
            viewer = request.viewer
            if viewer.is_auditor and viewer.actor is not None and viewer.actor.user is not None:
                write_down(request, viewer.actor.user)
        return response


def shows(request: HttpRequest) -> bool:
    """Whether the address shows anything of anybody."""
    match: ResolverMatch | None = request.resolver_match
    if match is None or not match.route:
        return False
    return not match.route.startswith(NOBODYS) or match.route.startswith(STILL)


def write_down(request: PageRequest, auditor: User) -> None:
    """One event for each organisation looked at, or one for all of them, unless it was written just now."""
    path = request.get_full_path()[:500]
    key = _key(auditor, path)
    if not cache.add(key, 1, ONCE_IN):
        return
    match = cast("ResolverMatch", request.resolver_match)
    facts = {"address": match.view_name, "path": path}
    now, actor = market_now(), Actor(user=auditor)
    try:
        with transaction.atomic():
            seen: list[tuple[models.Model, int | None]] = [*_seen(match)] or [(auditor, None)]
            for target, organisation in seen:
                audit.record(
                    actor=actor, action=LOOKED, target=target, organisation=organisation, now=now, data=facts
                )
    except Exception:
        cache.delete(key)
        raise


def _seen(match: ResolverMatch) -> Iterator[tuple[models.Model, int]]:
    """The object that the address names, once for each organisation whose it is."""
    of = _object_of(match.route.removeprefix("api/v1/"))
    name = next(iter(match.kwargs.values()), None)
    if of is None or name is None:
        return
    found: models.QuerySet[models.Model] = models.QuerySet(apps.get_model(of.model)).filter(
        **{of.field: name}
    )
    for pk, *organisations in found.values_list("pk", *of.paths):
        target = apps.get_model(of.model)(pk=pk)
        yield from ((target, each) for each in _each_once(organisations))


def _object_of(route: str) -> Of | None:
    fitting = [prefix for prefix in OBJECTS if route.startswith(f"{prefix}<")]
    return OBJECTS[max(fitting, key=len)] if fitting else None


def _each_once(organisations: Iterable[Any]) -> list[int]:
    return sorted({int(each) for each in organisations if each is not None})


def _key(auditor: User, path: str) -> str:
    """Hashed, for an address may hold what a key of the cache may not."""
    return f"look-{auditor.pk}-{hashlib.sha256(path.encode()).hexdigest()}"
