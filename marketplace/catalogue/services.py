"""Loading the reference facts. Facts are updated in place; profiles and rates only ever added."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.actors import Actor
from marketplace.catalogue.data import tables
from marketplace.catalogue.models import (
    AcceleratorModel,
    CarbonPrice,
    FxRate,
    PerformanceProfile,
    ProfileVersion,
    Region,
    SoftwareStack,
    Zone,
)
from marketplace.catalogue.normalisation import PROFILE_METHOD_VERSION, Profile, profiles_for


@transaction.atomic
def load_catalogue(*, actor: Actor, now: datetime) -> ProfileVersion:
    """Bring zones, regions, stacks and models up to the files; publish profiles if they changed.

    Returns the version of the profiles now in force.
    """
    _load_zones()
    _load_regions()
    _load_stacks()
    _load_models()
    profiles = profiles_for(tables.load_accelerators(), tables.load_training(), tables.load_inference())
    return publish_profiles(profiles, actor=actor, now=now)


def _load_zones() -> None:
    for zone in tables.load_zones():
        Zone.objects.update_or_create(
            slug=zone.slug,
            defaults={
                "name_en": zone.name_en,
                "name_zh": zone.name_zh,
                "jurisdiction": zone.jurisdiction,
                "currency": zone.currency,
            },
        )


def _load_regions() -> None:
    zones = dict(Zone.objects.values_list("slug", "pk"))
    for region in tables.load_regions():
        Region.objects.update_or_create(
            slug=region.slug,
            defaults={
                "zone_id": zones[region.zone],
                "name_en": region.name_en,
                "name_zh": region.name_zh,
                "kind": region.kind,
                "national_hub": region.national_hub,
                "country": region.country,
                "jurisdiction": region.jurisdiction,
                "latitude": region.latitude,
                "longitude": region.longitude,
                "time_zone": region.time_zone,
                "grid_carbon": region.grid_gco2_per_kwh,
                "grid_carbon_basis": f"{region.grid_basis} ({region.grid_factor_year})",
                "grid_carbon_source": region.grid_source,
                "confidence": region.confidence,
            },
        )


def _load_stacks() -> None:
    for stack in tables.load_stacks():
        SoftwareStack.objects.update_or_create(slug=stack.slug, defaults={"name": stack.name})


def _load_models() -> None:
    stacks = dict(SoftwareStack.objects.values_list("slug", "pk"))
    for model in tables.load_accelerators():
        AcceleratorModel.objects.update_or_create(
            slug=model.slug,
            defaults={
                "vendor": model.vendor,
                "name": model.name,
                "form_factor": model.form_factor,
                "release_year": model.release_year,
                "memory_gb": model.memory_gb,
                "memory_bandwidth_gb_s": model.memory_bandwidth_gb_s,
                "peak_tflops": {precision: str(peak) for precision, peak in model.peaks},
                "tdp_w": model.tdp_w,
                "stack_id": stacks[model.stack],
                "source": model.source,
                "confidence": model.confidence,
                "notes": model.notes,
            },
        )


def publish_profiles(profiles: Iterable[Profile], *, actor: Actor, now: datetime) -> ProfileVersion:
    """Publish a new version, unless the newest one says the same already."""
    wanted = list(profiles)
    newest = ProfileVersion.objects.order_by("-number").first()
    if newest is not None and newest.method == PROFILE_METHOD_VERSION and _says(newest) == _content(wanted):
        return newest
    number = newest.number + 1 if newest is not None else 1
    version = ProfileVersion.objects.create(number=number, method=PROFILE_METHOD_VERSION)
    models = dict(AcceleratorModel.objects.values_list("slug", "pk"))
    PerformanceProfile.objects.bulk_create(
        PerformanceProfile(
            version=version,
            model_id=models[profile.model_slug],
            workload=profile.workload,
            rate=profile.rate,
            lower=profile.lower,
            upper=profile.upper,
            evidence_kind=profile.evidence_kind,
            evidence=profile.evidence,
        )
        for profile in wanted
    )
    audit.record(
        actor=actor,
        action="profiles.published",
        target=version,
        now=now,
        data={"method": version.method, "profiles": len(wanted)},
    )
    return version


def _says(version: ProfileVersion) -> set[tuple[object, ...]]:
    return set(version.profiles.values_list("model__slug", "workload", "rate", "lower", "upper"))


def _content(profiles: Iterable[Profile]) -> set[tuple[object, ...]]:
    return {(p.model_slug, str(p.workload), p.rate, p.lower, p.upper) for p in profiles}


@transaction.atomic
def load_assumed_fx(*, actor: Actor, now: datetime) -> None:
    """Enter the demo's assumed exchange rates, once."""
    for rate in tables.load_fx():
        if FxRate.objects.filter(currency=rate.currency).exists():
            continue
        row = FxRate(currency=rate.currency, cny=rate.cny_per_unit, valid_from=now, source=rate.note)
        enter_fx_rate(row, actor=actor, now=now)


@transaction.atomic
def enter_fx_rate(row: FxRate, *, actor: Actor, now: datetime) -> None:
    """Add a rate; what is entered stays, a newer one takes its place."""
    row.save(force_insert=True)
    audit.record(
        actor=actor,
        action="fx_rate.entered",
        target=row,
        now=now,
        data={"currency": row.currency, "cny": str(row.cny), "source": row.source},
    )


@transaction.atomic
def enter_carbon_price(row: CarbonPrice, *, actor: Actor, now: datetime) -> None:
    """Add a carbon price in the market's base currency; what is entered stays, a newer one replaces it."""
    row.currency = settings.MARKET_BASE_CURRENCY
    row.save(force_insert=True)
    data = {
        "per_tonne": str(row.per_tonne),
        "currency": row.currency,
        "valid_from": row.valid_from.isoformat(),
        "source": row.source,
    }
    audit.record(actor=actor, action="carbon_price.entered", target=row, now=now, data=data)
