"""Findings, what they rest on, what was said about them; and who controls whom."""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation, User
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery
from marketplace.guards import NEVER_CHANGED, NEVER_DELETED, NEVER_EMPTIED
from marketplace.supply.models import Site


class OwnershipLink(models.Model):
    """That one organisation controls another, as an operator entered it from a source.

    Links are added and ended, never changed: whoever looks back sees what was known then.
    """

    controller = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    controlled = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField(help_text=_("from when on it holds"))
    until = models.DateTimeField(null=True, blank=True, help_text=_("empty while it holds"))
    source = models.TextField(help_text=_("where it is written, such as an extract of the company register"))
    entered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", editable=False)
    entered_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(controller=F("controlled")), name="ownership_of_another"),
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gt=F("since")), name="ownership_ends_after_it_began"
            ),
            models.CheckConstraint(condition=~Q(source=""), name="ownership_has_a_source"),
            models.UniqueConstraint(
                fields=["controller", "controlled"],
                condition=Q(until=None),
                name="ownership_once_at_a_time",
            ),
        ]
        triggers: ClassVar = [
            pgtrigger.ReadOnly(name="only_ended", exclude=["until"]),
            NEVER_EMPTIED,
            NEVER_DELETED,
        ]

    def __str__(self) -> str:
        return f"{self.controller_id} controls {self.controlled_id}"


class Severity(models.IntegerChoices):
    NOTICE = 1, pgettext_lazy("severity", "Notice")
    WARNING = 2, pgettext_lazy("severity", "Warning")
    SERIOUS = 3, pgettext_lazy("severity", "Serious")


class State(models.TextChoices):
    OPEN = "open", pgettext_lazy("finding", "Open")
    LOOKING = "looking", pgettext_lazy("finding", "Being looked at")
    ANSWERED = "answered", pgettext_lazy("finding", "Answered")
    CONFIRMED = "confirmed", pgettext_lazy("finding", "Confirmed")
    DISMISSED = "dismissed", pgettext_lazy("finding", "Dismissed")


CLOSED = (State.CONFIRMED, State.DISMISSED)
UNDER_WAY = tuple(state for state in State if state not in CLOSED)


class Finding(models.Model):
    """Something that a detector saw and an auditor should judge. It accuses nobody.

    ``key`` names the case: of one detector and case no more than one finding is under way, and a detector
    that sees the case again adds to it. ``statistics`` are what it computed and ``thresholds`` what it
    compared them with, as decimal strings; ``version`` is that of the thresholds. ``owner`` is the auditor
    who looks after it. ``reason`` says why it was confirmed or dismissed.
    """

    detector = models.CharField(max_length=40)
    version = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=120)
    severity = models.PositiveSmallIntegerField(choices=Severity)
    starts_at = models.DateTimeField(help_text="of the time that it is about")
    ends_at = models.DateTimeField()
    statistics = models.JSONField()
    thresholds = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    owner = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=2000, blank=True)
    found_at = models.DateTimeField(help_text="market time")
    seen_at = models.DateTimeField(help_text="when a detector last saw it")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["detector", "key"],
                condition=Q(state__in=["open", "looking", "answered"]),
                name="finding_once_a_case",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="finding_window_not_empty"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "looking", "answered"], closed_at=None, reason="")
                | (Q(state__in=["confirmed", "dismissed"], closed_at__isnull=False) & ~Q(reason="")),
                name="finding_closed_with_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state="looking") | Q(owner__isnull=False), name="finding_looked_at_by_one"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "-severity", "-id"]),
            models.Index(fields=["detector", "key"]),
        ]
        triggers: ClassVar = [
            pgtrigger.FSM(
                name="steps",
                field="state",
                transitions=[
                    ("open", "looking"),
                    ("open", "answered"),
                    ("looking", "answered"),
                    ("answered", "looking"),
                    *((state, closed) for state in ("open", "looking", "answered") for closed in CLOSED),
                ],
            ),
            pgtrigger.ReadOnly(name="same_case", fields=["detector", "key", "found_at"]),
            NEVER_EMPTIED,
            NEVER_DELETED,
        ]

    def __str__(self) -> str:
        return f"F{self.pk}"

    @property
    def is_closed(self) -> bool:
        return self.state in CLOSED


class FindingSubject(models.Model):
    """Whom a finding is about: always an organisation, and of what it has, one thing or none."""

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="subjects", db_index=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    site = models.ForeignKey(Site, null=True, on_delete=models.PROTECT, related_name="+")
    agreement = models.ForeignKey(Agreement, null=True, on_delete=models.PROTECT, related_name="+")
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["finding", "organisation", "site", "agreement", "delivery"],
                nulls_distinct=False,
                name="finding_subject_once",
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"F{self.finding_id} about {self.organisation_id}"


class Evidence(models.Model):
    """A row that a finding rests on: its kind and id, what was read of it, and the SHA-256 of that.

    The same row with other contents, after a correction, is another piece of evidence beside the first.
    ``parties`` are the organisations whose row it is: a subject sees its own, and auditors see all.
    """

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="evidence", db_index=False)
    kind = models.CharField(max_length=30)
    row = models.CharField(max_length=60)
    facts = models.JSONField()
    digest = models.CharField(max_length=64)
    parties = ArrayField(models.BigIntegerField())
    added_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "evidence"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["finding", "kind", "row", "digest"], name="evidence_once_a_finding"
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"F{self.finding_id}: {self.kind} {self.row}"


class FindingMessage(models.Model):
    """What was said about a finding. With an ``organisation`` it is between auditors and that subject;
    without one it is a note that auditors keep among themselves."""

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="messages")
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="+")
    by_auditor = models.BooleanField()
    author = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    text = models.CharField(max_length=4000)
    written_at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(text=""), name="finding_message_says_something"),
            models.CheckConstraint(
                condition=Q(by_auditor=True) | Q(organisation__isnull=False),
                name="finding_answer_of_a_subject",
            ),
        ]
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"F{self.finding_id}: {self.written_at:%F %T}"
