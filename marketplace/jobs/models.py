"""Jobs: who started what, how it stands, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organisation, User


class Job(models.Model):
    """``subject`` is the number of what it works on; ``result_url`` leads to what came of it.

    ``language`` is the reader's: what went wrong is said in it. Times are of the market. Auditors and
    operators work for no organisation: their jobs have none.
    """

    class Kind(models.TextChoices):
        OFFER_IMPORT = "offer_import", _("Import of offers")
        ASK_REPLAY = "ask_replay", _("Replay with other asks")
        EVIDENCE_PACK = "evidence_pack", _("Pack of evidence")

    class State(models.TextChoices):
        QUEUED = "queued", pgettext_lazy("job", "Waiting")
        RUNNING = "running", pgettext_lazy("job", "Running")
        DONE = "done", pgettext_lazy("job", "Done")
        FAILED = "failed", pgettext_lazy("job", "Failed")

    kind = models.CharField(max_length=20, choices=Kind)
    organisation = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="jobs")
    started_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="jobs")
    subject = models.PositiveBigIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    steps = models.PositiveIntegerField(help_text="how many there are in all")
    language = models.CharField(max_length=12)
    error = models.TextField(blank=True)
    result_url = models.CharField(max_length=200, blank=True)
    queued_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(state__in=["queued", "running"]),
                name="job_under_way_once_a_subject",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], finished_at=None)
                | Q(state__in=["done", "failed"], finished_at__isnull=False),
                name="job_ends_at_a_time",
            ),
            models.CheckConstraint(condition=~Q(state="failed") | ~Q(error=""), name="failed_job_says_why"),
        ]

    def __str__(self) -> str:
        return f"J{self.pk}"

    @property
    def is_under_way(self) -> bool:
        return self.state in {self.State.QUEUED, self.State.RUNNING}
