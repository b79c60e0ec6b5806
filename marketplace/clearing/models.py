"""Market runs: what was cleared, at which prices, for whom, and why not."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import AcceleratorModel, CurrencyCode, ProfileVersion, Zone
from marketplace.clearing import triggers
from marketplace.demand.models import Alternative, ComputeRequest
from marketplace.engine.replay import share_of_best
from marketplace.engine.result import Constraint
from marketplace.engine.result import Outcome as EngineOutcome
from marketplace.supply.models import Offer
from marketplace.terms.models import TermAgreement


class MarketRun(models.Model):
    """One clearing. ``snapshot`` and ``result`` are the canonical bytes, gzip-compressed.

    A run is opened, snapshotted, and committed or failed; at most one run is under way. With a ``term`` it
    cleared what was called off under that agreement and the offers reserved for it: a market of its own,
    whose one price is the agreed one, so it sets no prices of products. Without one it is the open market.
    ``snapshot_digest`` and ``result_digest`` are SHA-256 of the canonical bytes before compression.

    Money is in the base currency. No placement whatever has an ``objective`` above ``bound``: the
    shadow prices that prove it are in the result. ``refused_in_money`` requests would have gained
    ``foregone`` in all at the clearing prices and were refused, because what was left did not fit
    their size. ``repriced`` counts orders given up because no uniform price could be found with them.
    ``…_ms`` are measured: what the snapshot, the engine and the verification took.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        SNAPSHOTTED = "snapshotted", _("Clearing")
        COMMITTED = "committed", pgettext_lazy("market run", "Committed")
        FAILED = "failed", _("Failed")

    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    term = models.ForeignKey(TermAgreement, null=True, on_delete=models.PROTECT, related_name="runs")
    opened_at = models.DateTimeField()
    horizon_start = models.DateTimeField()
    slots = models.PositiveSmallIntegerField()
    base_currency = models.CharField(max_length=3, choices=CurrencyCode)
    profile_version = models.ForeignKey(ProfileVersion, null=True, on_delete=models.PROTECT, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    snapshot = models.BinaryField(null=True)
    snapshot_digest = models.CharField(max_length=64, blank=True)
    result = models.BinaryField(null=True)
    result_digest = models.CharField(max_length=64, blank=True)
    engine = models.CharField(max_length=40, blank=True)
    committed_at = models.DateTimeField(null=True)
    requests_open = models.PositiveIntegerField(null=True)
    requests_matched = models.PositiveIntegerField(null=True)
    offers_open = models.PositiveIntegerField(null=True)
    card_hours_free = models.PositiveBigIntegerField(null=True)
    card_hours_sold = models.PositiveBigIntegerField(null=True)
    surplus = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    objective = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    bound = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    repriced = models.PositiveIntegerField(null=True)
    refused_in_money = models.PositiveIntegerField(null=True)
    foregone = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    snapshot_ms = models.PositiveIntegerField(null=True)
    clear_ms = models.PositiveIntegerField(null=True)
    verify_ms = models.PositiveIntegerField(null=True)
    failure = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(state__in=["open", "snapshotted"]), name="one_run_under_way"
            ),
            models.CheckConstraint(
                condition=~Q(state="committed")
                | Q(
                    result__isnull=False,
                    snapshot__isnull=False,
                    committed_at__isnull=False,
                    requests_open__isnull=False,
                    requests_matched__isnull=False,
                    surplus__isnull=False,
                    objective__isnull=False,
                    bound__isnull=False,
                    repriced__isnull=False,
                    refused_in_money__isnull=False,
                    foregone__isnull=False,
                    profile_version__isnull=False,
                ),
                name="committed_run_is_whole",
            ),
            models.CheckConstraint(condition=Q(objective__lte=F("bound")), name="run_objective_within_bound"),
            models.CheckConstraint(
                condition=Q(refused_in_money=0, foregone=0) | Q(refused_in_money__gt=0, foregone__gt=0),
                name="run_foregone_by_refusals",
            ),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="finished",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=["committed", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"M{self.pk}"

    @property
    def share_of_best(self) -> Decimal | None:
        """The share of the best possible objective that the run is proven to have reached at least."""
        if self.objective is None or self.bound is None:
            return None
        return share_of_best(self.objective, self.bound)


class Allocation(models.Model):
    """Cards of one offer for one request over consecutive hours. Inserting it sells the hours.

    ``prices`` are the clearing prices per card-hour of its hours, in the offer's currency.
    ``fx_rate`` is offer currency → request currency as in the run's snapshot.
    """

    run = models.ForeignKey(MarketRun, on_delete=models.PROTECT, related_name="allocations")
    request = models.ForeignKey(ComputeRequest, on_delete=models.PROTECT, related_name="allocations")
    alternative = models.ForeignKey(Alternative, on_delete=models.PROTECT, related_name="allocations")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="allocations")
    cards = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    prices = ArrayField(models.DecimalField(max_digits=18, decimal_places=6))
    fx_rate = models.DecimalField(max_digits=24, decimal_places=12)

    class Meta:
        constraints: ClassVar = [
            # A request whose work is divisible may hold several runs of one offer, one after the other.
            models.UniqueConstraint(fields=["request", "offer", "starts_at"], name="allocation_once"),
            models.CheckConstraint(condition=Q(cards__gt=0), name="allocation_cards_positive"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="allocation_not_empty"),
            models.CheckConstraint(condition=Q(fx_rate__gt=0), name="allocation_fx_rate_positive"),
        ]
        indexes: ClassVar = [models.Index(fields=["starts_at"]), models.Index(fields=["ends_at"])]
        triggers: ClassVar = [
            triggers.ALLOCATION_SELLS_HOURS,
            triggers.ALLOCATION_STAYS_UNDER_ITS_AGREEMENT,
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"L{self.pk}"


class ClearingPrice(models.Model):
    """Price per card-hour of a product in a slot, as one run set it."""

    run = models.ForeignKey(MarketRun, on_delete=models.PROTECT, related_name="prices")
    model = models.ForeignKey(AcceleratorModel, on_delete=models.PROTECT, related_name="+")
    zone = models.ForeignKey(Zone, on_delete=models.PROTECT, related_name="+")
    slot = models.DateTimeField()
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    price = models.DecimalField(max_digits=18, decimal_places=6)
    cards = models.PositiveIntegerField(help_text="sold by the run in this slot")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "model", "zone", "slot"], name="clearing_price_once"),
            models.CheckConstraint(condition=Q(price__gt=0), name="clearing_price_positive"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["model", "zone", "-run", "slot"]),
            models.Index(fields=["slot"]),
        ]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.model_id}@{self.zone_id} {self.slot:%F %H} {self.price} {self.currency}"


