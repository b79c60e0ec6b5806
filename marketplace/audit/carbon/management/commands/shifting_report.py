"""``manage.py shifting_report [--last 20]``: what shifting saved in the last committed runs."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.actors import task_actor
from marketplace.audit.carbon.selectors import saved
from marketplace.audit.carbon.shifting import compute
from marketplace.clearing.selectors import committed_runs
from marketplace.clock import market_now


class Command(BaseCommand):
    help = "Compares what flexible requests emit and cost with the same requests run at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--last", type=int, default=20, help="committed runs, the newest first")

    def handle(self, *args: Any, last: int, **options: Any) -> None:
        for run in committed_runs().order_by("-pk")[:last]:
            shifting = compute(run, actor=task_actor("carbon.shifting"), now=market_now())
            figures = saved(shifting)
            self.stdout.write(
                f"M{run.pk}: {shifting.compared} of {shifting.flexible} flexible requests compared; "
                f"{figures.kg_saved:.3f} kg CO2 of {figures.kg_at_once:.3f} and "
                f"{figures.paid_saved:.2f} {shifting.currency} of {shifting.paid_at_once:.2f} saved"
            )
