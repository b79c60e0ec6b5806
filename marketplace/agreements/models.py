"""Computing power purchase agreements."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation
from marketplace.agreements import triggers
from marketplace.catalogue.models import CurrencyCode, ProfileVersion
from marketplace.clearing.models import Allocation
from marketplace.guards import NEVER_CHANGED, NEVER_EMPTIED
from marketplace.terms.models import TermAgreement
from marketplace.terms.sheet import Unit


class Agreement(models.Model):
    """What two parties agreed on. It never changes.

    Spot is one allocation, at the prices of its run. A call-off is one that its buyer called off under a
    term agreement, at the price agreed there. Of a term agreement itself the row bears what is charged for
    its months; it names no cards and has no allocation, and whatever is delivered is delivered under its
    call-offs. ``terms`` is everything that rating needs, frozen: see ``agreements.terms``. Those of a term
    agreement are as they were concluded: ``terms.models.TermVersion`` has what was amended.

    A term agreement in nP-hours is of ``np_hours``; all others are of ``card_hours``. What is called off
    under one in nP-hours counts each of its cards as ``np_per_card``, as it was in its run.
    """

    class Kind(models.TextChoices):
        SPOT = "spot", pgettext_lazy("agreement", "Spot")
        CALL_OFF = "call_off", pgettext_lazy("agreement", "Call-off")
        TERM = "term", pgettext_lazy("agreement", "Term")

    kind = models.CharField(max_length=8, choices=Kind, default=Kind.SPOT)
    # Whoever has a delivery has an allocation, and most of the code starts from deliveries.
    allocation: models.OneToOneField[Allocation, Allocation] = models.OneToOneField(  # type: ignore[misc]
        Allocation, null=True, on_delete=models.PROTECT, related_name="agreement"
    )
    term = models.ForeignKey(TermAgreement, null=True, on_delete=models.PROTECT, related_name="agreements")
    buyer = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="purchases")
    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="sales")
    profile_version = models.ForeignKey(ProfileVersion, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    cards = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    card_hours = models.PositiveBigIntegerField(null=True)
    np_hours = models.DecimalField(max_digits=20, decimal_places=6, null=True)
    np_per_card = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    value = models.DecimalField(max_digits=20, decimal_places=6, help_text="price of all card-hours")
    commission_rate = models.DecimalField(max_digits=7, decimal_places=6)
    terms = models.JSONField()
    terms_digest = models.CharField(max_length=64)
    concluded_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind="spot", allocation__isnull=False, term=None, cards__gt=0)
                | Q(kind="call_off", allocation__isnull=False, term__isnull=False, cards__gt=0)
                | Q(kind="term", allocation=None, term__isnull=False, cards=0),
                name="agreement_is_of_its_kind",
            ),
            models.UniqueConstraint(
                fields=["term"], condition=Q(kind="term"), name="agreement_once_a_term_agreement"
            ),
            models.CheckConstraint(
                condition=Q(card_hours__isnull=False, card_hours__gt=0, np_hours=None)
                | Q(kind="term", card_hours=None, np_hours__isnull=False, np_hours__gt=0),
                name="agreement_quantity",
            ),
            models.CheckConstraint(
                condition=Q(np_per_card=None)
                | Q(kind="call_off", np_per_card__isnull=False, np_per_card__gt=0),
                name="agreement_np_of_a_call_off",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="agreement_not_empty"),
            models.CheckConstraint(condition=~Q(buyer=F("owner")), name="agreement_between_two_parties"),
            models.CheckConstraint(
                condition=Q(commission_rate__gte=0, commission_rate__lt=1), name="agreement_commission_rate"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["buyer", "-id"]),
            models.Index(fields=["owner", "-id"]),
            # What the list of all agreements counts, adds up and sorts by: the rows are ten times as wide.
            models.Index(
                fields=["kind", "currency"],
                include=["id", "buyer", "owner", "cards", "starts_at", "ends_at", "card_hours", "value"],
                name="agreement_list",
            ),
        ]
        triggers: ClassVar = [
            triggers.AGREEMENT_KEEPS_TO_ITS_TERM,
            # Charges name their agreement, and no foreign key holds it.
            NEVER_EMPTIED,
            NEVER_CHANGED,
        ]

    def __str__(self) -> str:
        return f"A{self.pk}"

    @property
    def average_price(self) -> Decimal:
        """Of a card-hour of what was placed."""
        if self.card_hours is None:
            raise ValueError(f"{self} is of nP-hours, and places no cards")
        return self.value / self.card_hours

    @property
    def unit(self) -> Unit:
        """What its charges count."""
        return Unit.CARD_HOUR if self.np_hours is None else Unit.NP_HOUR
