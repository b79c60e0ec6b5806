"""What the power of a site is, hour by hour: where each figure came from, and every version of it."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from marketplace.catalogue.models import HIGHEST_GRID_CARBON
from marketplace.guards import NEVER_CHANGED, NEVER_EMPTIED, Guard
from marketplace.supply.models import Site

HOUR_IS_OF_ITS_BATCH = Guard(
    name="of_its_batch",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    func="""
        IF NOT EXISTS (
            SELECT FROM energy_energybatch WHERE id = NEW.batch_id AND site_id = NEW.site_id
        ) THEN
            RAISE EXCEPTION 'an hour of site % in a batch of another site', NEW.site_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'energy_hour_of_its_batch';
        END IF;
        IF date_trunc('hour', NEW.hour, 'UTC') <> NEW.hour THEN
            RAISE EXCEPTION '% is not a whole UTC hour', NEW.hour
                USING ERRCODE = 'check_violation', CONSTRAINT = 'energy_hour_whole';
        END IF;
        RETURN NEW;
    """,
)


class Basis(models.TextChoices):
    """What a figure rests on, from the strongest to the weakest."""

    METERED = "metered", _("Metered")
    CONTRACT = "contract", _("By contract")
    FORECAST = "forecast", _("Forecast")
    ANNUAL = "annual", _("Annual, declared")


TOLD = [each for each in Basis.choices if each[0] != Basis.ANNUAL]


class EnergyBatch(models.Model):
    """Hours of one site that were told together, by whom and on what basis. It never changes.

    A later batch supersedes an earlier one in the hours that both have. ``digest`` is the SHA-256 of the
    file or the body.
    """

    class Source(models.TextChoices):
        FILE = "file", _("File")
        API = "api", _("API")

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="energy_batches")
    source = models.CharField(max_length=4, choices=Source)
    name = models.CharField(max_length=120, help_text="of the file, or of what was read")
    basis = models.CharField(max_length=8, choices=TOLD)
    digest = models.CharField(max_length=64)
    told_by = models.CharField(max_length=60, help_text="as the audit chain names it")
    told_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(digest__regex="^[0-9a-f]{64}$"), name="energy_batch_digest"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"E{self.pk}"


class EnergyHour(models.Model):
    """One version of what the power of a site is in one UTC hour.

    ``direct``, ``certificate`` and ``mix`` are the shares of what the site draws that are renewable by a
    direct line, by certificates, and as part of the grid's mix. ``grid`` is what the grid emits on average
    there and then (location-based). ``surplus`` marks hours in which green power would be curtailed.
    """

    batch = models.ForeignKey(EnergyBatch, on_delete=models.PROTECT, related_name="hours")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    hour = models.DateTimeField()
    pue = models.DecimalField(max_digits=4, decimal_places=3)
    grid = models.DecimalField(max_digits=8, decimal_places=3, help_text="gCO₂/kWh")
    direct = models.DecimalField(max_digits=7, decimal_places=6)
    certificate = models.DecimalField(max_digits=7, decimal_places=6)
    mix = models.DecimalField(max_digits=7, decimal_places=6)
    surplus = models.BooleanField()
    tariff = models.DecimalField(max_digits=12, decimal_places=6, null=True, help_text="for a kWh")
    currency = models.CharField(max_length=3, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "hour"], name="energy_hour_once_a_batch"),
            models.CheckConstraint(condition=Q(pue__gte=1), name="energy_hour_pue"),
            models.CheckConstraint(
                condition=Q(grid__gte=0, grid__lte=HIGHEST_GRID_CARBON), name="energy_hour_grid"
            ),
            models.CheckConstraint(
                condition=Q(direct__gte=0, certificate__gte=0, mix__gte=0)
                & Q(direct__lte=1 - F("certificate") - F("mix")),
                name="energy_hour_shares",
            ),
            models.CheckConstraint(
                condition=Q(tariff=None, currency="") | Q(tariff__gte=0, currency__regex="^[A-Z]{3}$"),
                name="energy_hour_tariff_in_a_currency",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["site", "hour", "-batch"], name="energy_hour_latest")]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED, HOUR_IS_OF_ITS_BATCH]

    def __str__(self) -> str:
        return f"{self.site_id} {self.hour:%F %H} by E{self.batch_id}"


class EnergyFile(models.Model):
    """A file of hours that somebody looks at. Nothing of it counts before it is confirmed."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    basis = models.CharField(max_length=8, choices=TOLD)
    text = models.TextField()
    batch = models.OneToOneField(EnergyBatch, null=True, on_delete=models.PROTECT, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
