"""Writing demand: requests enter, are withdrawn, or expire. Clearing alone marks them as matched."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer, task_actor
from accounts.caps import check_cap
from accounts.models import Organisation
from accounts.suspension import check_not_suspended
from marketplace import book
from marketplace.demand import calling_off
from marketplace.demand.groups import locked_groups
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.demand.names import Names
from marketplace.demand.rules import AlternativeInput, RequestInput, group_problems, request_problems
from marketplace.demand.selectors import requests_too_late
from marketplace.errors import DomainError, InvalidInput
from marketplace.notifications.models import Kind
from marketplace.notifications.services import News, notify

NAMED = ("accelerator_models", "stacks", "near")


class RequestNotOpen(DomainError):
    code = "request_not_open"
    title = gettext_noop("The request is not open any more")


@transaction.atomic
def create_request(
    *, viewer: Viewer, organisation: Organisation, request: RequestInput, now: datetime
) -> ComputeRequest:
    """Enter a request of a buyer. Raises ``InvalidInput`` naming every wrong field."""
    actor = viewer.require(Capability.TRADE, organisation.pk)
    if organisation.kind != Organisation.Kind.BUYER:
        problem = _("%(organisation)s is not a buyer.") % {"organisation": organisation}
        raise InvalidInput(_("Only a buyer makes requests."), {"organisation": problem})
    check_cap(
        organisation.pk,
        ComputeRequest.objects.filter(organisation=organisation, state=ComputeRequest.State.OPEN),
        most=settings.MOST_OPEN_REQUESTS,
        message=_("An organisation has at most %(most)s open requests. Withdraw one first."),
    )
    return _enter(actor, organisation, request, now=now)


@transaction.atomic
def enter_for(
    *, organisation: Organisation, request: RequestInput, actor: Actor, now: datetime
) -> ComputeRequest:
    """Enter a request that a buyer has a right to, and did not make itself. Nobody counts it."""
    return _enter(actor, organisation, request, now=now)


def _enter(
    actor: Actor, organisation: Organisation, request: RequestInput, *, now: datetime
) -> ComputeRequest:
    check_not_suspended(organisation.pk)
    names = Names.load()
    budget, choice = locked_groups(organisation, request)
    under = calling_off.agreement_of(organisation, request, now=now)
    request = calling_off.at_the_agreed_price(request, under)
    found = [
        *request_problems(request, names, now),
        *group_problems(request, budget, choice),
        *calling_off.problems_of(request, under),
    ]
    problems = dict(reversed(found))
    if problems:
        raise InvalidInput(_("The request cannot enter the market."), problems)
    created = ComputeRequest.objects.create(
        organisation=organisation,
        title=request.title.strip(),
        currency=request.currency,
        least_share=request.least_share,
        shared_budget=budget,
        choice=choice,
        under=under,
        entered_at=now,
        created_by=actor.user,
    )
    _create_alternatives(created, request, names)
    _record(actor, created, "request.entered", now, _written(request))
    return created


@transaction.atomic
def withdraw_request(*, viewer: Viewer, request: ComputeRequest, now: datetime) -> ComputeRequest:
    """Take an open request off the market; doing it twice changes nothing."""
    actor = viewer.require(Capability.TRADE, request.organisation_id)
    book.hold_open()
    withdrawn = _close(actor, request, ComputeRequest.State.WITHDRAWN, now)
    request.refresh_from_db(fields=["state"])
    if not withdrawn and request.state != ComputeRequest.State.WITHDRAWN:
        raise RequestNotOpen(
            _("%(request)s is %(state)s and cannot be withdrawn.")
            % {"request": request, "state": request.get_state_display().lower()},
            state=request.state,
        )
    return request


@transaction.atomic
def replace_request(
    *, viewer: Viewer, request: ComputeRequest, changed: RequestInput, now: datetime
) -> ComputeRequest:
    """Enter a request in place of another, which leaves the market where it is still open. Both or neither:
    where the new one cannot enter, the old one stays.
    """
    if request.state not in {ComputeRequest.State.EXPIRED, ComputeRequest.State.WITHDRAWN}:
        withdraw_request(viewer=viewer, request=request, now=now)
    return create_request(viewer=viewer, organisation=request.organisation, request=changed, now=now)


def expire_requests(*, now: datetime) -> int:
    """Expire open requests that no run could fill in time any more; returns how many.

    One short transaction each: a request that a run matches meanwhile is left to the run.
    """
    actor = task_actor("market.expire_requests")
    return sum(_expire(actor, request, now) for request in requests_too_late(now).iterator())


@transaction.atomic
def _expire(actor: Actor, request: ComputeRequest, now: datetime) -> bool:
    if not _close(actor, request, ComputeRequest.State.EXPIRED, now):
        return False
    news = News(
        kind=Kind.EXPIRED,
        organisation=request.organisation_id,
        key=str(request.pk),
        page=("demand:request", request.pk),
        facts={"request": str(request), "title": request.title},
    )
    notify(news, now=now)
    return True


def _close(actor: Actor, request: ComputeRequest, state: ComputeRequest.State, now: datetime) -> bool:
    """From open to another state, unless somebody else was faster."""
    still_open = ComputeRequest.objects.filter(pk=request.pk, state=ComputeRequest.State.OPEN)
    if still_open.update(state=state) != 1:
        return False
    _record(actor, request, f"request.{state}", now, {})
    return True


def _create_alternatives(request: ComputeRequest, given: RequestInput, names: Names) -> None:
    for position, alternative in enumerate(given.alternatives):
        created = Alternative.objects.create(
            request=request,
            position=position,
            near_id=names.regions[alternative.near] if alternative.near else None,
            **_plain(alternative),
        )
        created.accelerator_models.add(*names.ids(names.models, alternative.accelerator_models))
        created.stacks.add(*names.ids(names.stacks, alternative.stacks))


def _plain(alternative: AlternativeInput) -> dict[str, Any]:
    """The fields that are written as they are."""
    fields = {name: value for name, value in asdict(alternative).items() if name not in NAMED}
    return fields | {"jurisdictions": list(dict.fromkeys(alternative.jurisdictions))}


def _written(request: RequestInput) -> dict[str, Any]:
    """The request as the audit event keeps it: what is empty is left out."""
    groups = {"shared_budget": request.shared_budget, "choice": request.choice, "under": request.under}
    return {name: number for name, number in groups.items() if number is not None} | {
        "title": request.title,
        "currency": request.currency,
        "least_share": str(request.least_share),
        "alternatives": [
            {name: _json(value) for name, value in asdict(a).items() if value not in (None, "", (), False)}
            for a in request.alternatives
        ],
    }


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [str(one) for one in value]
    return value if isinstance(value, (bool, int)) else str(value)


def _record(actor: Actor, request: ComputeRequest, action: str, now: datetime, data: dict[str, Any]) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=request,
        now=now,
        organisation=request.organisation_id,
        data=data,
    )
