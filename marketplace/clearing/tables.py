"""The list of runs."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import F
from django.db.models.functions import NullIf
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketplace.clearing.models import MarketRun
from marketplace.clearing.selectors import with_models_sold
from marketplace.web import formats, tables
from marketplace.web.tables import cells


def _matched(run: MarketRun) -> SafeString:
    if run.requests_matched is None or run.requests_open is None:
        return escape(cells.NOT_KNOWN)
    figures = {
        "matched": formats.number(run.requests_matched),
        "open": formats.number(run.requests_open),
    }
    return escape(_("%(matched)s of %(open)s") % figures)


def _at_least(share: Decimal) -> str:
    return _("at least %(share)s") % {"share": formats.percent(share)}


RUNS: tables.Table[MarketRun, MarketRun] = tables.registered(
    tables.Table(
        name="runs",
        title=gettext_lazy("All runs, newest first"),
        columns=(
            tables.name(
                "run",
                gettext_lazy("Run"),
                str,
                link=lambda run: reverse("clearing:run", args=[run.pk]),
                value=lambda run: run.pk,
                sort="pk",
            ),
            tables.state(
                "state",
                gettext_lazy("State"),
                lambda run: run.state,
                label=lambda run: run.get_state_display(),
                sort="state",
            ),
            tables.moment("opened", gettext_lazy("Opened"), lambda run: run.opened_at, sort="opened_at"),
            tables.Column(
                "matched",
                gettext_lazy("Requests matched"),
                _matched,
                (
                    tables.Field(gettext_lazy("Requests matched"), lambda run: run.requests_matched),
                    tables.Field(gettext_lazy("Requests open"), lambda run: run.requests_open),
                ),
                "requests_matched",
                is_number=True,
            ),
            tables.number(
                "sold",
                gettext_lazy("Sold"),
                lambda run: run.card_hours_sold,
                written=formats.card_hours,
                field=gettext_lazy("Sold, card-h"),
                sort="card_hours_sold",
            ),
            tables.number("models", gettext_lazy("Models"), lambda run: run.models_sold),  # type: ignore[attr-defined]
            tables.money(
                "surplus",
                gettext_lazy("Surplus"),
                lambda run: run.surplus,
                lambda run: run.base_currency,
                sort="surplus",
            ),
            tables.number(
                "best",
                gettext_lazy("Of the best possible"),
                lambda run: run.share_of_best,
                written=_at_least,
                sort=F("objective") / NullIf(F("bound"), Decimal(0)),
            ),
        ),
        first="-run",
        whole=with_models_sold,
    )
)
