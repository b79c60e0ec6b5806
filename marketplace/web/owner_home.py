"""What an owner's front page says: what sold, what did not and why, what other asks would have brought, and
what is owed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from billing.invoicing.selectors import open_charges_for
from billing.invoicing.spans import Span, pending
from billing.payments.balances import balances_of
from billing.payments.presentation import BalanceLine, balance_line
from billing.rating.selectors import charges_for, totals_of
from marketplace.agreements.selectors import placed_for
from marketplace.audit.utilisation.figures import Figures
from marketplace.audit.utilisation.selectors import as_of, cascade, total
from marketplace.catalogue.models import WorkloadClass
from marketplace.clearing import asks
from marketplace.clearing.board import market_board
from marketplace.clearing.models import OfferOutcome
from marketplace.clearing.selectors import offer_outcomes_for
from marketplace.clock import HOUR, floor_hour, next_hour
from marketplace.jobs.models import Job
from marketplace.supply.models import Offer, OfferHour
from marketplace.supply.selectors import fleets_for, off_the_market, offers_for
from marketplace.supply.utilisation import ahead

SHOWN = 5
A_DAY = 24


def owner_context(viewer: Viewer, organisation: Organisation, *, now: datetime) -> dict[str, Any]:
    runs = asks.last_runs(organisation)
    replayed = asks.replayed_runs(organisation, runs)
    return {
        "organisation": organisation,
        "earned": list(totals_of(charges_for(viewer).filter(agreement__owner=organisation))),
        "owed": owed(viewer, organisation, now=now),
        "levels": _last_day(viewer),
        "ahead": ahead(fleets_for(viewer), start=next_hour(now), hours=A_DAY),
        "unsold": unsold(viewer, now=now),
        "silent_sites": off_the_market(viewer),
        "agreements": placed_for(viewer).filter(owner=organisation, ends_at__gt=now)[:SHOWN],
        "replayed": replayed,
        "to_replay": len(runs) - len({each.run.pk for each in replayed}),
        "replaying": Job.objects.filter(
            kind=Job.Kind.ASK_REPLAY, subject=organisation.pk, finished_at=None
        ).first(),
        "may_list": viewer.may(Capability.TRADE, organisation.pk),
    }


def _last_day(viewer: Viewer) -> Figures | None:
    """What became of the owner's cards in the last day that is added up."""
    seen = as_of()
    if seen is None:
        return None
    return total(cascade(viewer, start=seen.until - A_DAY * HOUR, end=seen.until, by="owner"))


@dataclass(frozen=True, slots=True)
class Owed:
    """``balances`` stand on statements and are paid with the next batch of payouts. ``charged`` comes to a
    statement when its period closes."""

    balances: Sequence[BalanceLine]
    charged: Sequence[Mapping[str, Any]]
    period: Span | None


def owed(viewer: Viewer, organisation: Organisation, *, now: datetime) -> Owed | None:
    """Nothing for who may not read the money of the organisation."""
    if not viewer.may(Capability.FINANCE, organisation.pk):
        return None
    charges = open_charges_for(viewer).filter(agreement__owner=organisation)
    return Owed(
        balances=[balance_line(each) for each in balances_of([organisation])],
        charged=list(totals_of(charges)),
        period=next(iter(pending(now)), None),
    )


@dataclass(frozen=True, slots=True)
class Unsold:
    """What an offer has left for the next day. ``market`` is the highest price its product reached, and
    ``outcome`` what became of the offer in the last run that it took part in."""

    offer: Offer
    card_hours: int
    ask: Decimal
    market: Decimal | None
    outcome: OfferOutcome | None

    @property
    def is_above_the_market(self) -> bool:
        return self.market is not None and self.ask > self.market


def unsold(viewer: Viewer, *, now: datetime) -> Sequence[Unsold]:
    """The offers with most card-hours left in the next day, each with what its product costs now."""
    start = next_hour(now)
    end = start + A_DAY * HOUR
    hours = OfferHour.objects.filter(slot__gte=start, slot__lt=end)
    offers = (
        offers_for(viewer)
        .filter(state=Offer.State.OPEN, reserved_for=None, starts_at__lt=end, ends_at__gt=start)
        .prefetch_related(Prefetch("hours", queryset=hours))
    )
    left = [(offer, card_hours) for offer in offers if (card_hours := _left(offer, start, end))]
    most = sorted(left, key=lambda each: -each[1])[:SHOWN]
    lines = market_board(now=now, workload=WorkloadClass.TRAINING).lines
    market = {(line.model, line.zone): line.highest for line in lines}
    outcomes = _last_outcomes(viewer, [offer for offer, _ in most])
    return [
        Unsold(offer, card_hours, min(offer.asks), market.get(_product(offer)), outcomes.get(offer.pk))
        for offer, card_hours in most
    ]


def _left(offer: Offer, start: datetime, end: datetime) -> int:
    """Card-hours of an offer that are not sold within a window."""
    first, last = max(start, floor_hour(offer.starts_at)), min(end, offer.ends_at)
    return offer.cards * ((last - first) // HOUR) - sum(hour.cards_sold for hour in offer.hours.all())


def _product(offer: Offer) -> tuple[str, str]:
    return offer.fleet.model.slug, offer.fleet.site.region.zone.slug


def _last_outcomes(viewer: Viewer, offers: Sequence[Offer]) -> Mapping[int, OfferOutcome]:
    rows = offer_outcomes_for(viewer).filter(offer__in=offers).order_by("offer", "-run")
    return {row.offer_id: row for row in rows.distinct("offer")}
