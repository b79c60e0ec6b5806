"""Term agreements: a quantity over months, called off by requests that the market places."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation, User
from marketplace.append_only import NEVER_TRUNCATED
from marketplace.catalogue.models import AcceleratorModel, CurrencyCode, WorkloadClass
from marketplace.terms import triggers
from marketplace.terms.calendar import MONTH, Interval
from marketplace.terms.sheet import MOST_MONTHS, Sheet
from marketplace.terms.sheet import Unit as SheetUnit


class TermAgreement(models.Model):
    """A quantity that a buyer takes from an owner month by month, at a price agreed beforehand.

    It is of card-hours of one ``model``, or of nP-hours of one ``workload`` class, done by any cards.

    It is proposed by one side and concluded when the other accepts its first version. ``starts_at`` is the
    beginning of its first month in ``time_zone``. ``calendar`` says what a month is (``terms.calendar``). The
    ends of its months are kept as they were agreed: a zone may change its clocks afterwards.
    """

    class State(models.TextChoices):
        PROPOSED = "proposed", pgettext_lazy("term agreement", "Proposed")
        CONCLUDED = "concluded", pgettext_lazy("term agreement", "Concluded")
        DROPPED = "dropped", pgettext_lazy("term agreement", "Not concluded")

    class Unit(models.TextChoices):
        CARD_HOUR = SheetUnit.CARD_HOUR, _("card-hours")
        NP_HOUR = SheetUnit.NP_HOUR, _("nP-hours")

    buyer = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="terms_bought")
    owner = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="terms_sold")
    unit = models.CharField(max_length=10, choices=Unit, default=Unit.CARD_HOUR)
    model = models.ForeignKey(
        AcceleratorModel, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    workload = models.CharField(max_length=20, choices=WorkloadClass, blank=True)
    currency = models.CharField(max_length=3, choices=CurrencyCode)
    time_zone = models.CharField(max_length=64)
    calendar = models.CharField(max_length=16, default=MONTH)
    months = models.PositiveSmallIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    month_ends = ArrayField(models.DateTimeField())
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    concluded_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(buyer=F("owner")), name="term_between_two_parties"),
            models.CheckConstraint(
                condition=Q(unit=SheetUnit.CARD_HOUR, model__isnull=False, workload="")
                | (Q(unit=SheetUnit.NP_HOUR, model=None) & ~Q(workload="")),
                name="term_is_of_its_unit",
            ),
            models.CheckConstraint(condition=Q(months__gt=0, months__lte=MOST_MONTHS), name="term_months"),
            models.CheckConstraint(condition=Q(month_ends__len=F("months")), name="term_ends_of_all_months"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="term_not_empty"),
            models.CheckConstraint(
                condition=Q(state="concluded", concluded_at__isnull=False)
                | (Q(state__in=["proposed", "dropped"]) & Q(concluded_at__isnull=True)),
                name="term_concluded_at_some_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["buyer", "-id"]),
            models.Index(fields=["owner", "-id"]),
        ]
        triggers: ClassVar = [
            triggers.TERM_BEGINS_PROPOSED,
            pgtrigger.FSM(
                name="concluded_once",
                field="state",
                transitions=[("proposed", "concluded"), ("proposed", "dropped")],
            ),
            pgtrigger.ReadOnly(name="fixed", exclude=["state", "concluded_at"]),
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"T{self.pk}"

    @property
    def is_in_np(self) -> bool:
        return self.unit == self.Unit.NP_HOUR

    @property
    def subject(self) -> str:
        """What it is a quantity of: the model, or the class of work."""
        return str(self.model or self.get_workload_display())

    @property
    def spans(self) -> Sequence[Interval]:
        """Its months, the first first."""
        return list(pairwise([self.starts_at, *self.month_ends]))


class TermVersion(models.Model):
    """Terms that one side proposed, for the months from ``from_month`` on; 0 is the first month.

    To propose is to accept for one's own side; ``closed_by`` accepted, or declined, for the other, or
    withdrew it for the same one. Both are empty where a token did it: the audit event names the token.
    Of the accepted versions that a month is in, the one with the highest number holds.
    """

    class Side(models.TextChoices):
        BUYER = "buyer", pgettext_lazy("side of an agreement", "Buyer")
        OWNER = "owner", pgettext_lazy("side of an agreement", "Owner")

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("version of terms", "Proposed")
        ACCEPTED = "accepted", pgettext_lazy("version of terms", "Accepted")
        DECLINED = "declined", pgettext_lazy("version of terms", "Declined")
        WITHDRAWN = "withdrawn", pgettext_lazy("version of terms", "Withdrawn")

    agreement = models.ForeignKey(TermAgreement, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    from_month = models.PositiveSmallIntegerField()
    applies_from = models.DateTimeField(help_text="the beginning of that month")
    terms = models.JSONField()
    terms_digest = models.CharField(max_length=64)
    proposed_by = models.CharField(max_length=5, choices=Side)
    proposer = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    closed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["agreement", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agreement", "number"], name="version_number_once"),
            models.UniqueConstraint(
                fields=["agreement"], condition=Q(state="open"), name="version_proposed_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None, closed_by=None)
                | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="version_closed_at_some_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="accepted") | Q(closed_at__lte=F("applies_from")),
                name="version_for_months_to_come",
            ),
            models.CheckConstraint(
                condition=Q(number=1, from_month=0) | Q(number__gt=1), name="version_one_is_of_all_months"
            ),
        ]
        triggers: ClassVar = [
            triggers.VERSION_BEGINS_OPEN,
            triggers.VERSION_KEEPS_THE_UNIT,
            triggers.VERSION_IS_ONLY_CLOSED,
            NEVER_TRUNCATED,
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"T{self.agreement_id}/{self.number}"

    @property
    def sheet(self) -> Sheet:
        return Sheet.of_terms(self.terms)


def sheets_of(agreement: TermAgreement, versions: Sequence[TermVersion]) -> Sequence[Sheet]:
    """The terms of each of its months, of the accepted ones among its versions."""
    accepted = [each for each in versions if each.state == TermVersion.State.ACCEPTED]
    accepted.sort(key=lambda each: each.number)
    return [
        [each for each in accepted if each.from_month <= month][-1].sheet for month in range(agreement.months)
    ]


def month_of(agreement: TermAgreement, moment: datetime) -> int | None:
    """The number of the month that a moment lies in, the first being 0; None outside of them all."""
    for number, (start, end) in enumerate(agreement.spans):
        if start <= moment < end:
            return number
    return None
