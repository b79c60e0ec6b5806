"""The pages of the market: board, products, runs and explanations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.actors import Capability
from accounts.requests import PageRequest
from marketplace.catalogue.models import WorkloadClass
from marketplace.catalogue.selectors import (
    names_by_slug,
)
from marketplace.clearing import changes, remedies, selectors, why, wording
from marketplace.clearing.board import market_board, next_run_at
from marketplace.clearing.models import ClearingPrice, Explanation, MarketRun
from marketplace.clearing.tables import RUNS
from marketplace.clock import market_now
from marketplace.demand.models import ComputeRequest
from marketplace.demand.selectors import requests_for, with_alternatives
from marketplace.web import charts, formats
from marketplace.web.access import may
from marketplace.web.listing import ROWS_A_CHUNK, Field, as_csv, page_of
from marketplace.web.navigation import resolve
from marketplace.web.tables import as_it_is, show

ROWS_A_PAGE = 24
HISTORY_RUNS = 48
LAST_RUNS = 6
OFFERS_SHOWN = 24

PRICE_FIELDS: Sequence[Field[ClearingPrice]] = (
    Field(gettext_lazy("Run"), lambda price: price.run_id),
    Field(gettext_lazy("Model"), lambda price: price.model.slug),
    Field(gettext_lazy("Zone"), lambda price: price.zone.slug),
    Field(gettext_lazy("Slot"), lambda price: price.slot),
    Field(gettext_lazy("Currency"), lambda price: price.currency),
    Field(gettext_lazy("Price of a card-hour"), lambda price: price.price),
    Field(gettext_lazy("Cards"), lambda price: price.cards),
)


@require_safe
def board(request: PageRequest) -> HttpResponse:
    """What each product costs now. The page asks again every few seconds; unchanged, the answer is empty."""
    context = board_context(request)
    if request.headers.get("HX-Request"):
        if request.headers.get("X-Seen") == context["seen"]:
            return HttpResponse(status=204)
        return render(request, "clearing/_live_board.html", context)
    return render(request, "clearing/board.html", context)


def board_context(request: PageRequest) -> dict[str, Any]:
    """What the board's templates need; also for the front page."""
    now = market_now()
    workload = _workload(request)
    market = market_board(
        now=now,
        workload=workload,
        sort=request.GET.get("sort", ""),
        model=request.GET.get("model", ""),
    )
    run = market.run
    next_run = next_run_at(run, now=now)
    return {
        "board": market,
        "run": run,
        "last_runs": selectors.with_models_sold(selectors.runs())[:LAST_RUNS] if run else [],
        "next_run": next_run,
        "seen": f"{run.pk if run else 0}-{now:%Y%m%d%H}",
        "workload": workload,
        "workload_tabs": _workload_tabs(request, workload),
        "only_model": request.GET.get("model", ""),
        "board_url": _board_url(request),
    }


def _board_url(request: PageRequest) -> str:
    kept = {name: request.GET[name] for name in ("workload", "sort", "model") if name in request.GET}
    return f"{reverse('clearing:board')}?{urlencode(kept)}"


def _workload(request: PageRequest) -> WorkloadClass:
    asked = request.GET.get("workload", "")
    return WorkloadClass(asked) if asked in WorkloadClass.values else WorkloadClass.TRAINING


def _workload_tabs(request: PageRequest, chosen: WorkloadClass) -> list[dict[str, Any]]:
    kept = {name: request.GET[name] for name in ("sort", "model") if name in request.GET}
    return [
        {
            "label": workload.label,
            "url": "?" + urlencode({**kept, "workload": workload}),
            "active": workload == chosen,
        }
        for workload in WorkloadClass
    ]


@require_safe
def runs(request: PageRequest) -> HttpResponseBase:
    history = list(selectors.committed_runs()[:HISTORY_RUNS])
    context = {
        "last": history[0] if history else None,
        "chart": _gap_chart(history[::-1]),
        "next_run": next_run_at(selectors.runs().first(), now=market_now()),
    }
    return show(request, RUNS, selectors.runs(), "clearing/runs.html", context, line=as_it_is)


def _gap_chart(history: Sequence[MarketRun]) -> dict[str, Any] | None:
    """A step line of what each run missed at most of the best possible, in percent, oldest first."""
    gaps = [(run, (1 - share) * 100) for run in history if (share := run.share_of_best) is not None]
    if not gaps:
        return None
    ticks = charts.nice_ticks(max(gap for _, gap in gaps))
    line = charts.step_path([(1, float(gap)) for _, gap in gaps], len(gaps), float(ticks[-1]))
    marks = [{"at": charts.percent_of(ticks[-1] - tick, ticks[-1]), "value": tick} for tick in ticks]
    worst, usual = max(gap for _run, gap in gaps), median(gap for _run, gap in gaps)
    finding = _(
        "The last %(runs)s runs missed at most %(worst)s of the best possible, half of them %(usual)s."
    ) % {
        "runs": formats.number(len(gaps)),
        "worst": formats.percent(worst / 100),
        "usual": formats.percent(usual / 100),
    }
    return {"line": line, "ticks": marks, "first": gaps[0][0], "last": gaps[-1][0], "finding": finding}


