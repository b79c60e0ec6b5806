"""What a person decides about a slot that the rule cannot charge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Viewer
from billing.locks import try_billing_lock
from billing.metering.storage import Cutoff, Usage, cutoff_now
from billing.rating.judgement import Case, Due, Parked, due_for, judge
from billing.rating.models import Charge, ParkedUsage
from billing.rating.records import make_run
from billing.rating.services import charge_of
from billing.rating.slots import cases_of
from marketplace.clock import HOUR
from marketplace.errors import DomainError, InvalidInput, NotAllowed

METHOD = "decision/2"


class NothingToDecide(DomainError):
    code = "nothing_to_decide"
    title = gettext_noop("This slot does not wait for a decision")


class RatingUnderWay(DomainError):
    code = "rating_under_way"
    title = gettext_noop("Charges are being made")


def decided(quantities: Mapping[tuple[int, datetime], int], *, why: str) -> dict[str, Any]:
    """What a run keeps of a person's decision: the card-seconds for each agreement and slot, and why."""
    ordered = sorted(quantities.items())
    return {
        "why": why,
        "quantities": [[agreement, slot.isoformat(), quantity] for (agreement, slot), quantity in ordered],
    }


def quantities_of(decision: Mapping[str, Any]) -> dict[tuple[int, datetime], int]:
    """The card-seconds that a decision names, by agreement and slot."""
    return {
        (agreement, datetime.fromisoformat(slot)): quantity
        for agreement, slot, quantity in decision["quantities"]
    }


@transaction.atomic
def decide_overage(
    *, viewer: Viewer, parked: ParkedUsage, quantity: int, why: str, now: datetime
) -> Charge | None:
    """Charge ``quantity`` card-seconds for a slot that waits for a person.

    Its meter shows more than its agreement commits, or readings came after a dispute had settled it.

    At most the commitment: what goes beyond it was never bought. Readings never go away, so without a
    decision the slot would wait for ever; further readings park it again. Returns the charge, or
    ``None`` where the slot's charges add up to the quantity already. Operators only.
    """
    actor = _operator(viewer)
    if not try_billing_lock():
        raise RatingUnderWay(_("Rating or closing is under way. Try again in a moment."))
    cutoff = cutoff_now()
    case, usage = _waiting(parked, cutoff)
    _check(case, quantity, why)
    if case.price is None:
        raise ValueError(f"{parked} waits for a decision and has no price")
    due = due_for(case, Usage(quantity, usage.last_reading), case.price)
    decision = decided({(case.agreement, case.slot): quantity}, why=why)
    charge = _write(case, due, cutoff, decision, now=now)
    parked.resolved_at = now
    parked.decision = {"quantity": quantity, "why": why}
    parked.save(update_fields=["resolved_at", "decision"])
    audit.record(
        actor=actor,
        action="rating.overage_decided",
        target=parked,
        organisation=parked.agreement.owner_id,
        now=now,
        data={
            "agreement": case.agreement,
            "slot": case.slot.isoformat(),
            "metered": usage.quantity,
            "committed": case.committed,
            "charged": quantity,
            "why": why,
            "charge": charge and charge.pk,
        },
    )
    return charge


def _operator(viewer: Viewer) -> Actor:
    if viewer.actor is None or not viewer.is_operator:
        raise NotAllowed(_("Only operators decide about parked work."))
    return viewer.actor


def _waiting(parked: ParkedUsage, cutoff: Cutoff) -> tuple[Case, Usage]:
    """The facts as they are now. Whoever rates or decides holds the billing lock, so they stay so."""
    parked.refresh_from_db()
    (case,) = cases_of({(parked.agreement.delivery.pk, parked.slot)}, until=cutoff.reading)
    verdict = judge(case)
    waits = isinstance(verdict, Parked) and verdict.reason == parked.reason and parked.is_decided_by_people
    if parked.resolved_at is not None or not waits or case.usage is None:
        raise NothingToDecide(_("It was decided, or the next rating run charges it by itself."))
    return case, case.usage


def _check(case: Case, quantity: int, why: str) -> None:
    wrong = {}
    if not 0 <= quantity <= case.committed:
        message = _("Charge 0 to %(most)s card-seconds: more was not bought.")
        wrong["quantity"] = message % {"most": f"{case.committed:,}"}
    if not why.strip():
        wrong["why"] = _("Say why: both parties may ask.")
    if wrong:
        raise InvalidInput(_("Nothing was charged."), wrong)


def _write(
    case: Case, due: Due | None, cutoff: Cutoff, decision: dict[str, Any], *, now: datetime
) -> Charge | None:
    charges = [] if due is None else [charge_of(case, due)]
    make_run(
        charges,
        method=METHOD,
        now=now,
        horizon=case.slot + HOUR,
        cutoff=cutoff,
        parked_resolved=1,
        decision=decision,
    )
    return charges[0] if charges else None
