"""What happens at the site: the life of a delivery and the reports that moved it on."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import ApiToken, Organisation, User
from marketplace.agreements.models import Agreement
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.demand.models import ComputeRequest
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED, changes_once
from marketplace.supply.models import Site


class DeliveryState(models.TextChoices):
    SCHEDULED = "scheduled", _("Scheduled")
    PROVISIONING = "provisioning", _("Provisioning")
    ACCEPTING = "accepting", _("Acceptance test")
    ACTIVE = "active", pgettext_lazy("delivery", "Active")
    SUSPENDED = "suspended", pgettext_lazy("delivery", "Suspended")
    ENDED = "ended", _("Ended")
    FAILED = "failed", _("Failed")
    EVICTED = "evicted", _("Evicted")


OVER = (DeliveryState.ENDED, DeliveryState.FAILED, DeliveryState.EVICTED)
NOT_OVER = tuple(state for state in DeliveryState if state not in OVER)

# The life of a delivery. What is not named here is refused, by the services and by the database. Back to
# scheduled goes an attempt that did not succeed, before anything was delivered; afterwards it is suspended.
ALLOWED_STEPS = (
    (DeliveryState.SCHEDULED, DeliveryState.PROVISIONING),
    (DeliveryState.PROVISIONING, DeliveryState.ACCEPTING),
    (DeliveryState.PROVISIONING, DeliveryState.SCHEDULED),
    (DeliveryState.ACCEPTING, DeliveryState.ACTIVE),
    (DeliveryState.ACCEPTING, DeliveryState.SCHEDULED),
    (DeliveryState.ACCEPTING, DeliveryState.SUSPENDED),
    (DeliveryState.ACCEPTING, DeliveryState.ENDED),
    (DeliveryState.ACTIVE, DeliveryState.SUSPENDED),
    (DeliveryState.ACTIVE, DeliveryState.ENDED),
    (DeliveryState.SUSPENDED, DeliveryState.ACCEPTING),
    (DeliveryState.SUSPENDED, DeliveryState.ENDED),
    *((before, over) for before in NOT_OVER for over in (DeliveryState.FAILED, DeliveryState.EVICTED)),
)


class Delivery(models.Model):
    """The delivery of one agreement by the agent of one site.

    ``active_from`` and ``active_until`` bound what may be metered; both come from the agent's
    accepted reports, inside the agreement's window. In between it may be suspended (``Suspension``).
    ``retries`` counts the attempts to begin that did not succeed. ``held`` is a delivery whose cards the
    owner took away through the exchange, until the owner gives them back. ``fault`` says on whose account
    it ended before its time; ``failure`` says why.
    """

    class Fault(models.TextChoices):
        NONE = "", _("Nobody’s")
        OWNER = "owner", pgettext_lazy("fault", "The owner’s")
        BUYER = "buyer", pgettext_lazy("fault", "The buyer’s")

    agreement = models.OneToOneField(Agreement, on_delete=models.PROTECT, related_name="delivery")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=12, choices=DeliveryState, default=DeliveryState.SCHEDULED)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    active_from = models.DateTimeField(null=True)
    active_until = models.DateTimeField(null=True)
    acceptance = models.JSONField(null=True)
    failure = models.TextField(blank=True)
    fault = models.CharField(max_length=5, choices=Fault, default="", blank=True)
    retries = models.PositiveSmallIntegerField(default=0)
    held = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="delivery_not_empty"),
            models.CheckConstraint(
                condition=~Q(state__in=["active", "suspended", "ended"])
                | Q(active_from__isnull=False, acceptance__isnull=False),
                name="delivery_active_after_acceptance",
            ),
            models.CheckConstraint(
                condition=~Q(state="ended") | Q(active_until__isnull=False), name="delivery_end_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["failed", "evicted"]) | ~Q(failure=""),
                name="delivery_failure_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(state="scheduled") | Q(active_from=None), name="delivery_begins_once"
            ),
            models.CheckConstraint(condition=Q(held=False) | Q(state="suspended"), name="delivery_held"),
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
    """One step in the life of a delivery. The same step, at the same time, is recorded once.

    With a token it was the site's agent that took it, with a user a person, and otherwise the exchange.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=12, choices=DeliveryState)
    to_state = models.CharField(max_length=12, choices=DeliveryState)
    at = models.DateTimeField()
    token = models.ForeignKey(ApiToken, null=True, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    report = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "to_state", "at"], name="delivery_step_once"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"D{self.delivery_id} → {self.to_state}"


