"""The same quantity reads the same everywhere, and a number never lies in its format."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal

import pytest
from django.template import Context, Template
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from marketplace.web import formats

SIX = dt.datetime(2026, 3, 9, 6, tzinfo=dt.UTC)
SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")


def plain(text: str) -> str:
    return text.replace(formats.NO_BREAK, " ").replace(formats.NARROW, " ")


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (Decimal("1234.5678"), "CNY", "¥1,234.57"),
        (Decimal("1234.5"), "USD", "$1,234.50"),
        (Decimal(0), "EUR", "€0.00"),
        (Decimal("-81.5"), "EUR", "−€81.50"),
        (Decimal("-0.001"), "CNY", "¥0.00"),
        (1_000_000, "JPY", "JP¥1,000,000"),
        (Decimal("7.25"), "CHF", "CHF 7.25"),
        (Decimal("1e20"), "CNY", "¥100,000,000,000,000,000,000.00"),
    ],
)
def test_money(amount: Decimal | int, currency: str, text: str) -> None:
    assert plain(formats.money(amount, currency)) == text


def test_a_price_names_its_unit() -> None:
    assert formats.price(Decimal("12.3456"), "CNY") == "¥12.35/card-h"
    assert formats.price(Decimal("12.3456"), "CNY", "nP-h", 4) == "¥12.3456/nP-h"


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("card-h", 1904, "1,904 card-h"),
        ("card-h", Decimal("1903.98765"), "1,903.99 card-h"),
        ("cards", 1, "1 card"),
        ("cards", 8192, "8,192 cards"),
        ("nP", Decimal("12.3"), "12.3 nP"),
        ("nP-h", Decimal("1000.00"), "1,000 nP-h"),
        ("kWh", Decimal("18204.44"), "18,204.4 kWh"),
        ("gCO₂/kWh", Decimal("412.3"), "412 gCO₂/kWh"),
        ("ms", Decimal("23.44"), "23.4 ms"),
        ("%", Decimal("0.5"), "50.0 %"),
        ("GB", 64, "64 GB"),
    ],
)
def test_quantities_show_their_unit(unit: str, value: Decimal | int, text: str) -> None:
    assert plain(formats.quantity(value, unit)) == text


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (Decimal("0.6236"), 1, "62.4 %"),
        (Decimal("0.6236"), 0, "62 %"),
        (Decimal(0), 1, "0.0 %"),
        (Decimal("0.0001"), 1, "<0.1 %"),
        (Decimal("0.9999"), 1, ">99.9 %"),
        (Decimal("0.999"), 0, ">99 %"),
        (1, 0, "100 %"),
    ],
)
def test_nearly_nothing_is_not_nothing_and_nearly_all_is_not_all(
    share: Decimal | int, decimals: int, text: str
) -> None:
    assert plain(formats.percent(share, decimals)) == text


@pytest.mark.parametrize("value", [1.5, "1.5", True, None])
def test_what_is_not_exact_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        formats.money(value, "CNY")  # type: ignore[arg-type]


def test_cards_are_whole() -> None:
    with pytest.raises(ValueError, match="whole"):
        formats.cards(Decimal("1.5"))


def test_no_number_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="finite"):
        formats.number(Decimal("NaN"))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15))
def test_exact_loses_nothing(value: Decimal) -> None:
    assert Decimal(formats.exact(value)) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15))
def test_what_is_shown_is_what_is_there_to_half_a_cent(value: Decimal) -> None:
    shown = formats.number(value, 2).replace(",", "").replace(formats.MINUS, "-")
    assert abs(Decimal(shown) - value) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("language", "value", "text"),
    [
        ("en", 98_765_432, "98.8M"),
        ("en", 950, "950"),
        ("zh-hans", 98_765_432, "9,876.5万"),
        ("zh-hans", 340_000_000, "3.4亿"),
    ],
)
def test_compact_counts_as_the_language_does(language: str, value: int, text: str) -> None:
    with translation.override(language):
        assert formats.compact(value) == text


def test_separators_follow_the_language_and_chinese_still_groups_by_three() -> None:
    with translation.override("de"):
        assert formats.money(Decimal("1234.5"), "EUR") == "€1.234,50"
    with translation.override("zh-hans"):
        assert formats.money(Decimal("1234567.5"), "CNY") == "¥1,234,567.50"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (dt.timedelta(hours=27, minutes=12), "1 d 3 h"),
        (12_000, "3 h 20 min"),
        (3600, "1 h"),
        (86_460, "1 d"),
        (45, "45 s"),
        (0, "0 s"),
        (-90, "−1 min 30 s"),
    ],
)
def test_durations(span: dt.timedelta | int, text: str) -> None:
    assert plain(formats.duration(span)) == text


@pytest.mark.parametrize(
    ("zone", "hours", "text"),
    [
        (dt.UTC, 4, "9 Mar, 06:00–10:00"),
        (dt.UTC, 18, "9 Mar, 06:00–24:00"),
        (SHANGHAI, 4, "9 Mar, 14:00–18:00"),
        (SHANGHAI, 30, "9 Mar, 14:00 – 10 Mar, 20:00"),
    ],
)
def test_slots_are_shown_in_the_readers_zone(zone: dt.tzinfo, hours: int, text: str) -> None:
    with timezone.override(zone):
        assert plain(formats.slot_range(SIX, SIX + dt.timedelta(hours=hours))) == text


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        formats.moment(dt.datetime(2026, 3, 9))  # noqa: DTZ001


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before"):
        formats.slot_range(SIX, SIX)


def test_filters_write_a_dash_for_none_and_refuse_a_name_that_does_not_exist() -> None:
    template = Template("{% load cardhour %}{{ amount|money:'CNY' }}")
    assert template.render(Context({"amount": None})) == "—"
    with pytest.raises(TypeError):
        template.render(Context({}))
