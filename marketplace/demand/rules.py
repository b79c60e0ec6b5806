"""What a request must look like: each rule names the field it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _

from marketplace.catalogue.models import CurrencyCode, Precision, WorkloadClass
from marketplace.clock import HOUR, floor_hour, is_of_our_time, next_hour
from marketplace.demand.models import (
    HIGHEST_LIMIT,
    LARGEST_AMOUNT,
    MOST_GANGS,
    MOST_WORTH,
    Alternative,
    Budget,
    Choice,
)
from marketplace.demand.names import Names

MOST_ALTERNATIVES = 8
HIGHEST_VERIFICATION = 3
LARGEST_FACT = 2**31 - 1

Problems = Iterator[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AlternativeInput:
    """One way to satisfy a request, in slugs; what is empty is no constraint.

    ``amount`` counts ``unit``: cards, or nP of ``workload``. Exactly one of ``limit`` (per unit and
    hour) and ``budget`` (for the whole) is given, in the request's currency. ``gangs``, ``divisible``
    and ``interruptible`` say how the cards come together, as those of ``Alternative`` do.
    """

    unit: str
    amount: Decimal
    workload: str
    earliest_start: datetime
    hours: int
    deadline: datetime
    limit: Decimal | None = None
    budget: Decimal | None = None
    accelerator_models: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()
    careful: bool = False
    gangs: int = 0
    divisible: bool = False
    interruptible: bool = False
    precision: str = ""
    memory_gb: Decimal | None = None
    near: str = ""
    round_trip_ms: Decimal | None = None
    bandwidth_mbps: int | None = None
    jurisdictions: tuple[str, ...] = ()
    renewable_share: Decimal | None = None
    carbon: Decimal | None = None
    verification: int | None = None
    notice_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class RequestInput:
    """``least_share`` is the fill rule: 1 is all or nothing.

    Budget, choice, and the term agreement that it is under are named by their ids.
    """

    title: str
    currency: str
    alternatives: Sequence[AlternativeInput]
    least_share: Decimal = Decimal(1)
    shared_budget: int | None = None
    choice: int | None = None
    under: int | None = None


def request_problems(request: RequestInput, names: Names, now: datetime) -> Problems:
    """Every problem as (field, what is wrong); fields of alternatives as ``alternatives.0.deadline``."""
    if not request.title.strip() or len(request.title) > 120:
        yield "title", _("Give the request a title of at most 120 characters.")
    if request.currency not in CurrencyCode.values:
        yield (
            "currency",
            _("The market trades in %(currencies)s.") % {"currencies": ", ".join(CurrencyCode.values)},
        )
    if not 0 < request.least_share <= 1:
        yield "least_share", _("The least share is more than 0 and at most 1.")
    if not 1 <= len(request.alternatives) <= MOST_ALTERNATIVES:
        yield "alternatives", _("State 1 to %(most)s alternatives.") % {"most": MOST_ALTERNATIVES}
    for position, alternative in enumerate(request.alternatives):
        for name, problem in alternative_problems(alternative, names, now):
            yield f"alternatives.{position}.{name}", problem


def group_problems(request: RequestInput, budget: Budget | None, choice: Choice | None) -> Problems:
    """``budget`` and ``choice`` are the open groups of the buyer that the request names, if it has them."""
    if request.shared_budget is not None and budget is None:
        message = _("There is no open budget number %(number)s of this organisation.")
        yield "shared_budget", message % {"number": request.shared_budget}
    if budget is not None and budget.currency != request.currency:
        message = _("The budget “%(budget)s” is in %(currency)s; a request under it is in the same currency.")
        yield "shared_budget", message % {"budget": budget, "currency": budget.currency}
    if request.choice is not None and choice is None:
        message = _("There is no open choice number %(number)s of this organisation.")
        yield "choice", message % {"number": request.choice}


def alternative_problems(alternative: AlternativeInput, names: Names, now: datetime) -> Problems:
    yield from _amount(alternative)
    yield from _together(alternative)
    yield from _price(alternative)
    yield from _time(alternative, now)
    yield from _named(alternative, names)
    yield from _facts(alternative)


def _amount(wanted: AlternativeInput) -> Problems:
    if wanted.unit not in Alternative.AmountUnit.values:
        yield "unit", _("An amount counts cards or np.")
    if not 0 < wanted.amount <= LARGEST_AMOUNT:
        yield "amount", _("The amount is more than 0 and at most %(most)s.") % {"most": f"{LARGEST_AMOUNT:,}"}
    elif wanted.unit == Alternative.AmountUnit.CARDS and wanted.amount % 1:
        yield "amount", _("Cards are sold whole.")
    if wanted.workload not in WorkloadClass.values:
        yield "workload", _("The workload is one of %(names)s.") % {"names": ", ".join(WorkloadClass.values)}


def _together(wanted: AlternativeInput) -> Problems:
    if not 0 <= wanted.gangs <= MOST_GANGS:
        message = _("There are at most %(most)s groups; 0 asks for no groups at all.")
        yield "gangs", message % {"most": f"{MOST_GANGS:,}"}
    elif wanted.divisible and wanted.gangs:
        yield "gangs", _("Work is spread over the window, or done by groups at the same hours; not both.")
    elif wanted.gangs and wanted.unit == Alternative.AmountUnit.CARDS and wanted.amount % wanted.gangs:
        message = _("%(amount)s cards do not make %(gangs)s equal groups.")
        yield "gangs", message % {"amount": f"{wanted.amount.normalize():f}", "gangs": wanted.gangs}
    if wanted.interruptible and not wanted.divisible:
        yield "interruptible", _("Only work that is spread over the window can pause.")


def _price(wanted: AlternativeInput) -> Problems:
    if (wanted.limit is None) == (wanted.budget is None):
        yield "limit", _("Give a limit per unit and hour, or a budget for the whole; not both.")
    if wanted.limit is not None and not 0 < wanted.limit <= HIGHEST_LIMIT:
        message = _("The limit is more than 0 and at most %(most)s per unit and hour.")
        yield "limit", message % {"most": f"{HIGHEST_LIMIT:,}"}
    elif wanted.limit is not None and wanted.limit * wanted.amount * wanted.hours > MOST_WORTH:
        yield "limit", _too_much()
    if wanted.budget is not None:
        most = max(wanted.amount, Decimal(0)) * max(wanted.hours, 0) * HIGHEST_LIMIT
        if not 0 < wanted.budget <= most:
            message = _("The budget is more than 0 and at most %(most)s per unit and hour.")
            yield "budget", message % {"most": f"{HIGHEST_LIMIT:,}"}
        elif wanted.budget > MOST_WORTH:
            yield "budget", _too_much()


def _too_much() -> str:
    message = _("It would be worth more than %(most)s in all. Split it into several requests.")
    return message % {"most": f"{MOST_WORTH:,}"}


def _time(wanted: AlternativeInput, now: datetime) -> Problems:
    horizon = settings.MARKET_HORIZON_SLOTS
    if not 1 <= wanted.hours <= horizon:
        yield "hours", _("The duration is 1 to %(most)s hours, the market's horizon.") % {"most": horizon}
        return
    strange = [name for name in ("earliest_start", "deadline") if not is_of_our_time(getattr(wanted, name))]
    if strange:
        yield from ((name, _("Give a time between the years 2000 and 2199.")) for name in strange)
        return
    earliest = max(_ceil_hour(wanted.earliest_start), next_hour(now))
    if wanted.divisible:
        if earliest + HOUR > floor_hour(wanted.deadline):
            message = _("No whole hour is left between %(start)s UTC, the earliest possible start, and then.")
            yield "deadline", message % {"start": f"{earliest:%F %H:%M}"}
    elif earliest + wanted.hours * HOUR > floor_hour(wanted.deadline):
        message = _(
            "%(hours)s whole hours from %(start)s UTC, the earliest possible start, end after the deadline."
        )
        yield "deadline", message % {"hours": wanted.hours, "start": f"{earliest:%F %H:%M}"}


def _named(wanted: AlternativeInput, names: Names) -> Problems:
    for slug in wanted.accelerator_models:
        if slug not in names.models:
            message = _("The market does not trade %(name)r. The catalogue lists the models.")
            yield "accelerator_models", message % {"name": slug}
    for slug in wanted.stacks:
        if slug not in names.stacks:
            yield "stacks", _("There is no software stack %(name)r in the catalogue.") % {"name": slug}
    for code in wanted.jurisdictions:
        if code not in names.jurisdictions:
            yield "jurisdictions", _("There is no site of the market in %(name)r.") % {"name": code}
    if wanted.near and wanted.near not in names.regions:
        yield "near", _("There is no region %(name)r in the catalogue.") % {"name": wanted.near}
    if bool(wanted.near) != (wanted.round_trip_ms is not None):
        yield "round_trip_ms", _("A round-trip time is measured to a place: give both, or neither.")
    if wanted.precision and wanted.precision not in Precision.values:
        yield "precision", _("The precision is one of %(names)s.") % {"names": ", ".join(Precision.values)}


def _facts(wanted: AlternativeInput) -> Problems:
    most = {
        "memory_gb": Decimal(100_000),
        "bandwidth_mbps": LARGEST_FACT,
        "renewable_share": 1,
        "carbon": 10_000,
        "verification": HIGHEST_VERIFICATION,
        "notice_minutes": LARGEST_FACT,
    }
    for name, highest in most.items():
        value = getattr(wanted, name)
        if value is not None and not 0 <= value <= highest:
            yield name, _("It is between 0 and %(most)s.") % {"most": f"{highest:,}"}
    if wanted.round_trip_ms is not None and not 0 < wanted.round_trip_ms <= 10_000:
        yield "round_trip_ms", _("It is more than 0 and at most 10,000 ms.")


def _ceil_hour(moment: datetime) -> datetime:
    floor = floor_hour(moment)
    return floor if floor == moment.astimezone(UTC) else floor + HOUR
