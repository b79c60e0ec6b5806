from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.actors import task_actor
from demo.national import load_national
from demo.people import LOGINS, PLATFORM_LOGINS, create_people
from marketplace.clock import market_now


class Command(BaseCommand):
    help = "Fill an empty database with a market of the size of a nation, to measure pages on"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        try:
            for step in load_national(
                actor=task_actor("demo.load_national"), now=market_now(), seed=options["seed"]
            ):
                self.stdout.write(f"{time.monotonic() - started:6.0f} s  {step}")
        except ValueError as refusal:
            raise CommandError(str(refusal)) from refusal
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
        create_people()
        addresses = ", ".join(login[1] for login in (*LOGINS, *PLATFORM_LOGINS))
        self.stdout.write(f"{time.monotonic() - started:6.0f} s  done; logins: {addresses}")
