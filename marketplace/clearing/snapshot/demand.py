"""What is asked for: requests that fit into the horizon, and what ties them together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import structlog
from django.db.models import Prefetch, QuerySet

from marketplace.catalogue.selectors import FactMissing
from marketplace.clearing.snapshot.units import MEBIBYTES_A_GIGABYTE, Window, entered, micro, optional_int
from marketplace.demand.commitments import open_with_owners, with_matched, with_spent
from marketplace.demand.models import Alternative, Budget, Choice, ComputeRequest, OwnerCap
from marketplace.demand.rules import AlternativeInput
from marketplace.engine import snapshot as engine
from marketplace.supply.models import Site

log = structlog.get_logger(__name__)


def open_requests(term: int | None) -> QuerySet[ComputeRequest]:
    """Those of the open market, or those under a term agreement."""
    alternatives = Alternative.objects.select_related("near").prefetch_related("accelerator_models", "stacks")
    return (
        ComputeRequest.objects.filter(state=ComputeRequest.State.OPEN, under=term)
        .prefetch_related(Prefetch("alternatives", queryset=alternatives))
        .order_by("pk")
    )


def convertible(rows: Iterable[ComputeRequest], table: Mapping[str, Decimal]) -> list[ComputeRequest]:
    """Those in a currency with an exchange rate. The others wait for one: no order stops the whole market."""
    found = list(rows)
    waiting = [row.currency for row in found if row.currency not in table]
    if waiting:
        log.error("exchange_rate_missing", currencies=sorted(set(waiting)), orders=len(waiting))
    return [row for row in found if row.currency in table]


def request_of(request: ComputeRequest, window: Window) -> engine.Request | None:
    """A request without an alternative that fits into the horizon is not part of the market yet."""
    fitting = [
        built
        for alternative in request.alternatives.all()
        if (built := _alternative(alternative, window)) is not None
    ]
    if not fitting:
        return None
    return engine.Request(
        id=request.pk,
        buyer=request.organisation_id,
        currency=request.currency,
        least=micro(request.least_share, ROUND_CEILING),
        entered=entered(request.entered_at),
        alternatives=tuple(fitting),
    )


def _alternative(row: Alternative, window: Window) -> engine.Alternative | None:
    return alternative_of(
        row,
        window,
        position=row.position,
        models=[model.slug for model in row.accelerator_models.all()],
        stacks=[stack.slug for stack in row.stacks.all()],
        near=row.near.slug if row.near else "",
    )


def alternative_of(
    row: Alternative | AlternativeInput,
    window: Window,
    *,
    position: int,
    models: Iterable[str],
    stacks: Iterable[str],
    near: str,
) -> engine.Alternative | None:
    """An alternative in the engine's units, or ``None`` where it does not fit into the horizon.

    Divisible work needs no more than an hour of it: what is missing in hours, more cards make up.
    """
    earliest, deadline = window.slot_from(row.earliest_start), window.slot_until(row.deadline)
    if deadline - earliest < (1 if row.divisible else row.hours):
        return None
    unit = engine.Unit(row.unit)
    return engine.Alternative(
        position=position,
        unit=unit,
        amount=int(row.amount) if unit is engine.Unit.CARDS else micro(row.amount, ROUND_CEILING),
        limit=micro(unit_limit(row), ROUND_FLOOR),
        workload=engine.Workload(row.workload),
        models=tuple(sorted(models)),
        careful=row.careful,
        gangs=row.gangs,
        divisible=row.divisible,
        interruptible=row.interruptible,
        precision=engine.Precision(row.precision) if row.precision else None,
        memory=optional_int(row.memory_gb, MEBIBYTES_A_GIGABYTE, ROUND_CEILING),
        earliest=earliest,
        duration=row.hours,
        deadline=deadline,
        latency=_latency(near, row.round_trip_ms),
        bandwidth=row.bandwidth_mbps,
        jurisdictions=tuple(sorted(row.jurisdictions)),
        stacks=tuple(sorted(stacks)),
        renewable_share=optional_int(row.renewable_share, engine.MICRO, ROUND_CEILING),
        carbon=optional_int(row.carbon, 1000, ROUND_FLOOR),
        verification=row.verification,
        notice=row.notice_minutes,
    )


def unit_limit(row: Alternative | AlternativeInput) -> Decimal:
    """The limit per unit and hour; a budget is spread over the whole amount and duration."""
    if row.limit is not None:
        return row.limit
    if row.budget is None:
        raise FactMissing(f"Alternative {row} has neither a limit nor a budget.")
    return row.budget / (row.amount * row.hours)


def _latency(near: str, round_trip_ms: Decimal | None) -> engine.LatencyLimit | None:
    if not near or round_trip_ms is None:
        return None
    return engine.LatencyLimit(near, int(round_trip_ms * 1000))


def budgets_of(rows: Iterable[ComputeRequest]) -> tuple[engine.Budget, ...]:
    """What is left of each budget, for those of its requests that are in this market."""
    members = _members((row.shared_budget_id, row.pk) for row in rows)
    budgets = with_spent(Budget.objects.filter(pk__in=members)).order_by("pk")
    return tuple(_budget(row, members[row.pk]) for row in budgets)


def _budget(row: Budget, requests: tuple[int, ...]) -> engine.Budget:
    left: Decimal = row.left  # type: ignore[attr-defined]
    return engine.Budget(row.pk, requests, row.currency, micro(left, ROUND_FLOOR))


def choices_of(rows: Iterable[ComputeRequest]) -> tuple[engine.Choice, ...]:
    """How many more of each choice may be matched, for those of its requests that are in this market."""
    members = _members((row.choice_id, row.pk) for row in rows)
    choices = with_matched(Choice.objects.filter(pk__in=members)).order_by("pk")
    return tuple(_choice(row, members[row.pk]) for row in choices)


def _choice(row: Choice, requests: tuple[int, ...]) -> engine.Choice:
    left: int = row.left  # type: ignore[attr-defined]
    return engine.Choice(row.pk, requests, left)


def _members(pairs: Iterable[tuple[int | None, int]]) -> Mapping[int, tuple[int, ...]]:
    """Requests by the group that they are under."""
    members: dict[int, list[int]] = defaultdict(list)
    for group, request in pairs:
        if group is not None:
            members[group].append(request)
    return {group: tuple(sorted(requests)) for group, requests in members.items()}


def owner_caps_of(
    rows: Iterable[ComputeRequest], sites: Iterable[Site], now: datetime
) -> tuple[engine.OwnerCap, ...]:
    """What each buyer with a cap may still take from each owner of this market."""
    buyers = {row.organisation_id for row in rows}
    caps = OwnerCap.objects.filter(organisation__in=buyers).order_by("pk")
    most = dict(caps.values_list("organisation", "card_hours"))
    taken = open_with_owners(most, now=now)
    owners = sorted({site.owner_id for site in sites})
    return tuple(
        engine.OwnerCap(buyer, owner, max(0, cap - taken.get((buyer, owner), 0)))
        for buyer, cap in most.items()
        for owner in owners
    )
