"""What is installed and what is for sale: sites, fleets, offers, and the book of sold hours."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now, Upper
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import AcceleratorModel, BilingualName, CurrencyCode, Region, SoftwareStack
from marketplace.guards import NEVER_CHANGED, NEVER_EMPTIED
from marketplace.supply import triggers
from marketplace.terms.models import TermAgreement

# A snapshot with larger figures would not be cleared at all, so the database refuses them one by one.
MOST_CARDS = 1_000_000
HIGHEST_PRICE = Decimal(50_000)
HIGHEST_POWER_KW = Decimal("999999.999")


class VerificationLevel(models.IntegerChoices):
    DECLARED = 0, _("Declared by the owner")
    DOCUMENTED = 1, _("Documents checked")
    TESTED = 2, _("Acceptance test passed")
    INSPECTED = 3, _("Inspected on site")


class Site(BilingualName):
    """A data centre."""

    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="sites")
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="sites")
    pue = models.DecimalField(max_digits=4, decimal_places=3, validators=[MinValueValidator(Decimal(1))])
    renewable_share = models.DecimalField(
        max_digits=7,
        decimal_places=6,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
    )
    verification = models.PositiveSmallIntegerField(
        choices=VerificationLevel, default=VerificationLevel.DECLARED
    )
    bandwidth_mbps = models.PositiveIntegerField()
    power_cap_kw = models.DecimalField(
        max_digits=9,
        decimal_places=3,
        null=True,
        blank=True,
        help_text="what the cards sold on the exchange may draw together",
    )
    agent_silent_since = models.DateTimeField(
        null=True,
        editable=False,
        help_text="while its agent is not heard, none of the site’s offers enters a run",
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name_en"], name="site_name_once_an_owner"),
            models.CheckConstraint(condition=Q(pue__gte=1), name="site_pue_at_least_one"),
            models.CheckConstraint(
                condition=Q(renewable_share__gte=0, renewable_share__lte=1), name="site_renewable_share"
            ),
            models.CheckConstraint(
                condition=Q(power_cap_kw__isnull=True) | Q(power_cap_kw__gt=0),
                name="site_power_cap_positive",
            ),
        ]
        indexes: ClassVar = [
            GinIndex(OpClass(Upper("name_en"), "gin_trgm_ops"), name="site_name_en_part"),
            GinIndex(OpClass(Upper("name_zh"), "gin_trgm_ops"), name="site_name_zh_part"),
        ]


class RoundTrip(models.Model):
    """How long it takes from a site to a probe of the exchange in a region, as the site's agent measured it.

    The median of the ``sent`` attempts that were answered; nothing where all were ``lost``. While it is fresh
    it counts instead of the estimate from the distance.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="round_trips")
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="+")
    measured_at = models.DateTimeField()
    microseconds = models.PositiveIntegerField(null=True)
    sent = models.PositiveSmallIntegerField()
    lost = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "region", "measured_at"], name="round_trip_once"),
            models.CheckConstraint(condition=Q(sent__gt=0, lost__lte=F("sent")), name="round_trip_lost"),
            models.CheckConstraint(
                condition=Q(microseconds=None, lost=F("sent"))
                | Q(microseconds__isnull=False, microseconds__gt=0, lost__lt=F("sent")),
                name="round_trip_of_what_was_answered",
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.site_id} to {self.region_id} at {self.measured_at:%F %T}"

    @property
    def milliseconds(self) -> Decimal | None:
        return None if self.microseconds is None else Decimal(self.microseconds) / 1_000


