"""``manage.py rating_replay 17``: does a rating run give the same bytes again? Exit code 1 when not."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.rating.models import RatingRun
from billing.rating.replay import replay_run


class Command(BaseCommand):
    help = (
        "Compute rating runs again from their cutoff, the readings and the terms, compare every charge to "
        "the byte, and print the first differences."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("runs", nargs="*", type=int, metavar="run", help="number of a rating run")
        parser.add_argument("--all", action="store_true", help="every run that there is")

    def handle(self, *args: Any, runs: list[int], **options: Any) -> None:
        if bool(runs) == options["all"]:
            raise CommandError("Name rating runs, or say --all.")
        chosen = RatingRun.objects.order_by("pk")
        if runs:
            chosen = chosen.filter(pk__in=runs)
            if unknown := sorted(set(runs) - set(chosen.values_list("pk", flat=True))):
                raise CommandError(f"There is no rating run {unknown[0]}.")
        differing = [run for run in chosen.iterator() if not self._is_same(run)]
        if differing:
            sys.exit(1)

    def _is_same(self, run: RatingRun) -> bool:
        replay = replay_run(run)
        for difference in replay.differences:
            self.stderr.write(f"{run}: {difference}")
        code = "" if replay.is_same_code else ", by other code than it was made with"
        verdict = "the same bytes" if replay.is_same else "NOT the same"
        charges = f"{replay.charges} charges, SHA-256 {replay.charges_digest}"
        self.stdout.write(f"{run}: {charges}, {verdict}{code}")
        return replay.is_same
