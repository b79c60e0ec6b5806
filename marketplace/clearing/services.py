"""The life of a market run: open → snapshot → (engine) → verified → committed.

Each step is one short transaction that moves the run on with a compare-and-set of its state, so that
a worker may die anywhere: the next one finds the run where it stopped and goes on. The engine runs
between transactions, on the stored snapshot, and may run twice: it is deterministic.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from time import perf_counter

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q

from accounts import audit
from accounts.actors import Actor
from marketplace import engine
from marketplace.catalogue.selectors import profiles_in_force, rates_of
from marketplace.clearing import results, snapshot
from marketplace.clearing.models import Allocation, MarketRun
from marketplace.clearing.results import from_micro
from marketplace.clock import HOUR, hours_between, next_hour
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.errors import DomainError
from marketplace.supply.models import Offer
from marketplace.terms.selectors import agreed_price
from marketplace.terms.sheet import card_price

UNDER_WAY = Q(state__in=[MarketRun.State.OPEN, MarketRun.State.SNAPSHOTTED])


CLEARING_LOCK = 0xC1EA


@contextmanager
def clearing_alone() -> Iterator[bool]:
    """Whether this process is the one that clears. The lock goes when the process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [CLEARING_LOCK])
        (alone,) = cursor.fetchone()
    try:
        yield alone
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [CLEARING_LOCK])


class SnapshotStale(DomainError):
    """Between the snapshot and the commit somebody withdrew or sold what the result uses."""

    code = "snapshot_stale"
    title = "The market has changed since the snapshot"


def open_run(*, actor: Actor, now: datetime, term: int | None = None) -> MarketRun:
    """The run under way, whatever it clears, or a new one over the slots from the next full hour.

    With ``term`` the new one clears what is called off under that agreement, and nothing else.
    """
    under_way = MarketRun.objects.filter(UNDER_WAY).first()
    if under_way is not None:
        return under_way
    try:
        with transaction.atomic():
            run = MarketRun.objects.create(
                term_id=term,
                opened_at=now,
                horizon_start=next_hour(now),
                slots=settings.MARKET_HORIZON_SLOTS,
                base_currency=settings.MARKET_BASE_CURRENCY,
            )
            data = {} if term is None else {"term_agreement": term}
            audit.record(actor=actor, action="run.opened", target=run, now=now, data=data)
            return run
    except IntegrityError:
        # Somebody opened one in the same moment; the database allows one at a time.
        return MarketRun.objects.get(UNDER_WAY)


def agreements_called_off(*, now: datetime) -> Sequence[int]:
    """The term agreements under which requests are open and offers reserved, each a market of its own."""
    reserved = Offer.objects.filter(state=Offer.State.OPEN, ends_at__gt=next_hour(now))
    called_off = ComputeRequest.objects.filter(state=ComputeRequest.State.OPEN, under__isnull=False)
    served = called_off.filter(Exists(reserved.filter(reserved_for=OuterRef("under"))))
    return list(served.order_by("under").values_list("under", flat=True).distinct())


def begin_attempt(run: MarketRun) -> int:
    """Count one more attempt, before anything is done that could end the worker; returns its number."""
    MarketRun.objects.filter(UNDER_WAY, pk=run.pk).update(attempts=F("attempts") + 1)
    run.refresh_from_db(fields=["attempts"])
    return run.attempts


def take_snapshot(run: MarketRun, *, now: datetime) -> bytes:
    """Store the market as it is now with the run; returns the canonical bytes.

    Everything is read in one repeatable-read transaction, so the snapshot is one moment. A run that
    waited past its first slot is moved to the next full hour: nothing is sold in the past.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        run.refresh_from_db()
        if run.state == MarketRun.State.SNAPSHOTTED and run.horizon_start > now:
            return stored_snapshot(run)
        started = perf_counter()
        profiles = profiles_in_force()
        start = next_hour(now)
        market = snapshot.build(
            horizon_start=start,
            slots=run.slots,
            base_currency=run.base_currency,
            profiles=profiles,
            now=now,
            term=run.term_id,
        )
        data = engine.snapshot_bytes(market)
        MarketRun.objects.filter(UNDER_WAY, pk=run.pk).update(
            state=MarketRun.State.SNAPSHOTTED,
            horizon_start=start,
            profile_version=profiles,
            snapshot=gzip.compress(data, mtime=0),
            snapshot_digest=engine.digest(data),
            requests_open=len(market.requests),
            offers_open=len(market.offers),
            snapshot_ms=_ms_since(started),
        )
    run.refresh_from_db()
    return data


def stored_snapshot(run: MarketRun) -> bytes:
    """The canonical bytes of a run's snapshot."""
    if run.snapshot is None:
        raise DomainError(f"Run {run} has no snapshot yet.")
    return gzip.decompress(run.snapshot)


