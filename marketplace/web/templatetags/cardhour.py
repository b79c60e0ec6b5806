"""Template side of ``marketplace.web.formats`` and ``marketplace.web.charts``.

Filters give text and are for table cells and sentences. A value of ``None`` is written as a dash; a float, or
a name that does not exist, is a ``TypeError``: a page never shows a number that nobody vouched for.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketplace.web import charts, formats
from marketplace.web.icons import ICONS
from marketplace.web.states import LEVEL_NAMES, State, state_of
from marketplace.web.tables import cells

register = template.Library()

Format = Callable[..., str]


def _known(rule: Format) -> Format:
    """The rule, with a dash for ``None``."""

    @functools.wraps(rule)
    def apply(value: Any, *options: Any) -> str:
        return cells.NOT_KNOWN if value is None else rule(value, *options)

    return apply


def _price_np(amount: formats.Number, currency: str) -> str:
    return formats.price(amount, currency, "nP-h")


FILTERS: dict[str, Format] = {
    "card_hours": formats.card_hours,
    "carbon": formats.carbon,
    "cards": formats.cards,
    "compact": formats.compact,
    "duration": formats.duration,
    "energy": formats.energy,
    "exact": formats.exact,
    "milliseconds": formats.milliseconds,
    "moment": formats.moment,
    "money": formats.money,
    "np": formats.np,
    "np_hours": formats.np_hours,
    "number": formats.number,
    "percent": formats.percent,
    "price": formats.price,
    "price_np": _price_np,
    "quantity": formats.quantity,
}
for _name, _rule in FILTERS.items():
    register.filter(_name, _known(_rule))


@register.filter
def until(start: dt.datetime, end: dt.datetime) -> str:
    """A range of slots: ``{{ offer.start|until:offer.end }}``."""
    return formats.slot_range(start, end)


@register.filter
def day(on: dt.date) -> str:
    """A day of a calendar, e.g. ``2 Mar``."""
    return formats.day(on)


@register.filter
def utc(at: dt.datetime) -> str:
    """The moment in ISO 8601 and UTC, for ``<time datetime>`` and titles."""
    return formats.utc(at)


@register.filter
def state(code: str) -> State:
    """Label and tone of a state code."""
    return state_of(str(code))


@register.filter
def unit_name(unit: str) -> str:
    """The unit in the reader's language."""
    return formats.unit_name(unit)


@register.filter
def level_name(level: str) -> str:
    """A utilisation level as readers call it."""
    return str(LEVEL_NAMES[level])


@register.filter
def attributes(attrs: Any) -> SafeString:
    """Pass-through attributes of a component, escaped; inline styles and handlers are refused.

    The browser would refuse them too, in the reader's console instead of the author's face.
    """
    rest: Mapping[str, Any] = attrs.attrs_dict() if hasattr(attrs, "attrs_dict") else attrs
    for name in rest:
        if name == "style" or name.startswith(("on", "hx-on")):
            raise ValueError(f"{name}= is not allowed under the Content-Security-Policy")
    plain = format_html_join("", " {}", ((name,) for name, value in rest.items() if value is True))
    valued = (
        (name, value) for name, value in rest.items() if value is not True and value not in (False, None)
    )
    return plain + format_html_join("", ' {}="{}"', valued)


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon as decoration; the words beside it carry the meaning."""
    return format_html(
        '<svg class="icon {}" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
        '<path d="{}"/></svg>',
        extra,
        ICONS[name],
    )


@register.simple_tag
def money_text(amount: Decimal | int | None, currency: str, unit: str = "", decimals: Any = None) -> str:
    """Money, or a price when a unit is given, with a chosen number of decimals."""
    if amount is None:
        return cells.NOT_KNOWN
    places = _places(decimals)
    if unit:
        return formats.price(amount, currency, unit, 2 if places is None else places)
    return formats.money(amount, currency, places)


@register.simple_tag
def quantity_text(value: Decimal | int | None, unit: str, decimals: Any = None) -> str:
    """A number with its unit."""
    return cells.NOT_KNOWN if value is None else formats.quantity(value, unit, _places(decimals))


@register.simple_tag
def delta_text(value: Decimal | int, unit: str = "%", currency: str = "") -> str:
    """A change with its sign; a share when the unit is %."""
    size = abs(formats.as_decimal(value))
    text = formats.money(size, currency) if currency else formats.quantity(size, unit)
    if value == 0:
        return text
    return ("+" if value > 0 else formats.MINUS) + text


@register.simple_tag
def zone_name() -> str:
    """The name of the zone in which this page shows times."""
    return formats.zone_name()


@register.simple_tag
def utilisation_levels(
    installed: Any, offered: Any, sold: Any, allocated: Any, active: Any
) -> list[charts.Level]:
    return charts.utilisation_levels(
        installed=installed, offered=offered, sold=sold, allocated=allocated, active=active
    )


@register.simple_tag
def sparkline_of(points: Any) -> charts.Sparkline:
    return charts.sparkline(points)


@register.simple_tag
def stack_columns(slots: Any) -> list[charts.Column]:
    return charts.stack_columns(slots)


@register.simple_tag
def price_steps_of(supply: Any, demand: Any, quantity: Any = None, price: Any = None) -> charts.PriceSteps:
    return charts.price_steps(supply, demand, _given(quantity), _given(price))


@register.simple_tag
def gantt_bars(cells: Any, start: dt.datetime, hours: int) -> list[charts.Bar]:
    return charts.gantt_bars(cells, start, hours)


@register.simple_tag
def day_marks(start: dt.datetime, hours: int) -> list[tuple[str, dt.datetime]]:
    """Where the days of the reader's zone begin."""
    return charts.day_marks(start, hours, timezone.get_current_timezone())


@register.simple_tag
def width_of(part: Any, whole: Any) -> str:
    """A length in percent, for ``width="…"`` in SVG."""
    return charts.percent_of(part, whole)


@register.simple_tag
def state_mark(tone: str) -> SafeString:
    """The shape of a tone."""
    return cells.state_mark(tone)


@register.simple_tag(takes_context=True)
def sort_link(context: Context, key: str, sorted_by: str | None = None) -> dict[str, str]:
    """Where a column heading leads and how it is sorted now: ``url`` and ``direction`` (or empty).

    ``sorted_by`` is how the rows are sorted, where they are sorted without a word of the query string.
    """
    request: HttpRequest | None = context.get("request")
    pairs = [(n, v) for n, values in request.GET.lists() for v in values] if request is not None else []
    current = dict(pairs).get("sort", "") if sorted_by is None else sorted_by
    direction = {key: "ascending", f"-{key}": "descending"}.get(current, "")
    wanted = f"-{key}" if direction == "ascending" else key
    kept = [(name, value) for name, value in pairs if name not in ("sort", "page")]
    return {"url": "?" + urlencode([*kept, ("sort", wanted)]), "direction": direction}


@register.simple_tag(takes_context=True)
def page_link(context: Context, number: int) -> str:
    """The address of another page of the same table."""
    request: HttpRequest | None = context.get("request")
    pairs = [(n, v) for n, values in request.GET.lists() for v in values] if request is not None else []
    return "?" + urlencode([*((n, v) for n, v in pairs if n != "page"), ("page", number)])


def _places(decimals: Any) -> int | None:
    return None if decimals in (None, "") else int(decimals)


def _given(value: Any) -> Any:
    return None if value == "" else value
