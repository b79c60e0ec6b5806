"""Invoices to buyers, statements to owners, and credit notes on either."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Organisation
from billing.invoicing import triggers
from billing.invoicing.models.issuers import Issuer
from billing.invoicing.models.taxes import TaxRule
from billing.ledger.models import Journal
from billing.rating.models import Charge
from marketplace.agreements.models import Agreement
from marketplace.catalogue.models import CurrencyCode
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED
from marketplace.web.formats import price


class BillingPeriod(models.Model):
    """An interval whose charges were invoiced together. It is written when it closes, for ever."""

    starts_at = models.DateTimeField(unique=True)
    ends_at = models.DateTimeField(unique=True)
    closed_at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="period_not_empty"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"{self.starts_at:%F %H:%M} – {self.ends_at:%F %H:%M}"


class Document(models.Model):
    """A finalised invoice (to a buyer), statement (to an owner) or credit note on one of them.

    It never changes. Amounts are minor units (fen, cents) of the currency; those of a credit note are what
    it takes off. ``total`` is ``net`` and ``tax``. A document has a journal where it moves something; what a
    statement owes without tax is booked by the invoices on the other side.
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice", gettext_lazy("Invoice")
        STATEMENT = "statement", gettext_lazy("Statement")
        CREDIT_NOTE = "credit_note", gettext_lazy("Credit note")

    class BorneBy(models.TextChoices):
        OWNERS = "owners", gettext_lazy("The owners, with the commission on it")
        EXCHANGE = "exchange", gettext_lazy("The exchange")

    kind = models.CharField(max_length=12, choices=Kind)
    number = models.CharField(max_length=32, unique=True)
    issuer = models.ForeignKey(Issuer, on_delete=models.PROTECT, related_name="documents")
    series = models.CharField(max_length=6, blank=True, help_text="the issuer's code")
    year = models.PositiveSmallIntegerField(help_text="in the issuer's zone")
    sequence = models.PositiveIntegerField()
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="documents")
    # As they were: an organisation may be renamed, a document not.
    party_name_en = models.CharField(max_length=120)
    party_name_zh = models.CharField(max_length=120)
    party_jurisdiction = models.CharField(max_length=8)
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="documents")
    part = models.PositiveSmallIntegerField(
        default=0, help_text="of what was invoiced later, the how-manieth"
    )
    credits = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="credit_notes")
    reason = models.CharField(max_length=300, blank=True, help_text="of a credit note")
    borne_by = models.CharField(
        max_length=10, blank=True, choices=BorneBy, help_text="of a credit note on an invoice"
    )
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    net = models.BigIntegerField()
    tax = models.BigIntegerField()
    total = models.BigIntegerField()
    line_count = models.PositiveIntegerField()
    due_on = models.DateField(null=True, help_text="of an invoice: the last day, in the buyer's zone")
    finalised_at = models.DateTimeField(help_text="market time")
    journal = models.ForeignKey(Journal, null=True, on_delete=models.PROTECT, related_name="documents")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(total=F("net") + F("tax")), name="document_total"),
            models.CheckConstraint(
                condition=Q(kind="credit_note", credits__isnull=False, total__gt=0)
                | Q(kind__in=["invoice", "statement"], credits__isnull=True, reason="", borne_by=""),
                name="document_credit_note_names_what_it_credits",
            ),
            models.CheckConstraint(
                condition=Q(due_on__isnull=True) | Q(kind="invoice"), name="document_only_invoices_fall_due"
            ),
            models.UniqueConstraint(
                fields=["series", "kind", "year", "sequence"], name="document_number_once"
            ),
            models.UniqueConstraint(
                fields=["kind", "organisation", "period", "currency", "part"],
                condition=Q(credits=None),
                name="document_once_a_period",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["organisation", "kind", "-id"]),
            models.Index(fields=["credits"], condition=Q(credits__isnull=False), name="document_credits"),
            models.Index(fields=["due_on"], condition=Q(due_on__isnull=False), name="document_due"),
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_CHANGED,
            triggers.CREDIT_NOTES_TAKE_TURNS,
            triggers.DOCUMENT_IS_ITS_LINES,
        ]

    def __str__(self) -> str:
        return self.number