class AcceptanceTest(models.Model):
    """What a site's agent measured on the cards of a delivery, and how that compares with what was sold.

    ``checks`` are name, sold, measured, passed; ``probe`` are the figures that a probe measured, ``evidence``
    says where they come from.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="tests")
    at = models.DateTimeField()
    passed = models.BooleanField()
    checks = models.JSONField()
    probe = models.JSONField()
    evidence = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "at"], name="acceptance_test_once"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"test of D{self.delivery_id} at {self.at:%F %T}"


class OrganisationKey(models.Model):
    """For whom access details are encrypted. The private key is itself encrypted (``ACCESS_KEYS``)."""

    organisation = models.OneToOneField(
        Organisation, on_delete=models.PROTECT, primary_key=True, related_name="access_key"
    )
    public_key = models.CharField(max_length=44)
    private_key = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [pgtrigger.ReadOnly(name="same_pair", fields=["organisation", "public_key"])]

    def __str__(self) -> str:
        return f"key of {self.organisation_id}"


class AccessDetails(models.Model):
    """How the buyer's people get to their cards, encrypted to their organisation; nothing after the end."""

    delivery = models.OneToOneField(Delivery, on_delete=models.PROTECT, related_name="access")
    sealed = models.TextField(blank=True)
    given_at = models.DateTimeField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "access details"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(sealed="", destroyed_at__isnull=False) | (~Q(sealed="") & Q(destroyed_at=None)),
                name="access_details_destroyed",
            ),
        ]

    def __str__(self) -> str:
        return f"access to D{self.delivery_id}"


class Suspension(models.Model):
    """A time in which a delivery that had begun was not there for its buyer: nothing of it is billed."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="suspensions")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    reason = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=F("starts_at")), name="suspension_ends_after_start"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="suspension_says_why"),
            models.UniqueConstraint(
                fields=["delivery"], condition=Q(ends_at=None), name="suspension_one_at_a_time"
            ),
        ]
        # Rating counts on it: what was charged would be computed otherwise if it changed.
        triggers: ClassVar = [
            changes_once(
                "ends_once",
                unless="OLD.ends_at IS NOT NULL OR NEW.ends_at IS NULL",
                only="'ends_at'",
                problem="a suspension ends once, and does not change",
                constraint="suspension_ends_once",
            ),
            NEVER_EMPTIED,
            NEVER_DELETED,
        ]

    def __str__(self) -> str:
        return f"D{self.delivery_id} from {self.starts_at:%F %T}"


class Replacement(models.Model):
    """What the exchange did about the rest of a delivery that its owner did not deliver.

    The ``request`` was entered for the buyer; without one, ``why_not`` says why.
    """

    class WhyNot(models.TextChoices):
        NO_TIME = "no_time", _("less than an hour of it was left")
        CALL_OFF = "call_off", _("it was called off under a term agreement, whose months make it good")
        REFUSED = "refused", _("the market took no request of the buyer")

    delivery = models.OneToOneField(Delivery, on_delete=models.PROTECT, related_name="replacement")
    request = models.OneToOneField(
        ComputeRequest, null=True, on_delete=models.PROTECT, related_name="replacement"
    )
    why_not = models.CharField(max_length=10, choices=WhyNot, blank=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(request__isnull=False, why_not="") | (Q(request=None) & ~Q(why_not="")),
                name="replacement_or_why_not",
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"replacement of D{self.delivery_id}"
