"""Disputes: opened by buyers, answered by owners, decided by operators. Each step is on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts import audit
from accounts.actors import Actor, Capability, Viewer
from billing.locks import try_billing_lock
from billing.metering.storage import Cutoff, Usage, cutoff_now
from billing.rating.decisions import RatingUnderWay, decided
from billing.rating.judgement import Case, due_for
from billing.rating.models import Charge, Dispute, DisputedSlot, DisputeEntry, RatingRun
from billing.rating.records import make_run
from billing.rating.services import charge_of
from billing.rating.slots import cases_of
from marketplace.agreements.models import Agreement
from marketplace.agreements.terms import dispute_days
from marketplace.clock import HOUR
from marketplace.errors import DomainError, InvalidInput, NotAllowed

METHOD = "dispute/1"
State = Dispute.State
Side = DisputeEntry.Side


class NothingToDispute(DomainError):
    code = "nothing_to_dispute"
    title = gettext_noop("There is no charge that can be disputed")


class DisputeClosed(DomainError):
    code = "dispute_closed"
    title = gettext_noop("The dispute is closed")


def speaks_for(viewer: Viewer, organisation: int) -> bool:
    """Who trades for the organisation, or looks after its money; of tokens, those that may trade.

    A token with the scope read sees money and changes nothing.
    """
    granted = viewer.capabilities.get(organisation, frozenset())
    is_user = viewer.actor is not None and viewer.actor.user is not None
    return Capability.TRADE in granted or (is_user and Capability.FINANCE in granted)


def require_party(viewer: Viewer, organisation: int) -> Actor:
    """The actor, if it speaks for the organisation; otherwise ``NotAllowed``."""
    if viewer.actor is not None and speaks_for(viewer, organisation):
        return viewer.actor
    return viewer.require(Capability.TRADE, organisation)


@transaction.atomic
def open_dispute(
    *, viewer: Viewer, agreement: Agreement, charge: Charge | None = None, reason: str, now: datetime
) -> Dispute:
    """Dispute the slot of one charge, or without one all slots of the agreement that still can be.

    Within the days that the agreement's terms name, counted from when a slot was last charged.
    ``NothingToDispute`` where that is over, or a dispute about the slot is open already.
    """
    actor = require_party(viewer, agreement.buyer_id)
    if not reason.strip():
        raise InvalidInput(_("No dispute was opened."), {"reason": _("Say why: the owner answers it.")})
    if agreement.kind == Agreement.Kind.TERM:
        raise NothingToDispute(
            _("What a month came to follows from the usage called off in it: dispute a charge of that.")
        )
    _lock(agreement)
    slots = _disputable(agreement, charge, now=now)
    if not slots:
        raise NothingToDispute(
            _("A charge can be disputed for %(days)s days, and once at a time.")
            % {"days": dispute_days(agreement.terms)}
        )
    dispute = Dispute.objects.create(agreement=agreement, reason=reason.strip(), opened_at=now)
    DisputedSlot.objects.bulk_create(
        [DisputedSlot(dispute=dispute, agreement=agreement, slot=slot) for slot in slots]
    )
    _record(dispute, "opened", agreement.buyer_id, actor, now, slots=len(slots), reason=dispute.reason)
    return dispute


def _lock(agreement: Agreement) -> None:
    """So that disputes of one agreement are opened and closed one after the other."""
    Agreement.objects.select_for_update(no_key=True).get(pk=agreement.pk)


def _disputable(agreement: Agreement, charge: Charge | None, *, now: datetime) -> list[datetime]:
    since = now - timedelta(days=dispute_days(agreement.terms))
    charges = Charge.objects.filter(agreement=agreement, kind=Charge.Kind.USAGE, run__started_at__gt=since)
    if charge is not None:
        charges = charges.filter(slot=charge.slot)
    held = DisputedSlot.objects.filter(agreement=agreement, is_open=True)
    slots = charges.exclude(slot__in=held.values("slot")).order_by("slot").values_list("slot", flat=True)
    return list(slots.distinct())


@transaction.atomic
def answer_dispute(*, viewer: Viewer, dispute: Dispute, text: str, now: datetime) -> DisputeEntry:
    """The owner answers, or the buyer adds something, while the dispute is open."""
    agreement = dispute.agreement
    is_owner = agreement.owner_id in viewer.capabilities
    side, organisation = (Side.OWNER, agreement.owner_id) if is_owner else (Side.BUYER, agreement.buyer_id)
    actor = require_party(viewer, organisation)
    if not text.strip():
        raise InvalidInput(_("Nothing was entered."), {"text": _("Say something.")})
    _still_open(dispute)
    entry = DisputeEntry.objects.create(dispute=dispute, side=side, text=text.strip(), entered_at=now)
    _record(dispute, "answered", organisation, actor, now, side=side.value, text=entry.text)
    return entry


@transaction.atomic
def uphold_charges(*, viewer: Viewer, dispute: Dispute, reason: str, now: datetime) -> Dispute:
    """The charges stay as they are, and are not held any more. Operators only."""
    actor = _operator(viewer)
    _check_reason(reason)
    _still_open(dispute)
    dispute.slots.update(is_open=False)
    return _close(dispute, State.UPHELD, reason, actor, now)


@transaction.atomic
def correct_charges(
    *, viewer: Viewer, dispute: Dispute, quantities: Mapping[datetime, int], reason: str, now: datetime
) -> Dispute:
    """Charge these card-seconds for the named slots; the other slots stay as they are. Operators only.

    The difference to what was charged becomes a correction in a run of its own. What stands on a document
    stays there; the correction stands on the next one and names the line that it corrects.
    """
    actor = _operator(viewer)
    _check_reason(reason)
    if not try_billing_lock():
        raise RatingUnderWay(_("Rating or closing is under way. Try again in a moment."))
    _still_open(dispute)
    cutoff = cutoff_now()
    cases = _cases(dispute, quantities, cutoff)
    run = _settle(dispute, cases, quantities, cutoff, why=reason.strip(), now=now)
    for slot, quantity in quantities.items():
        dispute.slots.filter(slot=slot).update(is_open=False, quantity=quantity, run=run)
    dispute.slots.filter(is_open=True).update(is_open=False)
    return _close(
        dispute,
        State.CORRECTED,
        reason,
        actor,
        now,
        run=run.pk,
        quantities={slot.isoformat(): quantity for slot, quantity in sorted(quantities.items())},
    )


def _cases(dispute: Dispute, quantities: Mapping[datetime, int], cutoff: Cutoff) -> list[Case]:
    """The facts about the slots; ``InvalidInput`` for one that is not disputed or a quantity not bought."""
    disputed = set(dispute.slots.values_list("slot", flat=True))
    unknown = [slot for slot in quantities if slot not in disputed]
    if unknown or not quantities:
        raise InvalidInput(
            _("Nothing was corrected."), {"quantities": _("Name hours that this dispute is about.")}
        )
    delivery = dispute.agreement.delivery.pk
    cases = cases_of({(delivery, slot) for slot in quantities}, until=cutoff.reading)
    for case in cases:
        charged = case.charged.quantity if case.charged else 0
        most = max(case.committed, charged)
        if not 0 <= quantities[case.slot] <= most:
            message = _("Charge 0 to %(most)s card-seconds: more was not bought.")
            raise InvalidInput(_("Nothing was corrected."), {"quantities": message % {"most": f"{most:,}"}})
    return cases


def _settle(
    dispute: Dispute,
    cases: Sequence[Case],
    quantities: Mapping[datetime, int],
    cutoff: Cutoff,
    *,
    why: str,
    now: datetime,
) -> RatingRun:
    charges = []
    for case in cases:
        if case.usage is None or case.price is None:
            raise ValueError(f"{dispute} is about {case.slot}, which was charged without readings or price")
        due = due_for(case, Usage(quantities[case.slot], case.usage.last_reading), case.price)
        if due is not None:
            charges.append(charge_of(case, due))
    return make_run(
        charges,
        method=METHOD,
        now=now,
        horizon=max(quantities) + HOUR,
        cutoff=cutoff,
        decision=decided({(dispute.agreement_id, slot): each for slot, each in quantities.items()}, why=why),
    )


def _operator(viewer: Viewer) -> Actor:
    if viewer.actor is None or not viewer.is_operator:
        raise NotAllowed(_("Only operators decide about disputes."))
    return viewer.actor


def _check_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInput(_("Nothing was decided."), {"reason": _("Say why: both parties read it.")})


def _still_open(dispute: Dispute) -> None:
    """Locks the agreement: whoever comes second finds the dispute closed."""
    _lock(dispute.agreement)
    dispute.refresh_from_db()
    if dispute.state != State.OPEN:
        raise DisputeClosed(_("Its outcome: %(state)s.") % {"state": dispute.get_state_display()})


def _close(
    dispute: Dispute, state: Dispute.State, reason: str, actor: Actor, now: datetime, **facts: object
) -> Dispute:
    dispute.state, dispute.closed_at, dispute.reason_of_outcome = state, now, reason.strip()
    dispute.save(update_fields=["state", "closed_at", "reason_of_outcome"])
    _record(dispute, state.value, dispute.agreement.owner_id, actor, now, reason=reason.strip(), **facts)
    return dispute


def _record(
    dispute: Dispute, action: str, organisation: int, actor: Actor, now: datetime, **facts: object
) -> None:
    audit.record(
        actor=actor,
        action=f"rating.dispute_{action}",
        target=dispute,
        organisation=organisation,
        now=now,
        data={"agreement": dispute.agreement_id, **facts},
    )
