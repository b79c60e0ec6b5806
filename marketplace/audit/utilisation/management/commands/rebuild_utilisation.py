"""``manage.py rebuild_utilisation``: do the figures say what readings and book say? Exit code 1 when not."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from marketplace.audit.utilisation.models import FleetHour, RolledUntil
from marketplace.audit.utilisation.rebuilding import differences, repair, unmetered
from marketplace.clock import market_now

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Compute utilisation again from readings, deliveries, the offers' book and charges, compare it with "
        f"what is kept, and print the first {SHOWN} rows that differ. Changes that the next pass would take "
        "in count as differences: run it when nothing is being reported, or look at hours that are settled."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=_moment, help="first hour, 2026-01-31T00; the market's first")
        parser.add_argument(
            "--until", type=_moment, help="the hour after the last one; the last one added up"
        )
        parser.add_argument(
            "--repair", action="store_true", help="write what was computed, and compare again"
        )

    def handle(
        self, *args: Any, since: datetime | None, until: datetime | None, repair: bool, **options: Any
    ) -> None:
        seen = RolledUntil.objects.first()
        if seen is None:
            raise CommandError(
                "Nothing was added up yet: the task audit.roll_up does it after the first run."
            )
        since, until = max(since or seen.since, seen.since), min(until or seen.until, seen.until)
        if since >= until:
            raise CommandError(
                f"--since and --until leave nothing of {seen.since:%F %H}:00 to {seen.until:%F %H}:00."
            )
        found = self._told(since, until)
        if found and repair:
            _repair(since, until)
            found = self._told(since, until)
        hours = FleetHour.objects.filter(starts_at__gte=since, starts_at__lt=until).count()
        self.stdout.write(f"{hours} hours of fleets, {'some differ' if found else 'all equal'}")
        if found:
            sys.exit(1)

    def _told(self, since: datetime, until: datetime) -> bool:
        every = chain(unmetered(since=since, until=until), differences(since=since, until=until))
        first = list(islice(every, SHOWN))
        for each in first:
            self.stderr.write(str(each))
        return bool(first)


def _repair(since: datetime, until: datetime) -> None:
    repair(since=since, until=until, now=market_now(), actor=task_actor("audit.rebuild_utilisation"))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