def stored_result(run: MarketRun) -> bytes:
    """The canonical bytes of a run's result."""
    if run.result is None:
        raise DomainError(f"Run {run} has no result yet.")
    return gzip.decompress(run.result)


@dataclass(frozen=True, slots=True)
class Computed:
    """A verified result, and the milliseconds that it took to clear and to verify."""

    result: engine.Result
    clear_ms: int
    verify_ms: int


def compute(data: bytes) -> Computed:
    """Clear a stored snapshot and check the result with code that shares nothing with the engine."""
    started = perf_counter()
    market = engine.snapshot_from_bytes(data)
    result = engine.clear(market)
    clear_ms, started = _ms_since(started), perf_counter()
    engine.verify(market, result)
    return Computed(result, clear_ms=clear_ms, verify_ms=_ms_since(started))


def _ms_since(started: float) -> int:
    """A measured length of time, of this machine and not of the market's clock."""
    return round((perf_counter() - started) * 1000)


def commit(run_id: int, data: bytes, computed: Computed, *, now: datetime, actor: Actor) -> list[Allocation]:
    """Write down the result of a run; call it inside the transaction that concludes the agreements.

    Locks, in the order of docs/locking.md: the run, its requests, its offers. Raises ``SnapshotStale``
    when the run's snapshot is not ``data`` any more, when a matched request is no longer open, when an
    owner asks more by now than it would get, or when the database refuses an allocation because the
    hours were sold or withdrawn meanwhile.
    """
    result = computed.result
    run = MarketRun.objects.select_for_update(no_key=True).defer("snapshot").get(pk=run_id)
    if run.state != MarketRun.State.SNAPSHOTTED or run.snapshot_digest != result.snapshot:
        raise SnapshotStale(f"Run {run} has moved on since this result was computed.")
    if run.horizon_start <= now:
        raise SnapshotStale(f"The first slot of run {run} has begun; it needs a new snapshot.")
    market = engine.snapshot_from_bytes(data)
    matched = sorted({placement.request for placement in result.placements})
    _close_requests(matched)
    allocations = _allocate(run, market, result)
    if run.term_id is None:
        results.record_prices(run, market, result)
    results.record_explanations(run, result)
    results.record_offers(run, result)
    _finish(run, computed, matched=len(matched), now=now)
    audit.record(
        actor=actor,
        action="run.committed",
        target=run,
        now=now,
        data={"snapshot": run.snapshot_digest, "result": run.result_digest, "allocations": len(allocations)},
    )
    return allocations


