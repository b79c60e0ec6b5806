"""What was forgotten, and when: numbers only."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from marketplace.guards import NEVER_CHANGED, NEVER_EMPTIED


class RetentionRun(models.Model):
    """One application of the retention policy as of ``at`` (wall time): how much of what was forgotten."""

    at = models.DateTimeField()
    periods = models.JSONField()
    forgotten = models.JSONField()

    class Meta:
        triggers: ClassVar = [NEVER_EMPTIED, NEVER_CHANGED]

    def __str__(self) -> str:
        return f"retention as of {self.at:%F %T}"
