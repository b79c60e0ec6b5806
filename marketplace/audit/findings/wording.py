"""Findings in words: what was seen, each figure with its unit, what evidence is called and where it opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketplace.audit.findings.detectors import DETECTORS
from marketplace.audit.findings.detectors import base as units
from marketplace.audit.findings.models import Evidence, Finding
from marketplace.web import formats

TIES = {"control": gettext_lazy("one owner"), "people": gettext_lazy("people in common")}
KINDS: dict[str, str | Promise] = {
    "metered_hour": gettext_lazy("Metered hour"),
    "agreement": gettext_lazy("Agreement"),
    "delivery": gettext_lazy("Delivery"),
    "offer": gettext_lazy("Offer"),
    "month": gettext_lazy("Month of a term agreement"),
    "usage_report": gettext_lazy("Buyer’s report"),
    "idle_card_hour": gettext_lazy("Hour of a card without a buyer"),
    "acceptance_test": gettext_lazy("Acceptance test"),
    "ownership_link": gettext_lazy("Who controls whom"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A statistic, and the threshold of the same name, if the detector has one."""

    label: str
    value: str


def title_of(finding: Finding) -> str:
    return str(DETECTORS[finding.detector].title)


def sentence_of(finding: Finding) -> str:
    """What was seen, in the language that is active."""
    detector = DETECTORS[finding.detector]
    told = {
        name: _written(figure, detector.figures.get(name, ("", ""))[1])
        for name, figure in finding.statistics.items()
    }
    missing = dict.fromkeys(detector.figures, _("not known"))
    return str(detector.says) % (missing | told)


def figures_of(finding: Finding) -> Sequence[Figure]:
    return [
        Figure(str(label), _written(finding.statistics[name], unit))
        for name, (label, unit) in DETECTORS[finding.detector].figures.items()
        if name in finding.statistics
    ]


def limits_of(finding: Finding) -> Sequence[Figure]:
    return [Figure(name.replace("_", " "), value) for name, value in finding.thresholds.items()]


def method_of(finding: Finding) -> str:
    """The detector's own documentation, which is in English."""
    return (DETECTORS[finding.detector].__doc__ or "").strip()


def kind_of(evidence: Evidence) -> str:
    return capfirst(str(KINDS.get(evidence.kind, evidence.kind)))


def address_of(evidence: Evidence) -> str:
    """The page that shows the row, or nothing where there is none."""
    match evidence.kind:
        case "agreement":
            return reverse("agreements:agreement", args=[int(evidence.row)])
        case "delivery":
            return reverse("delivery:delivery", args=[int(evidence.row)])
        case "metered_hour":
            return reverse("findings:hour", args=[evidence.finding_id, evidence.pk])
        case "offer":
            return reverse("supply:offer", args=[int(evidence.row)])
        case _:
            return ""


WRITTEN: Mapping[str, Callable[[Decimal], str]] = {
    units.SHARE: formats.percent,
    units.CARD_HOURS: formats.card_hours,
    units.CARDS: formats.cards,
    units.FACTOR: lambda factor: formats.number(factor, 3),
    units.WATTS: lambda watts: f"{formats.number(watts, 0)} W",
    units.NUMBER: formats.number,
}


def _written(figure: str | int, unit: str) -> str:
    if not unit:
        return str(TIES.get(str(figure), figure))
    return WRITTEN[unit](Decimal(figure))
