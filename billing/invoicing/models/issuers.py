"""Who issues documents, and the numbers that it gives them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from billing.invoicing import triggers
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED


class Issuer(models.Model):
    """The exchange as a legal person, as documents print it. It never changes: a new address is a new row.

    Rows with the same ``code`` are one issuer over time, and share its numbers.
    """

    code = models.CharField(max_length=6, blank=True)
    name_en = models.CharField(max_length=120)
    name_zh = models.CharField(max_length=120)
    address_en = models.CharField(max_length=200)
    address_zh = models.CharField(max_length=200)
    tax_number = models.CharField(max_length=40)
    jurisdiction = models.CharField(max_length=8)
    time_zone = models.CharField(max_length=40)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "code", "name_en", "name_zh", "address_en", "address_zh", "tax_number", "jurisdiction",
                    "time_zone",
                ],
                name="issuer_once",
            ),
        ]  # fmt: skip
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return self.name_en


class NumberSeries(models.Model):
    """The last number that an issuer gave to a kind of document in a year of its zone. Its row is the lock.

    The database checks at commit that the documents of the series are numbered from 1 to ``last``.
    """

    issuer = models.CharField(max_length=6, blank=True, help_text="the issuer's code")
    kind = models.CharField(max_length=12)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "number series"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "kind", "year"], name="number_series_once"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, triggers.SERIES_HAS_NO_GAPS]

    def __str__(self) -> str:
        return f"{self.issuer} {self.kind} {self.year}: {self.last}"
