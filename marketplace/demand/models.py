"""What buyers ask for: requests with exclusive alternatives, each a requirement and a limit."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import NullIf, Upper
from django.db.models.lookups import Exact, LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import (
    AcceleratorModel,
    CurrencyCode,
    Precision,
    Region,
    SoftwareStack,
    WorkloadClass,
)
from marketplace.demand import triggers
from marketplace.engine.snapshot import Unit
from marketplace.terms.models import TermAgreement

# A snapshot with larger figures would not be cleared at all, so the database refuses them one by one.
LARGEST_AMOUNT = Decimal(1_000_000)
HIGHEST_LIMIT = Decimal(50_000)
# In any currency: with room for exchange rates to move before the engine's largest worth is reached.
MOST_WORTH = Decimal(250_000_000)
MOST_GANGS = 1_000
LARGEST_BUDGET = Decimal(10_000_000_000)
LARGEST_CAP = 1_000_000_000_000


class Group(models.Model):
    """Requests of one buyer that keep a bound together. Closed, it takes no further request."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="%(class)ss")
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class Budget(Group):
    """What its requests pay together, at most; each request under it is in its currency."""

    currency = models.CharField(max_length=3, choices=CurrencyCode)
    amount = models.DecimalField(max_digits=18, decimal_places=2)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lte=LARGEST_BUDGET), name="budget_amount"
            ),
            models.UniqueConstraint(
                fields=["organisation", "name"], condition=Q(closed_at=None), name="open_budget_name_once"
            ),
        ]
        triggers: ClassVar = triggers.of_a_group()


class Choice(Group):
    """At most ``most`` of its requests are matched."""

    most = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(most__gt=0), name="choice_most_positive"),
            models.UniqueConstraint(
                fields=["organisation", "name"], condition=Q(closed_at=None), name="open_choice_name_once"
            ),
        ]
        triggers: ClassVar = triggers.of_a_group()


class OwnerCap(models.Model):
    """The most card-hours that a buyer wants to have open with any one owner.

    Open are the card-hours of allocations in hours that have not ended, whatever run made them. A
    buyer without a row has no cap.
    """

    organisation = models.OneToOneField(
        Organisation, on_delete=models.PROTECT, primary_key=True, related_name="owner_cap"
    )
    card_hours = models.PositiveBigIntegerField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(card_hours__gt=0, card_hours__lte=LARGEST_CAP), name="owner_cap_card_hours"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id}: {self.card_hours} card-h"


class ComputeRequest(models.Model):
    """A bid. At most one of its alternatives is taken.

    ``least_share`` is the fill rule: 1 is all or nothing, 0.25 accepts a quarter of the amount.
    ``shared_budget`` and ``choice`` tie it to other requests of the same buyer. A request ``under`` a term
    agreement calls something off: only offers reserved for the agreement serve it, at the agreed price.
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
    shared_budget = models.ForeignKey(
        Budget, null=True, blank=True, on_delete=models.PROTECT, related_name="requests"
    )
    choice = models.ForeignKey(
        Choice, null=True, blank=True, on_delete=models.PROTECT, related_name="requests"
    )
    under = models.ForeignKey(
        TermAgreement, null=True, blank=True, on_delete=models.PROTECT, related_name="requests"
    )
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
            GinIndex(OpClass(Upper("title"), "gin_trgm_ops"), name="request_title_part"),
        ]
        triggers: ClassVar = [
            pgtrigger.FSM(
                name="open_once",
                field="state",
                transitions=[("open", "matched"), ("open", "expired"), ("open", "withdrawn")],
            ),
            pgtrigger.ReadOnly(
                name="stays_in_its_groups",
                fields=["organisation", "currency", "shared_budget", "choice", "under"],
            ),
            triggers.REQUEST_JOINS_OPEN_GROUPS,
            triggers.REQUEST_IS_UNDER_ITS_BUYERS_AGREEMENT,
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"R{self.pk}"


class Alternative(models.Model):
    """One way to satisfy a request; an empty field is no constraint.

    ``amount`` counts cards or nP of the workload class. The limit is per unit and hour, or a budget
    for the whole; exactly one of them is given, in the request's currency.

    How the cards come together: ``gangs`` of 0 is any cards over the same ``hours``; n is n equal
    parts over the same hours, each on one site and one fabric. ``divisible`` work, ``amount × hours``
    in all, may be spread over the window; it goes on without a pause unless it is ``interruptible``.
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
    gangs = models.PositiveSmallIntegerField(default=0)
    divisible = models.BooleanField(default=False)
    interruptible = models.BooleanField(default=False)
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
            models.CheckConstraint(
                condition=Q(budget__isnull=True) | Q(budget__lte=MOST_WORTH),
                name="alternative_budget_worth_at_most",
            ),
            models.CheckConstraint(
                condition=Q(limit__isnull=True)
                | Q(LessThanOrEqual(F("limit") * F("amount") * F("hours"), MOST_WORTH)),
                name="alternative_limit_worth_at_most",
            ),
            models.CheckConstraint(condition=Q(gangs__lte=MOST_GANGS), name="alternative_gangs_at_most"),
            models.CheckConstraint(
                condition=Q(divisible=False) | Q(gangs=0), name="alternative_gangs_or_divisible"
            ),
            models.CheckConstraint(
                condition=Q(interruptible=False) | Q(divisible=True),
                name="alternative_interruptible_is_divisible",
            ),
            models.CheckConstraint(
                # NULLIF: PostgreSQL may look at the remainder first, also where there are no gangs.
                condition=Q(gangs=0) | Q(unit="np") | Q(Exact(F("amount") % NullIf(F("gangs"), 0), 0)),
                name="alternative_gangs_are_equal",
            ),
            models.CheckConstraint(
                condition=Q(unit="np") | Q(Exact(F("amount") % 1, 0)), name="alternative_cards_are_whole"
            ),
            models.CheckConstraint(
                condition=(Q(memory_gb__isnull=True) | Q(memory_gb__gte=0))
                & (Q(carbon__isnull=True) | Q(carbon__gte=0)),
                name="alternative_facts_not_negative",
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
