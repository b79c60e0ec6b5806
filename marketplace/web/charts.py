"""The geometry of small charts, computed on the server as pure functions.

Templates draw what these return as SVG with presentation attributes only, which a strict
Content-Security-Policy allows. Lengths are either percentages of the drawing (``"62.5%"``) or user units of
a view box. Floats are fine here: nothing on these pages is paid by the pixel.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Protocol

Number = Decimal | int | float

LEVELS = ("installed", "offered", "sold", "allocated", "active")


@dataclass(frozen=True)
class Level:
    """One level of utilisation: its amount, and its share of what is installed (None when nothing is)."""

    name: str
    amount: Decimal
    share: Decimal | None
    width: str


@dataclass(frozen=True)
class Sparkline:
    """Polylines (several when values are missing), the area below the longest run, and the last point."""

    lines: tuple[str, ...]
    area: str
    last: tuple[str, str] | None
    width: int
    height: int


@dataclass(frozen=True)
class Tick:
    at: str
    value: Decimal
    align: str = "middle"


@dataclass(frozen=True)
class PriceSteps:
    """Cumulative supply and demand as step paths in a 1000 × 1000 view box, with ticks in percent."""

    supply: str
    demand: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    clearing_across: str | None
    clearing_up: str | None


@dataclass(frozen=True)
class Bar:
    x: str
    width: str
    kind: str
    label: str
    url: str


@dataclass(frozen=True)
class Column:
    """One slot of a utilisation stack: a rectangle for each level, tallest first."""

    x: str
    width: str
    label: str
    rects: tuple[tuple[str, str, str], ...]


class GanttCell(Protocol):
    """What a bar of the calendar needs; dictionaries with the same keys do as well."""

    start: dt.datetime
    end: dt.datetime
    kind: str
    label: str
    url: str


def percent_of(part: Number, whole: Number) -> str:
    """``part / whole`` as a length in percent, kept within 0 and 100."""
    if whole <= 0:
        return "0%"
    return _percent(min(max(float(part) / float(whole), 0.0), 1.0))


def utilisation_levels(
    *,
    installed: Decimal | int,
    offered: Decimal | int,
    sold: Decimal | int,
    allocated: Decimal | int,
    active: Decimal | int,
) -> list[Level]:
    """The five levels in the order in which they are drawn over one another, widest first."""
    whole = Decimal(installed)
    amounts = zip(LEVELS, (installed, offered, sold, allocated, active), strict=True)
    return [
        Level(
            name=name,
            amount=Decimal(amount),
            share=Decimal(amount) / whole if whole > 0 else None,
            width=percent_of(amount, whole),
        )
        for name, amount in amounts
    ]


def sparkline(
    values: Sequence[Number | None], width: int = 96, height: int = 24, inset: int = 2
) -> Sparkline:
    """A line through the values, oldest first; ``None`` interrupts it. One value draws a dot only."""
    known = [float(value) for value in values if value is not None]
    if not known:
        return Sparkline((), "", None, width, height)
    low, high = min(known), max(known)
    runs = _runs(
        [_spark_point(i, v, len(values), low, high, width, height, inset) for i, v in enumerate(values)]
    )
    longest = max(runs, key=len)
    area = _area(longest, height) if len(longest) > 1 else ""
    lines = tuple(_points(run) for run in runs if len(run) > 1)
    return Sparkline(lines, area, (_short(runs[-1][-1][0]), _short(runs[-1][-1][1])), width, height)


def price_steps(
    supply: Iterable[tuple[Number, Number]],
    demand: Iterable[tuple[Number, Number]],
    clearing_quantity: Number | None = None,
    clearing_price: Number | None = None,
) -> PriceSteps:
    """Step curves of (quantity, price) pairs: supply by rising, demand by falling price."""
    asks = sorted(((float(q), float(p)) for q, p in supply), key=lambda step: step[1])
    bids = sorted(((float(q), float(p)) for q, p in demand), key=lambda step: -step[1])
    prices = [p for _, p in asks + bids] + ([float(clearing_price)] if clearing_price is not None else [])
    across = nice_ticks(max(sum(q for q, _ in asks), sum(q for q, _ in bids)))
    up = nice_ticks(max(prices, default=0.0))
    widest, highest = float(across[-1]), float(up[-1])
    return PriceSteps(
        supply=step_path(asks, widest, highest),
        demand=step_path(bids, widest, highest),
        across=tuple(
            Tick(percent_of(t, across[-1]), t, _tick_align(i, len(across))) for i, t in enumerate(across)
        ),
        up=tuple(Tick(_from_top(t, up[-1]), t) for t in up),
        clearing_across=None if clearing_quantity is None else percent_of(clearing_quantity, across[-1]),
        clearing_up=None if clearing_price is None else _from_top(clearing_price, up[-1]),
    )


def step_path(steps: Sequence[tuple[float, float]], widest: float, highest: float) -> str:
    """An SVG path over cumulative quantity in a 1000 × 1000 box whose top is ``highest``."""
    if not steps or widest <= 0 or highest <= 0:
        return ""
    reached, parts = 0.0, []
    for index, (amount, price) in enumerate(steps):
        level = _short(1000 - 1000 * price / highest)
        parts.append(f"M0 {level}" if index == 0 else f"V{level}")
        reached += amount
        parts.append(f"H{_short(1000 * reached / widest)}")
    return "".join(parts)


def nice_ticks(highest: Number, count: int = 4) -> list[Decimal]:
    """About ``count`` round steps from zero to at least ``highest``; always two ticks or more."""
    top = float(highest)
    if top <= 0:
        return [Decimal(0), Decimal(1)]
    raw = top / count
    magnitude = math.floor(math.log10(raw))
    step = next(
        f
        for f in (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
        if float(f) * 10**magnitude >= raw * (1 - 1e-9)
    )
    step = step.scaleb(magnitude)
    needed = max(1, math.ceil(top / float(step) - 1e-9))
    return [step * i for i in range(needed + 1)]


def gantt_bars(cells: Iterable[GanttCell | dict[str, Any]], start: dt.datetime, hours: int) -> list[Bar]:
    """The parts of the cells that fall into the ``hours`` after ``start``, placed in percent."""
    span = dt.timedelta(hours=hours)
    bars = []
    for cell in cells:
        first = max(_member(cell, "start") - start, dt.timedelta(0))
        last = min(_member(cell, "end") - start, span)
        if last <= first:
            continue
        bars.append(
            Bar(
                x=_percent(first / span),
                width=_percent((last - first) / span),
                kind=_member(cell, "kind", "offered"),
                label=_member(cell, "label", ""),
                url=_member(cell, "url", ""),
            )
        )
    return bars


def day_marks(start: dt.datetime, hours: int, zone: dt.tzinfo) -> list[tuple[str, dt.datetime]]:
    """Where each day of the reader's zone begins within the hours, with that midnight."""
    marks = []
    for hour in range(hours):
        local = (start + dt.timedelta(hours=hour)).astimezone(zone)
        before = (start + dt.timedelta(hours=hour - 1)).astimezone(zone)
        if local.date() != before.date():
            marks.append((_percent(hour / hours), local))
    return marks


