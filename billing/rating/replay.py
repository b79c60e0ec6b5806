"""A run computed again: from its cutoff, the readings and the terms alone, to the same bytes or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

from django.db import connection

from billing.metering.models import Meter
from billing.metering.storage import SlotKey, Usage
from billing.rating.covering import METHOD as COVERS
from billing.rating.covering import cover
from billing.rating.decisions import quantities_of
from billing.rating.judgement import Case, Due, due_for, judge
from billing.rating.models import Charge, RatingRun
from billing.rating.records import Facts, code_version, in_order, line_of
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
# Agreements at once: a run may have charged more hours than one would hold together.
A_PART = 500
# Slots with readings since the run before, and those that ended since then.
IN_TURN = """
    SELECT delivery_id, slot FROM metering_reading
    WHERE id > %(after)s AND id <= %(until)s AND meter = %(meter)s AND slot <= %(last)s
    UNION
    SELECT reading.delivery_id, reading.slot FROM delivery_delivery delivery
    JOIN metering_reading reading ON reading.delivery_id = delivery.id
    WHERE delivery.active_from < %(last)s + interval '1 hour'
        AND coalesce(delivery.active_until, delivery.ends_at) > %(first)s
        AND reading.slot > %(first)s - interval '1 hour' AND reading.slot <= %(last)s
        AND reading.meter = %(meter)s AND reading.id <= %(until)s
"""


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
    made, found = Facts(), list[Difference]()
    for agreements in _parts(run):
        stored = in_order(run.charges.filter(agreement__in=agreements))
        recomputed = in_order(_all_of(run, stored, agreements))
        made.add(recomputed)
        found += islice(chain(_of_charges(stored, recomputed), _of_terms(stored)), SHOWN)
    facts = made.told()
    found += [
        Difference(name, str(getattr(run, name)), str(facts[name]))
        for name in FACTS
        if getattr(run, name) != facts[name]
    ]
    is_same_code = run.code == code_version()
    return Replay(run, facts["charges_made"], facts["charges_digest"], is_same_code, found[:SHOWN])


def differences_of(charges: Sequence[Charge]) -> Iterator[Difference]:
    """What of these charges, of whatever runs, is not what their runs make of the readings and terms."""
    of_runs: dict[RatingRun, list[Charge]] = defaultdict(list)
    for charge in charges:
        of_runs[charge.run].append(charge)
    for run, made in of_runs.items():
        if run.method == SERVICE_LEVELS:
            recomputed = _credits(run, {charge.agreement_id for charge in made})
        elif run.method == COVERS:
            recomputed = _covers(run, {charge.agreement_id for charge in made})
        elif run.method == SETTLEMENT:
            keys = {_key(charge) for charge in made}
            months = _months(run, {charge.agreement_id for charge in made})
            recomputed = [charge for charge in months if _key(charge) in keys]
        else:
            slots = {(charge.agreement.delivery.pk, charge.slot) for charge in made}
            recomputed = list(_computed(run, made, slots))
        yield from _of_charges(made, recomputed)
    yield from _of_terms(charges)


def _parts(run: RatingRun) -> Iterator[Sequence[int]]:
    """The agreements that the run charged, or may have looked at, in their order, some at a time."""
    found = set(run.charges.order_by().values_list("agreement", flat=True).distinct())
    if run.method == SERVICE_LEVELS:
        found |= set(run.service_levels.values_list("agreement", flat=True))
    elif run.method == COVERS:
        found |= set(run.covers.values_list("agreement", flat=True))
    elif run.method == SETTLEMENT:
        found |= set(run.months.values_list("agreement", flat=True))
    elif run.decision is not None:
        found |= {agreement for agreement, _ in quantities_of(run.decision)}
    else:
        found |= _agreements_in_turn(run)
    agreements = sorted(found)
    for start in range(0, len(agreements), A_PART):
        yield agreements[start : start + A_PART]


def _all_of(run: RatingRun, stored: Sequence[Charge], agreements: Collection[int]) -> Iterable[Charge]:
    """All charges that the run should have made of these agreements."""
    if run.method == SERVICE_LEVELS:
        assessed = run.service_levels.filter(agreement__in=agreements)
        return _credits(run, set(assessed.values_list("agreement", flat=True)))
    if run.method == COVERS:
        looked_at = run.covers.filter(agreement__in=agreements)
        return _covers(run, set(looked_at.values_list("agreement", flat=True)))
    if run.method == SETTLEMENT:
        settled = run.months.filter(agreement__in=agreements)
        return _months(run, set(settled.values_list("agreement", flat=True)))
    return _computed(run, stored, _slots(run, stored, agreements))


def _credits(run: RatingRun, agreements: Collection[int]) -> list[Charge]:
    """The credits for service levels, from the charges before the run and the readings up to its cutoff."""
    found = Agreement.objects.filter(pk__in=agreements)
    assessed = assess(found, until=run.last_reading, before=run.pk)
    return [each.charge for each in assessed if each.charge is not None]


def _covers(run: RatingRun, agreements: Collection[int]) -> list[Charge]:
    """What replacements cost, from the charges before the run."""
    found = Agreement.objects.filter(pk__in=agreements).select_related("allocation")
    covered = cover(found, until=run.last_reading, before=run.pk)
    return [each.charge for each in covered if each.charge is not None]


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


def _slots(run: RatingRun, stored: Sequence[Charge], agreements: Collection[int]) -> set[SlotKey]:
    """The slots of its charges of these agreements, and those that its turn had come for."""
    deliveries = dict(Delivery.objects.filter(agreement__in=agreements).values_list("agreement", "pk"))
    slots = {(charge.agreement_id, charge.slot) for charge in stored}
    if run.decision is not None:
        slots |= {key for key in quantities_of(run.decision) if key[0] in deliveries}
    of_deliveries = {(deliveries[agreement], slot) for agreement, slot in slots}
    if run.decision is not None:
        return of_deliveries
    in_turn = f"SELECT * FROM ({IN_TURN}) AS slots WHERE delivery_id = ANY(%(deliveries)s)"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(in_turn, {**_turn(run), "deliveries": list(deliveries.values())})
        return of_deliveries | set(cursor.fetchall())


def _agreements_in_turn(run: RatingRun) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT agreement_id FROM delivery_delivery
            WHERE id IN (SELECT delivery_id FROM ({IN_TURN}) AS slots)
            """,  # noqa: S608 a constant of this module
            _turn(run),
        )
        return {agreement for (agreement,) in cursor.fetchall()}


def _turn(run: RatingRun) -> dict[str, Any]:
    before = RatingRun.objects.filter(pk__lt=run.pk, method=run.method).order_by("-pk").first()
    return {
        "after": before.last_reading if before else 0,
        "until": run.last_reading,
        "meter": Meter.ALLOCATED.value,
        "last": run.horizon - HOUR,
        "first": before.horizon if before else EARLIEST,
    }


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
