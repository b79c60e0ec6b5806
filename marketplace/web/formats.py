"""How numbers and times are written, one place each.

Every function takes ``Decimal`` or ``int`` and returns text in the active language. Floats and text are
refused with ``TypeError``: what is owed or metered never passes through binary fractions, and a missing value
is not a zero. Rounding here is for the eye only; ``exact`` gives what copying and ``<data value>`` use.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

from django.utils import timezone
from django.utils.formats import date_format, get_format
from django.utils.translation import get_language, gettext, ngettext, pgettext

Number = Decimal | int

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
NARROW = "\N{NARROW NO-BREAK SPACE}"
DASH = "\N{EN DASH}"

CURRENCY_SIGNS = {
    "CNY": "¥",
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "JPY": "JP¥",
    "HKD": "HK$",
    "SGD": "S$",
}
CURRENCY_DECIMALS = {"JPY": 0, "KRW": 0}


def as_decimal(value: Number) -> Decimal:
    """The value as a finite ``Decimal``; ``TypeError`` for anything but ``Decimal`` and ``int``."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        raise TypeError(f"Decimal or int expected, got {type(value).__name__}: {value!r}")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError(f"a finite number is expected, got {number}")
    return number


def exact(value: Number) -> str:
    """Every digit, no grouping, no exponent, no trailing zeros: what "copy" copies."""
    number = as_decimal(value)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(value: Number, decimals: int | None = None, at_most: int = 2) -> str:
    """Grouped digits. With ``decimals`` exactly that many; without, at most ``at_most`` and no idle zeros."""
    amount = _rounded(as_decimal(value), at_most if decimals is None else decimals)
    digits = exact(amount) if decimals is None else f"{amount:f}"
    whole, _, fraction = digits.lstrip("-").partition(".")
    point, group = _separators()
    text = f"{int(whole):,}".replace(",", group) + (point + fraction if fraction else "")
    return (MINUS if amount < 0 else "") + text


def money(amount: Number, currency: str, decimals: int | None = None) -> str:
    """An amount of money, e.g. ``¥1,234.57``; currencies without a sign show their code."""
    places = CURRENCY_DECIMALS.get(currency, 2) if decimals is None else decimals
    digits = number(abs(as_decimal(amount)), places)
    sign = CURRENCY_SIGNS.get(currency, currency + NO_BREAK)
    negative = _rounded(as_decimal(amount), places) < 0
    return (MINUS if negative else "") + sign + digits


def price(amount: Number, currency: str, unit: str = "card-h", decimals: int = 2) -> str:
    """A price per unit, e.g. ``¥12.34/card-h``."""
    return f"{money(amount, currency, decimals)}/{unit_name(unit)}"


def unit_name(unit: str) -> str:
    """The unit as the reader's language writes it; units without a translation stand for themselves."""
    names = {"card-h": pgettext("unit", "card-h"), "cards": pgettext("unit", "cards")}
    return names.get(unit, unit)


def quantity(value: Number, unit: str, decimals: int | None = None) -> str:
    """A number with its unit. The units of the market have their own rules, others are simply appended."""
    rule = QUANTITIES.get(unit)
    if rule is not None and decimals is None:
        return rule(value)
    if unit == "%":
        return percent(value, decimals or 0)
    return f"{number(value, decimals)}{NO_BREAK}{unit_name(unit)}"


def card_hours(value: Number) -> str:
    """Card-hours: whole ones as such, metered ones with at most two decimals."""
    return f"{number(value)}{NO_BREAK}{unit_name('card-h')}"


def cards(value: Number) -> str:
    """A count of cards; cards are whole."""
    count = as_decimal(value)
    if count != count.to_integral_value():
        raise ValueError(f"cards are whole, got {count}")
    text = ngettext("%(number)s card", "%(number)s cards", int(count)) % {"number": number(count, 0)}
    return text.replace(" ", NO_BREAK)


def np(value: Number) -> str:
    """Normalised work rate in nP."""
    return f"{number(value)}{NO_BREAK}nP"


def np_hours(value: Number) -> str:
    """Normalised work in nP-h."""
    return f"{number(value)}{NO_BREAK}nP-h"


def percent(share: Number, decimals: int = 1) -> str:
    """A share (1 is all) in percent. What is not nothing never reads 0, what is not all never reads 100."""
    value = as_decimal(share) * 100
    step = Decimal(1).scaleb(-decimals)
    mark = ""
    shown = _rounded(value, decimals)
    if shown == 0 and value > 0:
        mark, shown = "<", step
    elif shown == 100 and value < 100:
        mark, shown = ">", 100 - step
    pattern = pgettext("percent", "%(number)s %%")
    return mark + (pattern % {"number": number(shown, decimals)}).replace(" ", NARROW)


def energy(kwh: Number) -> str:
    """Energy in kWh, at most one decimal."""
    return f"{number(kwh, at_most=1)}{NO_BREAK}kWh"


