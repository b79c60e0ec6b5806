"""The panel beside the requirement builder: what a request would cost now, and what each constraint costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.requests import PageRequest
from marketplace.clearing.models import Explanation
from marketplace.clearing.quote import Dropped, Quote, problems, quotes
from marketplace.clearing.quote_book import QuotesInPreparation
from marketplace.clock import HOUR, market_now
from marketplace.demand.forms import Builder
from marketplace.demand.rules import RequestInput
from marketplace.web import formats


@login_required
@require_POST
def quote(request: PageRequest) -> HttpResponse:
    builder, now = Builder.sent(request.POST), market_now()
    context: dict[str, Any] = {}
    if builder.alternatives_are_valid():
        asked = builder.draft()
        if asked.under is not None:
            return render(request, "demand/quote.html", {"under": asked.under})
        missing = dict.fromkeys(text for _name, text in problems(asked, now=now))
        context = {"missing": list(missing)} if missing else _quoted(asked, now)
    return render(request, "demand/quote.html", context)


def _quoted(asked: RequestInput, now: datetime) -> dict[str, Any]:
    try:
        found = quotes(asked, now=now)
    except QuotesInPreparation as error:
        return {"in_preparation": error}
    shown = [None if each is None else Shown(each, asked.currency) for each in found.alternatives]
    return {"at": found.at, "quotes": shown, "currency": asked.currency}


@dataclass(frozen=True, slots=True)
class Shown:
    """A quote in words."""

    quote: Quote
    currency: str

    @property
    def unit_price(self) -> str:
        return self._price(self.quote.cost.unit) if self.quote.cost else ""

    @property
    def span(self) -> str:
        return formats.duration(self.quote.cost.hours * HOUR) if self.quote.cost else ""

    def stages(self) -> list[Mapping[str, Any]]:
        """Offers that each constraint leaves, as ``c-funnel`` draws them."""
        kept = self.quote.market
        found: list[Mapping[str, Any]] = [{"label": _("Offers on the market"), "kept": kept, "removed": 0}]
        for constraint, removed in self.quote.removed:
            kept -= removed
            label = _capitalised(constraint)
            found.append({"label": label, "kept": kept, "removed": removed, "binding": kept == 0})
        return found

    def constraints(self) -> Iterator[tuple[str, str]]:
        """Each constraint that alone keeps offers away, and what would be without it, the dearest first."""
        for dropped in sorted(self.quote.without, key=lambda each: -self._saved(each)):
            yield _capitalised(dropped.constraint), self._without(dropped)

    def _saved(self, dropped: Dropped) -> Decimal:
        """What a unit and hour would cost less."""
        now, then = self.quote.cost, dropped.cost
        return now.unit - then.unit if now and then else Decimal(0)

    def _without(self, dropped: Dropped) -> str:
        more, saved = {"more": _more(dropped)}, self._saved(dropped)
        if saved > 0:
            return _("without it %(price)s less, %(more)s") % {**more, "price": self._price(saved)}
        if self.quote.cost is None and dropped.cost is not None:
            return _("without it to be had at %(price)s, %(more)s") % {
                **more,
                "price": self._price(dropped.cost.unit),
            }
        return _("without it no cheaper, %(more)s") % more

    def _price(self, amount: Decimal) -> str:
        return formats.price(amount, self.currency, self.quote.unit_name)


def _capitalised(constraint: str) -> str:
    label = str(Explanation.Binding(constraint).label)
    return label[:1].upper() + label[1:]


def _more(dropped: Dropped) -> str:
    if dropped.more_sites:
        sites = ngettext("%(number)s more site", "%(number)s more sites", dropped.more_sites)
        return sites % {"number": formats.number(dropped.more_sites)}
    offers = ngettext("%(number)s more offer", "%(number)s more offers", dropped.more_offers)
    return offers % {"number": formats.number(dropped.more_offers)}
