"""What flexible requests saved by waiting or moving, against the same requests run at once.

*At once* is the run's own stored snapshot cleared again with every window cut to the shortest that begins at
the earliest start: same offers, asks, limits, caps and hours of power. Requests that were placed both ways
are compared, each by what a unit-hour of it emits and costs; the others are counted. See ``docs/energy.md``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts import audit
from accounts.actors import Actor
from marketplace.audit.carbon.models import Shifting
from marketplace.clearing.models import MarketRun
from marketplace.clearing.services import stored_result, stored_snapshot
from marketplace.engine import (
    Alternative,
    Offer,
    Placement,
    Request,
    Result,
    Snapshot,
    clear,
    result_from_bytes,
    snapshot_from_bytes,
)

W_H_A_KWH = 1_000
MICRO = Decimal(10) ** -6


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the placements of a request draw (Wh), emit (mg) and cost (micro-units of the base currency)."""

    card_hours: int
    wh: int
    milligrams: Decimal
    paid: Decimal


def is_flexible(alternative: Alternative) -> bool:
    """Whether it may begin later than at once, or pause."""
    return alternative.deadline - alternative.earliest > alternative.duration


def at_once(snapshot: Snapshot) -> Snapshot:
    """The same market in which nobody can wait."""
    return replace(snapshot, requests=tuple(_at_once(each) for each in snapshot.requests))


def _at_once(request: Request) -> Request:
    cut = (
        replace(each, deadline=min(each.deadline, each.earliest + each.duration))
        for each in request.alternatives
    )
    return replace(request, alternatives=tuple(cut))


def footprints(snapshot: Snapshot, result: Result, among: set[int]) -> Mapping[int, Footprint]:
    """By request; those alone of which the power of the cards and the carbon of every hour are known."""
    market = _Market(snapshot, result)
    by_request: dict[int, list[Placement]] = defaultdict(list)
    for placement in result.placements:
        if placement.request in among:
            by_request[placement.request].append(placement)
    found = ((request, market.footprint(rows)) for request, rows in by_request.items())
    return {request: footprint for request, footprint in found if footprint is not None}


class _Market:
    def __init__(self, snapshot: Snapshot, result: Result) -> None:
        self._offers = {each.id: each for each in snapshot.offers}
        self._sites = {each.id: each for each in snapshot.sites}
        self._hours = {each.site: each.carbon for each in snapshot.site_hours if each.carbon}
        self._watts = {each.slug: each.power for each in snapshot.models}
        self._base = {each.code: each.base_micro for each in snapshot.currencies}
        self._prices = {
            (each.model, each.zone, each.currency, each.slot): each.price for each in result.prices
        }

    def footprint(self, placements: Iterable[Placement]) -> Footprint | None:
        card_hours, wh, milligrams, paid = 0, 0, Decimal(0), Decimal(0)
        for each in placements:
            offer = self._offers[each.offer]
            watts = self._watts[offer.model]
            for slot in range(each.first_slot, each.first_slot + each.slots):
                carbon = self._carbon(offer, slot)
                if watts is None or carbon is None:
                    return None
                card_hours += each.cards
                wh += each.cards * watts
                milligrams += Decimal(each.cards * watts * carbon) / W_H_A_KWH
                paid += each.cards * self._price(offer, slot)
        return Footprint(card_hours, wh, milligrams, paid)

    def _carbon(self, offer: Offer, slot: int) -> int | None:
        hours = self._hours.get(offer.site)
        return hours[slot] if hours else self._sites[offer.site].carbon

    def _price(self, offer: Offer, slot: int) -> Decimal:
        """Of a card-hour, in micro-units of the base currency."""
        site = self._sites[offer.site]
        price = self._prices[offer.model, site.zone, site.currency, slot]
        return Decimal(price * self._base[site.currency]) * MICRO


def compute(run: MarketRun, *, actor: Actor, now: datetime) -> Shifting:
    """The report of a committed run; what is there already stays."""
    known = Shifting.objects.filter(run=run).first()
    if known is not None:
        return known
    snapshot = snapshot_from_bytes(stored_snapshot(run))
    result = result_from_bytes(stored_result(run))
    flexible = {each.id for each in snapshot.requests if any(map(is_flexible, each.alternatives))}
    later = footprints(snapshot, result, flexible)
    cut = at_once(snapshot)
    sooner = footprints(cut, clear(cut), flexible)
    made = _compared(later, sooner)
    made.run, made.currency, made.flexible = run, snapshot.base_currency, len(flexible)
    with transaction.atomic():
        made.save()
        audit.record(actor=actor, action="shifting.computed", target=made, now=now)
    return made


def _compared(later: Mapping[int, Footprint], sooner: Mapping[int, Footprint]) -> Shifting:
    pairs = [(later[request], sooner[request]) for request in sorted(later.keys() & sooner.keys())]
    return Shifting(
        compared=len(pairs),
        only_later=len(later.keys() - sooner.keys()),
        only_at_once=len(sooner.keys() - later.keys()),
        card_hours=sum(one.card_hours for one, _ in pairs),
        wh=sum(one.wh for one, _ in pairs),
        milligrams=_exact(one.milligrams for one, _ in pairs),
        paid=_exact(one.paid * MICRO for one, _ in pairs),
        milligrams_at_once=_exact(_as_much(other.milligrams, one, other) for one, other in pairs),
        paid_at_once=_exact(_as_much(other.paid, one, other) * MICRO for one, other in pairs),
    )


def _exact(figures: Iterable[Decimal]) -> Decimal:
    """Their sum with the six places that are kept, rounded once."""
    return sum(figures, Decimal(0)).quantize(MICRO)


def _as_much(figure: Decimal, one: Footprint, other: Footprint) -> Decimal:
    """What the other would come to for as many card-hours: a request may be filled to another part."""
    return figure * one.card_hours / other.card_hours
