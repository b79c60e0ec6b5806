"""Readings: what sites reported, stored once and kept for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.delivery.models import Delivery


class Meter(models.TextChoices):
    """What a meter event counts. Quantities are whole card-seconds, or watt-hours."""

    ALLOCATED = "card-seconds.allocated", _("Allocated card-seconds")
    ACTIVE = "card-seconds.active", _("Active card-seconds")
    ENERGY = "energy.wh", _("Energy, Wh")


class Reading(models.Model):
    """A deduplicated meter event. ``(source, event_id)`` is unique for ever.

    ``body`` is the event as received, ``body_digest`` the SHA-256 of its canonical JSON. ``slot`` is
    the UTC hour that the interval ``[starts_at, ends_at)`` lies in. Readings of one delivery commit
    in the order of their ids, because whoever stores them holds the delivery's row.
    """

    source = models.CharField(max_length=200)
    event_id = models.CharField(max_length=200)
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="readings")
    meter = models.CharField(max_length=30, choices=Meter)
    slot = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    quantity = models.PositiveBigIntegerField()
    body = models.JSONField()
    body_digest = models.CharField(max_length=64)
    token = models.ForeignKey(ApiToken, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField(help_text="market time")
    stored_at = models.DateTimeField(db_default=Now(), help_text="wall time")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "event_id"], name="reading_once_for_ever"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="reading_interval_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(starts_at__gte=F("slot"), ends_at__lte=F("slot") + timedelta(hours=1)),
                name="reading_inside_its_slot",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["delivery", "slot", "meter"]),
            models.Index(fields=["slot", "meter"]),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"


class ReadingConflict(models.Model):
    """An event whose id was known with another body. Somebody must look at it."""

    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, related_name="conflicts")
    body = models.JSONField()
    body_digest = models.CharField(max_length=64)
    token = models.ForeignKey(ApiToken, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reading", "body_digest"], name="conflict_once_a_body"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"conflict with {self.reading_id}"


class ChangedSlot(models.Model):
    """A slot with allocated card-seconds that rating has not counted yet.

    Written with the readings, in their transaction, one row a batch and slot; rating deletes the rows
    that it saw before it added the readings up. So a reading that commits meanwhile is never missed.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    slot = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["slot"])]

    def __str__(self) -> str:
        return f"D{self.delivery_id} {self.slot:%F %H}"
