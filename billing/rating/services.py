"""Rating: readings × terms → charges. One run at a time, and the same facts give the same charges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from accounts import audit
from accounts.actors import Actor
from billing.locks import try_billing_lock
from billing.rating.judgement import Case, Due, Parked, judge
from billing.rating.models import Charge, ParkedUsage, RatingRun
from billing.rating.slots import cases_of
from billing.rating.usual import FirstCharges, first_charges
from billing.rating.work import Work, work_until
from billing.rating.writing import write_run
from marketplace.clock import HOUR, floor_hour

METHOD = "slot-price/3"
BATCH = 2_000
# What a run takes at most, of the usual hours and of the others at once: it bounds the memory.
MOST_HOURS = 1_000_000
OTHERS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run is to write, besides the first charges of usual hours."""

    charges: list[Charge]
    parked: list[ParkedUsage]
    resolved: list[int]

    def __bool__(self) -> bool:
        return bool(self.charges or self.parked or self.resolved)


def rate_all(*, now: datetime, actor: Actor) -> None:
    """Rate until nothing is left, run after run, each a transaction of its own."""
    horizon = _horizon(now)
    while (run := rate(now=now, actor=actor)) is not None and run.horizon < horizon:
        pass


@transaction.atomic
def rate(*, now: datetime, actor: Actor) -> RatingRun | None:
    """Rate every slot that ended ``RATING_GRACE`` before ``now``, and late readings of earlier ones.

    Where much was left undone it is a run of an earlier horizon, and the next one goes on from there. None
    when there is nothing new to say, or another run is under way and will say it.
    """
    if not try_billing_lock():
        return None
    work = work_until(_horizon(now), MOST_HOURS)
    charges, outcome = first_charges(work.usual), _outcome(work)
    nothing_made = not (len(charges) or outcome)
    _tick_off(work)
    if nothing_made and rated_until(work.horizon):
        return None
    run = _write(charges, outcome, work, now=now)
    if not nothing_made:
        _record(run, charges, outcome, actor=actor, now=now)
    return run


def _horizon(now: datetime) -> datetime:
    return floor_hour(now - settings.RATING_GRACE)


def rated_until(moment: datetime) -> bool:
    """Whether every slot that ended by a moment has been looked at."""
    return RatingRun.objects.filter(horizon__gte=moment).exists()


def _outcome(work: Work) -> Outcome:
    """Judge all hours that are not usual, and set them against what is parked already."""
    outcome = Outcome([], [], [])
    for number in range(0, len(work.others), OTHERS_AT_ONCE):
        slots = work.others[number : number + OTHERS_AT_ONCE]
        cases = cases_of(slots, until=work.cutoff.reading, unsettled=work.unsettled)
        _judge_into(outcome, [(case, judge(case)) for case in cases])
    outcome.resolved.extend(_not_active_after_all())
    return outcome


def _judge_into(outcome: Outcome, judged: Sequence[tuple[Case, Due | Parked | None]]) -> None:
    open_rows = {
        (row.agreement_id, row.slot, row.reason): row.pk
        for row in ParkedUsage.objects.filter(
            resolved_at=None, agreement__in={case.agreement for case, _ in judged}
        )
    }
    for case, verdict in judged:
        if isinstance(verdict, Due):
            outcome.charges.append(charge_of(case, verdict))
        elif verdict is not None and (case.agreement, case.slot, verdict.reason) not in open_rows:
            outcome.parked.append(_parked(case, verdict))
    outcome.resolved.extend(_resolved(judged, open_rows))


def _parked(case: Case, verdict: Parked) -> ParkedUsage:
    """The row, of no run yet."""
    return ParkedUsage(
        agreement_id=case.agreement, slot=case.slot, reason=verdict.reason, details=verdict.details
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


def _write(charges: FirstCharges, outcome: Outcome, work: Work, *, now: datetime) -> RatingRun:
    run = write_run(
        charges,
        outcome.charges,
        started_at=now,
        horizon=work.horizon,
        last_reading=work.cutoff.reading,
        stored_until=work.cutoff.stored_at,
        method=METHOD,
        parked_made=len(outcome.parked),
        parked_resolved=len(outcome.resolved),
    )
    for parked in outcome.parked:
        parked.run = run
    ParkedUsage.objects.bulk_create(outcome.parked, batch_size=BATCH)
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


def _tick_off(work: Work) -> None:
    """Write down what was looked at. Marks of readings after the cutoff stay, for the next run."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO rating_rateduntil (delivery_id, until) SELECT unnest(%s::bigint[]), %s
            ON CONFLICT (delivery_id) DO UPDATE SET until = excluded.until
            """,
            [work.deliveries, work.horizon],
        )
        cursor.execute(
            "DELETE FROM metering_changedslot WHERE slot <= %s AND reading <= %s",
            [work.horizon - HOUR, work.cutoff.reading],
        )


def _record(run: RatingRun, charges: FirstCharges, outcome: Outcome, *, actor: Actor, now: datetime) -> None:
    corrections = sum(charge.corrects_id is not None for charge in outcome.charges)
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
            "charges": len(charges) + len(outcome.charges) - corrections,
            "corrections": corrections,
            "parked": run.parked_made,
            "resolved": run.parked_resolved,
        },
    )
