"""What buyers ask for: requests with exclusive alternatives, each a requirement and a limit."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User
from marketplace.catalogue.models import (
    AcceleratorModel,
    CurrencyCode,
    Precision,
    Region,
    SoftwareStack,
    WorkloadClass,
)
from marketplace.engine.snapshot import Unit

# A snapshot with larger figures would not be cleared at all, so the database refuses them one by one.
LARGEST_AMOUNT = Decimal(1_000_000)
HIGHEST_LIMIT = Decimal(100_000)


class ComputeRequest(models.Model):
    """A bid. At most one of its alternatives is taken.

    ``least_share`` is the fill rule: 1 is all or nothing, 0.25 accepts a quarter of the amount.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        MATCHED = "matched", _("Matched")
        EXPIRED = "expired", _("Expired")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="requests")
    title = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    least_share = models.DecimalField(max_digits=7, decimal_places=6, default=1)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    entered_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(least_share__gt=0, least_share__lte=1), name="request_least_share"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "matched", "expired", "withdrawn"]), name="request_state"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "id"]),
            models.Index(fields=["organisation", "-id"]),
        ]
        triggers: ClassVar = [
            pgtrigger.FSM(
                name="open_once",
                field="state",
                transitions=[("open", "matched"), ("open", "expired"), ("open", "withdrawn")],
            ),
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"R{self.pk}"


class Alternative(models.Model):
    """One way to satisfy a request; an empty field is no constraint.

    ``amount`` counts cards or nP of the workload class. The limit is per unit and hour, or a budget
    for the whole; exactly one of them is given, in the request's currency.
    """

    class AmountUnit(models.TextChoices):
        CARDS = Unit.CARDS, _("cards")
        NP = Unit.NP, _("nP")

    request = models.ForeignKey(ComputeRequest, on_delete=models.CASCADE, related_name="alternatives")
    position = models.PositiveSmallIntegerField()
    unit = models.CharField(max_length=5, choices=AmountUnit)
    amount = models.DecimalField(max_digits=14, decimal_places=6)
    limit = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    budget = models.DecimalField(max_digits=18, decimal_places=2, null=True, blank=True)
    workload = models.CharField(max_length=20, choices=WorkloadClass)
    accelerator_models = models.ManyToManyField(AcceleratorModel, blank=True)
    stacks = models.ManyToManyField(SoftwareStack, blank=True)
    careful = models.BooleanField(default=False)
    gang = models.BooleanField(default=False)
    precision = models.CharField(max_length=5, choices=Precision, blank=True)
    memory_gb = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    earliest_start = models.DateTimeField()
    hours = models.PositiveSmallIntegerField()
    deadline = models.DateTimeField()
    near = models.ForeignKey(Region, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    round_trip_ms = models.DecimalField(max_digits=8, decimal_places=3, null=True, blank=True)
    bandwidth_mbps = models.PositiveIntegerField(null=True, blank=True)
    jurisdictions = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    renewable_share = models.DecimalField(max_digits=7, decimal_places=6, null=True, blank=True)
    carbon = models.DecimalField(
        max_digits=8, decimal_places=3, null=True, blank=True, help_text="gCO₂/kWh at most"
    )
    verification = models.PositiveSmallIntegerField(null=True, blank=True)
    notice_minutes = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["request", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["request", "position"], name="alternative_position_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="alternative_amount_positive"),
            models.CheckConstraint(
                condition=Q(amount__lte=LARGEST_AMOUNT), name="alternative_amount_at_most"
            ),
            models.CheckConstraint(
                # A comparison with NULL is not false, and would pass: so each case says what is there.
                condition=Q(limit__isnull=False, limit__gt=0, budget__isnull=True)
                | Q(limit__isnull=True, budget__isnull=False, budget__gt=0),
                name="alternative_limit_or_budget",
            ),
            models.CheckConstraint(
                condition=Q(limit__isnull=True) | Q(limit__lte=HIGHEST_LIMIT),
                name="alternative_limit_at_most",
            ),
            models.CheckConstraint(
                condition=Q(budget__isnull=True) | Q(budget__lte=F("amount") * F("hours") * HIGHEST_LIMIT),
                name="alternative_budget_at_most",
            ),
            models.CheckConstraint(condition=Q(hours__gt=0), name="alternative_hours_positive"),
            models.CheckConstraint(
                condition=Q(deadline__gt=F("earliest_start")), name="alternative_deadline_after_start"
            ),
            models.CheckConstraint(
                condition=Q(near__isnull=True, round_trip_ms__isnull=True)
                | Q(near__isnull=False, round_trip_ms__isnull=False, round_trip_ms__gt=0),
                name="alternative_latency_names_a_place",
            ),
            models.CheckConstraint(
                condition=Q(renewable_share__isnull=True) | Q(renewable_share__gte=0, renewable_share__lte=1),
                name="alternative_renewable_share",
            ),
        ]

    def __str__(self) -> str:
        return f"R{self.request_id}/{self.position}"
