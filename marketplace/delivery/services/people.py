"""What people do with a delivery through the exchange: its owner takes cards away and gives them back, its
owner or an operator ends it before its time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from marketplace.delivery.models import OVER, Delivery, DeliveryState
from marketplace.delivery.services.steps import StepRefused
from marketplace.delivery.services.writing import Step, lock, write_step
from marketplace.errors import InvalidInput, NotAllowed

LONGEST_REASON = 500
Fault = Delivery.Fault


@transaction.atomic
def suspend(*, viewer: Viewer, delivery: Delivery, reason: str, now: datetime) -> Delivery:
    """Take the cards away for a time. The agent stops what runs; nothing is billed until a test passes
    again. Doing it twice changes nothing."""
    actor = viewer.require(Capability.TRADE, delivery.site.owner_id)
    report = _report(reason, "owner")
    locked = lock([delivery.pk])[delivery.pk]
    if locked.held:
        return locked
    if locked.state == DeliveryState.SUSPENDED:
        return _hold(locked, report, actor, now)
    if locked.state != DeliveryState.ACTIVE:
        raise StepRefused(
            _("%(delivery)s is %(state)s. Only what is active can be suspended.")
            % {"delivery": locked, "state": locked.get_state_display()}
        )
    write_step(
        locked, _step(DeliveryState.SUSPENDED, report, now), actor=actor, now=now, changes={"held": True}
    )
    return locked


@transaction.atomic
def give_back(*, viewer: Viewer, delivery: Delivery, now: datetime) -> Delivery:
    """The cards may be tested, and be the buyer's again. Doing it twice changes nothing."""
    actor = viewer.require(Capability.TRADE, delivery.site.owner_id)
    locked = lock([delivery.pk])[delivery.pk]
    if locked.held:
        write_step(locked, _step(DeliveryState.ACCEPTING, {"by": "owner"}, now), actor=actor, now=now)
    return locked


@transaction.atomic
def evict(
    *, viewer: Viewer, delivery: Delivery, reason: str, now: datetime, fault: str = Fault.OWNER
) -> Delivery:
    """End a delivery before its time.

    Its owner may, on the owner's account. An operator may, and says on whose: what the buyer is to blame for
    is neither replaced nor credited.
    """
    actor, by = _who_evicts(viewer, delivery)
    if by == "owner":
        fault = Fault.OWNER
    if fault not in Fault.values:
        raise InvalidInput(_("On whose account?"), {"fault": _("Say “owner”, “buyer”, or nothing.")})
    report = _report(reason, by)
    locked = lock([delivery.pk])[delivery.pk]
    if locked.state in OVER:
        raise StepRefused(
            _("%(delivery)s is over already: %(state)s.")
            % {"delivery": locked, "state": locked.get_state_display()}
        )
    step = _step(DeliveryState.EVICTED, report | {"fault": str(fault)}, now)
    write_step(locked, step, actor=actor, now=now, changes={"fault": fault})
    return locked


def _hold(delivery: Delivery, report: dict[str, Any], actor: Actor, now: datetime) -> Delivery:
    """The site took the cards away already: they do not come back by themselves any more."""
    delivery.held = True
    delivery.save(update_fields=["held"])
    audit.record(
        actor=actor,
        action="delivery.held",
        target=delivery,
        now=now,
        organisation=delivery.site.owner_id,
        data=report,
    )
    return delivery


def may_hold(viewer: Viewer, delivery: Delivery) -> bool:
    return viewer.may(Capability.TRADE, delivery.site.owner_id)


def _who_evicts(viewer: Viewer, delivery: Delivery) -> tuple[Actor, str]:
    if viewer.is_operator and viewer.actor is not None:
        return viewer.actor, "operator"
    if not may_hold(viewer, delivery):
        raise NotAllowed(_("Only the owner of the site and operators end a delivery before its time."))
    return viewer.require(Capability.TRADE, delivery.site.owner_id), "owner"


def _report(reason: str, by: str) -> dict[str, Any]:
    told = reason.strip()
    if not told or len(told) > LONGEST_REASON or "\0" in told:
        problem = _("Say why, in at most %(most)s characters. The buyer reads it.") % {"most": LONGEST_REASON}
        raise InvalidInput(_("Why?"), {"reason": problem})
    return {"reason": told, "by": by}


def _step(to: DeliveryState, report: dict[str, Any], now: datetime) -> Step:
    return Step(to=to, at=now, report=report)
