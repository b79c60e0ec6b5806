"""What of a fleet is listed and sold in the hours ahead."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from django.db.models import DurationField, ExpressionWrapper, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Extract, Greatest, Least

from marketplace.clock import HOUR
from marketplace.supply.models import Fleet, Offer, OfferHour

OF_WITHDRAWN = Q(offer__state=Offer.State.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Card-hours of some fleets within a window, and the part of each that is the next one's."""

    installed: int = 0
    listed: int = 0
    sold: int = 0

    @property
    def share_listed(self) -> Decimal | None:
        return Decimal(self.listed) / self.installed if self.installed else None

    @property
    def share_sold(self) -> Decimal | None:
        return Decimal(self.sold) / self.listed if self.listed else None

    @property
    def unsold(self) -> int:
        return self.listed - self.sold


@dataclass(frozen=True, slots=True)
class SoldSpan:
    """Consecutive hours of an offer in which the same number of cards is sold."""

    offer_id: int
    start: datetime
    end: datetime
    cards: int


def ahead(fleets: QuerySet[Fleet], *, start: datetime, hours: int) -> Ahead:
    """What is installed, listed and sold over ``hours`` from a full hour on; three queries."""
    end = start + hours * HOUR
    cards = fleets.order_by().aggregate(all=Sum("cards"))["all"] or 0
    within = OfferHour.objects.filter(offer__fleet__in=fleets.order_by(), slot__gte=start, slot__lt=end)
    sold = within.aggregate(all=Sum("cards_sold"), withdrawn=Sum("cards_sold", filter=OF_WITHDRAWN))
    listed = _listed(Offer.objects.filter(fleet__in=fleets.order_by()), start, end)
    return Ahead(cards * hours, listed + (sold["withdrawn"] or 0), sold["all"] or 0)


def _listed(offers: QuerySet[Offer], start: datetime, end: datetime) -> int:
    """Card-hours that open offers list within a window. Of a withdrawn offer only what it sold counts."""
    reaching = offers.filter(state=Offer.State.OPEN, starts_at__lt=end, ends_at__gt=start)
    until, since = Least("ends_at", Value(end)), Greatest("starts_at", Value(start))
    seconds = Extract(ExpressionWrapper(until - since, output_field=DurationField()), "epoch")
    return int((reaching.aggregate(all=Sum(F("cards") * seconds))["all"] or 0) // 3600)


def offers_between(fleets: Collection[Fleet], start: datetime, end: datetime) -> Sequence[Offer]:
    """Open offers of the fleets that reach into a window, by fleet and start."""
    rows = Offer.objects.filter(
        fleet__in=fleets, state=Offer.State.OPEN, starts_at__lt=end, ends_at__gt=start
    )
    return list(rows.order_by("fleet", "starts_at", "pk"))


def sold_spans(hours: QuerySet[OfferHour]) -> Iterable[SoldSpan]:
    """The sold hours of offers, joined where offer and cards stay the same."""
    rows = hours.filter(cards_sold__gt=0).order_by("offer", "slot")
    spans = ((hour.offer_id, hour.slot, hour.cards_sold) for hour in rows)
    numbered = enumerate(spans)
    # Hours in a row have the same distance to their number.
    for (offer, cards, _), run in groupby(
        numbered, key=lambda one: (one[1][0], one[1][2], one[1][1] - one[0] * HOUR)
    ):
        slots = [span[1] for _, span in run]
        yield SoldSpan(offer, slots[0], slots[-1] + HOUR, cards)
