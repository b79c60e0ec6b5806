"""The catalogue: what can be traded, what it does, and how that is known. Everybody may see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.requests import PageRequest
from marketplace.catalogue import wording
from marketplace.catalogue.accuracy import accuracy_of
from marketplace.catalogue.models import AcceleratorModel, PerformanceProfile, Precision, WorkloadClass
from marketplace.catalogue.selectors import FactMissing, models_with_profiles, profiles_in_force, profiles_of

MOST_COMPARED = 4


@require_safe
def models(request: PageRequest) -> HttpResponse:
    """All models with their rates; those ticked are compared side by side above them."""
    try:
        version = profiles_in_force()
    except FactMissing:
        return render(request, "catalogue/models.html", {"version": None})
    found = list(models_with_profiles(version))
    ticked = request.GET.getlist("compare")[:MOST_COMPARED]
    vendor = request.GET.get("vendor", "")
    shown = [model for model in found if vendor in ("", model.vendor)]
    context = {
        "version": version,
        "models": [_row(model) for model in _sorted(shown, request.GET.get("sort", ""))],
        "in_all": len(found),
        "measured": sum(1 for model in found if _is_benchmarked(model)),
        "vendors": sorted({model.vendor for model in found}),
        "vendor": vendor,
        "workloads": WorkloadClass,
        "ticked": ticked,
        "most_compared": MOST_COMPARED,
        "accuracy": accuracy_of(version),
        "compared": _comparison([model for model in found if model.slug in ticked]),
    }
    return render(request, "catalogue/models.html", context)


@require_safe
def model(request: PageRequest, slug: str) -> HttpResponse:
    """One model: its data sheet with sources, and each rate with the evidence for it."""
    version = profiles_in_force()
    found = get_object_or_404(models_with_profiles(version), slug=slug)
    context = {
        "model": found,
        "version": version,
        "peaks": _peaks(found),
        "citations": wording.citations(found),
        "profiles": [_profile(profile) for profile in profiles_of(found)],
        "missing": [w.label for w in WorkloadClass if w not in {p.workload for p in profiles_of(found)}],
    }
    return render(request, "catalogue/model.html", context)


def _row(model: AcceleratorModel) -> dict[str, Any]:
    by_class = {profile.workload: profile for profile in profiles_of(model)}
    return {"model": model, "cells": [_cell(by_class.get(workload)) for workload in WorkloadClass.values]}


def _cell(profile: PerformanceProfile | None) -> dict[str, Any] | None:
    if profile is None:
        return None
    return {
        "rate": profile.rate,
        "lower": profile.lower,
        "upper": profile.upper,
        "evidence": wording.evidence_name(profile),
        "tone": wording.TONES[profile.evidence_kind],
    }


def _profile(profile: PerformanceProfile) -> dict[str, Any]:
    return {
        **(_cell(profile) or {}),
        "label": profile.get_workload_display(),
        "summary": wording.evidence_summary(profile),
        "groups": wording.evidence_groups(profile),
        "estimate": wording.estimate_facts(profile),
        "factors": wording.estimate_factors(profile),
    }


def _peaks(model: AcceleratorModel) -> list[tuple[str, Decimal, str]]:
    """Dense peaks in the order of the precisions: TFLOPS, or TOPS for integers."""
    return [
        (str(precision.label), Decimal(model.peak_tflops[precision]), _peak_unit(precision))
        for precision in Precision
        if precision in model.peak_tflops
    ]


def _peak_unit(precision: Precision) -> str:
    return "TOPS" if precision == Precision.INT8 else "TFLOPS"


def _is_benchmarked(model: AcceleratorModel) -> bool:
    estimated = PerformanceProfile.Evidence.DATASHEET
    return any(profile.evidence_kind != estimated for profile in profiles_of(model))


def _sorted(models: Sequence[AcceleratorModel], sort: str) -> Sequence[AcceleratorModel]:
    """By vendor and name unless told otherwise; models without the figure come last."""
    name = sort.removeprefix("-")
    if name == "memory":
        values = {model.pk: model.memory_gb for model in models}
    elif name in WorkloadClass.values:
        values = {model.pk: _rate(model, name) for model in models}
    else:
        return models
    known = [model for model in models if values[model.pk] is not None]
    known.sort(key=lambda model: values[model.pk] or Decimal(0), reverse=sort.startswith("-"))
    return known + [model for model in models if values[model.pk] is None]


def _rate(model: AcceleratorModel, workload: str) -> Decimal | None:
    return next((profile.rate for profile in profiles_of(model) if profile.workload == workload), None)


def _comparison(models: Iterable[AcceleratorModel]) -> dict[str, Any] | None:
    """The facts and rates of several models, a column each."""
    columns = list(models)
    if not columns:
        return None
    rates = [
        {"label": label, "cells": [_row(model)["cells"][place] for model in columns]}
        for place, label in enumerate(WorkloadClass.labels)
    ]
    peaks = [
        {
            "label": precision.label,
            "unit": _peak_unit(precision),
            "cells": [_peak(model, precision) for model in columns],
        }
        for precision in Precision
        if any(precision in model.peak_tflops for model in columns)
    ]
    return {"models": columns, "rates": rates, "peaks": peaks}


def _peak(model: AcceleratorModel, precision: Precision) -> Decimal | None:
    return Decimal(model.peak_tflops[precision]) if precision in model.peak_tflops else None
