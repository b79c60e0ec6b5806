"""Readings: what sites reported, stored once and kept for ever.

The tables that every event touches are written by ``storage`` in single statements. They carry no
foreign keys of their own, for a check of each row would cost more than all of its other work. What
such a key would say holds all the same: the hour of each reading refers to the delivery, the audit
event of each batch to the token, both in the transaction of the readings, and none of the three is
ever deleted.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.delivery.models import Delivery

KEEP = pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete)


class Meter(models.TextChoices):
    """What a meter event counts.

    Quantities are whole card-seconds or watt-hours, which add up, or means, which do not: in hundredths
    of a percent, and in MiB or watts of one card.
    """

    ALLOCATED = "card-seconds.allocated", _("Allocated card-seconds")
    ACTIVE = "card-seconds.active", _("Active card-seconds")
    UTILISATION = "utilisation.mean", _("Mean utilisation, 1/100 %")
    ENERGY = "energy.wh", _("Energy, Wh")
    MEMORY = "memory.mean", _("Mean memory in use, MiB a card")
    POWER = "power.mean", _("Mean power, W a card")


MEANS = frozenset({Meter.UTILISATION, Meter.MEMORY, Meter.POWER})


class EventKey(models.Model):
    """``(source, id)`` of every event that was ever stored: it is here that usage is counted once.

    Readings come in partitions, and a partitioned table can only keep unique what names its partition.
    ``key`` is the first half of the SHA-256 of source and id, ``digest`` that of the body as received.
    ``reading`` and ``slot`` say where the reading is.
    """

    key = models.UUIDField(primary_key=True)
    digest = models.UUIDField()
    reading = models.BigIntegerField()
    slot = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [NEVER_TRUNCATED, KEEP]

    def __str__(self) -> str:
        return str(self.key)


class Reading(models.Model):
    """A deduplicated meter event, or what takes one back that was corrected.

    ``sign`` is 1, or -1 where the reading takes another one back: the same facts, with the quantity
    below zero. So readings add up to what counts, whatever was corrected. ``body`` is the event as it
    was received, ``slot`` the UTC hour that the interval ``[starts_at, ends_at)`` lies in, and with its
    month the partition. Readings of one delivery commit in the order of their ids and of ``stored_at``,
    because whoever stores them holds the delivery's row. The fields of a fixed width come first: rows
    are many, and this leaves no gaps in them.
    """

    delivery = models.ForeignKey(
        Delivery, on_delete=models.PROTECT, related_name="readings", db_constraint=False, db_index=False
    )
    token = models.ForeignKey(
        ApiToken, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    slot = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    quantity = models.BigIntegerField()
    received_at = models.DateTimeField(help_text="market time")
    stored_at = models.DateTimeField(db_default=Now(), help_text="wall time")
    sign = models.SmallIntegerField(default=1)
    meter = models.CharField(max_length=30, choices=Meter)
    source = models.CharField(max_length=200)
    event_id = models.CharField(max_length=200)
    body = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(sign=1, quantity__gte=0) | Q(sign=-1, quantity__lte=0),
                name="reading_sign_of_quantity",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="reading_interval_not_empty"
            ),
            models.CheckConstraint(
                condition=Q(starts_at__gte=F("slot"), ends_at__lte=F("slot") + timedelta(hours=1)),
                name="reading_inside_its_slot",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["delivery", "slot", "meter"], name="reading_of_delivery")]
        triggers: ClassVar = [NEVER_TRUNCATED, KEEP]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"

    @property
    def body_digest(self) -> str:
        """SHA-256 of the event as it was received."""
        return hashlib.sha256(self.body.encode()).hexdigest()


class ReadingCorrection(models.Model):
    """A stored event that corrects another one, ``corrects``, which may not have arrived yet.

    What it is about is repeated here, so that a family of corrections is read without its readings.
    """

    event = models.OneToOneField(
        EventKey, primary_key=True, on_delete=models.PROTECT, related_name="correction"
    )
    corrects = models.UUIDField(db_index=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    meter = models.CharField(max_length=30, choices=Meter)
    occurred_at = models.DateTimeField(help_text="the time of the event")

    class Meta:
        triggers: ClassVar = [NEVER_TRUNCATED, KEEP]

    def __str__(self) -> str:
        return f"{self.event_id} corrects {self.corrects}"


class ReadingCancellation(models.Model):
    """An event whose reading was taken back. That happens once."""

    event = models.OneToOneField(
        EventKey, primary_key=True, on_delete=models.PROTECT, related_name="cancellation"
    )

    class Meta:
        triggers: ClassVar = [NEVER_TRUNCATED, KEEP]

    def __str__(self) -> str:
        return f"{self.event_id} does not count"


class ReadingConflict(models.Model):
    """An event whose id was known with another body. Somebody must look at it.

    ``counted`` is the body that came first, as long as its month was not detached.
    """

    event = models.ForeignKey(EventKey, on_delete=models.PROTECT, related_name="conflicts")
    source = models.CharField(max_length=200)
    event_name = models.CharField(max_length=200)
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+")
    counted = models.TextField(blank=True)
    body = models.TextField()
    body_digest = models.CharField(max_length=64)
    token = models.ForeignKey(ApiToken, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "body_digest"], name="conflict_once_a_body"),
        ]
        triggers: ClassVar = [NEVER_TRUNCATED, KEEP]

    def __str__(self) -> str:
        return f"{self.source} {self.event_name}"

    @property
    def counted_digest(self) -> str:
        """SHA-256 of the body that counts, empty where it is not here."""
        return hashlib.sha256(self.counted.encode()).hexdigest() if self.counted else ""


class MeteredHour(models.Model):
    """What the readings of a delivery, an hour and a meter add up to.

    Written with the readings, in their transaction. ``quantity`` is the sum of their quantities; for a
    mean it is the sum of mean × microseconds, and ``weight`` the sum of the microseconds.
    """

    delivery = models.ForeignKey(
        Delivery, on_delete=models.PROTECT, related_name="metered_hours", db_index=False
    )
    slot = models.DateTimeField()
    meter = models.CharField(max_length=30, choices=Meter)
    quantity = models.BigIntegerField()
    weight = models.BigIntegerField()
    readings = models.IntegerField(help_text="events that count")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "slot", "meter"], name="metered_hour_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["slot"])]
        triggers: ClassVar = [NEVER_TRUNCATED]

    def __str__(self) -> str:
        return f"D{self.delivery_id} {self.slot:%F %H} {self.meter}"

    @property
    def figure(self) -> Decimal | None:
        """The sum, or the mean; ``None`` for a mean of which nothing counts."""
        if self.meter not in MEANS:
            return Decimal(self.quantity)
        return Decimal(self.quantity) / self.weight if self.weight else None


class DetachedMonth(models.Model):
    """A month whose readings were taken out of the table, to be kept elsewhere. It takes no more."""

    month = models.DateField(primary_key=True)
    readings = models.BigIntegerField()
    detached_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [NEVER_TRUNCATED, KEEP]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class ChangedSlot(models.Model):
    """A slot with allocated card-seconds that rating has not counted yet.

    Written with the readings, in their transaction, one row a batch and slot; rating deletes the rows
    whose readings are all before its cutoff. So a reading that commits meanwhile is never missed.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="+", db_index=False)
    slot = models.DateTimeField()
    reading = models.BigIntegerField(help_text="the newest of the batch in the slot")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["slot"])]

    def __str__(self) -> str:
        return f"D{self.delivery_id} {self.slot:%F %H}"
