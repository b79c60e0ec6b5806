"""The panel beside the requirement builder: what a request would cost now, and what each constraint costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from accounts.requests import PageRequest
from marketplace.catalogue.jurisdictions import jurisdiction_name
from marketplace.catalogue.models import Precision, Region, Zone
from marketplace.catalogue.selectors import names_by_slug
from marketplace.clearing.models import Explanation
from marketplace.clearing.quote import Chance, Dropped, Quote, problems, quotes
from marketplace.clearing.quote_book import QuotesInPreparation
from marketplace.clearing.wording import at_least, at_most, bandwidth, gigabytes
from marketplace.clock import HOUR, market_now
from marketplace.demand.forms import Builder
from marketplace.demand.rules import AlternativeInput, RequestInput
from marketplace.demand.words import LEVELS
from marketplace.engine import Constraint
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
    names = Named()
    shown = [
        None if each is None else Shown(each, asked.currency, given, names)
        for each, given in zip(found.alternatives, asked.alternatives, strict=True)
    ]
    return {"at": found.at, "quotes": shown, "currency": asked.currency}


class Named:
    """Names in the reader's language by slug, read when first asked for."""

    @cached_property
    def models(self) -> Mapping[str, str]:
        return names_by_slug()

    @cached_property
    def zones(self) -> Mapping[str, str]:
        return {zone.slug: str(zone) for zone in Zone.objects.all()}

    @cached_property
    def regions(self) -> Mapping[str, str]:
        return {region.slug: str(region) for region in Region.objects.all()}


@dataclass(frozen=True, slots=True)
class Shown:
    """A quote in words."""

    quote: Quote
    currency: str
    given: AlternativeInput
    names: Named

    @property
    def unit_price(self) -> str:
        return self.price(self.quote.cost.unit) if self.quote.cost else ""

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

    @property
    def chance(self) -> Mapping[str, Any] | None:
        """The probability as a word and a share, and what it was judged from."""
        chance = self.quote.chance
        if chance is None or chance.probability is None:
            return None
        word, tone = next(said for least, said in LIKELIHOODS if chance.probability >= least)
        return {"word": word, "tone": tone, "share": chance.probability, "judged_from": _judged_from(chance)}

    @property
    def cover(self) -> str:
        return formats.number(self.quote.chance.cover, at_most=1) if self.quote.chance else ""

    def products(self) -> Iterator[Mapping[str, Any]]:
        for product in self.quote.products:
            yield {
                "model": product.model,
                "zone_slug": product.zone,
                "name": self.names.models.get(product.model, product.model),
                "zone": self.names.zones.get(product.zone, product.zone),
                "url": reverse("clearing:product", args=[product.model, product.zone]),
                "sites": product.sites,
                "price": self.price(product.unit),
                "is_dear": self.given.limit is not None and product.unit > self.given.limit,
            }

    def constraints(self) -> Iterator[tuple[str, str]]:
        """Each constraint that alone keeps offers away, and what would be without it, the dearest first."""
        for dropped in sorted(self.quote.without, key=lambda each: -self._saved(each)):
            yield self.named(dropped.constraint), self._without(dropped)

    def named(self, constraint: str) -> str:
        name, asked = _capitalised(constraint), asked_in_words(constraint, self.given, self.names)
        return _("%(constraint)s: %(asked)s") % {"constraint": name, "asked": asked} if asked else name

    def _saved(self, dropped: Dropped) -> Decimal:
        """What a unit and hour would cost less."""
        now, then = self.quote.cost, dropped.cost
        return now.unit - then.unit if now and then else Decimal(0)

    def _without(self, dropped: Dropped) -> str:
        more, saved = {"more": _more(dropped)}, self._saved(dropped)
        if saved > 0:
            return _("without it %(price)s less, %(more)s") % {**more, "price": self.price(saved)}
        if self.quote.cost is None and dropped.cost is not None:
            return _("without it to be had at %(price)s, %(more)s") % {
                **more,
                "price": self.price(dropped.cost.unit),
            }
        return _("without it no cheaper, %(more)s") % more

    def price(self, amount: Decimal) -> str:
        return formats.price(amount, self.currency, self.quote.unit_name)


def _judged_from(chance: Chance) -> str:
    said = _("If others buy as in the last runs, enough of it is left in %(left)s of %(runs)s.")
    return said % {"left": formats.number(chance.left), "runs": formats.number(chance.runs)}


LIKELIHOODS = (
    (Decimal("0.8"), (gettext_lazy("Very likely"), "good")),
    (Decimal("0.5"), (gettext_lazy("Likely"), "open")),
    (Decimal("0.2"), (gettext_lazy("Uncertain"), "attention")),
    (Decimal(0), (gettext_lazy("Unlikely"), "harm")),
)


def asked_in_words(constraint: str, given: AlternativeInput, names: Named) -> str:
    """What an alternative asks of a standing constraint, e.g. ``at most 20 ms to Shanghai``."""
    say = _ASKED.get(Constraint(constraint))
    return say(given, names) if say else ""


def _round_trip(given: AlternativeInput, names: Named) -> str:
    time = formats.milliseconds(given.round_trip_ms or Decimal(0))
    return _("at most %(time)s to %(place)s") % {"time": time, "place": names.regions[given.near]}


_ASKED: Mapping[Constraint, Callable[[AlternativeInput, Named], str]] = {
    Constraint.MODEL: lambda a, names: ", ".join(names.models[each] for each in a.accelerator_models),
    Constraint.STACK: lambda a, names: ", ".join(names.models[each] for each in a.stacks),
    Constraint.PRECISION: lambda a, _: str(Precision(a.precision).label),
    Constraint.MEMORY: lambda a, _: at_least(gigabytes(a.memory_gb or Decimal(0))),
    Constraint.JURISDICTION: lambda a, _: ", ".join(map(jurisdiction_name, a.jurisdictions)),
    Constraint.LATENCY: _round_trip,
    Constraint.BANDWIDTH: lambda a, _: at_least(bandwidth(a.bandwidth_mbps or 0)),
    Constraint.RENEWABLE_SHARE: lambda a, _: at_least(formats.percent(a.renewable_share or Decimal(0))),
    Constraint.CARBON: lambda a, _: at_most(formats.carbon(a.carbon or Decimal(0))),
    Constraint.VERIFICATION: lambda a, _: LEVELS[a.verification or 0](),
    Constraint.NOTICE: lambda a, _: at_least(formats.duration((a.notice_minutes or 0) * 60)),
}


def _capitalised(constraint: str) -> str:
    label = str(Explanation.Binding(constraint).label)
    return label[:1].upper() + label[1:]


def _more(dropped: Dropped) -> str:
    if dropped.more_sites:
        sites = ngettext("%(number)s more site", "%(number)s more sites", dropped.more_sites)
        return sites % {"number": formats.number(dropped.more_sites)}
    offers = ngettext("%(number)s more offer", "%(number)s more offers", dropped.more_offers)
    return offers % {"number": formats.number(dropped.more_offers)}
