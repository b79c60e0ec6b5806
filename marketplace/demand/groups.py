"""Writing what ties requests together: shared budgets, choices, and a buyer's cap on one owner.

Locks: the organisation, a budget, then a choice, before any request. Whoever enters a request under a
group has its row until the transaction ends, so whoever closes it finds every open request under it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from accounts.models import Organisation
from marketplace.catalogue.models import CurrencyCode
from marketplace.demand.models import (
    LARGEST_BUDGET,
    LARGEST_CAP,
    Budget,
    Choice,
    ComputeRequest,
    Group,
    OwnerCap,
)
from marketplace.demand.rules import RequestInput
from marketplace.errors import DomainError, InvalidInput

LARGEST_CHOICE = 2**15 - 1

AnyGroup = TypeVar("AnyGroup", Budget, Choice)
Problems = Iterator[tuple[str, str]]


class GroupInUse(DomainError):
    code = "group_in_use"
    title = gettext_noop("Open requests are still under it")


@dataclass(frozen=True, slots=True)
class BudgetInput:
    name: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ChoiceInput:
    name: str
    most: int


def locked_groups(organisation: Organisation, request: RequestInput) -> tuple[Budget | None, Choice | None]:
    """The open groups of a buyer that a request names, kept open until this transaction ends."""
    budgets = Budget.objects.select_for_update(no_key=True).filter(organisation=organisation, closed_at=None)
    choices = Choice.objects.select_for_update(no_key=True).filter(organisation=organisation, closed_at=None)
    budget = None if request.shared_budget is None else budgets.filter(pk=request.shared_budget).first()
    choice = None if request.choice is None else choices.filter(pk=request.choice).first()
    return budget, choice


@transaction.atomic
def create_budget(
    *, viewer: Viewer, organisation: Organisation, budget: BudgetInput, now: datetime
) -> Budget:
    """An amount that the requests under it pay together, at most."""
    actor = viewer.require(Capability.TRADE, organisation.pk)
    _lock(organisation)
    problems = [*_name_problems(budget.name, Budget, organisation), *_budget_problems(budget)]
    _refuse(_("The budget was not made."), problems, organisation)
    created = Budget.objects.create(
        organisation=organisation,
        name=budget.name.strip(),
        currency=budget.currency,
        amount=budget.amount,
        created_at=now,
        created_by=actor.user,
    )
    data = {"name": created.name, "currency": created.currency, "amount": str(created.amount)}
    _record(actor, created, "budget.created", now, data)
    return created


@transaction.atomic
def create_choice(
    *, viewer: Viewer, organisation: Organisation, choice: ChoiceInput, now: datetime
) -> Choice:
    """A number of requests, of those under it, that are matched at most."""
    actor = viewer.require(Capability.TRADE, organisation.pk)
    _lock(organisation)
    problems = list(_name_problems(choice.name, Choice, organisation))
    if not 1 <= choice.most <= LARGEST_CHOICE:
        message = _("At least 1 of them is matched, and at most %(most)s.")
        problems.append(("most", message % {"most": f"{LARGEST_CHOICE:,}"}))
    _refuse(_("The choice was not made."), problems, organisation)
    created = Choice.objects.create(
        organisation=organisation,
        name=choice.name.strip(),
        most=choice.most,
        created_at=now,
        created_by=actor.user,
    )
    _record(actor, created, "choice.created", now, {"name": created.name, "most": created.most})
    return created


def close_budget(*, viewer: Viewer, budget: Budget, now: datetime) -> Budget:
    """No further request goes under it. Doing it twice changes nothing; ``GroupInUse`` with open requests."""
    return _close(viewer, Budget, budget, "budget.closed", now)


def close_choice(*, viewer: Viewer, choice: Choice, now: datetime) -> Choice:
    """No further request goes under it. Doing it twice changes nothing; ``GroupInUse`` with open requests."""
    return _close(viewer, Choice, choice, "choice.closed", now)


@transaction.atomic
def set_owner_cap(
    *, viewer: Viewer, organisation: Organisation, card_hours: int | None, now: datetime
) -> OwnerCap | None:
    """Cap what a buyer has open with any one owner, from the next market run on; ``None`` lifts the cap.

    A setting of the organisation, so it takes an administrator.
    """
    actor = viewer.require(Capability.ADMINISTER, organisation.pk)
    problems = []
    if card_hours is not None and not 1 <= card_hours <= LARGEST_CAP:
        message = _("A cap is at least 1 card-hour and at most %(most)s.")
        problems.append(("card_hours", message % {"most": f"{LARGEST_CAP:,}"}))
    _refuse(_("The cap was not changed."), problems, organisation)
    _lock(organisation)
    before = OwnerCap.objects.filter(organisation=organisation).first()
    cap = OwnerCap(organisation=organisation, card_hours=card_hours or 0, changed_at=now)
    if card_hours is not None:
        cap.save()
    elif before is not None:
        before.delete()
    data = {"before": before and before.card_hours, "after": card_hours}
    _record(actor, cap, "owner_cap.changed", now, data)
    return None if card_hours is None else cap


@transaction.atomic
def _close(viewer: Viewer, kind: type[AnyGroup], group: AnyGroup, action: str, now: datetime) -> AnyGroup:
    actor = viewer.require(Capability.TRADE, group.organisation_id)
    current = kind.objects.select_for_update(no_key=True).get(pk=group.pk)
    if current.closed_at is not None:
        return current
    in_use = current.requests.filter(state=ComputeRequest.State.OPEN).count()
    if in_use:
        message = _(
            "%(number)s open requests are under “%(name)s”. Withdraw them first, or wait for their run."
        )
        raise GroupInUse(message % {"number": in_use, "name": current}, open_requests=in_use)
    current.closed_at = now
    current.save(update_fields=["closed_at"])
    _record(actor, current, action, now, {"name": current.name})
    return current


def _lock(organisation: Organisation) -> None:
    """One at a time names a group of an organisation or changes its cap."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)


def _name_problems(name: str, kind: type[AnyGroup], organisation: Organisation) -> Problems:
    if not name.strip() or len(name.strip()) > 80:
        yield "name", _("Give it a name of at most 80 characters.")
    elif kind.objects.filter(organisation=organisation, name=name.strip(), closed_at=None).exists():
        yield "name", _("There is an open one of this name already.")


def _budget_problems(budget: BudgetInput) -> Problems:
    if budget.currency not in CurrencyCode.values:
        message = _("The market trades in %(currencies)s.")
        yield "currency", message % {"currencies": ", ".join(CurrencyCode.values)}
    if not 0 < budget.amount <= LARGEST_BUDGET:
        message = _("The amount is more than 0 and at most %(most)s.")
        yield "amount", message % {"most": f"{LARGEST_BUDGET:,}"}


def _refuse(message: str, problems: list[tuple[str, str]], organisation: Organisation) -> None:
    if organisation.kind != Organisation.Kind.BUYER:
        problems.insert(
            0, ("organisation", _("%(organisation)s is not a buyer.") % {"organisation": organisation})
        )
    if problems:
        raise InvalidInput(message, dict(reversed(problems)))


def _record(actor: Actor, target: Group | OwnerCap, action: str, now: datetime, data: dict[str, Any]) -> None:
    owner = target.organisation_id
    audit.record(actor=actor, action=action, target=target, now=now, organisation=owner, data=data)
