from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from marketplace.clearing import record
from marketplace.clearing.models import MarketRun
from marketplace.clearing.services import stored_result, stored_snapshot
from marketplace.engine.replay import RESULT, SNAPSHOT, CannotReplay, Record, ReplayFailed, replay


class Command(BaseCommand):
    help = "Verify a committed run, clear its snapshot again and compare the result byte for byte"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int)
        parser.add_argument("--package", type=Path, help="write the run's package to this file instead")

    def handle(self, *args: Any, **options: Any) -> None:
        run = MarketRun.objects.filter(pk=options["run"], state=MarketRun.State.COMMITTED).first()
        if run is None:
            raise CommandError(f"There is no committed run {options['run']}.")
        if options["package"]:
            self._write(run, options["package"])
        else:
            self._replay(run)

    def _write(self, run: MarketRun, path: Path) -> None:
        with path.open("wb") as file:
            record.write_package(run, file)
        self.stdout.write(f"run {run}: written to {path}")

    def _replay(self, run: MarketRun) -> None:
        sums = {SNAPSHOT: run.snapshot_digest, RESULT: run.result_digest}
        try:
            for line in replay(Record(stored_snapshot(run), stored_result(run), sums)):
                self.stdout.write(line)
        except (ReplayFailed, CannotReplay) as error:
            raise CommandError(f"Run {run}: {error}") from error
        self.stdout.write(f"run {run}: identical, SHA-256 {run.result_digest}")
