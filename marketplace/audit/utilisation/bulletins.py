"""The monthly bulletin that a ministry or a board would publish: HTML and PDF, from the months added up.

The same rows give the same bytes: nothing in it depends on when or where it is made but what it states.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts import audit
from accounts.actors import Actor, Viewer
from billing.invoicing.pdf import FONTS, write_pdf
from marketplace.audit.utilisation.figures import Figures
from marketplace.audit.utilisation.models import Bulletin
from marketplace.audit.utilisation.nation import nation
from marketplace.audit.utilisation.presentation import card_hours, energy_kwh, levels, lines, steps
from marketplace.audit.utilisation.selectors import as_of, cascade, money, total, trend
from marketplace.audit.utilisation.windows import month_after, month_before
from marketplace.clearing.models import Explanation
from marketplace.errors import InvalidInput

LANGUAGES = {"en": "en", "zh": "zh-hans"}
EVERYBODYS = Viewer(actor=None, is_auditor=True)
CHART_HIGH = 160


@dataclass(frozen=True, slots=True)
class Edition:
    """A bulletin in one language."""

    language: str
    html: str
    pdf: bytes


def editions(month: datetime) -> list[Edition]:
    """The bulletin of a UTC month, in each language. Refuses a month that is not all added up."""
    seen = as_of()
    if seen is None or seen.until < month_after(month) or month_after(month) <= seen.since:
        known = "nothing" if seen is None else f"{seen.since:%Y-%m-%d} to {seen.until:%Y-%m-%d %H}:00 UTC"
        raise InvalidInput(
            f"{month:%Y-%m} is not over and added up; known is {known}.",
            {"month": "choose a month that lies before that end"},
        )
    return [_edition(month, name, language) for name, language in LANGUAGES.items()]


def _edition(month: datetime, name: str, language: str) -> Edition:
    with translation.override(language), timezone.override(UTC):
        html = render_to_string("audit/bulletin.html", _context(month) | {"fonts": FONTS.as_uri()})
        plain = render_to_string("audit/bulletin.html", _context(month))
    identifier = hashlib.sha256(f"{month:%Y-%m} {name}".encode()).digest()
    return Edition(name, plain, write_pdf(html, identifier=identifier))


def _context(month: datetime) -> dict[str, Any]:
    end = month_after(month)
    hubs = cascade(EVERYBODYS, start=month, end=end, by="hub")
    found = total(hubs)
    before = total(cascade(EVERYBODYS, start=month_before(month), end=month, by="hub"))
    country = nation(EVERYBODYS, start=month, end=end)
    bindings = dict(Explanation.Binding.choices)
    days = trend(EVERYBODYS, start=month, end=end, grain="day")
    return {
        "month": month,
        "end": end,
        "found": found,
        "levels": levels(found),
        "steps": steps(found),
        "before": before.active_share,
        "energy": energy_kwh(found),
        "money": money(hubs),
        "completeness": found.completeness,
        "missing": found.expected - found.arrived,
        "hubs": lines(hubs),
        "models": lines(cascade(EVERYBODYS, start=month, end=end, by="model")),
        "days": [(day.starts_at, _bars(day.figures, place, len(days))) for place, day in enumerate(days)],
        "prices": [hub for hub in (*country.inland, *country.others) if hub.price is not None],
        "flows": country.flows,
        "in_vain": [(each, bindings.get(each.binding, "")) for each in country.in_vain],
        "unasked": card_hours(found.unsold_unasked),
    }


def _bars(figures: Figures, place: int, days: int) -> list[dict[str, str]]:
    """The levels of a day as rectangles in a box of 1000 × ``CHART_HIGH``, the tallest first."""
    pitch = 1000 / days
    found = []
    for name in ("installed", "offered", "sold", "allocated", "active"):
        share = figures.share(name)
        high = float(share or 0) * CHART_HIGH
        found.append(
            {
                "level": name,
                "x": f"{place * pitch:.1f}",
                "width": f"{pitch * 0.8:.1f}",
                "y": f"{CHART_HIGH - high:.1f}",
                "height": f"{high:.1f}",
            }
        )
    return found


@transaction.atomic
def publish(month: datetime, made: list[Edition], *, actor: Actor, now: datetime) -> Bulletin:
    """Keep a bulletin as it was published. What is published does not change: another one is a new number."""
    last = Bulletin.objects.filter(month=month.date()).order_by("-number").first()
    by_language = {edition.language: edition for edition in made}
    bulletin = Bulletin.objects.create(
        month=month.date(),
        number=1 if last is None else last.number + 1,
        published_at=now,
        html_en=by_language["en"].html,
        html_zh=by_language["zh"].html,
        pdf_en=by_language["en"].pdf,
        pdf_zh=by_language["zh"].pdf,
    )
    audit.record(actor=actor, action="utilisation.bulletin_published", target=bulletin, now=now)
    return bulletin
