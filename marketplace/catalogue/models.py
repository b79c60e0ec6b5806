"""Reference facts: zones, regions, accelerator models, performance profiles, exchange rates."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from marketplace.append_only import NEVER_TRUNCATED
from marketplace.engine import snapshot as engine

HIGHEST_CARBON_PRICE = Decimal(100_000)

# One of these bounds more, and a single row could be too large for the engine's integers and stop every
# run. They leave room: a currency may double its worth. See tests/clearing/test_bounds.py.
CHEAPEST_CURRENCY, DEAREST_CURRENCY = Decimal(1), Decimal(15)
HIGHEST_RATE = Decimal(1000)
HIGHEST_POWER_W = 20_000
HIGHEST_GRID_CARBON = Decimal(10_000)


class CurrencyCode(models.TextChoices):
    CNY = "CNY", _("Chinese yuan")
    USD = "USD", _("US dollar")
    EUR = "EUR", _("Euro")


class WorkloadClass(models.TextChoices):
    TRAINING = engine.Workload.TRAINING, _("Training")
    FINE_TUNING = engine.Workload.FINE_TUNING, _("Fine-tuning")
    INFERENCE_PREFILL = engine.Workload.INFERENCE_PREFILL, _("Inference, prefill")
    INFERENCE_DECODE = engine.Workload.INFERENCE_DECODE, _("Inference, decode")
    VISION = engine.Workload.VISION, _("Vision")
    HPC_FP64 = engine.Workload.HPC_FP64, _("HPC, FP64")


class Precision(models.TextChoices):
    FP64 = engine.Precision.FP64, "FP64"
    FP32 = engine.Precision.FP32, "FP32"
    TF32 = engine.Precision.TF32, "TF32"
    BF16 = engine.Precision.BF16, "BF16"
    FP16 = engine.Precision.FP16, "FP16"
    FP8 = engine.Precision.FP8, "FP8"
    INT8 = engine.Precision.INT8, "INT8"


class BilingualName(models.Model):
    name_en = models.CharField(max_length=120)
    name_zh = models.CharField(max_length=120)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name_zh if (get_language() or "").startswith("zh") else self.name_en


class Zone(BilingualName):
    """A price area. Everything sold in it is in its currency."""

    slug = models.SlugField(unique=True)
    jurisdiction = models.CharField(max_length=8)
    currency = models.CharField(max_length=3, choices=CurrencyCode)


class Region(BilingualName):
    """A national computing hub, a city of demand, or a cloud city abroad."""

    class Kind(models.TextChoices):
        HUB = "hub", _("Hub")
        DEMAND = "demand", _("Demand city")
        BOTH = "both", _("Hub and demand city")
        GLOBAL = "global", _("Abroad")

    slug = models.SlugField(unique=True)
    zone = models.ForeignKey(Zone, on_delete=models.PROTECT, related_name="regions")
    kind = models.CharField(max_length=10, choices=Kind)
    national_hub = models.CharField(max_length=80, blank=True)
    country = models.CharField(max_length=2)
    jurisdiction = models.CharField(max_length=8)
    latitude = models.DecimalField(max_digits=8, decimal_places=5)
    longitude = models.DecimalField(max_digits=8, decimal_places=5)
    time_zone = models.CharField(max_length=40)
    grid_carbon = models.DecimalField(max_digits=8, decimal_places=3, help_text="gCO₂/kWh")
    grid_carbon_basis = models.CharField(max_length=200)
    grid_carbon_source = models.TextField()
    confidence = models.CharField(max_length=20)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(grid_carbon__gte=0, grid_carbon__lte=HIGHEST_GRID_CARBON),
                name="region_grid_carbon",
            ),
        ]


class SoftwareStack(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.name


class AcceleratorModel(models.Model):
    """A chip as sold. An empty figure was not found in any source."""

    slug = models.SlugField(unique=True)
    vendor = models.CharField(max_length=40)
    name = models.CharField(max_length=80)
    form_factor = models.CharField(max_length=40, blank=True)
    release_year = models.PositiveSmallIntegerField(null=True, blank=True)
    memory_gb = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    memory_bandwidth_gb_s = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    peak_tflops = models.JSONField(help_text="precision → dense TFLOPS or TOPS, as decimal strings")
    tdp_w = models.PositiveIntegerField(null=True, blank=True)
    stack = models.ForeignKey(SoftwareStack, on_delete=models.PROTECT, related_name="models")
    source = models.TextField()
    confidence = models.CharField(max_length=20)
    notes = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["vendor", "name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(memory_gb__isnull=True) | Q(memory_gb__gt=0), name="model_memory_positive"
            ),
            models.CheckConstraint(
                condition=Q(tdp_w__isnull=True) | Q(tdp_w__lte=HIGHEST_POWER_W), name="model_power_at_most"
            ),
        ]
        triggers: ClassVar = [
            # A model without memory is not traded, one without power not under a cap; and orders name both.
            pgtrigger.Protect(
                name="keeps_its_figures",
                operation=pgtrigger.UpdateOf("memory_gb", "tdp_w"),  # type: ignore[no-untyped-call]
                condition=pgtrigger.Q(old__memory_gb__isnull=False, new__memory_gb__isnull=True)
                | pgtrigger.Q(old__tdp_w__isnull=False, new__tdp_w__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vendor} {self.name}"


class ProfileVersion(models.Model):
    """One published set of performance profiles. An agreement names the one it was made under."""

    number = models.PositiveIntegerField(unique=True)
    method = models.CharField(max_length=80)
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class PerformanceProfile(models.Model):
    """What one card of a model does in a workload class, nP, with its error band and evidence."""

    class Evidence(models.TextChoices):
        MEASURED = "measured", _("Measured at the site")
        BENCHMARK = "benchmark", _("Published benchmark")
        DATASHEET = "datasheet", _("Estimated from the data sheet")

    version = models.ForeignKey(ProfileVersion, on_delete=models.PROTECT, related_name="profiles")
    model = models.ForeignKey(AcceleratorModel, on_delete=models.PROTECT, related_name="profiles")
    workload = models.CharField(max_length=20, choices=WorkloadClass)
    rate = models.DecimalField(max_digits=12, decimal_places=6, help_text="nP")
    lower = models.DecimalField(max_digits=12, decimal_places=6, help_text="nP")
    upper = models.DecimalField(max_digits=12, decimal_places=6, help_text="nP")
    evidence_kind = models.CharField(max_length=10, choices=Evidence)
    evidence = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "model", "workload"], name="profile_once_a_version"),
            models.CheckConstraint(
                condition=Q(lower__gt=0) & Q(lower__lte=F("rate")) & Q(rate__lte=F("upper")),
                name="profile_band_holds_the_rate",
            ),
            models.CheckConstraint(condition=Q(rate__lte=HIGHEST_RATE), name="profile_rate_at_most"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} {self.workload} {self.rate} nP"


class FxRate(models.Model):
    """Yuan for one unit of a currency from a moment on. Rates are added, never changed."""

    currency = models.CharField(max_length=3, choices=CurrencyCode)
    cny = models.DecimalField(max_digits=18, decimal_places=6)
    valid_from = models.DateTimeField()
    source = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["currency", "valid_from"], name="fx_rate_once"),
            models.CheckConstraint(
                condition=Q(currency="CNY", cny=1)
                | Q(~Q(currency="CNY"), cny__gte=CHEAPEST_CURRENCY, cny__lte=DEAREST_CURRENCY),
                name="fx_rate_range",
                violation_error_message=_(
                    "One unit of a currency is worth 1 to 15 yuan here, and a yuan is worth 1. "
                    "Is the rate the right way round?"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"1 {self.currency} = {self.cny} CNY"


class CarbonPrice(models.Model):
    """What the operator counts a tonne of CO₂e at, from a moment on. Prices are added, never changed.

    It steers which placements a run prefers and nobody pays it. Without a row it is 0.
    """

    currency = models.CharField(max_length=3, choices=CurrencyCode, help_text="the market's base currency")
    per_tonne = models.DecimalField(max_digits=12, decimal_places=2, help_text="for a tonne of CO₂e")
    valid_from = models.DateTimeField()
    source = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["valid_from"], name="carbon_price_once"),
            models.CheckConstraint(
                condition=Q(per_tonne__gte=0, per_tonne__lte=HIGHEST_CARBON_PRICE), name="carbon_price_range"
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.per_tonne} {self.currency}/t CO₂e"
