"""What would have matched a request, in words and as fields of a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from marketplace.clearing.models import Explanation, MarketRun
from marketplace.clearing.wording import (
    UNIT_NAMES,
    all_digits,
    amount,
    at_least,
    at_most,
    bandwidth,
    decimals_of,
    gigabytes,
)
from marketplace.clock import HOUR
from marketplace.demand.models import Alternative
from marketplace.engine.result import Constraint
from marketplace.engine.snapshot import MICRO, Unit
from marketplace.supply.models import VerificationLevel
from marketplace.web import formats

MEBIBYTES_A_GIGABYTE = 1024

Value = int | str | None


@dataclass(frozen=True, slots=True)
class Remedy:
    """The one change that would have matched: in words, and as fields of a new request.

    ``alternative`` counts the alternatives from 0, whatever their positions. Where the change is not
    one of the request itself there are no fields.
    """

    words: str
    fields: Mapping[str, str]


def remedy(
    explanation: Explanation, alternatives: Sequence[Alternative], names: Mapping[str, str]
) -> Remedy | None:
    """What would have matched the request, or ``None``: it matched, or no single change would have.

    ``names`` are those of accelerator models and software stacks by their slugs.
    """
    found = explanation.details.get("remedy")
    places = {alternative.position: place for place, alternative in enumerate(alternatives)}
    if found is None or found["alternative"] not in places:
        return None
    place = places[found["alternative"]]
    constraint, value = Constraint(found["constraint"]), found["value"]
    context = _Context(explanation.run, explanation.request.currency, alternatives[place], names)
    if constraint not in _REMEDIES:
        name = Explanation.Binding(constraint).label
        return Remedy(_("A wider %(constraint)s would have matched it.") % {"constraint": name}, {})
    words, fields = _REMEDIES[constraint](context, value)
    return Remedy(words, {"request": str(explanation.request_id), "alternative": str(place), **fields})


@dataclass(frozen=True, slots=True)
class _Context:
    run: MarketRun
    currency: str
    alternative: Alternative
    names: Mapping[str, str]

    def name(self, value: Value) -> str:
        return self.names.get(str(value), str(value))

    def moment(self, slot: Value) -> datetime:
        return self.run.horizon_start + int(slot or 0) * HOUR


Said = tuple[str, dict[str, str]]


def _from_micro(value: Value) -> Decimal:
    return Decimal(int(value or 0)) / MICRO


def _limit(context: _Context, value: Value) -> Said:
    unit = UNIT_NAMES[Unit(context.alternative.unit)]
    price = _from_micro(value)
    # Every digit is shown: a limit rounded down would not have matched.
    words = _("Raising the limit to %(price)s would have matched it.") % {
        "price": formats.price(price, context.currency, unit, decimals_of(price))
    }
    return words, {"limit": formats.exact(price)}


def _less(context: _Context, value: Value) -> Said:
    unit = context.alternative.unit
    smaller = Decimal(int(value or 0)) if unit == Unit.CARDS else _from_micro(value)
    words = _("Asking for %(less)s instead of %(asked)s would have matched it.") % {
        "less": amount(unit, smaller),
        "asked": amount(unit, context.alternative.amount),
    }
    return words, {"amount": formats.exact(smaller)}


def _later(context: _Context, value: Value) -> Said:
    deadline = context.moment(value)
    words = _("Accepting %(moment)s as the latest end would have matched it.") % {
        "moment": formats.moment(deadline)
    }
    return words, {"deadline": deadline.isoformat()}


def _accepting(field: str) -> Callable[[_Context, Value], Said]:
    def say(context: _Context, value: Value) -> Said:
        words = _("Accepting %(name)s as well would have matched it.") % {"name": context.name(value)}
        return words, {field: str(value)}

    return say


def _instead(_context: _Context, value: Value) -> Said:
    if value is None:
        return _dropped(Constraint.PRECISION), {"precision": ""}
    words = _("Accepting %(name)s instead would have matched it.") % {"name": str(value).upper()}
    return words, {"precision": str(value)}


def _relaxed(
    constraint: Constraint, field: str, show: Callable[[Value], str], store: Callable[[Value], str]
) -> Callable[[_Context, Value], Said]:
    def say(_context: _Context, value: Value) -> Said:
        if value is None:
            return _dropped(constraint), {field: ""}
        words = _("Changing %(constraint)s to %(value)s would have matched it.") % {
            "constraint": Explanation.Binding(constraint).label,
            "value": show(value),
        }
        return words, {field: store(value)}

    return say


def _dropped(constraint: Constraint) -> str:
    name = Explanation.Binding(constraint).label
    return _("Asking nothing about %(constraint)s would have matched it.") % {"constraint": name}


def _memory(value: Value) -> Decimal:
    return Decimal(int(value or 0)) / MEBIBYTES_A_GIGABYTE


def _thousandth(value: Value) -> Decimal:
    return Decimal(int(value or 0)) / 1000


_REMEDIES: Mapping[Constraint, Callable[[_Context, Value], Said]] = {
    Constraint.LIMIT: _limit,
    Constraint.CAPACITY: _less,
    Constraint.WINDOW: _later,
    Constraint.MODEL: _accepting("accelerator_models"),
    Constraint.STACK: _accepting("stacks"),
    Constraint.JURISDICTION: _accepting("jurisdictions"),
    Constraint.PRECISION: _instead,
    Constraint.MEMORY: _relaxed(
        Constraint.MEMORY,
        "memory_gb",
        lambda v: at_least(gigabytes(_memory(v))),
        lambda v: formats.exact(_memory(v)),
    ),
    Constraint.LATENCY: _relaxed(
        Constraint.LATENCY,
        "round_trip_ms",
        lambda v: at_most(all_digits(_thousandth(v), "ms")),
        lambda v: formats.exact(_thousandth(v)),
    ),
    Constraint.BANDWIDTH: _relaxed(
        Constraint.BANDWIDTH, "bandwidth_mbps", lambda v: at_least(bandwidth(int(v or 0))), str
    ),
    Constraint.RENEWABLE_SHARE: _relaxed(
        Constraint.RENEWABLE_SHARE,
        "renewable_share",
        lambda v: at_least(all_digits(_from_micro(v) * 100, "%")),
        lambda v: formats.exact(_from_micro(v)),
    ),
    Constraint.CARBON: _relaxed(
        Constraint.CARBON,
        "carbon",
        lambda v: at_most(all_digits(_thousandth(v), "gCO₂/kWh")),
        lambda v: formats.exact(_thousandth(v)),
    ),
    Constraint.VERIFICATION: _relaxed(
        Constraint.VERIFICATION, "verification", lambda v: str(VerificationLevel(int(v or 0)).label), str
    ),
    Constraint.NOTICE: _relaxed(
        Constraint.NOTICE,
        "notice_minutes",
        lambda v: at_least(formats.duration(int(v or 0) * 60)),
        str,
    ),
}
