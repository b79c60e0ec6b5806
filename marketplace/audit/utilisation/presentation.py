"""The cascade in words and card-hours: its steps, and what each of them lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from marketplace.audit.utilisation.figures import Figures, Row
from marketplace.audit.utilisation.models import LEVELS, LOSSES
from marketplace.audit.utilisation.selectors import SitePeriod
from marketplace.clock import HOUR

AN_HOUR = 3600
A_KWH = 1000
LOSS_NAMES: Mapping[str, str | Promise] = {
    "not_offered": _("Not offered"),
    "unsold_price": _("Not sold: a lower ask would have sold it"),
    "unsold_constraints": _("Not sold: what requests required did not fit"),
    "unsold_unasked": _("Not sold: nobody asked for it"),
    "unsold_unknown": _("Not sold: no market run says why"),
    "not_called": _("Sold under a term agreement, not called off"),
    "outage": _("Outage: late, suspended, failed or evicted"),
    "given_up": _("Given up on the buyer’s account"),
    "unreported": _("Not reported: the site’s agent was silent"),
    "excess": _("Reported beyond what was sold"),
    "idle": _("Allocated and idle"),
    "activity_unknown": _("Allocated; nobody reported whether it was active"),
}
LEVEL_BEFORE = {
    "not_offered": "installed",
    **dict.fromkeys(("unsold_price", "unsold_constraints", "unsold_unasked", "unsold_unknown"), "offered"),
    **dict.fromkeys(("not_called", "outage", "given_up", "unreported", "excess"), "sold"),
    **dict.fromkeys(("idle", "activity_unknown"), "allocated"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A level, or what was lost after it (``level`` is empty then; above the level where it was added)."""

    level: str
    label: str | Promise
    card_hours: Decimal
    np_hours: Decimal | None
    share: Decimal | None

    @property
    def is_loss(self) -> bool:
        return not self.level


def card_hours(card_seconds: int) -> Decimal:
    return Decimal(card_seconds) / AN_HOUR


def np_hours(np_seconds: Decimal | None) -> Decimal | None:
    return None if np_seconds is None else np_seconds / AN_HOUR


def levels(figures: Figures) -> dict[str, Decimal]:
    """The five levels in card-hours."""
    return {name: card_hours(getattr(figures, name)) for name in LEVELS}


def losses(figures: Figures) -> dict[str, Decimal]:
    """What was lost between them, in card-hours."""
    return {name: card_hours(getattr(figures, name)) for name in LOSSES}


def steps(figures: Figures) -> list[Step]:
    """Each level, followed by what was lost of it; losses of nothing are left out."""
    found = []
    for level in LEVELS:
        found.append(_step(figures, level, level, level))
        after = [loss for loss, before in LEVEL_BEFORE.items() if before == level and getattr(figures, loss)]
        found.extend(_step(figures, loss, "", LOSS_NAMES[loss]) for loss in after)
    return found


def _step(figures: Figures, name: str, level: str, label: str | Promise) -> Step:
    known = np_hours(getattr(figures, f"np_{name}")) if level else None
    return Step(level, label, card_hours(getattr(figures, name)), known, figures.share(name))


def energy_kwh(figures: Figures) -> Decimal | None:
    return None if figures.energy_wh is None else Decimal(figures.energy_wh) / A_KWH


@dataclass(frozen=True, slots=True)
class Line:
    """A group of a table: its name, its address, and its levels in card-hours."""

    key: str
    name: str
    figures: Figures
    levels: Mapping[str, Decimal]
    hub: str = ""
    country: str = ""

    @property
    def active_share(self) -> Decimal | None:
        return self.figures.active_share


def lines(rows: Sequence[Row]) -> list[Line]:
    """Largest first."""
    found = [Line(row.key, row.name, row.figures, levels(row.figures)) for row in rows]
    return sorted(found, key=lambda line: (-line.figures.installed, line.name))


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of a heat map: where it stands, how full it is (0 to 10; empty where nobody knows)."""

    x: int
    tone: int | None
    label: str
    url: str

    @property
    def opacity(self) -> str:
        return f"{(self.tone or 0) / 10:.1f}"


def heat_cells(
    periods: Sequence[SitePeriod], *, start: datetime, level: str, of: Mapping[int, Any]
) -> dict[int, list[Cell]]:
    """By site, a cell an hour: the level as a share of what is installed."""
    found: dict[int, list[Cell]] = {pk: [] for pk in of}
    for each in periods:
        share = each.figures.share(level)
        x = (each.starts_at - start) // HOUR
        tone = None if share is None else round(min(max(share, Decimal(0)), Decimal(1)) * 10)
        told = "" if share is None else f"{each.starts_at:%Y-%m-%d %H:00} UTC: {share:.0%}"
        found[each.site].append(Cell(x, tone, told, f"?hour={each.starts_at:%Y-%m-%dT%H}"))
    return found
