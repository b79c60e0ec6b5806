"""What other asks would have brought an owner: past runs cleared again with them, and all else as it was.

Each run is replayed by itself. What a lower ask would have sold in one run it could not have sold in the
next, so the figures of several runs do not add up, and nobody adds them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from marketplace import engine
from marketplace.clearing.models import AskReplay, MarketRun
from marketplace.clearing.results import from_micro
from marketplace.clearing.services import stored_result, stored_snapshot
from marketplace.errors import DomainError
from marketplace.jobs import services as jobs
from marketplace.jobs.models import Job
from marketplace.supply.models import HIGHEST_PRICE

TASK = "clearing.replay_asks"
RUNS = 3
# By how many percent all asks of the owner are changed; 0 is what the run did.
STEPS = (-20, -10, -5, 0, 5, 10, 20)
HIGHEST_MICRO = int(HIGHEST_PRICE * engine.MICRO)


class NothingToReplay(DomainError):
    code = "nothing_to_replay"
    title = gettext_noop("There is nothing to replay")


@dataclass(frozen=True, slots=True)
class Brought:
    """Card-hours that an owner sold in a run, and what they cost in micro-units."""

    card_hours: int
    earned: int


def last_runs(owner: Organisation) -> Sequence[MarketRun]:
    """The newest runs of the open market in which the owner had something for sale, without their bytes."""
    runs = MarketRun.objects.filter(state=MarketRun.State.COMMITTED, term=None)
    mine = runs.filter(offer_outcomes__offer__fleet__site__owner=owner, offer_outcomes__free__gt=0)
    return list(mine.defer("snapshot", "result").order_by("-pk").distinct()[:RUNS])


def not_replayed(owner: Organisation, runs: Sequence[MarketRun]) -> Sequence[MarketRun]:
    done = AskReplay.objects.filter(owner=owner, run__in=runs, percent=STEPS[-1])
    known = set(done.values_list("run", flat=True))
    return [run for run in runs if run.pk not in known]


@transaction.atomic
def start_replay(*, viewer: Viewer, owner: Organisation, now: datetime) -> Job:
    """Start the job that replays the owner's last runs, as far as that is not done."""
    viewer.require(Capability.TRADE, owner.pk)
    runs = not_replayed(owner, last_runs(owner))
    if not runs:
        raise NothingToReplay(_("The last runs were replayed already. Come back after the next one."))
    return jobs.start(
        viewer=viewer,
        organisation=owner,
        kind=Job.Kind.ASK_REPLAY,
        subject=owner.pk,
        steps=len(runs) * len(STEPS),
        task=TASK,
        now=now,
    )


def replay_for(job: Job) -> None:
    """The work of the job. A run's figures are written together, so what is there is whole."""
    done, owner = 0, Organisation.objects.get(pk=job.subject)
    for run in not_replayed(owner, last_runs(owner)):
        rows: list[AskReplay] = []
        for row in _replayed(run, owner):
            rows += row
            done += 1
            jobs.report(job, done)
        AskReplay.objects.bulk_create(rows, ignore_conflicts=True)


def _replayed(run: MarketRun, owner: Organisation) -> Iterator[Sequence[AskReplay]]:
    market = engine.snapshot_from_bytes(stored_snapshot(run))
    for percent in STEPS:
        if percent:
            result = engine.clear(with_other_asks(market, owner.pk, percent))
        else:
            result = engine.result_from_bytes(stored_result(run))
        brought = brought_to(market, result, owner.pk)
        yield [_row(run, owner, percent, currency, each) for currency, each in brought.items()]


def _row(run: MarketRun, owner: Organisation, percent: int, currency: str, brought: Brought) -> AskReplay:
    return AskReplay(
        run=run,
        owner=owner,
        percent=percent,
        currency=currency,
        card_hours=brought.card_hours,
        earned=from_micro(brought.earned),
    )


def with_other_asks(market: engine.Snapshot, owner: int, percent: int) -> engine.Snapshot:
    """The market with all asks of one owner changed by so many percent, and everything else as it was."""
    sites = {site.id for site in market.sites if site.owner == owner}
    offers = tuple(
        replace(offer, asks=tuple(_changed(ask, percent) for ask in offer.asks))
        if offer.site in sites
        else offer
        for offer in market.offers
    )
    return replace(market, offers=offers)


def _changed(ask: int, percent: int) -> int:
    return min(max(ask * (100 + percent) // 100, 1), HIGHEST_MICRO)


def brought_to(market: engine.Snapshot, result: engine.Result, owner: int) -> Mapping[str, Brought]:
    """What a result brings an owner, by currency; nothing sold is a row as well."""
    sites = {site.id: site for site in market.sites if site.owner == owner}
    offers = {offer.id: offer for offer in market.offers if offer.site in sites}
    prices = {(price.model, price.zone, price.slot, price.currency): price.price for price in result.prices}
    hours: dict[str, int] = defaultdict(int)
    earned: dict[str, int] = defaultdict(int)
    for placement in result.placements:
        offer = offers.get(placement.offer)
        if offer is None:
            continue
        site = sites[offer.site]
        slots = range(placement.first_slot, placement.first_slot + placement.slots)
        paid = sum(prices[offer.model, site.zone, slot, site.currency] for slot in slots)
        hours[site.currency] += placement.cards * placement.slots
        earned[site.currency] += placement.cards * paid
    currencies = {sites[offer.site].currency for offer in offers.values()}
    return {each: Brought(hours[each], earned[each]) for each in sorted(currencies)}


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the asks in one run, beside what the run did."""

    percent: int
    card_hours: int
    earned: Decimal
    more_card_hours: int
    more_earned: Decimal

    @property
    def lower_by(self) -> int:
        return -self.percent


@dataclass(frozen=True, slots=True)
class ReplayedRun:
    run: MarketRun
    currency: str
    steps: Sequence[Step]

    @property
    def best(self) -> Step:
        """The change that would have brought most; what the run did where none would have brought more."""
        return max(self.steps, key=lambda step: (step.earned, -abs(step.percent)))


def replayed_runs(owner: Organisation, runs: Sequence[MarketRun]) -> Sequence[ReplayedRun]:
    """Those of the runs that were replayed, the newest first."""
    by_pk = {run.pk: run for run in runs}
    rows: dict[tuple[int, str], list[AskReplay]] = defaultdict(list)
    for row in AskReplay.objects.filter(owner=owner, run__in=runs).order_by("-run", "currency", "percent"):
        rows[row.run_id, row.currency].append(row)
    return [ReplayedRun(by_pk[run], currency, _steps(of_run)) for (run, currency), of_run in rows.items()]


def _steps(rows: Sequence[AskReplay]) -> Sequence[Step]:
    was = next(row for row in rows if row.percent == 0)
    return [
        Step(
            percent=row.percent,
            card_hours=row.card_hours,
            earned=row.earned,
            more_card_hours=row.card_hours - was.card_hours,
            more_earned=row.earned - was.earned,
        )
        for row in rows
    ]
