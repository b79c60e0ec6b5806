from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketplace import engine
from marketplace.clearing.models import MarketRun
from marketplace.clearing.services import compute, stored_result, stored_snapshot


class Command(BaseCommand):
    help = "Clear a committed run's snapshot again and compare the result byte for byte"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        run = MarketRun.objects.filter(pk=options["run"], state=MarketRun.State.COMMITTED).first()
        if run is None:
            raise CommandError(f"There is no committed run {options['run']}.")
        snapshot = stored_snapshot(run)
        if engine.digest(snapshot) != run.snapshot_digest:
            raise CommandError(f"The snapshot of run {run} was altered: its SHA-256 is not the recorded one.")
        if run.engine != engine.ENGINE_VERSION:
            raise CommandError(f"Run {run} was cleared by {run.engine}, this is {engine.ENGINE_VERSION}.")
        if engine.result_bytes(compute(snapshot)) != stored_result(run):
            raise CommandError(f"Run {run} gives another result when it is cleared again.")
        self.stdout.write(f"run {run}: identical, SHA-256 {run.result_digest}")
