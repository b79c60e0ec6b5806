"""``manage.py rebuild_hours``: are the hours what their readings add up to? Exit code 1 when not."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from billing.metering.hours import ALWAYS, differences, rebuild
from billing.metering.models import MeteredHour
from marketplace.clock import market_now
from marketplace.delivery.models import Delivery


class Command(BaseCommand):
    help = (
        "Add all readings up again, compare the sums with the hours, and print each difference. "
        "Months that were detached are left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=_moment, default=ALWAYS[0], help="first hour, 2026-01-31T00")
        parser.add_argument("--until", type=_moment, default=ALWAYS[1], help="the hour after the last one")
        parser.add_argument("--repair", action="store_true", help="make the hours that differ anew")

    def handle(self, *args: Any, since: datetime, until: datetime, repair: bool, **options: Any) -> None:
        if since >= until:
            raise CommandError("--since must be earlier than --until.")
        found = differences(since=since, until=until)
        for difference in found:
            self.stderr.write(str(difference))
        if found and repair:
            actor = task_actor("metering.rebuild_hours")
            for delivery in Delivery.objects.filter(pk__in={one.delivery for one in found}).order_by("pk"):
                rebuild(delivery, since=since, until=until, now=market_now(), actor=actor)
            found = differences(since=since, until=until)
        hours = MeteredHour.objects.filter(slot__gte=since, slot__lt=until).count()
        self.stdout.write(f"{hours} hours, {len(found)} that differ from their readings")
        if found:
            sys.exit(1)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
