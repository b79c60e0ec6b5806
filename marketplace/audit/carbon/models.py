"""Hourly certificates and what they were used for, and what shifting has saved. None of it ever changes."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, RangeOperators
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from marketplace.agreements.models import Agreement
from marketplace.clearing.models import MarketRun
from marketplace.guards import NEVER_CHANGED, NEVER_EMPTIED, Guard
from marketplace.supply.models import Site

# The certificate's row is locked first, so that two uses of it are added up one after the other.
NO_MORE_THAN_IT_CERTIFIES = Guard(
    name="no_more_than_it_certifies",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    declare=[("certified", "bigint"), ("used", "bigint"), ("at_site", "bigint")],
    func="""
        SELECT wh, site_id INTO STRICT certified, at_site
            FROM carbon_certificate WHERE id = NEW.certificate_id FOR UPDATE;
        SELECT coalesce(sum(wh), 0) INTO used
            FROM carbon_certificateuse WHERE certificate_id = NEW.certificate_id;
        IF used + NEW.wh > certified THEN
            RAISE EXCEPTION 'certificate % is of % Wh, % are used and % more would be',
                NEW.certificate_id, certified, used, NEW.wh
                USING ERRCODE = 'check_violation', CONSTRAINT = 'certificate_used_once';
        END IF;
        IF at_site IS DISTINCT FROM (
            SELECT fleet.site_id FROM agreements_agreement agreement
                JOIN clearing_allocation allocation ON allocation.id = agreement.allocation_id
                JOIN supply_offer offer ON offer.id = allocation.offer_id
                JOIN supply_fleet fleet ON fleet.id = offer.fleet_id
                WHERE agreement.id = NEW.agreement_id
        ) THEN
            RAISE EXCEPTION 'certificate % is of another site', NEW.certificate_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'certificate_of_the_site';
        END IF;
        RETURN NEW;
    """,
)


class Certificate(models.Model):
    """Renewable energy of one UTC hour, made at a plant and held for a site, as its issuer numbered it."""

    issuer = models.CharField(max_length=80)
    serials = BigIntegerRangeField(help_text="of the issuer, the last one excluded")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="certificates")
    plant = models.CharField(max_length=120)
    hour = models.DateTimeField()
    wh = models.PositiveBigIntegerField(help_text="Wh")
    told_by = models.CharField(max_length=60, help_text="as the audit chain names it")
    told_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            ExclusionConstraint(
                name="certificate_serial_once",
                expressions=[("issuer", RangeOperators.EQUAL), ("serials", RangeOperators.OVERLAPS)],
            ),
            models.CheckConstraint(
                condition=Q(serials__isempty=False) & Q(serials__lower_inf=False, serials__upper_inf=False),
                name="certificate_has_serials",
            ),
            models.CheckConstraint(condition=Q(wh__gt=0), name="certificate_of_energy"),
        ]
        indexes: ClassVar = [models.Index(fields=["site", "hour"], name="certificate_site_hour")]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.issuer} {self.serials.lower}–{self.serials.upper - 1}"


class CertificateUse(models.Model):
    """Wh of a certificate that cover what an agreement drew in the certificate's hour."""

    certificate = models.ForeignKey(Certificate, on_delete=models.PROTECT, related_name="uses")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="certificate_uses")
    wh = models.PositiveBigIntegerField()
    matched_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(wh__gt=0), name="certificate_use_of_energy"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED, NO_MORE_THAN_IT_CERTIFIES]

    def __str__(self) -> str:
        return f"{self.wh} Wh of {self.certificate_id} for A{self.agreement_id}"


class Shifting(models.Model):
    """What a run's flexible requests emit and cost, and what they would have if each had run at once.

    Of the stored snapshot, so of the cards alone, at their design power. ``compared`` requests were placed
    both ways; ``only_later`` found a place only because they could wait or move.
    """

    run = models.OneToOneField(MarketRun, on_delete=models.PROTECT, related_name="shifting")
    flexible = models.PositiveIntegerField()
    compared = models.PositiveIntegerField()
    only_later = models.PositiveIntegerField()
    only_at_once = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    card_hours = models.PositiveBigIntegerField()
    wh = models.DecimalField(max_digits=30, decimal_places=6)
    milligrams = models.DecimalField(max_digits=30, decimal_places=6)
    paid = models.DecimalField(max_digits=30, decimal_places=6)
    milligrams_at_once = models.DecimalField(max_digits=30, decimal_places=6)
    paid_at_once = models.DecimalField(max_digits=30, decimal_places=6)
    computed_at = models.DateTimeField(db_default=Now(), help_text="wall time")

    class Meta:
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"shifting in M{self.run_id}"
