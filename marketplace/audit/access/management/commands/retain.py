"""``manage.py retain --at 2026-11-01 --dry-run``: forget the personal data whose time is over."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from marketplace.audit.access.retention import due, periods, retain
from marketplace.clock import market_now


class Command(BaseCommand):
    help = (
        "Forget personal data whose time is over (retention.toml). The audit chain verifies before and after."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--at", help="as of this moment of wall time, ISO 8601; now, if it is not given")
        parser.add_argument(
            "--dry-run", action="store_true", help="say how much it would be, and forget nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        at = _moment(options["at"])
        if options["dry_run"]:
            counts = due(at)
        else:
            counts = retain(at=at, actor=task_actor("manage.py retain"), now=market_now()).forgotten
        for name, count in counts.items():
            self.stdout.write(f"{name}: {count} (kept for {periods()[name]} days)")
        self.stdout.write("Nothing was changed." if options["dry_run"] else "Done.")


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--at {text!r} is no moment; write 2026-11-01 or 2026-11-01T08:00:00Z") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > datetime.now(UTC):
        raise CommandError(f"--at {text} lies ahead; what is kept until then is not forgotten today")
    return at
