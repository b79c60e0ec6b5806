"""Rating: readings × terms → charges. One run at a time, and the same facts give the same charges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts import audit
from accounts.actors import Actor
from billing.locks import try_billing_lock
from billing.metering.models import ChangedSlot
from billing.rating.judgement import Case, Due, Parked, judge
from billing.rating.models import Charge, ParkedUsage, RatedUntil, RatingRun
from billing.rating.records import make_run
from billing.rating.slots import Work, work_until
from marketplace.clock import floor_hour

METHOD = "slot-price/2"
BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run is to write."""

    due: list[tuple[Case, Due]]
    parked: list[tuple[Case, Parked]]
    resolved: list[int]


@transaction.atomic
def rate(*, now: datetime, actor: Actor) -> RatingRun | None:
    """Rate every slot that ended ``RATING_GRACE`` before ``now``, and late readings of earlier ones.

    None when there is nothing new to say, or another run is under way and will say it.
    """
    if not try_billing_lock():
        return None
    horizon = floor_hour(now - settings.RATING_GRACE)
    work = work_until(horizon)
    outcome = _outcome(work.cases)
    nothing_made = not (outcome.due or outcome.parked or outcome.resolved)
    _tick_off(work, horizon)
    if nothing_made and rated_until(horizon):
        return None
    run = _write(outcome, work, horizon=horizon, now=now)
    if not nothing_made:
        _record(run, outcome, actor=actor, now=now)
    return run


def rated_until(moment: datetime) -> bool:
    """Whether every slot that ended by a moment has been looked at."""
    return RatingRun.objects.filter(horizon__gte=moment).exists()


def _outcome(cases: Iterable[Case]) -> Outcome:
    """Judge all cases, and set them against what is parked already."""
    judged = [(case, judge(case)) for case in cases]
    open_rows = {
        (row.agreement_id, row.slot, row.reason): row.pk
        for row in ParkedUsage.objects.filter(
            resolved_at=None, agreement__in={case.agreement for case, _ in judged}
        )
    }
    parked = [(case, verdict) for case, verdict in judged if isinstance(verdict, Parked)]
    return Outcome(
        due=[(case, verdict) for case, verdict in judged if isinstance(verdict, Due)],
        parked=[
            (case, verdict)
            for case, verdict in parked
            if (case.agreement, case.slot, verdict.reason) not in open_rows
        ],
        resolved=_resolved(judged, open_rows) + _not_active_after_all(),
    )


def _resolved(
    judged: Iterable[tuple[Case, Due | Parked | None]], open_rows: Mapping[tuple[int, datetime, str], int]
) -> list[int]:
    """Parked rows whose slot is charged now, or parked for another reason."""
    verdicts = {
        (case.agreement, case.slot): verdict.reason if isinstance(verdict, Parked) else None
        for case, verdict in judged
    }
    return [
        pk
        for (agreement, slot, reason), pk in open_rows.items()
        if (agreement, slot) in verdicts and verdicts[agreement, slot] != reason
    ]


def _not_active_after_all() -> list[int]:
    """Slots parked for want of readings, of deliveries whose end was reported only afterwards."""
    rows = ParkedUsage.objects.filter(
        resolved_at=None,
        reason=ParkedUsage.Reason.NO_READINGS,
        agreement__delivery__active_until__lte=F("slot"),
    )
    return list(rows.values_list("pk", flat=True))


def _write(outcome: Outcome, work: Work, *, horizon: datetime, now: datetime) -> RatingRun:
    run = make_run(
        [charge_of(case, due) for case, due in outcome.due],
        started_at=now,
        horizon=horizon,
        last_reading=work.cutoff.reading,
        stored_until=work.cutoff.stored_at,
        method=METHOD,
        parked_made=len(outcome.parked),
        parked_resolved=len(outcome.resolved),
    )
    ParkedUsage.objects.bulk_create(
        [
            ParkedUsage(
                run=run,
                agreement_id=case.agreement,
                slot=case.slot,
                reason=verdict.reason,
                details=verdict.details,
            )
            for case, verdict in outcome.parked
        ],
        batch_size=BATCH,
    )
    ParkedUsage.objects.filter(pk__in=outcome.resolved).update(resolved_at=now)
    return run


def charge_of(case: Case, due: Due) -> Charge:
    """The charge, of no run yet."""
    return Charge(
        agreement_id=case.agreement,
        slot=case.slot,
        sequence=due.sequence,
        corrects_id=due.corrects,
        quantity=due.quantity,
        committed=case.committed,
        price=due.price,
        currency=case.currency,
        amount=due.amount,
        commission=due.commission,
        credit=due.credit,
        last_reading=due.last_reading,
    )


def _tick_off(work: Work, horizon: datetime) -> None:
    RatedUntil.objects.bulk_create(
        [RatedUntil(delivery_id=pk, until=horizon) for pk in work.deliveries],
        update_conflicts=True,
        unique_fields=["delivery"],
        update_fields=["until"],
        batch_size=BATCH,
    )
    ChangedSlot.objects.filter(pk__in=work.changes).delete()


def _record(run: RatingRun, outcome: Outcome, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action="rating.run",
        target=run,
        now=now,
        data={
            "horizon": run.horizon.isoformat(),
            "last_reading": run.last_reading,
            "method": run.method,
            "code": run.code,
            "charges_sha256": run.charges_digest,
            "charges": sum(due.corrects is None for _, due in outcome.due),
            "corrections": sum(due.corrects is not None for _, due in outcome.due),
            "parked": run.parked_made,
            "resolved": run.parked_resolved,
        },
    )
