"""How offers look on pages: as lines of a list, and as rows of a calendar."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from marketplace.clock import HOUR, floor_hour
from marketplace.supply.models import Fleet, Offer
from marketplace.supply.selectors import BookLine, hours_of
from marketplace.supply.utilisation import SoldSpan
from marketplace.web import formats

Row = dict[str, Any]
Cell = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sums:
    """Card-hours of an offer's book. ``free`` is what can still be sold: hours that have not begun."""

    listed: int
    sold: int
    free: int
    gone: int


def sums(book: Iterable[BookLine], now: datetime) -> Sums:
    lines = list(book)
    free = sum(line.free for line in lines if line.slot > now)
    return Sums(
        listed=sum(line.offered for line in lines),
        sold=sum(line.sold for line in lines),
        free=free,
        gone=sum(line.free for line in lines) - free,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """An offer in a list; ``state`` is ``ended`` once the window of an open offer is over.

    It has no asks where it is reserved for an agreement in nP-hours.
    """

    offer: Offer
    lowest_ask: Decimal | None
    highest_ask: Decimal | None
    card_hours: int
    card_hours_sold: int
    state: str


def line_of(offer: Offer, now: datetime) -> Line:
    """The offer must come from ``with_card_hours_sold``."""
    return Line(
        offer=offer,
        lowest_ask=min(offer.asks, default=None),
        highest_ask=max(offer.asks, default=None),
        card_hours=offer.cards * hours_of(offer),
        card_hours_sold=offer.card_hours_sold,  # type: ignore[attr-defined]
        state="ended" if offer.state == Offer.State.OPEN and offer.ends_at <= now else offer.state,
    )


def spans_of(offer: Offer) -> dict[str, timedelta]:
    """The shortest sale and the notice, as lengths of time."""
    return {"shortest": offer.minimum_hours * HOUR, "notice": timedelta(minutes=offer.notice_minutes)}


def page_at(offer: Offer, now: datetime, size: int) -> int:
    """The page of an offer's hours on which a calendar that begins now begins."""
    return (window_start(offer, now) - offer.starts_at) // HOUR // size + 1


def window_start(offer: Offer, now: datetime) -> datetime:
    """Where a calendar of an offer begins: at its first hour, or now when that is past."""
    return max(offer.starts_at, min(floor_hour(now), offer.ends_at - HOUR))


def rows_of_fleets(fleets: Iterable[Fleet], offers: Sequence[Offer], sold: Iterable[SoldSpan]) -> list[Row]:
    """A row a fleet; what is sold is drawn over what is offered."""
    fleet_of = {offer.pk: offer.fleet_id for offer in offers}
    cells: dict[int, list[Cell]] = defaultdict(list)
    for offer in offers:
        cells[offer.fleet_id].append(_offered(offer))
    for span in sold:
        if span.offer_id in fleet_of:
            cells[fleet_of[span.offer_id]].append(_sold(span))
    return [
        {
            "label": str(fleet.model),
            "note": formats.cards(fleet.cards),
            "url": "",
            "cells": cells[fleet.pk],
        }
        for fleet in fleets
    ]


def rows_of_book(book: Sequence[BookLine]) -> list[Row]:
    """Two rows: what is sold, and what is free; hours with the same number of cards are one bar."""
    sold = {"label": _("Sold"), "note": "", "url": "", "cells": _spans(book, "sold")}
    free = {"label": _("Free"), "note": "", "url": "", "cells": _spans(book, "free")}
    return [sold, free]


def _spans(book: Sequence[BookLine], name: str) -> list[Cell]:
    cells = []
    for cards, run in groupby(book, lambda line: getattr(line, name)):
        lines = list(run)
        if cards:
            start, end = lines[0].slot, lines[-1].slot + HOUR
            label = f"{formats.slot_range(start, end)}: {formats.cards(cards)}"
            cells.append(_cell(start, end, "sold" if name == "sold" else "offered", label))
    return cells


def _offered(offer: Offer) -> Cell:
    when, cards = formats.slot_range(offer.starts_at, offer.ends_at), formats.cards(offer.cards)
    label = _("%(offer)s: %(cards)s offered, %(when)s") % {"offer": offer, "cards": cards, "when": when}
    return _cell(offer.starts_at, offer.ends_at, "offered", label, reverse("supply:offer", args=[offer.pk]))


def _sold(span: SoldSpan) -> Cell:
    when, cards = formats.slot_range(span.start, span.end), formats.cards(span.cards)
    label = _("O%(offer)s: %(cards)s sold, %(when)s") % {"offer": span.offer_id, "cards": cards, "when": when}
    return _cell(span.start, span.end, "sold", label, reverse("supply:offer", args=[span.offer_id]))


def _cell(start: datetime, end: datetime, kind: str, label: str, url: str = "") -> Cell:
    return {"start": start, "end": end, "kind": kind, "label": label, "url": url}
