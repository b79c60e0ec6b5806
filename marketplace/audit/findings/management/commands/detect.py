from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from marketplace.audit.findings.detecting import detect, window_at
from marketplace.audit.findings.detectors import DETECTORS
from marketplace.clock import market_now


class Command(BaseCommand):
    help = "Run the detectors over the days before a moment, and keep what they find"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at", help="a moment of market time, such as 2026-03-09T00:00Z; now")
        parser.add_argument("--days", type=int, default=7, help="how many days before it are looked at")
        parser.add_argument("--only", nargs="+", default=[], metavar="DETECTOR", help="run these only")

    def handle(self, *args: Any, **options: Any) -> None:
        unknown = sorted(set(options["only"]) - set(DETECTORS))
        if unknown:
            raise CommandError(
                f"There is no detector {', '.join(unknown)}. There are: {', '.join(DETECTORS)}."
            )
        if options["days"] < 1:
            raise CommandError(f"--days {options['days']}: look at one day at least.")
        now = market_now()
        window = window_at(_moment(options["at"]) or now, look_back=timedelta(days=options["days"]))
        outcome = detect(window, actor=task_actor("audit.detect"), now=now, only=options["only"])
        for name in options["only"] or DETECTORS:
            self.stdout.write(f"{name}: {outcome.seen[name]} seen, {outcome.new[name]} new")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--at {text} is no moment; write it as 2026-03-09T00:00Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