class Fleet(models.Model):
    """The cards of one model at one site, joined by one fabric.

    ``cards_since`` is the full hour from which the number of cards holds, where it has changed: offers
    of the hours before were made of another number.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="fleets")
    model = models.ForeignKey(AcceleratorModel, on_delete=models.PROTECT, related_name="fleets")
    stack = models.ForeignKey(SoftwareStack, on_delete=models.PROTECT, related_name="fleets")
    cards = models.PositiveIntegerField()
    cards_since = models.DateTimeField(null=True, blank=True)
    node_size = models.PositiveSmallIntegerField()
    interconnect = models.CharField(max_length=60)
    installed_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(cards__gt=0) & Q(node_size__gt=0), name="fleet_cards_positive"
            ),
            models.CheckConstraint(condition=Q(cards__lte=MOST_CARDS), name="fleet_cards_at_most"),
            models.CheckConstraint(condition=Q(node_size__lte=F("cards")), name="fleet_node_fits_in_fleet"),
        ]
        triggers: ClassVar = [triggers.FLEET_KEEPS_WHAT_IT_OFFERS]

    def __str__(self) -> str:
        return f"{self.site_id}/{self.model_id} × {self.cards}"


class OfferBatch(models.Model):
    """Offers that were listed in one transaction: a plan from the calendar, or an imported file.

    ``key`` is made where the batch is confirmed. Confirming twice finds the batch and lists nothing again.
    """

    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+", db_index=False)
    key = models.UUIDField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    entered_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "key"], name="offer_batch_once"),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"B{self.pk}"


class Offer(models.Model):
    """Cards of one fleet for sale over whole UTC hours.

    ``asks`` is the lowest acceptable price per card-hour: one figure, or one for each hour of the
    window. Cards are sold in multiples of ``lot`` for at least ``minimum_hours``. What is ``reserved_for`` a
    term agreement is sold to requests under it and to nobody else; its ask is the agreed price. Under one in
    nP-hours there are no asks: a card-hour costs the agreed price × what the card does in the run that sells
    it. ``np_per_card`` is what it did when the offer was entered, and what is offered to the agreement.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="offers")
    cards = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    asks = ArrayField(models.DecimalField(max_digits=18, decimal_places=6))
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    lot = models.PositiveIntegerField(default=1)
    minimum_hours = models.PositiveSmallIntegerField(default=1)
    notice_minutes = models.PositiveIntegerField(default=0)
    reserved_for = models.ForeignKey(
        TermAgreement, null=True, blank=True, on_delete=models.PROTECT, related_name="offers"
    )
    np_per_card = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    batch = models.ForeignKey(
        OfferBatch, null=True, blank=True, on_delete=models.PROTECT, related_name="offers"
    )
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    entered_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="open", withdrawn_at__isnull=True)
                | Q(state="withdrawn", withdrawn_at__isnull=False),
                name="offer_withdrawal_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(asks__len__gt=0, np_per_card=None)
                | Q(asks__len=0, reserved_for__isnull=False, np_per_card__isnull=False, np_per_card__gt=0)
                & Q(lot=1, minimum_hours=1),
                name="offer_at_its_asks_or_by_np",
            ),
            models.CheckConstraint(condition=Q(cards__gt=0), name="offer_cards_positive"),
            models.CheckConstraint(condition=Q(lot__gt=0) & Q(lot__lte=F("cards")), name="offer_lot_fits"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="offer_window_not_empty"),
            models.CheckConstraint(condition=Q(minimum_hours__gt=0), name="offer_minimum_positive"),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "ends_at"])]
        triggers: ClassVar = [
            triggers.OFFER_IS_WELL_FORMED,
            triggers.OFFER_FITS_THE_FLEET,
            triggers.OFFER_STAYS,
            triggers.OFFER_IS_RESERVED_BY_ITS_OWNER,
            pgtrigger.ReadOnly(name="stays_reserved", fields=["reserved_for", "np_per_card"]),
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"O{self.pk}"


class OfferHour(models.Model):
    """Cards offered and sold in one hour of an offer. The allocations' trigger writes it.

    Rule 1, nothing is sold twice, is this table's check constraint. An hour without a row is an
    hour in which nothing was sold.
    """

    pk = models.CompositePrimaryKey("offer_id", "slot")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="hours")
    slot = models.DateTimeField()
    cards_offered = models.PositiveIntegerField()
    cards_sold = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(cards_sold__lte=F("cards_offered")), name="offer_hour_never_oversold"
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"O{self.offer_id} {self.slot:%F %H}: {self.cards_sold} of {self.cards_offered}"


class OfferImport(models.Model):
    """A file of offers while somebody mends it. Nothing of it is on the market before it is confirmed.

    ``key`` is that of the batch that it becomes.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Being mended")
        IMPORTED = "imported", _("Imported")

    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    key = models.UUIDField(unique=True)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    batch = models.OneToOneField(OfferBatch, null=True, on_delete=models.PROTECT, related_name="+")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="imported", batch__isnull=False) | Q(state="open", batch=None),
                name="offer_import_has_a_batch",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class OfferImportLine(models.Model):
    """A line of the file by its columns, as text. ``problems`` says what is wrong with which of them."""

    source = models.ForeignKey(OfferImport, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField(help_text="in the file, whose first line is 1")
    values = models.JSONField()
    problems = models.JSONField(default=dict)
    left_out = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "number"], name="offer_import_line_once"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id}:{self.number}"
