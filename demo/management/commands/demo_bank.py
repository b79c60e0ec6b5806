from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from demo.bank import Bank
from demo.http import keep_going, log
from marketplace.clock import market_now
from marketplace.errors import DomainError

SECONDS_BETWEEN_TURNS = 20.0


class Command(BaseCommand):
    help = "The demo's bank: buyers pay, statements are imported, payouts are drafted, approved and executed"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--folder",
            type=Path,
            default=settings.BASE_DIR / ".data" / "demo-bank",
            help="where the files of payouts go",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        folder.mkdir(parents=True, exist_ok=True)
        bank = Bank.at(folder)
        keep_going(lambda: self._turn(bank))

    def _turn(self, bank: Bank) -> float:
        """Somebody at a page may be faster: then the turn is refused, and the next one sees it."""
        close_old_connections()
        try:
            for done in bank.turn(market_now()):
                log(done)
        except DomainError as error:
            log(f"refused: {error.message}")
        return SECONDS_BETWEEN_TURNS
