"""What happens at the site: the life of a delivery and the reports that moved it on."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import ApiToken
from marketplace.agreements.models import Agreement
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.supply.models import Site


class DeliveryState(models.TextChoices):
    SCHEDULED = "scheduled", _("Scheduled")
    PROVISIONING = "provisioning", _("Provisioning")
    ACCEPTING = "accepting", _("Acceptance test")
    ACTIVE = "active", pgettext_lazy("delivery", "Active")
    ENDED = "ended", _("Ended")
    FAILED = "failed", _("Failed")


# The life of a delivery. What is not named here is refused, by the services and by the database.
ALLOWED_STEPS = (
    (DeliveryState.SCHEDULED, DeliveryState.PROVISIONING),
    (DeliveryState.PROVISIONING, DeliveryState.ACCEPTING),
    (DeliveryState.ACCEPTING, DeliveryState.ACTIVE),
    (DeliveryState.ACTIVE, DeliveryState.ENDED),
    (DeliveryState.SCHEDULED, DeliveryState.FAILED),
    (DeliveryState.PROVISIONING, DeliveryState.FAILED),
    (DeliveryState.ACCEPTING, DeliveryState.FAILED),
    (DeliveryState.ACTIVE, DeliveryState.FAILED),
)


class Delivery(models.Model):
    """The delivery of one agreement by the agent of one site.

    ``active_from`` and ``active_until`` bound what may be metered; both come from the agent's
    accepted reports, inside the agreement's window.
    """

    agreement = models.OneToOneField(Agreement, on_delete=models.PROTECT, related_name="delivery")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=12, choices=DeliveryState, default=DeliveryState.SCHEDULED)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    active_from = models.DateTimeField(null=True)
    active_until = models.DateTimeField(null=True)
    acceptance = models.JSONField(null=True)
    failure = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="delivery_not_empty"),
            models.CheckConstraint(
                condition=~Q(state__in=["active", "ended"])
                | Q(active_from__isnull=False, acceptance__isnull=False),
                name="delivery_active_after_acceptance",
            ),
            models.CheckConstraint(
                condition=~Q(state="ended") | Q(active_until__isnull=False), name="delivery_end_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="failed") | ~Q(failure=""), name="delivery_failure_says_why"
            ),
            models.CheckConstraint(
                condition=Q(active_from__isnull=True)
                | Q(active_from__gte=F("starts_at"), active_from__lte=F("ends_at")),
                name="delivery_active_inside_window",
            ),
            models.CheckConstraint(
                condition=Q(active_until__isnull=True)
                | Q(
                    active_from__isnull=False,
                    active_until__gte=F("active_from"),
                    active_until__lte=F("ends_at"),
                ),
                name="delivery_active_until_inside_window",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["site", "state", "starts_at"]),
            models.Index(fields=["state", "ends_at"]),
        ]
        triggers: ClassVar = [
            pgtrigger.FSM(
                name="steps",
                field="state",
                transitions=[(before.value, after.value) for before, after in ALLOWED_STEPS],
            ),
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"D{self.pk}"


class DeliveryTransition(models.Model):
    """One step in the life of a delivery. The same step is recorded once.

    Without a token it is the exchange that took the step.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=12, choices=DeliveryState)
    to_state = models.CharField(max_length=12, choices=DeliveryState)
    at = models.DateTimeField()
    token = models.ForeignKey(ApiToken, null=True, on_delete=models.PROTECT, related_name="+")
    report = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "to_state"], name="delivery_step_once"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"D{self.delivery_id} → {self.to_state}"