class Explanation(models.Model):
    """Why a request got what it got in a run; ``details`` is the engine's explanation as JSON.

    ``price`` is what a refused request would have had to pay per unit and hour, in its currency, where
    that was least: the price it lost against. Empty where no offer could have served it. ``foregone``
    is its gain at those prices in the run's base currency: above 0 it was in the money and yet refused.
    """

    class Outcome(models.TextChoices):
        MATCHED = EngineOutcome.MATCHED, _("Matched")
        PARTLY = EngineOutcome.PARTLY, _("Partly matched")
        UNMATCHED = EngineOutcome.UNMATCHED, _("Not matched")

    class Binding(models.TextChoices):
        MODEL = Constraint.MODEL, _("accelerator model")
        RATE = Constraint.RATE, _("no rate known for the workload")
        PRECISION = Constraint.PRECISION, _("precision")
        MEMORY = Constraint.MEMORY, _("memory per card")
        STACK = Constraint.STACK, _("software stack")
        JURISDICTION = Constraint.JURISDICTION, _("jurisdiction")
        LATENCY = Constraint.LATENCY, _("round-trip time")
        BANDWIDTH = Constraint.BANDWIDTH, _("bandwidth")
        RENEWABLE_SHARE = Constraint.RENEWABLE_SHARE, _("renewable share")
        CARBON = Constraint.CARBON, _("carbon intensity")
        VERIFICATION = Constraint.VERIFICATION, _("verification level")
        NOTICE = Constraint.NOTICE, _("interruption notice")
        WINDOW = Constraint.WINDOW, _("time window")
        CAPACITY = Constraint.CAPACITY, _("free cards")
        LIMIT = Constraint.LIMIT, _("limit price")
        BUDGET = Constraint.BUDGET, _("budget shared with other requests")
        CHOICE = Constraint.CHOICE, _("choice among several requests")
        OWNER_CAP = Constraint.OWNER_CAP, _("cap on what one owner delivers")
        POWER = Constraint.POWER, _("power available at the site")

    # A national run writes 100,000 of these: the indexes below do for the foreign keys too.
    run = models.ForeignKey(MarketRun, on_delete=models.PROTECT, related_name="explanations", db_index=False)
    request = models.ForeignKey(
        ComputeRequest, on_delete=models.PROTECT, related_name="explanations", db_index=False
    )
    outcome = models.CharField(max_length=10, choices=Outcome)
    binding = models.CharField(max_length=20, choices=Binding, blank=True)
    price = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    foregone = models.DecimalField(max_digits=24, decimal_places=6, default=0)
    details = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "request"], name="explanation_once_a_run"),
            models.CheckConstraint(
                condition=Q(foregone=0) | Q(foregone__gt=0, outcome="unmatched", price__isnull=False),
                name="explanation_foregone_if_refused",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["request", "-run"])]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"M{self.run_id} R{self.request_id} {self.outcome}"