def _close_requests(matched: Sequence[int]) -> None:
    """Mark requests as matched. The lock comes first; then the state is judged."""
    still_open = (
        ComputeRequest.objects.select_for_update(no_key=True)
        .filter(pk__in=matched, state=ComputeRequest.State.OPEN)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if list(still_open) != list(matched):
        raise SnapshotStale("A matched request was withdrawn or has expired since the snapshot.")
    ComputeRequest.objects.filter(pk__in=matched).update(state=ComputeRequest.State.MATCHED)


def _allocate(run: MarketRun, market: engine.Snapshot, result: engine.Result) -> list[Allocation]:
    """Insert the allocations; the insert's trigger sells the hours or refuses."""
    ids = sorted({placement.offer for placement in result.placements})
    locked = {o.pk: o for o in Offer.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")}
    sold = _terms(market, result, agreed=run.term_id is not None)
    rows = [_allocation(run, placement, locked, terms) for placement, terms in sold]
    for row in rows:
        _keep_the_ask(row)
    _keep_the_agreed_price(run, rows)
    try:
        with transaction.atomic():
            return Allocation.objects.bulk_create(rows)
    except IntegrityError as error:
        raise SnapshotStale(
            f"Hours of an offer were sold or withdrawn since the snapshot: {error}"
        ) from error


def _keep_the_ask(row: Allocation) -> None:
    """Raise ``SnapshotStale`` where the owner has raised its ask over the price since the snapshot."""
    offer = row.offer
    first = hours_between(offer.starts_at, row.starts_at)
    asks = offer.asks * len(row.prices) if len(offer.asks) == 1 else offer.asks[max(first, 0) :]
    if any(price < ask for price, ask in zip(row.prices, asks, strict=False)):
        raise SnapshotStale(f"The ask of {offer} was raised since the snapshot.")


def _keep_the_agreed_price(run: MarketRun, rows: Sequence[Allocation]) -> None:
    """What is called off costs what was agreed, whatever the snapshot and the result say."""
    if run.term is None:
        return
    price, rates = agreed_price(run.term), np_per_card(run, rows)
    for row in rows:
        agreed = card_price(price, rates[row.offer_id]) if run.term.is_in_np else price
        if set(row.prices) != {agreed}:
            raise ValueError(f"{row.offer} costs {agreed} under {run.term}, and its run sold at {row.prices}")


def np_per_card(run: MarketRun, rows: Sequence[Allocation]) -> Mapping[int, Decimal]:
    """What a card of each offer does in a run under an agreement in nP-hours; nothing in other runs."""
    if run.term is None or not run.term.is_in_np:
        return {}
    rates = rates_of(run.term.workload, run.profile_version)
    offers = Offer.objects.filter(pk__in={row.offer_id for row in rows})
    return {pk: rates[model] for pk, model in offers.values_list("pk", "fleet__model__slug")}


class _Terms:
    """What one placement trades at: its alternative's row, slot prices and exchange rate."""

    def __init__(self, alternative: int, prices: list[Decimal], fx_rate: Decimal) -> None:
        self.alternative, self.prices, self.fx_rate = alternative, prices, fx_rate


def _terms(
    market: engine.Snapshot, result: engine.Result, *, agreed: bool
) -> Iterable[tuple[engine.Placement, _Terms]]:
    """At the prices of the result; at the asks where the prices were ``agreed``, and the asks say them."""
    offers = {offer.id: offer for offer in market.offers}
    sites = {site.id: site for site in market.sites}
    requests = {request.id: request for request in market.requests}
    worth = {currency.code: Decimal(currency.base_micro) for currency in market.currencies}
    prices = {(price.model, price.zone, price.slot): price.price for price in result.prices}
    alternatives = _alternative_ids(result)
    for placement in sorted(result.placements, key=lambda p: (p.offer, p.first_slot, p.request)):
        offer = offers[placement.offer]
        site = sites[offer.site]
        slots = range(placement.first_slot, placement.first_slot + placement.slots)
        if agreed:
            paid = [from_micro(offer.asks[slot - offer.first_slot]) for slot in slots]
        else:
            paid = [from_micro(prices[offer.model, site.zone, slot]) for slot in slots]
        fx_rate = worth[site.currency] / worth[requests[placement.request].currency]
        yield placement, _Terms(alternatives[placement.request, placement.alternative], paid, fx_rate)


def _alternative_ids(result: engine.Result) -> dict[tuple[int, int], int]:
    rows = Alternative.objects.filter(request__in={placement.request for placement in result.placements})
    return {
        (request, position): pk for request, position, pk in rows.values_list("request", "position", "pk")
    }


def _allocation(
    run: MarketRun, placement: engine.Placement, offers: dict[int, Offer], terms: _Terms
) -> Allocation:
    starts_at = run.horizon_start + placement.first_slot * HOUR
    return Allocation(
        run=run,
        request_id=placement.request,
        alternative_id=terms.alternative,
        offer=offers[placement.offer],
        cards=placement.cards,
        starts_at=starts_at,
        ends_at=starts_at + placement.slots * HOUR,
        currency=offers[placement.offer].currency,
        prices=terms.prices,
        fx_rate=terms.fx_rate.quantize(Decimal("1e-12")),
    )


def _finish(run: MarketRun, computed: Computed, *, matched: int, now: datetime) -> None:
    result = computed.result
    data = engine.result_bytes(result)
    foregone = [each.foregone for each in result.explanations if each.foregone]
    run.state = MarketRun.State.COMMITTED
    run.result = gzip.compress(data, mtime=0)
    run.result_digest = engine.digest(data)
    run.engine = result.engine
    run.committed_at = now
    run.requests_matched = matched
    run.card_hours_free = sum(offer.free for offer in result.offers)
    run.card_hours_sold = sum(offer.sold for offer in result.offers)
    run.surplus = from_micro(result.surplus)
    run.objective = from_micro(result.objective)
    run.bound = from_micro(result.bound.value)
    run.repriced = result.repriced
    run.refused_in_money = len(foregone)
    run.foregone = from_micro(sum(foregone))
    run.clear_ms, run.verify_ms = computed.clear_ms, computed.verify_ms
    run.save()


def discard_snapshot(run: MarketRun) -> None:
    """Put a run whose result came too late back to its start. Its attempts keep counting."""
    MarketRun.objects.filter(
        pk=run.pk, state=MarketRun.State.SNAPSHOTTED, snapshot_digest=run.snapshot_digest
    ).update(state=MarketRun.State.OPEN, snapshot=None, snapshot_digest="")
    run.refresh_from_db()


@transaction.atomic
def fail(run: MarketRun, *, why: str, secret: str, actor: Actor, now: datetime) -> None:
    """End a run that cannot be committed. Its requests and offers stay for the next one.

    Everybody may read ``why``; ``secret`` may name limits and asks and stays in the audit event.
    """
    failed = MarketRun.objects.filter(UNDER_WAY, pk=run.pk).update(state=MarketRun.State.FAILED, failure=why)
    if failed:
        data = {"why": why, "details": secret}
        audit.record(actor=actor, action="run.failed", target=run, now=now, data=data)