def stack_columns(slots: Sequence[dict[str, Any]], gap: float = 0.15) -> list[Column]:
    """Columns whose rectangles (level, y, height) lie over one another, scaled to the largest installed."""
    highest = max((float(slot["installed"]) for slot in slots), default=0.0)
    pitch = 1 / len(slots) if slots else 0
    columns = []
    for index, slot in enumerate(slots):
        shares = [(name, _share(slot[name], highest)) for name in LEVELS]
        rects = tuple((name, _percent(1 - share), _percent(share)) for name, share in shares)
        columns.append(
            Column(
                _percent(pitch * (index + gap / 2)), _percent(pitch * (1 - gap)), str(slot["label"]), rects
            )
        )
    return columns


def _share(part: Number, whole: float) -> float:
    return min(max(float(part) / whole, 0.0), 1.0) if whole > 0 else 0.0


def _percent(share: float) -> str:
    return f"{_short(share * 100)}%"


def _from_top(value: Number, highest: Number) -> str:
    return _percent(1 - min(max(float(value) / float(highest), 0.0), 1.0))


def _short(value: float) -> str:
    """At most three decimals, no idle zeros: the same text on every machine."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _tick_align(index: int, count: int) -> str:
    if index == 0:
        return "start"
    return "end" if index == count - 1 else "middle"


def _spark_point(
    index: int, value: Number | None, count: int, low: float, high: float, width: int, height: int, inset: int
) -> tuple[float, float] | None:
    if value is None:
        return None
    share = (float(value) - low) / (high - low) if high > low else 0.5
    x = inset + (width - 2 * inset) * (index / (count - 1) if count > 1 else 0.5)
    return x, height - inset - (height - 2 * inset) * share


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = []
    for before, point in pairwise([None, *points]):
        if point is None:
            continue
        if before is None:
            runs.append([])
        runs[-1].append(point)
    return runs


def _points(run: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_short(x)},{_short(y)}" for x, y in run)


def _area(run: Sequence[tuple[float, float]], height: int) -> str:
    first, last = _short(run[0][0]), _short(run[-1][0])
    return f"{first},{height} {_points(run)} {last},{height}"


def _member(cell: Any, name: str, default: Any = None) -> Any:
    if isinstance(cell, dict):
        return cell.get(name, default)
    return getattr(cell, name, default)
