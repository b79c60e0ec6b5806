"""Requests in words: what a workload owner would say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from marketplace.catalogue.jurisdictions import jurisdiction_name
from marketplace.clock import HOUR
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.web import formats

# Whether a site is verified is for supply to say; here are the words for what a buyer asks for.
LEVELS: Mapping[int, Callable[[], str]] = {
    0: lambda: _("declared by the owner"),
    1: lambda: _("documents checked"),
    2: lambda: _("acceptance test passed"),
    3: lambda: _("inspected on site"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One alternative: its sentence, and what it asks for besides."""

    sentence: str
    limit: str
    window: str
    constraints: tuple[tuple[str, str], ...]


def wish_of(alternative: Alternative, currency: str) -> Wish:
    return Wish(
        sentence=_sentence(alternative),
        limit=limit(alternative, currency),
        window=formats.slot_range(alternative.earliest_start, alternative.deadline),
        constraints=tuple(_constraints(alternative)),
    )


def _sentence(wanted: Alternative) -> str:
    workload = wanted.get_workload_display()
    if wanted.divisible:
        return _("%(work)s in all, %(workload)s") % {"work": work(wanted), "workload": workload}
    return _("%(amount)s for %(hours)s, %(workload)s") % {
        "amount": amount(wanted),
        "hours": formats.duration(wanted.hours * HOUR),
        "workload": workload,
    }


def work(alternative: Alternative) -> str:
    """The amount times the duration: card-hours or nP-hours."""
    in_all = alternative.amount * alternative.hours
    if alternative.unit == Alternative.AmountUnit.CARDS:
        return formats.card_hours(in_all)
    return formats.np_hours(in_all)


def amount(alternative: Alternative) -> str:
    if alternative.unit == Alternative.AmountUnit.CARDS:
        return formats.cards(alternative.amount)
    return formats.np(alternative.amount)


def unit_of_price(alternative: Alternative) -> str:
    return "card-h" if alternative.unit == Alternative.AmountUnit.CARDS else "nP-h"


def limit(alternative: Alternative, currency: str) -> str:
    """The limit per unit and hour, or the budget for the whole."""
    if alternative.limit is not None:
        return formats.price(alternative.limit, currency, unit_of_price(alternative))
    budget = alternative.budget or Decimal(0)
    return _("%(budget)s in all") % {"budget": formats.money(budget, currency)}


def most_to_pay(alternative: Alternative) -> Decimal:
    """What the alternative costs at most: its budget, or its limit for the whole amount and time."""
    if alternative.budget is not None:
        return alternative.budget
    return (alternative.limit or Decimal(0)) * alternative.amount * alternative.hours


def fill_rule(request: ComputeRequest) -> str:
    if request.least_share == 1:
        return _("All or nothing")
    return _("At least %(share)s of the amount") % {"share": formats.percent(request.least_share)}


def _constraints(wanted: Alternative) -> Iterator[tuple[str, str]]:
    yield from _of_the_cards(wanted)
    yield from _of_the_place(wanted)
    yield from _of_the_power(wanted)


def _of_the_cards(wanted: Alternative) -> Iterator[tuple[str, str]]:
    models, stacks = list(wanted.accelerator_models.all()), list(wanted.stacks.all())
    if models:
        yield _("Accelerator models"), ", ".join(map(str, models))
    if wanted.precision:
        yield _("Precision"), wanted.get_precision_display()
    if wanted.memory_gb is not None:
        yield _("Memory per card"), _("at least %(size)s GB") % {"size": formats.number(wanted.memory_gb)}
    if together := _together(wanted):
        yield _("How the cards come together"), together
    if stacks:
        yield _("Software stacks"), ", ".join(map(str, stacks))
    if wanted.careful:
        yield _("Normalisation"), _("counted at the lower end of the error band")


def _together(wanted: Alternative) -> str:
    if wanted.divisible and wanted.interruptible:
        return _("spread over the window, with pauses")
    if wanted.divisible:
        return _("spread over the window, without a pause")
    if wanted.gangs > 1:
        groups = _("%(gangs)s equal groups at the same hours, each at one site and joined by one fabric")
        return groups % {"gangs": formats.number(wanted.gangs)}
    return _("all cards at one site, joined by one fabric") if wanted.gangs else ""


def _of_the_place(wanted: Alternative) -> Iterator[tuple[str, str]]:
    if wanted.jurisdictions:
        yield _("Jurisdictions"), ", ".join(map(jurisdiction_name, wanted.jurisdictions))
    if wanted.near is not None and wanted.round_trip_ms is not None:
        time = formats.milliseconds(wanted.round_trip_ms)
        yield _("Round trip"), _("at most %(time)s to %(place)s") % {"time": time, "place": wanted.near}
    if wanted.bandwidth_mbps is not None:
        speed = formats.number(wanted.bandwidth_mbps)
        yield _("Bandwidth"), _("at least %(speed)s Mbit/s") % {"speed": speed}


def _of_the_power(wanted: Alternative) -> Iterator[tuple[str, str]]:
    if wanted.renewable_share is not None:
        share = formats.percent(wanted.renewable_share)
        yield _("Renewable power"), _("at least %(share)s") % {"share": share}
    if wanted.carbon is not None:
        yield _("Carbon"), _("at most %(grams)s") % {"grams": formats.carbon(wanted.carbon)}
    if wanted.verification is not None:
        level = LEVELS.get(wanted.verification)
        yield _("Verification"), level() if level else formats.number(wanted.verification)
    if wanted.notice_minutes is not None:
        notice = formats.duration(wanted.notice_minutes * 60)
        yield _("Notice before an interruption"), _("at least %(time)s") % {"time": notice}
