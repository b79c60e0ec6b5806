"""Explanations in words: what was asked for, what each constraint removed, and what it lost against.

The engine counts in micro-units, MiB, microseconds and milligrams; here it becomes what people read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from marketplace.catalogue.jurisdictions import jurisdiction_name
from marketplace.clearing.models import Explanation, OfferOutcome
from marketplace.clock import HOUR
from marketplace.demand.models import Alternative
from marketplace.engine.result import Constraint
from marketplace.engine.snapshot import Unit
from marketplace.supply.models import VerificationLevel
from marketplace.supply.selectors import fresh_round_trips
from marketplace.web import formats

UNIT_NAMES = {Unit.CARDS: "card-h", Unit.NP: "nP-h"}


@dataclass(frozen=True, slots=True)
class Funnel:
    """One alternative with the offers that each of its constraints left, as ``c-funnel`` draws them."""

    alternative: Alternative
    wanted: str
    stages: Sequence[dict[str, Any]]


def funnels(explanation: Explanation, alternatives: Sequence[Alternative]) -> list[Funnel]:
    """Every alternative that took part in the run, in the order of its position."""
    known = {alternative.position: alternative for alternative in alternatives}
    remedy = explanation.details.get("remedy") or {}
    return [
        Funnel(
            known[funnel["alternative"]],
            wanted(known[funnel["alternative"]], explanation.request.currency),
            _stages(explanation, funnel, known[funnel["alternative"]], remedy.get("alternative")),
        )
        for funnel in explanation.details["funnels"]
        if funnel["alternative"] in known
    ]


def _stages(
    explanation: Explanation, funnel: Mapping[str, Any], alternative: Alternative, decided: int | None
) -> list[dict[str, Any]]:
    kept = int(funnel["offers"])
    stages = [{"label": _("Offers on the market"), "kept": kept, "removed": 0}]
    for name, removed in funnel["removed"]:
        kept -= removed
        stages.append(
            {
                "label": requirement(Constraint(name), alternative, explanation.request.currency)
                + _how_known(Constraint(name), explanation, alternative),
                "kept": kept,
                "removed": removed,
                "binding": name == explanation.binding and decided in (None, funnel["alternative"]),
            }
        )
    if kept and explanation.outcome == Explanation.Outcome.UNMATCHED:
        together = explanation.binding == Constraint.CAPACITY or explanation.binding in _SHARED
        binding = together and decided in (None, funnel["alternative"])
        label = _("Enough of them left together for the whole amount")
        if explanation.binding in _SHARED:
            label = requirement(Constraint(explanation.binding), alternative, explanation.request.currency)
        stages.append({"label": label, "kept": 0, "removed": kept, "binding": binding})
    return stages


# What an order shares with others: no offer fails it alone, and it is no matter of what fits.
_SHARED = frozenset({Constraint.BUDGET, Constraint.CHOICE, Constraint.OWNER_CAP, Constraint.POWER})


def wanted(alternative: Alternative, currency: str) -> str:
    """The amount, the duration, the work and the limit of an alternative in one line."""
    if alternative.divisible:
        return _("%(work)s spread over the window, %(workload)s, at most %(limit)s") % {
            "work": work(alternative),
            "workload": alternative.get_workload_display(),
            "limit": limit(alternative, currency),
        }
    return _("%(amount)s for %(hours)s, %(workload)s, at most %(limit)s") % {
        "amount": amount(alternative.unit, alternative.amount),
        "hours": formats.duration(alternative.hours * HOUR),
        "workload": alternative.get_workload_display(),
        "limit": limit(alternative, currency),
    }


def amount(unit: str, value: Decimal) -> str:
    return formats.cards(value) if unit == Unit.CARDS else formats.np(value)


def work(alternative: Alternative) -> str:
    """The amount over its hours, in card-hours or nP-hours."""
    return formats.quantity(alternative.amount * alternative.hours, UNIT_NAMES[Unit(alternative.unit)])


def limit(alternative: Alternative, currency: str) -> str:
    """The limit per unit and hour, or the budget for the whole."""
    if alternative.limit is not None:
        return formats.price(alternative.limit, currency, UNIT_NAMES[Unit(alternative.unit)])
    if alternative.budget is not None:
        return _("%(budget)s in all") % {"budget": formats.money(alternative.budget, currency)}
    return formats.not_known()


def requirement(constraint: Constraint, alternative: Alternative, currency: str) -> str:
    """A constraint with what this alternative asks of it, e.g. ``Memory per card: at least 64 GB``."""
    asked = _ASKED[constraint](alternative) if constraint in _ASKED else ""
    if constraint is Constraint.LIMIT:
        asked = limit(alternative, currency)
    name = str(Explanation.Binding(constraint).label)
    name = name[:1].upper() + name[1:]
    return _("%(constraint)s: %(asked)s") % {"constraint": name, "asked": asked} if asked else name


def _listed(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names)


def at_least(value: str) -> str:
    return _("at least %(value)s") % {"value": value}


def at_most(value: str) -> str:
    return _("at most %(value)s") % {"value": value}


def _how_known(constraint: Constraint, explanation: Explanation, alternative: Alternative) -> str:
    """Whether round trips were measured when the run began, or are estimated from the distance."""
    if constraint is not Constraint.LATENCY:
        return ""
    measured = fresh_round_trips(explanation.run.opened_at).filter(region=alternative.near).count()
    if not measured:
        return _(" (estimated from the distance)")
    return ngettext(
        " (measured at %(count)s site, elsewhere estimated from the distance)",
        " (measured at %(count)s sites, elsewhere estimated from the distance)",
        measured,
    ) % {"count": formats.number(measured)}


def _round_trip(alternative: Alternative) -> str:
    if alternative.round_trip_ms is None or alternative.near is None:
        return ""
    return _("%(time)s to %(place)s") % {
        "time": formats.milliseconds(alternative.round_trip_ms),
        "place": alternative.near,
    }


def _window(alternative: Alternative) -> str:
    hours = work(alternative) if alternative.divisible else formats.duration(alternative.hours * HOUR)
    return _("%(hours)s between %(start)s and %(end)s") % {
        "hours": hours,
        "start": formats.moment(alternative.earliest_start),
        "end": formats.moment(alternative.deadline),
    }


def _capacity(alternative: Alternative) -> str:
    asked = amount(alternative.unit, alternative.amount)
    if alternative.interruptible:
        return _("%(work)s at any hours of the window") % {"work": work(alternative)}
    if alternative.divisible:
        return _("%(work)s without a pause") % {"work": work(alternative)}
    if alternative.gangs == 1:
        return _("%(amount)s in one fabric") % {"amount": asked}
    if alternative.gangs:
        return _("%(amount)s in %(gangs)s equal groups, each in one fabric") % {
            "amount": asked,
            "gangs": formats.number(alternative.gangs),
        }
    return asked


def _budget(alternative: Alternative) -> str:
    budget = alternative.request.shared_budget
    if budget is None:
        return ""
    return _("“%(name)s”, %(amount)s in all") % {
        "name": budget.name,
        "amount": formats.money(budget.amount, budget.currency),
    }


def _choice(alternative: Alternative) -> str:
    choice = alternative.request.choice
    if choice is None:
        return ""
    return _("“%(name)s”, at most %(most)s of them") % {
        "name": choice.name,
        "most": formats.number(choice.most),
    }


def _given(value: Any, words: Callable[[Any], str]) -> str:
    return "" if value in (None, "") else words(value)


_ASKED: Mapping[Constraint, Callable[[Alternative], str]] = {
    Constraint.MODEL: lambda a: _listed(a.accelerator_models.all()),
    Constraint.RATE: lambda a: a.get_workload_display(),
    Constraint.PRECISION: lambda a: a.get_precision_display(),
    Constraint.MEMORY: lambda a: _given(a.memory_gb, lambda v: at_least(gigabytes(v))),
    Constraint.STACK: lambda a: _listed(a.stacks.all()),
    Constraint.JURISDICTION: lambda a: _listed(map(jurisdiction_name, a.jurisdictions)),
    Constraint.LATENCY: _round_trip,
    Constraint.BANDWIDTH: lambda a: _given(a.bandwidth_mbps, lambda v: at_least(bandwidth(v))),
    Constraint.RENEWABLE_SHARE: lambda a: _given(a.renewable_share, lambda v: at_least(formats.percent(v))),
    Constraint.CARBON: lambda a: _given(a.carbon, lambda v: at_most(formats.carbon(v))),
    Constraint.VERIFICATION: lambda a: _given(a.verification, lambda v: str(VerificationLevel(v).label)),
    Constraint.NOTICE: lambda a: _given(a.notice_minutes, lambda v: at_least(formats.duration(v * 60))),
    Constraint.WINDOW: _window,
    Constraint.CAPACITY: _capacity,
    Constraint.BUDGET: _budget,
    Constraint.CHOICE: _choice,
}


def lost_against(explanation: Explanation, units: Iterable[str]) -> str:
    """The price that a refused request lost against, and whether it was in the money all the same.

    ``units`` are those of its alternatives. Nothing for what was matched.
    """
    if explanation.outcome != Explanation.Outcome.UNMATCHED:
        return ""
    if explanation.price is None:
        return _("No offer could have served it.")
    price = _price(explanation.price, explanation.request.currency, units)
    if not explanation.foregone:
        return _("The price it lost against is %(price)s.") % {"price": price}
    in_money = {"price": price, "spare": formats.money(explanation.foregone, explanation.run.base_currency)}
    if explanation.binding in _SHARED:
        return _(
            "It was in the money: it could have paid the price of %(price)s with %(spare)s to spare, and was "
            "refused because of the %(constraint)s."
        ) % {**in_money, "constraint": explanation.get_binding_display()}
    return (
        _(
            "It was in the money: it could have paid the price of %(price)s with %(spare)s to spare, and was "
            "refused because of indivisibility: cards go in whole lots, groups and hours, and it did not fit."
        )
        % in_money
    )


def _price(price: Decimal, currency: str, units: Iterable[str]) -> str:
    """With every digit: rounded, it might seem to be within the limit."""
    names = {UNIT_NAMES[Unit(unit)] for unit in units}
    unit = names.pop() if len(names) == 1 else _("unit-hour")
    return formats.price(price, currency, unit, decimals_of(price))


def decimals_of(price: Decimal) -> int:
    return max(2, -int(price.normalize().as_tuple().exponent))


def unsold(outcome: OfferOutcome) -> str:
    """What lower ask would have sold how much of an offer that a run left unsold."""
    if outcome.ask is not None and outcome.card_hours is not None:
        return _("At %(ask)s, %(quantity)s more would have sold in run %(run)s.") % {
            "ask": formats.price(outcome.ask, outcome.offer.currency, decimals=decimals_of(outcome.ask)),
            "quantity": formats.card_hours(outcome.card_hours),
            "run": outcome.run,
        }
    if outcome.sold == outcome.free:
        return _("Run %(run)s sold all that was free.") % {"run": outcome.run}
    return _("No lower ask was found that would have sold more in run %(run)s.") % {"run": outcome.run}


def gigabytes(value: Decimal) -> str:
    return all_digits(value, "GB")


def bandwidth(value: int) -> str:
    return all_digits(value, "Mbit/s")


def all_digits(value: Decimal | int, unit: str) -> str:
    """A figure of a remedy: rounded, it might not have matched."""
    return f"{formats.number(value, at_most=6)}{formats.NO_BREAK}{unit}"