class Line(models.Model):
    """What the charges of one agreement come to. The only place where money is rounded.

    Of a term agreement each kind of charge has a line of its own, ``item``; it is empty for usage. Of overage
    each tier has one: ``surcharge`` is what it costs above the agreed price.

    The charges of a line are of one billing period (``period``, which is an earlier one for usage that came
    late; ``corrects`` is then the line that the earlier document has for it) and under one tax rule.
    ``exact`` is the sum of the charges' amounts (or credits, on a statement); ``amount`` is that sum in minor
    units. ``counterpart`` is the line on the other side's document. A credit note's line names in
    ``credits`` the line that it takes something off.
    """

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="lines")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="lines")
    item = models.CharField(max_length=10, blank=True, choices=Charge.Kind)
    surcharge = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    service_from = models.DateTimeField()
    service_until = models.DateTimeField()
    tax_rule = models.ForeignKey(TaxRule, on_delete=models.PROTECT, related_name="lines")
    corrects = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="corrections")
    counterpart = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="origin")
    credits = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="credited_by")
    quantity = models.BigIntegerField(help_text="card-seconds")
    charge_count = models.PositiveIntegerField()
    exact = models.DecimalField(max_digits=28, decimal_places=12)
    amount = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "position"], name="line_once_a_position"),
            models.CheckConstraint(
                condition=Q(service_until__gt=F("service_from")), name="line_has_a_service_period"
            ),
            models.CheckConstraint(
                condition=Q(item="overage", surcharge__isnull=False)
                | (~Q(item="overage") & Q(surcharge__isnull=True)),
                name="line_of_a_tier_has_a_surcharge",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["agreement", "period"]),
            models.Index(fields=["credits"], condition=Q(credits__isnull=False), name="line_credits"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED, triggers.LINE_WAS_ANNOUNCED]

    def __str__(self) -> str:
        return f"{self.document_id}/{self.position}"

    @property
    def about(self) -> str:
        """What it is for, in the reader's language."""
        if not self.item:
            fleet = self.agreement.allocation.offer.fleet
            return f"{fleet.model}, {fleet.site}"
        facts = {"item": self.get_item_display(), "term": f"T{self.agreement.term_id}"}
        if self.surcharge is None:
            return _("%(item)s, term agreement %(term)s") % facts
        facts["price"] = price(self.surcharge, self.agreement.currency, self.agreement.unit.short)
        return _("%(item)s, term agreement %(term)s: %(price)s more than agreed") % facts


class DocumentTax(models.Model):
    """The tax of a document under one rule: the rule's rate on the sum of the lines under it, rounded once.

    On a credit note it is the part of the credited document's tax that is taken off with its lines.
    """

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="taxes")
    rule = models.ForeignKey(TaxRule, on_delete=models.PROTECT, related_name="documents")
    base = models.BigIntegerField()
    amount = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "document taxes"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["document", "rule"], name="document_tax_once_a_rule"),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED, triggers.TAX_IS_ON_ITS_LINES]

    def __str__(self) -> str:
        return f"{self.document_id}: {self.rule}"


class Credited(models.Model):
    """How much credit notes took off a document so far. The row makes them come one after the other.

    Written by a trigger alone; the check of each credit note adds up all of them anew.
    """

    document = models.OneToOneField(
        Document, on_delete=models.PROTECT, primary_key=True, related_name="credited"
    )
    amount = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "credited"
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED, triggers.CREDITED_IS_WRITTEN_BY_TRIGGERS]

    def __str__(self) -> str:
        return f"{self.document_id}: {self.amount}"


class InvoicedCharge(models.Model):
    """Which charge stands on which invoice line and statement line: each charge once."""

    # What all three must be is checked a statement at a time.
    charge = models.OneToOneField(
        Charge,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="invoiced",
        db_constraint=False,
    )
    invoice_line = models.ForeignKey(
        Line, on_delete=models.PROTECT, related_name="invoiced_charges", db_constraint=False
    )
    statement_line = models.ForeignKey(
        Line, on_delete=models.PROTECT, related_name="credited_charges", db_constraint=False
    )

    class Meta:
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_CHANGED,
            triggers.CHARGES_AND_LINES_ARE_THERE,
            triggers.CHARGE_WAS_ANNOUNCED,
        ]

    def __str__(self) -> str:
        return f"charge {self.charge_id}"


class ParkedBilling(models.Model):
    """Charges of an agreement that no document can be made of, because a fact is missing.

    They wait: a missing rate is never a zero. The next closing after the fact is known puts them on documents
    of the period that they were left out of.
    """

    class Reason(models.TextChoices):
        NO_TAX_RULE = "no_tax_rule", gettext_lazy("No tax rule for these jurisdictions on these days")
        NO_POLICY = "no_policy", gettext_lazy("No dunning policy says when invoices fall due")

    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="parked_billing")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="parked_billing")
    reason = models.CharField(max_length=20, choices=Reason)
    details = models.JSONField()
    parked_at = models.DateTimeField(help_text="market time")
    resolved_at = models.DateTimeField(null=True, help_text="market time")

    class Meta:
        verbose_name_plural = "parked billing"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["agreement"], condition=Q(resolved_at=None), name="billing_parked_once"
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_DELETED]

    def __str__(self) -> str:
        return f"{self.agreement_id}: {self.reason}"
