"""The agents of sites, and the codes with which they enrol."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import ApiToken, User
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.supply.models import Site

KEY_LENGTH = 43
"""Of an Ed25519 public key, 32 bytes, in base64url without padding."""


class Agent(models.Model):
    """A program at a site that proved to have the private key of ``public_key``.

    Of a site the newest one whose token is not revoked is its agent. ``next_key`` takes the place of
    ``public_key`` when it is first used. What follows ``key_since`` is what the agent last told of itself;
    ``clock_ahead`` is how far the site's clock is ahead of the exchange's, in seconds.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="agents")
    token = models.OneToOneField(ApiToken, on_delete=models.PROTECT, related_name="agent")
    public_key = models.CharField(max_length=KEY_LENGTH, unique=True)
    next_key = models.CharField(max_length=KEY_LENGTH, blank=True, default="")
    enrolled_at = models.DateTimeField()
    key_since = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    version = models.CharField(max_length=40, blank=True, default="")
    driver = models.CharField(max_length=40, blank=True, default="")
    unsent = models.PositiveIntegerField(default=0, help_text="events in the agent's buffer")
    unsent_since = models.DateTimeField(null=True, help_text="when the oldest of them was metered")
    clock_ahead = models.IntegerField(null=True)
    reconciled_at = models.DateTimeField(null=True)

    class Meta:
        triggers: ClassVar = [
            pgtrigger.ReadOnly(name="stays_where_it_enrolled", fields=["site", "enrolled_at"]),
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"agent {self.pk}"


class EnrolmentCode(models.Model):
    """Lets one program become the agent of a site. Only its SHA-256 is stored. ``expires_at`` is wall time.

    Once used it goes on to work for the key that used it, so that an agent which lost the answer asks again.
    """

    LIFETIME = timedelta(minutes=30)

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="enrolment_codes")
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    agent = models.ForeignKey(Agent, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["site"],
                condition=Q(revoked_at__isnull=True, agent__isnull=True),
                name="open_enrolment_code_once_a_site",
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"code {self.pk} for {self.site_id}"


class IdleCardHour(models.Model):
    """What a card did in an hour in which no delivery held it: by meter, and only what was told."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="+")
    slot = models.DateTimeField()
    card = models.CharField(max_length=120, help_text="node/index")
    meters = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "slot", "card"], name="idle_card_hour_once"),
        ]

    def __str__(self) -> str:
        return f"{self.card} {self.slot:%F %H}"
