"""From a market run to agreements."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from traceback import format_exc

import structlog
from django.conf import settings
from django.db import transaction

from accounts.actors import Actor
from marketplace import book
from marketplace.agreements import terms as agreement_terms
from marketplace.agreements.models import Agreement
from marketplace.agreements.telling import news_of
from marketplace.catalogue.models import ProfileVersion
from marketplace.catalogue.selectors import FactMissing
from marketplace.clearing import services as clearing
from marketplace.clearing.models import Allocation, MarketRun
from marketplace.clock import MarketClock, hours_between
from marketplace.engine import MalformedSnapshot, ResultRefused
from marketplace.notifications.services import notify_all

log = structlog.get_logger(__name__)

UNEXPECTED = "The run met an error that nobody expected. The operators have its details."


def run_market(*, clock: MarketClock, actor: Actor) -> MarketRun | None:
    """Open a run, or take up the one that a dead worker left, and bring it to its end.

    After the open market, which is returned, each term agreement under which something is called off is
    cleared by itself: its offers are reserved for it, so neither takes anything away from the other.

    Returns ``None`` when another worker is clearing. A result that the market has overtaken is thrown
    away and the run starts again from a new snapshot, with the book closed. After
    ``MARKET_RUN_ATTEMPTS``, or with any error, the run fails and says so.
    """
    with clearing.clearing_alone() as alone:
        if not alone:
            return None
        run = _run(clock=clock, actor=actor)
        if run.term_id is not None:
            # That one was left by a dead worker: it was of an agreement.
            run = _run(clock=clock, actor=actor)
        for term in clearing.agreements_called_off(now=clock.now()):
            _run(clock=clock, actor=actor, term=term)
        return run


def _run(*, clock: MarketClock, actor: Actor, term: int | None = None) -> MarketRun:
    run = clearing.open_run(actor=actor, now=clock.now(), term=term)
    try:
        if _commits(run, clock=clock, actor=actor):
            return run
        why, secret = f"given up after {run.attempts} attempts", ""
    except FactMissing as error:
        why, secret = error.message, ""
    except MalformedSnapshot as error:
        why, secret = f"The snapshot has {len(error.problems)} malformed figures.", str(error)
    except ResultRefused as error:
        why, secret = f"The verifier refused the result: {', '.join(sorted(error.rules))}.", str(error)
    except Exception:  # noqa: BLE001 - whatever it is, the next tick meets it again: somebody must see it
        why, secret = UNEXPECTED, format_exc()
    return _fail(run, why, secret=secret, clock=clock, actor=actor)


def _commits(run: MarketRun, *, clock: MarketClock, actor: Actor) -> bool:
    """Whether one of the attempts that are left ends in a commit.

    From the second attempt on the book is closed, so that nobody overtakes the run again. A worker that
    died has used up its attempt: a market that kills its workers is given up as well.
    """
    while run.attempts < settings.MARKET_RUN_ATTEMPTS:
        attempt = clearing.begin_attempt(run)
        with book.closed() if attempt > 1 else nullcontext():
            data = clearing.take_snapshot(run, now=clock.now())
            computed = clearing.compute(data)
            try:
                commit(run, data, computed, now=clock.now(), actor=actor)
            except clearing.SnapshotStale as stale:
                log.warning("run_stale", run=run.pk, attempt=attempt, why=stale.message)
                clearing.discard_snapshot(run)
            else:
                return True
    return False


@transaction.atomic
def commit(
    run: MarketRun, data: bytes, computed: clearing.Computed, *, now: datetime, actor: Actor
) -> MarketRun:
    """Allocations, prices, explanations and agreements of a run: all of them, or nothing."""
    allocations = clearing.commit(run.pk, data, computed, now=now, actor=actor)
    run.refresh_from_db()
    agreements = conclude(allocations, run=run, now=now)
    notify_all(news_of(run, agreements), now=now)
    log.info("run_committed", run=run.pk, matched=run.requests_matched, agreements=len(agreements))
    return run


def conclude(allocations: Iterable[Allocation], *, run: MarketRun, now: datetime) -> list[Agreement]:
    """An agreement for each allocation: spot, or the call-off of a request under a term agreement.

    The run's audit event covers them by its result's hash.
    """
    profiles = run.profile_version
    if profiles is None:
        raise ValueError(f"run {run} was committed without a profile version")
    whole = Allocation.objects.select_related("request", "offer__fleet__site").filter(
        pk__in=[allocation.pk for allocation in allocations]
    )
    rates = _agreed_rates(whole)
    counted = clearing.np_per_card(run, list(whole))
    return Agreement.objects.bulk_create(
        _agreement(
            allocation,
            profiles=profiles,
            rate=rates.get(allocation.request.under_id, settings.COMMISSION_RATE),
            np_per_card=counted.get(allocation.offer_id),
            now=now,
        )
        for allocation in whole.order_by("pk")
    )


def _agreed_rates(allocations: Iterable[Allocation]) -> dict[int | None, Decimal]:
    """By term agreement the commission that was agreed with it: usage and months are charged alike."""
    terms = {allocation.request.under_id for allocation in allocations} - {None}
    agreed = Agreement.objects.filter(kind=Agreement.Kind.TERM, term__in=terms)
    return dict(agreed.values_list("term", "commission_rate"))


def _agreement(
    allocation: Allocation,
    *,
    profiles: ProfileVersion,
    rate: Decimal,
    np_per_card: Decimal | None,
    now: datetime,
) -> Agreement:
    terms = agreement_terms.spot_terms(
        allocation, commission_rate=rate, profile_version=profiles.number, np_per_card=np_per_card
    )
    term = allocation.request.under_id
    return Agreement(
        kind=Agreement.Kind.SPOT if term is None else Agreement.Kind.CALL_OFF,
        term_id=term,
        allocation=allocation,
        buyer_id=allocation.request.organisation_id,
        owner_id=allocation.offer.fleet.site.owner_id,
        profile_version=profiles,
        currency=allocation.currency,
        cards=allocation.cards,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        card_hours=allocation.cards * hours_between(allocation.starts_at, allocation.ends_at),
        np_per_card=np_per_card,
        value=allocation.cards * sum(allocation.prices),
        commission_rate=rate,
        terms=terms,
        terms_digest=agreement_terms.digest(terms),
        concluded_at=now,
    )


def _fail(run: MarketRun, why: str, *, secret: str = "", clock: MarketClock, actor: Actor) -> MarketRun:
    """``why`` is public; ``secret`` names orders and goes to the log and the audit event only."""
    log.error("run_failed", run=run.pk, why=why, details=secret)
    clearing.fail(run, why=why, secret=secret, actor=actor, now=clock.now())
    run.refresh_from_db()
    return run