@require_safe
def run(request: PageRequest, pk: int) -> HttpResponse:
    """The report of a run; the explanations and the outcomes of offers on it are the reader's own."""
    found = get_object_or_404(selectors.with_models_sold(selectors.runs_for(request.viewer)), pk=pk)
    mine = selectors.explanations_for(request.viewer).filter(run=found).order_by("-outcome", "request_id")
    my_offers = selectors.offer_outcomes_for(request.viewer).filter(run=found)
    offers = list(my_offers.order_by(F("sold") - F("free"), "offer_id")[:OFFERS_SHOWN])
    explanations = page_of(request, mine.defer("details"), ROWS_A_PAGE)
    outcomes = selectors.outcomes_of_run(found)
    context = {
        "run": found,
        "shares": _shares_until(found),
        "matched_share": _share(found.requests_matched, found.requests_open),
        "sold_share": _share(found.card_hours_sold, found.card_hours_free),
        "products": _with_zone_names(selectors.products_of_run(found)),
        "unmatched": [
            {"constraint": Explanation.Binding(binding).label, "requests": requests}
            for outcome, binding, requests in outcomes
            if outcome == Explanation.Outcome.UNMATCHED
        ],
        "unmatched_in_all": sum(n for outcome, _, n in outcomes if outcome == Explanation.Outcome.UNMATCHED),
        "explanations": explanations,
        "offers": offers,
        "offers_shown": OFFERS_SHOWN,
        "took_part": bool(offers or explanations.paginator.count),
    }
    return render(request, "clearing/run.html", context)


def _shares_until(found: MarketRun) -> list[Decimal | None]:
    """How near to the best possible the runs until this one came, oldest first."""
    return [run.share_of_best for run in reversed(selectors.committed_runs(until=found)[:HISTORY_RUNS])]


def _with_zone_names(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    name = "zone__name_zh" if (get_language() or "").startswith("zh") else "zone__name_en"
    return [{**row, "zone_name": row[name]} for row in rows]


def _share(part: int | None, whole: int | None) -> Decimal | None:
    return Decimal(part) / whole if whole and part is not None else None


@require_safe
def run_prices(request: PageRequest, pk: int) -> HttpResponseBase:  # noqa: ARG001
    """Every price that a run set, as CSV."""
    found = get_object_or_404(selectors.runs(), pk=pk)
    rows = selectors.prices_of_run(found)
    return as_csv(f"cardhour-run-{found.pk}-prices", PRICE_FIELDS, rows.iterator(ROWS_A_CHUNK))


@login_required
@require_safe
def explanation(request: PageRequest, run: int, request_pk: int) -> HttpResponse:
    """Why one request got what it got in one run: for its buyer, auditors and operators."""
    found = get_object_or_404(selectors.explanations_for(request.viewer), run=run, request=request_pk)
    asked = get_object_or_404(with_alternatives(requests_for(request.viewer)), pk=request_pk)
    alternatives = list(asked.alternatives.all())
    now = market_now()
    remedy = remedies.remedy(found, alternatives, names_by_slug())
    again = _again(request, found.request.organisation_id, remedy)
    allocations = selectors.allocations_for(request.viewer).filter(run=run, request=request_pk)
    allocations = allocations.select_related("alternative")
    reason = why.why(found, asked, list(allocations))
    context = {
        "explanation": found,
        "funnels": wording.funnels(found, alternatives),
        "remedy": remedy,
        "lost_against": wording.lost_against(found, [each.unit for each in alternatives]),
        "again": again,
        "others": selectors.explanations_for(request.viewer).filter(request=request_pk).defer("details")[:12],
        "why": reason,
        "runners_up": why.runners_up(reason, now=now) if reason else [],
        "changes": _changes(request, asked, found, remedy, now),
    }
    return render(request, "clearing/explanation.html", context)


def _changes(
    request: PageRequest,
    asked: ComputeRequest,
    found: Explanation,
    remedy: remedies.Remedy | None,
    now: datetime,
) -> list[changes.Change]:
    """What can be pressed to be matched, for those who may; nothing where it has been matched since."""
    is_past = found.outcome != Explanation.Outcome.UNMATCHED or asked.state == ComputeRequest.State.MATCHED
    if is_past or not may(request, Capability.TRADE, asked.organisation_id):
        return []
    return changes.changes(asked, found, remedy, now=now)


def _again(request: PageRequest, buyer: int, remedy: remedies.Remedy | None) -> str:
    """Where the same request can be made again with the remedy in it, for those who may make it."""
    page = resolve(["demand:create"])
    if not page or remedy is None or not remedy.fields or not may(request, Capability.TRADE, buyer):
        return ""
    return f"{page}?{urlencode(remedy.fields)}"