class OfferOutcome(models.Model):
    """What became of an offer in a run: card-hours that were free before it, and sold by it.

    ``ask`` is the highest flat ask at which ``card_hours`` more would have sold, in the offer's
    currency; both are empty where no lower ask would have sold any.
    """

    run = models.ForeignKey(
        MarketRun, on_delete=models.PROTECT, related_name="offer_outcomes", db_index=False
    )
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="outcomes", db_index=False)
    free = models.PositiveBigIntegerField()
    sold = models.PositiveBigIntegerField()
    ask = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    card_hours = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "offer"], name="offer_outcome_once_a_run"),
            models.CheckConstraint(condition=Q(sold__lte=F("free")), name="offer_outcome_sold_was_free"),
            models.CheckConstraint(
                condition=Q(ask__isnull=True, card_hours__isnull=True)
                | Q(
                    ask__isnull=False,
                    ask__gt=0,
                    card_hours__isnull=False,
                    card_hours__gt=0,
                    card_hours__lte=F("free") - F("sold"),
                ),
                name="offer_outcome_remedy_is_whole",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["offer", "-run"])]
        triggers: ClassVar = [
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"M{self.run_id} O{self.offer_id} {self.sold}/{self.free}"


class AskReplay(models.Model):
    """What an owner would have sold in a run with all its asks changed by ``percent``: the run cleared again.

    ``earned`` is at the clearing prices of the replay, before commission. Percent 0 is what the run did.
    """

    run = models.ForeignKey(MarketRun, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+", db_index=False)
    percent = models.SmallIntegerField()
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    card_hours = models.PositiveBigIntegerField()
    earned = models.DecimalField(max_digits=24, decimal_places=6)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "run", "percent", "currency"], name="ask_replay_once_a_step"
            ),
            models.CheckConstraint(condition=Q(percent__gt=-100), name="ask_replay_of_an_ask"),
        ]

    def __str__(self) -> str:
        return f"M{self.run_id} {self.percent:+} %"