def carbon(grams_per_kwh: Number) -> str:
    """Carbon intensity in whole gCO₂/kWh."""
    return f"{number(grams_per_kwh, 0)}{NO_BREAK}gCO₂/kWh"


def milliseconds(value: Number) -> str:
    """A round-trip time in ms, at most one decimal."""
    return f"{number(value, at_most=1)}{NO_BREAK}ms"


def compact(value: Number) -> str:
    """A number for tight places: ``1.2k``, ``3.4M``; in Chinese ``1.2万``, ``3.4亿``."""
    amount = as_decimal(value)
    for size, sign in _compact_steps():
        if abs(amount) >= size:
            return number(amount / size, at_most=1) + sign
    return number(amount, at_most=1)


def duration(value: dt.timedelta | int) -> str:
    """A length of time by its two largest units; whole seconds when an ``int`` is given."""
    seconds = _whole_seconds(value)
    sign = MINUS if seconds < 0 else ""
    parts = _duration_parts(abs(seconds))
    return sign + NO_BREAK.join(f"{number(count)}{NO_BREAK}{name}" for count, name in parts)


def moment(at: dt.datetime, style: str = "minute") -> str:
    """A moment in the reader's zone. Styles: ``minute``, ``second``, ``date``, ``day``, ``time``."""
    local = timezone.localtime(_aware(at))
    return date_format(local, _moment_patterns()[style])


def day(on: dt.date) -> str:
    """A day of somebody's calendar, which no zone changes, e.g. ``2 Mar``."""
    return date_format(on, _moment_patterns()["day"])


def utc(at: dt.datetime) -> str:
    """The moment in ISO 8601 and UTC, for ``<time datetime>``, titles and files."""
    return _aware(at).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slot_range(start: dt.datetime, end: dt.datetime) -> str:
    """A half-open range of slots in the reader's zone; the day is named twice only when it changes."""
    first, last = timezone.localtime(_aware(start)), timezone.localtime(_aware(end))
    if last <= first:
        raise ValueError(f"the range ends before it starts: {start} to {end}")
    patterns = _moment_patterns()
    day, clock = date_format(first, patterns["day"]), date_format(first, "H:i")
    if (last - dt.timedelta(microseconds=1)).date() == first.date():
        ending = "24:00" if last.date() != first.date() else date_format(last, "H:i")
        return _day_and_clock(day, f"{clock}{DASH}{ending}")
    until = _day_and_clock(date_format(last, patterns["day"]), date_format(last, "H:i"))
    return f"{_day_and_clock(day, clock)} {DASH} {until}"


def zone_name() -> str:
    """The reader's zone as it is called now, e.g. ``CST``."""
    return timezone.localtime().tzname() or "UTC"


QUANTITIES: dict[str, Callable[[Number], str]] = {
    "card-h": card_hours,
    "cards": cards,
    "nP": np,
    "nP-h": np_hours,
    "%": percent,
    "kWh": energy,
    "gCO₂/kWh": carbon,
    "ms": milliseconds,
}


def _rounded(value: Decimal, decimals: int) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)


def _separators() -> tuple[str, str]:
    """Decimal point and group separator. Groups of three everywhere: Chinese finance writes them too."""
    point = str(get_format("DECIMAL_SEPARATOR"))
    group = str(get_format("THOUSAND_SEPARATOR")) or ("," if point == "." else ".")
    return point, group


def _compact_steps() -> list[tuple[Decimal, str]]:
    if (get_language() or "").startswith("zh"):
        return [(Decimal(10**8), "亿"), (Decimal(10**4), "万")]
    return [(Decimal(10**9), "bn"), (Decimal(10**6), "M"), (Decimal(10**3), "k")]


def _whole_seconds(value: dt.timedelta | int) -> int:
    if isinstance(value, dt.timedelta):
        return value // dt.timedelta(seconds=1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"timedelta or whole seconds expected, got {type(value).__name__}")
    return value


def _duration_parts(seconds: int) -> list[tuple[int, str]]:
    units = [
        (86_400, pgettext("duration", "d")),
        (3_600, pgettext("duration", "h")),
        (60, pgettext("duration", "min")),
        (1, pgettext("duration", "s")),
    ]
    parts: list[tuple[int, str]] = []
    for size, name in units:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append((count, name))
    shown = [part for part in parts[:2] if part[0]]
    return shown or [(0, units[-1][1])]


def _aware(at: dt.datetime) -> dt.datetime:
    if timezone.is_naive(at):
        raise ValueError(f"an aware time is expected, got {at!r}")
    return at


def _day_and_clock(day: str, clock: str) -> str:
    return pgettext("date format", "%(day)s, %(clock)s") % {"day": day, "clock": clock}


def _moment_patterns() -> dict[str, str]:
    return {
        "minute": pgettext("date format", "j M Y, H:i"),
        "second": pgettext("date format", "j M Y, H:i:s"),
        "date": pgettext("date format", "j M Y"),
        "day": pgettext("date format", "j M"),
        "time": "H:i",
    }


def not_known() -> str:
    """What stands where a value is not known (yet)."""
    return gettext("not known")
