"""Billing periods in their three states: open, in grace, closed.

Only a closed period is stored, for ever. The others follow from the calendar and the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Max, Min
from django.utils.translation import pgettext_lazy

from billing.invoicing.models import BillingPeriod
from billing.invoicing.periods import calendar
from billing.rating.models import Charge


class PeriodState(models.TextChoices):
    """Open: it has not ended. In grace: it has, and usage that arrives still lands in its documents.

    Closed: its documents are final; usage that arrives stands on the next ones, on a line that carries its
    own service period and names the line that it corrects.
    """

    OPEN = "open", pgettext_lazy("billing period", "open")
    GRACE = "grace", pgettext_lazy("billing period", "in grace")
    CLOSED = "closed", pgettext_lazy("billing period", "closed")


@dataclass(frozen=True, slots=True)
class Span:
    """A billing period. ``closes_at`` is when it closes at the earliest: once all of it has been rated."""

    starts_at: datetime
    ends_at: datetime
    closes_at: datetime
    closed_at: datetime | None
    state: PeriodState


def span_at(starts_at: datetime, ends_at: datetime, *, closed_at: datetime | None, now: datetime) -> Span:
    ended = PeriodState.GRACE if ends_at <= now else PeriodState.OPEN
    state = ended if closed_at is None else PeriodState.CLOSED
    return Span(starts_at, ends_at, ends_at + settings.BILLING_GRACE, closed_at, state)


def next_interval() -> tuple[datetime, datetime] | None:
    """The period to close next: where the last one ended, at first that of the oldest charge.

    So periods touch and never overlap, also when ``BILLING_PERIOD`` changes between two of them.
    """
    last = BillingPeriod.objects.order_by("-ends_at").first()
    if last is not None:
        return last.ends_at, calendar().end_of(last.ends_at)
    oldest = Charge.objects.aggregate(slot=Min("slot"))["slot"]
    if oldest is None:
        return None
    return calendar().start_of(oldest), calendar().end_of(oldest)


def pending(now: datetime) -> list[Span]:
    """The periods that are not closed, oldest first, up to the one under way or that of the newest charge."""
    interval = next_interval()
    newest = Charge.objects.aggregate(slot=Max("slot"))["slot"]
    spans = []
    while interval is not None and interval[0] <= max(now, newest or now):
        spans.append(span_at(*interval, closed_at=None, now=now))
        interval = interval[1], calendar().end_of(interval[1])
    return spans


def newest(now: datetime, *, count: int) -> list[Span]:
    """The newest periods, newest first."""
    closed = BillingPeriod.objects.order_by("-ends_at")[:count]
    stored = [span_at(each.starts_at, each.ends_at, closed_at=each.closed_at, now=now) for each in closed]
    return [*reversed(pending(now)), *stored][:count]
