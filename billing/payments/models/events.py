"""What providers tell us, kept as they told it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import pgettext_lazy

from billing.payments.triggers import Fixed, Life
from marketplace.guards import NEVER_DELETED, NEVER_EMPTIED


class ProviderEvent(models.Model):
    """A webhook of Stripe's whose signature held. Stored first, handled by a task, once.

    ``waiting``: it came before what it is about (a refund before the payment), and is tried again.
    ``ignored``: of a type that nothing here depends on, or about nothing of ours.
    """

    class State(models.TextChoices):
        RECEIVED = "received", pgettext_lazy("provider event", "Received")
        DONE = "done", pgettext_lazy("provider event", "Done")
        IGNORED = "ignored", pgettext_lazy("provider event", "Ignored")
        WAITING = "waiting", pgettext_lazy("provider event", "Waiting")
        FAILED = "failed", pgettext_lazy("provider event", "Failed")

    event_id = models.CharField(max_length=80, unique=True)
    type = models.CharField(max_length=80)
    api_version = models.CharField(max_length=40, blank=True)
    livemode = models.BooleanField(default=False)
    payload = models.JSONField()
    received_at = models.DateTimeField(db_default=Now(), help_text="wall time")
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    tries = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["id"],
                condition=models.Q(state__in=["received", "waiting", "failed"]),
                name="provider_event_open",
            )
        ]
        triggers: ClassVar = [
            NEVER_EMPTIED,
            NEVER_DELETED,
            Fixed(name="identity", exclude=["state", "tries", "problem"]),
            Life(
                name="life",
                field="state",
                transitions=[
                    *(("received", to) for to in ("done", "ignored", "waiting", "failed")),
                    *(("waiting", to) for to in ("done", "ignored", "failed")),
                    *(("failed", to) for to in ("done", "ignored", "waiting")),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
