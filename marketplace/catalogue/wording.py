"""The evidence of a profile in words, and how it is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from marketplace.catalogue.data.tables import load_sources
from marketplace.catalogue.models import AcceleratorModel, PerformanceProfile
from marketplace.catalogue.normalisation import REFERENCE_MODEL
from marketplace.catalogue.normalisation.calibration import Kin
from marketplace.web import formats

TONES: Mapping[str, str] = {
    PerformanceProfile.Evidence.MEASURED: "active",
    PerformanceProfile.Evidence.BENCHMARK: "good",
    PerformanceProfile.Evidence.DATASHEET: "attention",
}


def evidence_name(profile: PerformanceProfile) -> str:
    """The kind of the evidence in a word or two, for badges."""
    names = {
        PerformanceProfile.Evidence.MEASURED: pgettext("evidence", "measured"),
        PerformanceProfile.Evidence.BENCHMARK: pgettext("evidence", "benchmark"),
        PerformanceProfile.Evidence.DATASHEET: pgettext("evidence", "data sheet"),
    }
    return names[PerformanceProfile.Evidence(profile.evidence_kind)]


def evidence_summary(profile: PerformanceProfile) -> str:
    """Where a rate comes from, in one sentence."""
    evidence = profile.evidence
    if profile.model.slug == REFERENCE_MODEL:
        return _("The reference card: 0.989 nP in every class, by definition.")
    if profile.evidence_kind == PerformanceProfile.Evidence.DATASHEET:
        return _estimate_summary(evidence.get("calibrated_on", ""))
    if profile.evidence_kind == PerformanceProfile.Evidence.MEASURED:
        return _("The median of the runs at the site.")
    results = evidence.get("results", [])
    benchmarks = evidence.get("benchmarks") or len({result["benchmark"] for result in results})
    return ngettext(
        "The median of %(results)s published results of %(benchmarks)s benchmark.",
        "The median over %(benchmarks)s benchmarks, %(results)s published results in all.",
        benchmarks,
    ) % {"results": formats.number(len(results)), "benchmarks": formats.number(benchmarks)}


def evidence_groups(profile: PerformanceProfile) -> list[dict[str, Any]]:
    """The published results behind a rate: those used, those in the band only, those set aside."""
    groups = (
        (_("Results that the rate is the median of"), "results"),
        (_("Further results, which widen the band"), "in_band_only"),
        (_("Results set aside: too far from what the card can do"), "set_aside"),
    )
    return [
        {"title": title, "rows": profile.evidence[name]}
        for title, name in groups
        if profile.evidence.get(name)
    ]


def _estimate_summary(calibrated_on: str) -> str:
    summaries = {
        Kin.KNOWN_VENDOR: _(
            "Estimated from the data sheet, and from what other cards of the vendor turned out to do; "
            "no published result counts."
        ),
        Kin.NEW_VENDOR: _(
            "Estimated from the data sheet, calibrated on cards of other vendors: "
            "of this vendor nothing is published, so the band is wide."
        ),
        Kin.BARE_ROOFLINE: _(
            "What the data sheet allows: no benchmark of this workload is published to check it by."
        ),
    }
    return summaries[Kin(calibrated_on)] if calibrated_on else _("Estimated from the data sheet.")


def estimate_facts(profile: PerformanceProfile) -> dict[str, Decimal] | None:
    """The figures that a data-sheet estimate used."""
    names = (
        "peak_tflops", "memory_bandwidth_gb_s", "tdp_w", "memory_gb", "interconnect_gb_s",
        "operations_per_byte", "relative",
    )  # fmt: skip
    if profile.evidence_kind != PerformanceProfile.Evidence.DATASHEET:
        return None
    return {name: Decimal(profile.evidence[name]) for name in names if profile.evidence.get(name)}


def estimate_factors(profile: PerformanceProfile) -> list[dict[str, Any]]:
    """What a calibrated estimate is the product of, in words; a factor of 1 says nothing and is left out."""
    names = {
        "compute": _("Compute peak"),
        "bandwidth": _("Memory bandwidth"),
        "power": _("Power"),
        "memory": _("Memory"),
        "interconnect": _("Interconnect"),
        "pcie": _("A plug-in card, without a switched fabric"),
        "vendor": _("Other cards of the vendor"),
        "architecture": _("Other cards of the architecture"),
        "card": _("This card in other workloads"),
    }
    assumed = profile.evidence.get("assumed", [])
    factors = profile.evidence.get("factors", {})
    return [
        {"label": label, "factor": Decimal(factors[name]), "assumed": name in assumed}
        for name, label in names.items()
        if name in factors and Decimal(factors[name]) != 1
    ]


def citations(model: AcceleratorModel) -> Sequence[str]:
    """The sources of a model's facts, spelled out; a key without a citation stands for itself."""
    known = {source.key: source.citation for source in load_sources()}
    return [known.get(key.strip(), key.strip()) for key in model.source.split(";") if key.strip()]
