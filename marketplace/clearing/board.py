"""The market board: a line for each product that has a price, and what its work costs.

Prices differ from run to run only, so the board of a run is put together once and then cached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import get_language

from marketplace.catalogue.models import WorkloadClass
from marketplace.catalogue.selectors import fx_table, rates_of
from marketplace.clearing import selectors
from marketplace.clearing.models import ClearingPrice, MarketRun
from marketplace.clock import floor_hour

HOURS = 24
TREND_RUNS = 24
KEPT_SECONDS = 600
SORTS = ("product", "zone", "price", "np", "volume")

Product = tuple[str, str]


@dataclass(frozen=True, slots=True)
class BoardLine:
    """A product's prices per card-hour over the next day. ``rate`` is nP of a card in the workload class.

    ``in_base`` is the worth of one unit of ``currency`` in the market's base currency.
    """

    model: str
    vendor: str
    name: str
    zone: str
    zone_en: str
    zone_zh: str
    currency: str
    lowest: Decimal
    highest: Decimal
    card_hours: int
    newest_run: int
    trend: tuple[Decimal, ...]
    rate: Decimal | None
    in_base: Decimal

    @property
    def zone_name(self) -> str:
        return self.zone_zh if (get_language() or "").startswith("zh") else self.zone_en

    @property
    def np_lowest(self) -> Decimal | None:
        """Price of an nP-hour at the lowest price; ``None`` where the card's rate is not known."""
        return self.lowest / self.rate if self.rate else None

    @property
    def np_highest(self) -> Decimal | None:
        return self.highest / self.rate if self.rate else None


@dataclass(frozen=True, slots=True)
class MarketBoard:
    """``run`` is the last committed one; without it there are no lines."""

    run: MarketRun | None
    workload: WorkloadClass
    lines: Sequence[BoardLine]

    @property
    def cheapest(self) -> BoardLine | None:
        """The product whose cheapest nP-hour costs least, compared in the base currency."""
        priced = [line for line in self.lines if line.rate]
        return min(priced, key=_np_in_base) if priced else None

    @property
    def card_hours(self) -> int:
        return sum(line.card_hours for line in self.lines)


def market_board(*, now: datetime, workload: WorkloadClass, sort: str = "", model: str = "") -> MarketBoard:
    """The board as the last committed run left it; one query when it is cached."""
    run = selectors.last_committed()
    if run is None:
        return MarketBoard(None, workload, [])
    hour = floor_hour(now)
    key = f"board:{run.result_digest[:24]}:{run.pk}:{hour:%Y%m%d%H}:{workload}"
    lines = cache.get_or_set(key, lambda: _lines(run, now=now, workload=workload), KEPT_SECONDS) or []
    shown = [line for line in lines if model in ("", line.model)]
    return MarketBoard(run, workload, _sorted(shown, sort))


def next_run_at(run: MarketRun | None, *, now: datetime) -> datetime | None:
    """When the next run is due in market time, or ``None`` where it is due already."""
    if run is None:
        return None
    every: timedelta = settings.CELERY_BEAT_SCHEDULE["run the market"]["schedule"].run_every
    due = run.opened_at + every * settings.CLOCK_SPEED
    return due if due > now else None


def _lines(run: MarketRun, *, now: datetime, workload: WorkloadClass) -> list[BoardLine]:
    rows = selectors.board(now=now, hours=HOURS)
    if not rows:
        return []
    rates, trends, worth = rates_of(workload), _trends(run), fx_table(at=now)
    return [
        BoardLine(
            model=row["model__slug"],
            vendor=row["model__vendor"],
            name=row["model__name"],
            zone=row["zone__slug"],
            zone_en=row["zone__name_en"],
            zone_zh=row["zone__name_zh"],
            currency=row["currency"],
            lowest=row["lowest"],
            highest=row["highest"],
            card_hours=row["card_hours"],
            newest_run=row["newest_run"],
            trend=tuple(trends[row["model__slug"], row["zone__slug"]]),
            rate=rates.get(row["model__slug"]),
            in_base=worth[row["currency"]] / worth[run.base_currency],
        )
        for row in rows
    ]


def _trends(run: MarketRun) -> Mapping[Product, list[Decimal]]:
    """The average price of each product in each of the last runs, oldest first."""
    last = list(
        selectors.runs()
        .filter(state=MarketRun.State.COMMITTED, pk__lte=run.pk)
        .values_list("pk", flat=True)[:TREND_RUNS]
    )
    rows = (
        ClearingPrice.objects.filter(run__in=last)
        .values_list("model__slug", "zone__slug")
        .annotate(average=selectors.average_price())
        .order_by("run_id")
    )
    trends: dict[Product, list[Decimal]] = defaultdict(list)
    for model, zone, average in rows:
        trends[model, zone].append(average)
    return trends


def _np_in_base(line: BoardLine) -> Decimal:
    return (line.np_lowest or Decimal(0)) * line.in_base


def _sorted(lines: list[BoardLine], sort: str) -> list[BoardLine]:
    """By product unless told otherwise; prices compare in the base currency, unknown ones come last."""
    name = sort.removeprefix("-")
    if name not in SORTS:
        return lines
    keys = {
        "product": lambda line: (line.vendor, line.name),
        "zone": lambda line: line.zone_name,
        "price": lambda line: line.lowest * line.in_base,
        "np": _np_in_base,
        "volume": lambda line: line.card_hours,
    }
    known = [line for line in lines if name != "np" or line.rate]
    known.sort(key=keys[name], reverse=sort.startswith("-"))
    return known + [line for line in lines if name == "np" and not line.rate]
