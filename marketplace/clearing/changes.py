"""What would match a request that a run refused, as changes that can be made at once.

The remedy of the run comes first: it was tried on the book as the run left it. The others are quotes of the
book as it is now: a higher limit, or one constraint less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from django.utils.translation import gettext as _

from marketplace.clearing.models import Explanation
from marketplace.clearing.quote import Quote, problems, quotes
from marketplace.clearing.quote_book import QuotesInPreparation
from marketplace.clearing.quote_panel import Named, Shown
from marketplace.clearing.remedies import Remedy
from marketplace.clock import next_hour
from marketplace.demand.changing import input_of
from marketplace.demand.models import ComputeRequest
from marketplace.engine import Constraint
from marketplace.web import formats

CENT = Decimal("0.01")
DROPPED: Mapping[str, Mapping[str, str]] = {
    Constraint.MODEL: {"accelerator_models": ""},
    Constraint.STACK: {"stacks": ""},
    Constraint.JURISDICTION: {"jurisdictions": ""},
    Constraint.PRECISION: {"precision": ""},
    Constraint.MEMORY: {"memory_gb": ""},
    Constraint.LATENCY: {"round_trip_ms": ""},
    Constraint.BANDWIDTH: {"bandwidth_mbps": ""},
    Constraint.RENEWABLE_SHARE: {"renewable_share": ""},
    Constraint.CARBON: {"carbon": ""},
    Constraint.VERIFICATION: {"verification": ""},
    Constraint.NOTICE: {"notice_minutes": ""},
}


@dataclass(frozen=True, slots=True)
class Change:
    """``fields`` are for ``with_change``, of the alternative with the number ``alternative``."""

    words: str
    outcome: str
    alternative: int
    fields: Mapping[str, str]


def changes(
    request: ComputeRequest, explanation: Explanation, remedy: Remedy | None, *, now: datetime
) -> list[Change]:
    """The remedy of the run and what the book offers now, each kind of change once."""
    found = [*_of_the_run(explanation, remedy), *_of_the_book(request, now)]
    return list({(each.alternative, *each.fields): each for each in reversed(found)}.values())[::-1]


def _of_the_run(explanation: Explanation, remedy: Remedy | None) -> Iterator[Change]:
    if remedy and remedy.fields:
        given = {
            name: value for name, value in remedy.fields.items() if name not in {"request", "alternative"}
        }
        outcome = _("Tried on what run %(run)s left.") % {"run": explanation.run}
        yield Change(remedy.words, outcome, int(remedy.fields["alternative"]), given)


def _of_the_book(request: ComputeRequest, now: datetime) -> Iterator[Change]:
    asked = input_of(request, start=next_hour(now))
    if asked.under is not None or dict(problems(asked, now=now)):
        return
    try:
        found = quotes(asked, now=now)
    except QuotesInPreparation:
        return
    names = Named()
    for place, quote in enumerate(found.alternatives):
        if quote is not None and not (quote.cost and quote.cost.within_limit):
            yield from _of_a_quote(
                Shown(quote, asked.currency, asked.alternatives[place], names), quote, place
            )


def _of_a_quote(shown: Shown, quote: Quote, place: int) -> Iterator[Change]:
    if quote.cost is not None and shown.given.limit is not None:
        limit = quote.cost.unit.quantize(CENT, ROUND_CEILING)
        words = _("Raise the limit to %(price)s.") % {"price": shown.price(limit)}
        yield Change(words, _outcome(shown, quote.sites, limit), place, {"limit": formats.exact(limit)})
    for dropped in quote.without:
        if dropped.cost is not None and dropped.cost.within_limit:
            words = _("Ask nothing about %(constraint)s.") % {"constraint": shown.named(dropped.constraint)}
            outcome = _outcome(shown, quote.sites + dropped.more_sites, dropped.cost.unit)
            yield Change(words, outcome, place, DROPPED[dropped.constraint])


def _outcome(shown: Shown, sites: int, price: Decimal) -> str:
    return _("Now to be had at %(price)s; sites: %(sites)s.") % {
        "price": shown.price(price),
        "sites": formats.number(sites),
    }
