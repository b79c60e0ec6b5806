"""Events that concern an organisation, who of it was told, and how everybody likes to be told."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Organisation, User


class Kind(models.TextChoices):
    MATCHED = "matched", _("A request is matched")
    EXPIRED = "expired", _("A request has expired unmatched")
    SOLD = "sold", _("Cards are sold")
    DELIVERY_FAILED = "delivery_failed", _("A delivery ended before its time")
    AGENT_SILENT = "agent_silent", _("The agent of a site is silent")
    INVOICE_ISSUED = "invoice_issued", _("An invoice is issued")
    INVOICE_OVERDUE = "invoice_overdue", _("An invoice is overdue")
    INVOICE_PAID = "invoice_paid", _("An invoice is paid")
    STATEMENT_ISSUED = "statement_issued", _("A statement is issued")
    PAYOUT_SENT = "payout_sent", _("A payout is sent")
    PAYOUT_FAILED = "payout_failed", _("A payout failed")
    JOB_ENDED = "job_ended", _("Long work has ended")
    FINDING = "finding", _("A finding is about your organisation")
    FINDING_NEWS = "finding_news", _("There is news of a finding")


class Mail(models.TextChoices):
    AT_ONCE = "at_once", _("At once")
    DAILY = "daily", _("Once a day")
    NEVER = "never", _("Never")


class Event(models.Model):
    """Something that happened to an organisation. ``key`` names it, so that it is told once.

    ``facts`` are the words that the kind's sentence has gaps for, as text in no language; ``page`` and
    ``page_args`` are the name and the arguments of the address where more of it is.
    """

    kind = models.CharField(max_length=20, choices=Kind)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=80)
    facts = models.JSONField()
    page = models.CharField(max_length=60)
    page_args = models.JSONField(default=list)
    happened_at = models.DateTimeField(help_text="market time")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organisation", "kind", "key"], name="event_is_told_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Notification(models.Model):
    """An event as one person gets it. ``mail`` is how that person liked it when it happened."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications", db_index=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="notifications")
    mail = models.CharField(max_length=8, choices=Mail)
    read_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "event"], name="notification_once_a_person"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"]),
            models.Index(fields=["user"], condition=Q(read_at=None), name="notification_unread"),
            models.Index(
                fields=["mail", "user"],
                condition=Q(mailed_at=None) & ~Q(mail="never"),
                name="notification_to_mail",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.event_id}"


class Preference(models.Model):
    """How somebody wants to hear of a kind, where that differs from what is usual."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=Kind)
    mail = models.CharField(max_length=8, choices=Mail)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "kind"], name="preference_once_a_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}: {self.mail}"


class Digest(models.Model):
    """When somebody last got the mail of the day."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    sent_at = models.DateTimeField(help_text="market time")

    def __str__(self) -> str:
        return f"{self.user_id} {self.sent_at:%F %H:%M}"
