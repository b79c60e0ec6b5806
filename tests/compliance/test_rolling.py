"""Standing and forecast, with figures worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketplace.audit.compliance.rolling import A_DAY, Day, Rule, Standing, Status, bounds_of, stand

TODAY = date(2026, 2, 28)
AT_LEAST_40 = Rule(is_minimum=True, threshold=Decimal("0.4"), warning=Decimal("0.05"), window=10, cure=7)


def days(*active: int, installed: int = 100) -> list[Day | None]:
    return [Day(Decimal(each), Decimal(each), Decimal(installed)) for each in active]


def standing(*active: int, rule: Rule = AT_LEAST_40) -> Standing:
    return stand(rule, days(*active), until=TODAY)


def test_it_falls_below_on_the_day_that_the_arithmetic_says() -> None:
    """Nine days of 50 % and one of 20 %: 47 %. Each day more takes 3 points: 44, 41, 38 on the third."""
    found = standing(*[50] * 9, 20)
    assert (found.status, found.least) == (Status.COMPLIES, Decimal("0.47"))
    assert found.falls_on == date(2026, 3, 3)


def test_what_holds_its_rate_never_falls() -> None:
    assert standing(*[45] * 10) == Standing(Status.COMPLIES, Decimal("0.45"), Decimal("0.45"))


def test_exactly_the_threshold_is_kept_and_the_band_above_it_is_a_warning() -> None:
    assert standing(*[40] * 10).status == Status.WARNING
    assert standing(*[44] * 10).status == Status.WARNING
    assert standing(*[45] * 10).status == Status.COMPLIES
    assert standing(*[40] * 9, 39).status == Status.CURING


def test_a_breach_is_cured_for_its_days_and_then_it_is_one() -> None:
    """Ten days of 50 %, then of 0 %: the window has 40 % after two of them and 35 % after three, which is a
    breach since then, with seven days to cure it."""
    third = standing(*[50] * 10, *[0] * 3)
    assert (third.status, third.since, third.cure_until) == (Status.CURING, TODAY, TODAY + 7 * A_DAY)
    ninth = standing(*[50] * 10, *[0] * 9)
    assert (ninth.status, ninth.since) == (Status.CURING, TODAY - 6 * A_DAY)
    tenth = standing(*[50] * 10, *[0] * 10)
    assert (tenth.status, tenth.since, tenth.cure_until) == (Status.BREACH, TODAY - 7 * A_DAY, TODAY)


def test_a_breach_that_was_interrupted_begins_anew() -> None:
    """Its last windows have 40, 35, 30 and 30 %: the breach before them is over and forgotten."""
    found = standing(*[50] * 10, *[0] * 3, *[100] * 3, *[0] * 5)
    assert (found.status, found.since) == (Status.CURING, TODAY - 2 * A_DAY)


def test_a_missing_day_neither_passes_nor_fails() -> None:
    known = days(*[90] * 10)
    assert stand(AT_LEAST_40, [*known[:5], None, *known[6:]], until=TODAY).status == Status.UNKNOWN
    assert stand(AT_LEAST_40, known[:9], until=TODAY).status == Status.UNKNOWN
    assert standing(*[0] * 10, rule=AT_LEAST_40).status != Status.UNKNOWN
    assert stand(AT_LEAST_40, days(*[0] * 10, installed=0), until=TODAY).status == Status.UNKNOWN


def test_what_is_known_between_bounds_has_a_status_only_where_both_have_it() -> None:
    def between(least: int, most: int) -> Status:
        return stand(AT_LEAST_40, [Day(Decimal(least), Decimal(most), Decimal(100))] * 10, until=TODAY).status

    assert between(46, 80) == Status.COMPLIES
    assert between(10, 39) == Status.CURING
    assert between(39, 46) == Status.UNKNOWN
    assert between(44, 46) == Status.UNKNOWN


def test_a_maximum_is_the_other_way_round() -> None:
    """At most 1.3, with a warning from 1.25 on."""
    pue = Rule(is_minimum=False, threshold=Decimal("1.3"), warning=Decimal("0.05"), window=2, cure=0)
    figures = {"1.25": Status.COMPLIES, "1.26": Status.WARNING, "1.3": Status.WARNING, "1.31": Status.BREACH}
    for figure, status in figures.items():
        day = Day(Decimal(figure) * 24, Decimal(figure) * 24, Decimal(24))
        assert stand(pue, [day] * 2, until=TODAY).status == status


@given(st.lists(st.integers(0, 100), min_size=10, max_size=30))
def test_the_forecast_is_what_waiting_would_show(active: list[int]) -> None:
    """If every day to come is like the last, the day of the forecast is the first one in breach."""
    found = standing(*active)
    falls_on = None
    if found.status in {Status.COMPLIES, Status.WARNING}:
        for ahead in range(1, 40):
            later = bounds_of(days(*active, *[active[-1]] * ahead)[-10:], 10)
            assert later is not None
            if later[0] < AT_LEAST_40.threshold:
                falls_on = TODAY + timedelta(days=ahead)
                break
    assert found.falls_on == falls_on
