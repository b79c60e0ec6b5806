"""A run computed again: from its cutoff, the readings and the terms alone, to the same bytes or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from billing.metering.models import Meter
from billing.metering.storage import SlotKey, Usage
from billing.rating.decisions import quantities_of
from billing.rating.judgement import Case, Due, due_for, judge
from billing.rating.models import Charge, RatingRun
from billing.rating.records import code_version, facts_of, in_order, line_of
from billing.rating.service_levels import METHOD as SERVICE_LEVELS
from billing.rating.service_levels import assess
from billing.rating.services import charge_of
from billing.rating.settling import METHOD as SETTLEMENT
from billing.rating.settling import settlements
from billing.rating.slots import cases_of
from marketplace.agreements.models import Agreement
from marketplace.agreements.terms import digest
from marketplace.clock import EARLIEST, HOUR
from marketplace.delivery.models import Delivery

SHOWN = 20
NOTHING = "nothing"
# What a run says about its charges, and what differs when it is not so.
FACTS = ("charges_made", "sums", "price_basis", "charges_digest")


@dataclass(frozen=True, slots=True)
class Difference:
    """What a run recorded, and what comes out when it is computed again."""

    subject: str
    recorded: str
    recomputed: str

    def __str__(self) -> str:
        return f"{self.subject}: recorded {self.recorded}; recomputed {self.recomputed}"


@dataclass(frozen=True, slots=True)
class Replay:
    """``differences`` are the first ones only. ``is_same_code``: the code is what it was at the run."""

    run: RatingRun
    charges: int
    charges_digest: str
    is_same_code: bool
    differences: Sequence[Difference]

    @property
    def is_same(self) -> bool:
        return not self.differences


def replay_run(run: RatingRun) -> Replay:
    """Compute the charges of a run anew and compare them with what is stored, to the byte.

    It looks at every slot that the run may have looked at, so a charge that the run should have made and
    did not is found as well. Readings of months that were detached cannot be added up; their charges are
    reported as differences.
    """
    stored = in_order(run.charges.all())
    recomputed = in_order(_all_of(run, stored))
    found = [*_of_charges(stored, recomputed), *_of_terms(stored)]
    facts = facts_of(recomputed)
    found += [
        Difference(name, str(getattr(run, name)), str(facts[name]))
        for name in FACTS
        if getattr(run, name) != facts[name]
    ]
    return Replay(run, len(recomputed), facts["charges_digest"], run.code == code_version(), found[:SHOWN])


def differences_of(charges: Sequence[Charge]) -> Iterator[Difference]:
    """What of these charges, of whatever runs, is not what their runs make of the readings and terms."""
    of_runs: dict[RatingRun, list[Charge]] = defaultdict(list)
    for charge in charges:
        of_runs[charge.run].append(charge)
    for run, made in of_runs.items():
        if run.method == SERVICE_LEVELS:
            recomputed = _credits(run, {charge.agreement_id for charge in made})
        elif run.method == SETTLEMENT:
            keys = {_key(charge) for charge in made}
            months = _months(run, {charge.agreement_id for charge in made})
            recomputed = [charge for charge in months if _key(charge) in keys]
        else:
            slots = {(charge.agreement.delivery.pk, charge.slot) for charge in made}
            recomputed = list(_computed(run, made, slots))
        yield from _of_charges(made, recomputed)
    yield from _of_terms(charges)


def _all_of(run: RatingRun, stored: Sequence[Charge]) -> Iterable[Charge]:
    """All charges that the run should have made."""
    if run.method == SERVICE_LEVELS:
        return _credits(run, set(run.service_levels.values_list("agreement", flat=True)))
    if run.method == SETTLEMENT:
        return _months(run, set(run.months.values_list("agreement", flat=True)))
    return _computed(run, stored, _slots(run, stored))


def _credits(run: RatingRun, agreements: Collection[int]) -> list[Charge]:
    """The credits for service levels, from the charges before the run and the readings up to its cutoff."""
    found = Agreement.objects.filter(pk__in=agreements)
    assessed = assess(found, until=run.last_reading, before=run.pk)
    return [each.charge for each in assessed if each.charge is not None]


def _months(run: RatingRun, agreements: Collection[int]) -> list[Charge]:
    """What months of term agreements owe, from the charges before the run and the terms as they were then."""
    settled = settlements(
        Agreement.objects.filter(pk__in=agreements).select_related("term"),
        until=run.horizon,
        at=run.started_at,
        last_reading=run.last_reading,
        before=run.pk,
    )
    return [charge for each in settled for charge in each.charges]


def _computed(run: RatingRun, charges: Iterable[Charge], slots: Collection[SlotKey]) -> Iterator[Charge]:
    """What the run makes of these slots; ``charges`` are those that it made of them."""
    stored = {(charge.agreement_id, charge.slot): charge for charge in charges}
    for case in cases_of(slots, until=run.last_reading, before=run.pk):
        charge = stored.get((case.agreement, case.slot))
        known = case if charge is None else _as_it_was(case, charge)
        due = _due(run, known)
        if due is not None:
            yield charge_of(known, due)


def _as_it_was(case: Case, charge: Charge) -> Case:
    """An end that was reported after the run makes a delivery shorter than the run knew it.

    What could be delivered then is on the charge; never more than all cards all the time.
    """
    return replace(case, committed=min(charge.committed, case.cards * 3600))


def _due(run: RatingRun, case: Case) -> Due | None:
    if run.decision is None:
        verdict = judge(case)
        return verdict if isinstance(verdict, Due) else None
    if case.usage is None or case.price is None:
        return None
    quantity = quantities_of(run.decision)[case.agreement, case.slot]
    return due_for(case, Usage(quantity, case.usage.last_reading), case.price)


def _slots(run: RatingRun, stored: Sequence[Charge]) -> set[SlotKey]:
    """The slots of its charges, and those that its turn had come for."""
    slots = {(charge.agreement_id, charge.slot) for charge in stored}
    if run.decision is not None:
        slots |= quantities_of(run.decision).keys()
    agreements = {agreement for agreement, _ in slots}
    deliveries = dict(Delivery.objects.filter(agreement__in=agreements).values_list("agreement", "pk"))
    of_deliveries = {(deliveries[agreement], slot) for agreement, slot in slots}
    return of_deliveries if run.decision is not None else of_deliveries | _slots_in_turn(run)


def _slots_in_turn(run: RatingRun) -> set[SlotKey]:
    """Slots with readings since the run before, and those that ended since then."""
    before = RatingRun.objects.filter(pk__lt=run.pk, method=run.method).order_by("-pk").first()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT delivery_id, slot FROM metering_reading
            WHERE id > %(after)s AND id <= %(until)s AND meter = %(meter)s AND slot <= %(last)s
            UNION
            SELECT reading.delivery_id, reading.slot FROM delivery_delivery delivery
            JOIN metering_reading reading ON reading.delivery_id = delivery.id
            WHERE delivery.active_from < %(last)s + interval '1 hour'
                AND coalesce(delivery.active_until, delivery.ends_at) > %(first)s
                AND reading.slot > %(first)s - interval '1 hour' AND reading.slot <= %(last)s
                AND reading.meter = %(meter)s AND reading.id <= %(until)s
            """,
            {
                "after": before.last_reading if before else 0,
                "until": run.last_reading,
                "meter": Meter.ALLOCATED.value,
                "last": run.horizon - HOUR,
                "first": before.horizon if before else EARLIEST,
            },
        )
        return set(cursor.fetchall())


def _of_charges(stored: Sequence[Charge], recomputed: Sequence[Charge]) -> Iterator[Difference]:
    """Charge by charge, each by its agreement, slot and sequence."""
    recorded_lines = {_key(charge): line_of(charge) for charge in stored}
    lines = {_key(charge): line_of(charge) for charge in recomputed}
    for key in sorted(recorded_lines.keys() | lines.keys()):
        recorded, line = recorded_lines.get(key, NOTHING), lines.get(key, NOTHING)
        if recorded != line:
            agreement, slot, _, sequence = key
            yield Difference(f"charge A{agreement} {slot.isoformat()} #{sequence}", recorded, line)


def _key(charge: Charge) -> tuple[int, datetime, str, int]:
    return charge.agreement_id, charge.slot, charge.kind, charge.sequence


def _of_terms(charges: Sequence[Charge]) -> Iterator[Difference]:
    """Terms that are not what their digest says."""
    agreements = Agreement.objects.filter(pk__in={charge.agreement_id for charge in charges}).order_by("pk")
    for agreement in agreements.iterator():
        found = digest(agreement.terms)
        if found != agreement.terms_digest:
            yield Difference(f"terms of {agreement}", agreement.terms_digest, found)
