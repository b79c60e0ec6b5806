"""The page of a product: its prices run by run, both sides of its market, and the work it does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from marketplace.catalogue.models import AcceleratorModel, Zone
from marketplace.catalogue.selectors import models_with_profiles, profiles_in_force, profiles_of
from marketplace.catalogue.wording import TONES, evidence_name
from marketplace.clearing import selectors
from marketplace.clearing.depth import MarketDepth, Step, depth_of
from marketplace.clock import market_now
from marketplace.web import charts, formats
from marketplace.web.listing import Field, as_csv, page_of

ROWS_A_PAGE = 24
HISTORY_RUNS = 48
A_DAY = timedelta(hours=24)
A_PERCENT = Decimal("0.01")
FEWEST_TO_DRAW = 3

HISTORY_FIELDS: Sequence[Field[dict[str, Any]]] = (
    Field(gettext_lazy("Run"), lambda run: run["run"]),
    Field(pgettext_lazy("moment", "Committed"), lambda run: run["run__committed_at"]),
    Field(gettext_lazy("Currency"), lambda run: run["currency"]),
    Field(gettext_lazy("Lowest"), lambda run: run["lowest"]),
    Field(gettext_lazy("Average"), lambda run: run["average"]),
    Field(gettext_lazy("Highest"), lambda run: run["highest"]),
    Field(gettext_lazy("Sold, card-h"), lambda run: run["card_hours"]),
)

DEPTH_FIELDS: Sequence[Field[tuple[str, Step]]] = (
    Field(gettext_lazy("Side"), lambda row: row[0]),
    Field(gettext_lazy("Price of a card-hour"), lambda row: row[1][1]),
    Field(gettext_lazy("Cards"), lambda row: row[1][0]),
)


@require_safe
def product(request: PageRequest, model: str, zone: str) -> HttpResponseBase:
    """One product: what each run paid for it, its newest prices, both sides of its market, and which work it
    does at which cost. The figures of its charts come as CSV as well.
    """
    now = market_now()
    traded = get_object_or_404(Zone, slug=zone)
    history = list(selectors.history_of_product(model=model, zone=zone)[:HISTORY_RUNS])
    prices = selectors.newest_prices(model=model, zone=zone, now=now)
    card = _card(model)
    newest = prices.first()
    market = depth_of(newest, model=card.slug, zone=traded, rates=_rates(card)) if newest else None
    if request.GET.get("format") == "csv":
        return _figures(request, f"cardhour-{card.slug}-{traded.slug}", history, market)
    context = {
        "card": card,
        "finding": _finding(history, traded.currency),
        "depth": market,
        "depth_title": _crossing(market, traded.currency) if market else "",
        "profiles": _profiles(card, history[0]["average"] if history else None),
        "zone": traded,
        "currency": traded.currency,
        "last": history[0] if history else None,
        "history": history,
        "chart": _history_chart(history[::-1]),
        "page": page_of(request, prices, ROWS_A_PAGE),
        "traded": selectors.card_hours_traded(model=model, zone=zone, since=now - A_DAY),
    }
    return render(request, "clearing/product.html", context)


def _figures(
    request: PageRequest, name: str, history: Sequence[dict[str, Any]], market: MarketDepth | None
) -> HttpResponseBase:
    """What a chart of a product draws, with every digit: its runs, or the steps of its market."""
    if request.GET.get("of") != "depth":
        return as_csv(f"{name}-runs", HISTORY_FIELDS, history)
    sides = {"supply": market.supply, "demand": market.demand} if market else {}
    return as_csv(f"{name}-depth", DEPTH_FIELDS, ((side, step) for side in sides for step in sides[side]))


def _finding(history: Sequence[dict[str, Any]], currency: str) -> str:
    """What the chart of prices shows: how the last run's price stands to the others'."""
    if len(history) < FEWEST_TO_DRAW:
        return ""
    last, others = history[0]["average"], [run["average"] for run in history[1:]]
    usual = sum(others, Decimal(0)) / len(others)
    change = (last - usual) / usual if usual else Decimal(0)
    said = {
        "price": formats.price(last, currency),
        "share": formats.percent(abs(change)),
        "runs": formats.number(len(others)),
    }
    if abs(change) < A_PERCENT:
        return _("A card-hour costs %(price)s, as in the %(runs)s runs before.") % said
    if change > 0:
        return _("A card-hour costs %(price)s, %(share)s more than in the %(runs)s runs before.") % said
    return _("A card-hour costs %(price)s, %(share)s less than in the %(runs)s runs before.") % said


def _crossing(market: MarketDepth, currency: str) -> str:
    """What the chart of both sides shows: where they cross, and what is left beside it."""
    left = sum((cards for cards, _price in market.supply), Decimal(0)) - market.sold
    return _("%(sold)s sold at %(price)s for %(slot)s; %(left)s more are for sale.") % {
        "sold": formats.cards(market.sold),
        "price": formats.price(market.price, currency),
        "slot": formats.moment(market.slot, "time"),
        "left": formats.cards(left),
    }


def _card(slug: str) -> AcceleratorModel:
    """The model with its profiles in force; where none are published, with none."""
    return get_object_or_404(models_with_profiles(profiles_in_force()), slug=slug)


def _rates(card: AcceleratorModel) -> dict[str, Decimal]:
    return {profile.workload: profile.rate for profile in profiles_of(card)}


def _profiles(card: AcceleratorModel, price: Decimal | None) -> list[dict[str, Any]]:
    """What the card does in each workload class, and what that work costs at a price of a card-hour."""
    return [
        {
            "label": profile.get_workload_display(),
            "rate": profile.rate,
            "lower": profile.lower,
            "upper": profile.upper,
            "evidence": evidence_name(profile),
            "tone": TONES[profile.evidence_kind],
            "price": price / profile.rate if price is not None else None,
        }
        for profile in profiles_of(card)
    ]


def _history_chart(history: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Step lines of the lowest, average and highest price of each run, oldest first. One run is a number."""
    if len(history) < FEWEST_TO_DRAW:
        return None
    ticks = charts.nice_ticks(max(run["highest"] for run in history))
    top = float(ticks[-1])
    lines = {
        name: charts.step_path([(1, float(run[name])) for run in history], len(history), top)
        for name in ("lowest", "average", "highest")
    }
    marks = [{"at": charts.percent_of(ticks[-1] - tick, ticks[-1]), "value": tick} for tick in ticks]
    return {**lines, "ticks": marks, "first": history[0], "last": history[-1]}
