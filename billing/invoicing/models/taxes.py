"""Tax rates: which treatment a supply from one jurisdiction to another gets, and from when to when."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.utils.translation import pgettext_lazy

from billing.invoicing import triggers
from marketplace.guards import NEVER_DELETED, NEVER_EMPTIED


class TaxTreatment(models.TextChoices):
    STANDARD = "standard", pgettext_lazy("tax", "Taxed")
    REVERSE_CHARGE = "reverse", pgettext_lazy("tax", "Reverse charge")
    ZERO_RATED = "zero", pgettext_lazy("tax", "Zero-rated")
    EXEMPT = "exempt", pgettext_lazy("tax", "Exempt")


class TaxRule(models.Model):
    """What is due on a supply, by the jurisdictions of seller and buyer, in a span of days.

    The days are those of the seller's zone; ``valid_until`` is the first day on which the rule no longer
    holds. A rate of zero is written down with its treatment; where there is no rule, nothing is invoiced.
    A rule never changes, but it may be given an end.
    """

    seller = models.CharField(max_length=8, help_text="jurisdiction, for example CN")
    buyer = models.CharField(max_length=8, help_text="jurisdiction, for example DE")
    treatment = models.CharField(max_length=10, choices=TaxTreatment)
    rate = models.DecimalField(max_digits=7, decimal_places=6, help_text="0.06 is six per cent")
    valid_from = models.DateField()
    valid_until = models.DateField(null=True, blank=True)
    note_en = models.CharField(max_length=200, blank=True, help_text="what the law wants on the invoice")
    note_zh = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200, help_text="the law or notice that says so")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(treatment="standard", rate__gt=0, rate__lt=1)
                | Q(treatment__in=["reverse", "zero", "exempt"], rate=0),
                name="tax_rule_rate",
            ),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gt=F("valid_from")), name="tax_rule_not_empty"
            ),
            ExclusionConstraint(
                name="tax_rule_one_at_a_time",
                expressions=[
                    ("seller", RangeOperators.EQUAL),
                    ("buyer", RangeOperators.EQUAL),
                    (
                        Func(
                            "valid_from",
                            "valid_until",
                            RangeBoundary(),
                            function="daterange",
                            output_field=DateRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, triggers.TAX_RULE_IS_ONLY_ENDED]

    def __str__(self) -> str:
        return f"{self.seller} → {self.buyer}: {self.get_treatment_display()} {self.rate:%}"
