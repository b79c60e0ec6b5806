"""``manage.py bulletin 2026-10 --to DIR``: the monthly bulletin, HTML and PDF, in English and Chinese."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from marketplace.audit.utilisation.bulletins import editions, publish
from marketplace.clock import market_now
from marketplace.errors import DomainError


class Command(BaseCommand):
    help = "Write the bulletin of a month that is over; the same figures give the same bytes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("month", type=_month, help="2026-10")
        parser.add_argument("--to", type=Path, required=True, help="the folder to write to")
        parser.add_argument("--publish", action="store_true", help="keep it on /audit/bulletins/")

    def handle(self, *args: Any, month: datetime, to: Path, publish: bool, **options: Any) -> None:
        try:
            made = editions(month)
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        to.mkdir(parents=True, exist_ok=True)
        for edition in made:
            name = to / f"cardhour-bulletin-{month:%Y-%m}-{edition.language}"
            name.with_suffix(".html").write_text(edition.html)
            name.with_suffix(".pdf").write_bytes(edition.pdf)
            self.stdout.write(f"{name}.html and .pdf")
        if publish:
            self.stdout.write(f"published as {_publish(month, made)}")


def _publish(month: datetime, made: Any) -> str:
    return str(publish(month, made, actor=task_actor("audit.bulletin"), now=market_now()))


def _month(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is no month; write it as 2026-10") from error
