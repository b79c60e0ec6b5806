"""``manage.py detach_readings 2025-01``: take the readings of a month out, to be kept elsewhere."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from billing.metering.partitions import CannotDetach, detach, table_of
from marketplace.clock import market_now


class Command(BaseCommand):
    help = (
        "Detach the partition of a month that is over and rated. Its readings stay in a table of their own; "
        "its hours stay where they are. Events and corrections for that month are rejected from then on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("month", type=_month, help="2025-01")

    def handle(self, *args: Any, month: date, **options: Any) -> None:
        try:
            detached = detach(month, now=market_now(), actor=task_actor("metering.detach_readings"))
        except CannotDetach as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{detached.readings} readings are in the table {table_of(month)}")


def _month(text: str) -> date:
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
