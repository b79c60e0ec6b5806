"""What of the market as it is now could serve a request that somebody is still writing.

Counts offers, like the explanation of a run, and with the same code of the engine. It says what is
there, not who gets it: others may ask for the same cards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.requests import PageRequest
from marketplace.catalogue.selectors import profiles_in_force
from marketplace.clearing import snapshot
from marketplace.clearing.models import Explanation
from marketplace.clock import market_now, next_hour
from marketplace.demand.forms import Builder
from marketplace.demand.names import Names
from marketplace.demand.rules import AlternativeInput, RequestInput, request_problems
from marketplace.engine import snapshot as engine
from marketplace.engine.eligibility import Eligibility, Eligible
from marketplace.engine.facts import Facts
from marketplace.engine.want import Want, bases, wants

KEPT_SECONDS = 15
KEY = "quote/market"


@dataclass(frozen=True, slots=True)
class Quote:
    """The funnel of one alternative, ready for ``c-funnel``, and the cheapest of what is left.

    ``ask`` is the lowest ask per card-hour of the cheapest offer, ``None`` where nothing is left.
    """

    stages: tuple[dict[str, Any], ...]
    left: int
    ask: Decimal | None
    currency: str
    zones: int


def quotes(request: RequestInput) -> list[Quote | None]:
    """A quote for each alternative; ``None`` where it does not fit into the market's horizon."""
    market = _market()
    facts = Facts(market)
    eligibility = Eligibility(facts)
    window = snapshot.Window(datetime.fromisoformat(market.horizon_start), market.slots)
    found: list[Quote | None] = []
    for position, given in enumerate(request.alternatives):
        want = _want(request, given, position, window, market)
        found.append(None if want is None else _quote(eligibility.of(want), facts, market))
    return found


def _market() -> engine.Snapshot:
    """The offers as a run would see them, ``KEPT_SECONDS`` old at most."""
    start = next_hour(market_now())
    market: engine.Snapshot | None = cache.get(KEY)
    if market is None or market.horizon_start != start.isoformat():
        market = snapshot.build(
            horizon_start=start,
            slots=settings.MARKET_HORIZON_SLOTS,
            base_currency=settings.MARKET_BASE_CURRENCY,
            profiles=profiles_in_force(),
            now=market_now(),
            requests=(),
        )
        cache.set(KEY, market, KEPT_SECONDS)
    return market


def _want(
    request: RequestInput,
    given: AlternativeInput,
    position: int,
    window: snapshot.Window,
    market: engine.Snapshot,
) -> Want | None:
    alternative = snapshot.alternative_of(
        given,
        window,
        position=position,
        models=given.accelerator_models,
        stacks=given.stacks,
        near=given.near,
    )
    if alternative is None or request.currency not in bases(market):
        return None
    least = snapshot.micro(request.least_share, ROUND_CEILING)
    asked = engine.Request(
        id=0, buyer=0, currency=request.currency, least=least, entered=0, alternatives=(alternative,)
    )
    return next(wants(asked, bases(market)))


def _quote(able: Eligible, facts: Facts, market: engine.Snapshot) -> Quote:
    """Rows are ordered from the cheapest offer to the dearest, so the first one is the cheapest."""
    offers = [facts.offers[row] for row in able.rows.tolist()]
    sites = {site.id: site for site in market.sites}
    return Quote(
        stages=tuple(_stages(able)),
        left=len(offers),
        ask=Decimal(min(offers[0].asks)).scaleb(-6) if offers else None,
        currency=sites[offers[0].site].currency if offers else "",
        zones=len({sites[offer.site].zone for offer in offers}),
    )


def _stages(able: Eligible) -> Iterable[dict[str, Any]]:
    kept = able.funnel.offers
    yield {"label": _("Offers on the market"), "kept": kept, "removed": 0}
    for constraint, removed in able.funnel.removed:
        kept -= removed
        label = str(Explanation.Binding(constraint).label)
        yield {
            "label": label[:1].upper() + label[1:],
            "kept": kept,
            "removed": removed,
            "binding": kept == 0,
        }


def missing(request: RequestInput) -> list[str]:
    """What keeps the request from being counted, in words; nothing where it can enter the market."""
    problems = request_problems(request, Names.load(), market_now())
    return list(dict.fromkeys(text for name, text in problems if name != "title"))


@login_required
@require_POST
def quote(request: PageRequest) -> HttpResponse:
    """The panel beside the requirement builder: how many offers each constraint leaves now."""
    builder = Builder.sent(request.POST)
    context: dict[str, Any] = {"now": market_now()}
    if not builder.alternatives_are_valid():
        return render(request, "demand/quote.html", context)
    asked = builder.draft()
    context["missing"] = missing(asked)
    if not context["missing"]:
        context["quotes"] = quotes(asked)
    return render(request, "demand/quote.html", context)
