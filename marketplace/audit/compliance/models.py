"""Policies. A version is written once; what changes a policy is its next version."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from marketplace.guards import NEVER_CHANGED, NEVER_EMPTIED


class Policy(models.Model):
    """One version of a rule for sites.

    It holds for sites in ``jurisdiction`` (all where that is empty) with so many installed cards, from
    ``valid_from`` until ``valid_until``, or until the next version of its ``slug`` holds. What is measured
    over ``window_days`` whole UTC days is compared with the ``threshold``; what keeps to it by less than
    ``warning`` is a warning. A breach may be cured within ``cure_days`` of its first day.

    Shares are 0…1, latencies are milliseconds, residency is card-hours. ``level`` is the level of
    utilisation. ``places`` are the regions of demand (of which the nearest counts), or the jurisdictions in
    which work for buyers of ``jurisdiction`` may run. ``accepts_declared``: the yearly figure that an owner
    declares counts for hours of which nobody told anything. An ``is_example`` was made up by us.
    """

    class Kind(models.TextChoices):
        UTILISATION = "utilisation", _("Minimum utilisation")
        GENUINE = "genuine", _("Minimum share under genuine purchase agreements")
        LATENCY = "latency", _("Maximum round trip to demand")
        PUE = "pue", _("Maximum PUE")
        RENEWABLE = "renewable", _("Minimum renewable share")
        RESIDENCY = "residency", _("Data residency")

    class Level(models.TextChoices):
        OFFERED = "offered", _("offered")
        SOLD = "sold", _("sold")
        ALLOCATED = "allocated", _("allocated")
        ACTIVE = "active", _("active")

    slug = models.SlugField(max_length=60)
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    title_en = models.CharField(max_length=120)
    title_zh = models.CharField(max_length=120)
    jurisdiction = models.CharField(max_length=8, blank=True)
    least_cards = models.PositiveIntegerField(default=0)
    most_cards = models.PositiveIntegerField(null=True, blank=True)
    level = models.CharField(max_length=10, choices=Level, blank=True)
    places = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    accepts_declared = models.BooleanField(default=False)
    threshold = models.DecimalField(max_digits=12, decimal_places=6)
    warning = models.DecimalField(
        max_digits=12, decimal_places=6, default=0, validators=[MinValueValidator(0)]
    )
    window_days = models.PositiveSmallIntegerField(validators=[MinValueValidator(1)])
    cure_days = models.PositiveSmallIntegerField(default=0)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    source = models.TextField()
    is_example = models.BooleanField()
    enacted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    enacted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "policies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["slug", "version"], name="policy_version_once"),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gt=F("valid_from")), name="policy_validity"
            ),
            models.CheckConstraint(
                condition=Q(kind="utilisation") & ~Q(level="") | (~Q(kind="utilisation") & Q(level="")),
                name="policy_level",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["latency", "residency"]) & ~Q(places=[])
                | (~Q(kind__in=["latency", "residency"]) & Q(places=[])),
                name="policy_places",
            ),
            models.CheckConstraint(
                condition=Q(threshold__gte=0, warning__gte=0, window_days__gt=0)
                & (
                    Q(kind__in=["utilisation", "genuine", "renewable"], threshold__lte=1)
                    | Q(kind__in=["latency", "residency"])
                    | Q(kind="pue", threshold__gte=1)
                ),
                name="policy_figures",
            ),
            models.CheckConstraint(condition=~Q(source=""), name="policy_has_a_source"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return self.title_zh if (get_language() or "").startswith("zh") else self.title_en

    @property
    def is_minimum(self) -> bool:
        return self.kind in {self.Kind.UTILISATION, self.Kind.GENUINE, self.Kind.RENEWABLE}

    @property
    def unit(self) -> str:
        """Of its figures: a share of 0…1, and otherwise a word of ``web.formats``."""
        return {"latency": "ms", "pue": "", "residency": "card-h"}.get(self.kind, "share")
