"""Market runs: what was cleared, at which prices, for whom, and why not."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from marketplace.catalogue.models import AcceleratorModel, CurrencyCode, ProfileVersion, Zone
from marketplace.clearing import triggers
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.engine.result import Constraint
from marketplace.engine.result import Outcome as EngineOutcome
from marketplace.supply.models import Offer


class MarketRun(models.Model):
    """One clearing. ``snapshot`` and ``result`` are the canonical bytes, gzip-compressed.

    A run is opened, snapshotted, and committed or failed; at most one run is under way.
    ``snapshot_digest`` and ``result_digest`` are SHA-256 of the canonical bytes before compression.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        SNAPSHOTTED = "snapshotted", _("Clearing")
        COMMITTED = "committed", pgettext_lazy("market run", "Committed")
        FAILED = "failed", _("Failed")

    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField()
    horizon_start = models.DateTimeField()
    slots = models.PositiveSmallIntegerField()
    base_currency = models.CharField(max_length=3, choices=CurrencyCode)
    profile_version = models.ForeignKey(ProfileVersion, null=True, on_delete=models.PROTECT, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    snapshot = models.BinaryField(null=True)
    snapshot_digest = models.CharField(max_length=64, blank=True)
    result = models.BinaryField(null=True)
    result_digest = models.CharField(max_length=64, blank=True)
    engine = models.CharField(max_length=40, blank=True)
    committed_at = models.DateTimeField(null=True)
    requests_open = models.PositiveIntegerField(null=True)
    requests_matched = models.PositiveIntegerField(null=True)
    offers_open = models.PositiveIntegerField(null=True)
    card_hours_free = models.PositiveBigIntegerField(null=True)
    card_hours_sold = models.PositiveBigIntegerField(null=True)
    surplus = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    failure = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(state__in=["open", "snapshotted"]), name="one_run_under_way"
            ),
            models.CheckConstraint(
                condition=~Q(state="committed")
                | Q(
                    result__isnull=False,
                    snapshot__isnull=False,
                    committed_at__isnull=False,
                    requests_open__isnull=False,
                    requests_matched__isnull=False,
                    surplus__isnull=False,
                    profile_version__isnull=False,
                ),
                name="committed_run_is_whole",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="finished",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=["committed", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"M{self.pk}"


class Allocation(models.Model):
    """Cards of one offer for one request over consecutive hours. Inserting it sells the hours.

    ``prices`` are the clearing prices per card-hour of its hours, in the offer's currency.
    ``fx_rate`` is offer currency → request currency as in the run's snapshot.
    """

    run = models.ForeignKey(MarketRun, on_delete=models.PROTECT, related_name="allocations")
    request = models.ForeignKey(ComputeRequest, on_delete=models.PROTECT, related_name="allocations")
    alternative = models.ForeignKey(Alternative, on_delete=models.PROTECT, related_name="allocations")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="allocations")
    cards = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    prices = ArrayField(models.DecimalField(max_digits=18, decimal_places=6))
    fx_rate = models.DecimalField(max_digits=24, decimal_places=12)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(cards__gt=0), name="allocation_cards_positive"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="allocation_not_empty"),
            models.CheckConstraint(condition=Q(fx_rate__gt=0), name="allocation_fx_rate_positive"),
        ]
        indexes: ClassVar = [models.Index(fields=["starts_at"]), models.Index(fields=["ends_at"])]
        triggers: ClassVar = [
            triggers.ALLOCATION_SELLS_HOURS,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"L{self.pk}"


class ClearingPrice(models.Model):
    """Price per card-hour of a product in a slot, as one run set it."""

    run = models.ForeignKey(MarketRun, on_delete=models.PROTECT, related_name="prices")
    model = models.ForeignKey(AcceleratorModel, on_delete=models.PROTECT, related_name="+")
    zone = models.ForeignKey(Zone, on_delete=models.PROTECT, related_name="+")
    slot = models.DateTimeField()
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    price = models.DecimalField(max_digits=18, decimal_places=6)
    cards = models.PositiveIntegerField(help_text="sold by the run in this slot")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "model", "zone", "slot"], name="clearing_price_once"),
            models.CheckConstraint(condition=Q(price__gt=0), name="clearing_price_positive"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["model", "zone", "-run", "slot"]),
            models.Index(fields=["slot"]),
        ]
        triggers: ClassVar = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.model_id}@{self.zone_id} {self.slot:%F %H} {self.price} {self.currency}"


class Explanation(models.Model):
    """Why a request got what it got in a run; ``details`` is the engine's explanation as JSON."""

    class Outcome(models.TextChoices):
        MATCHED = EngineOutcome.MATCHED, _("Matched")
        PARTLY = EngineOutcome.PARTLY, _("Partly matched")
        UNMATCHED = EngineOutcome.UNMATCHED, _("Not matched")

    class Binding(models.TextChoices):
        MODEL = Constraint.MODEL, _("accelerator model")
        RATE = Constraint.RATE, _("no rate known for the workload")
        PRECISION = Constraint.PRECISION, _("precision")
        MEMORY = Constraint.MEMORY, _("memory per card")
        STACK = Constraint.STACK, _("software stack")
        JURISDICTION = Constraint.JURISDICTION, _("jurisdiction")
        LATENCY = Constraint.LATENCY, _("round-trip time")
        BANDWIDTH = Constraint.BANDWIDTH, _("bandwidth")
        RENEWABLE_SHARE = Constraint.RENEWABLE_SHARE, _("renewable share")
        CARBON = Constraint.CARBON, _("carbon intensity")
        VERIFICATION = Constraint.VERIFICATION, _("verification level")
        NOTICE = Constraint.NOTICE, _("interruption notice")
        WINDOW = Constraint.WINDOW, _("time window")
        CAPACITY = Constraint.CAPACITY, _("free cards")
        LIMIT = Constraint.LIMIT, _("limit price")

    run = models.ForeignKey(MarketRun, on_delete=models.PROTECT, related_name="explanations")
    request = models.ForeignKey(ComputeRequest, on_delete=models.PROTECT, related_name="explanations")
    outcome = models.CharField(max_length=10, choices=Outcome)
    binding = models.CharField(max_length=20, choices=Binding, blank=True)
    details = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "request"], name="explanation_once_a_run"),
        ]
        indexes: ClassVar = [models.Index(fields=["request", "-run"])]
        triggers: ClassVar = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"M{self.run_id} R{self.request_id} {self.outcome}"
