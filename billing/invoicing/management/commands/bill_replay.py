"""``manage.py bill_replay INV-2026-000001``: is a document what its events make it? Exit code 1 when not."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.invoicing.models import Document
from billing.invoicing.replay import replay_bill


class Command(BaseCommand):
    help = (
        "Walk from an invoice, statement or credit note down to charges, rating runs, readings and events, "
        "compute all of it again, and print the first differences."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("numbers", nargs="+", metavar="number", help="for example INV-2026-000001")

    def handle(self, *args: Any, numbers: list[str], **options: Any) -> None:
        documents = {each.number: each for each in Document.objects.filter(number__in=numbers)}
        if unknown := [number for number in numbers if number not in documents]:
            raise CommandError(f"There is no document {unknown[0]}.")
        differing = [number for number in numbers if not self._is_same(documents[number])]
        if differing:
            sys.exit(1)

    def _is_same(self, document: Document) -> bool:
        replay = replay_bill(document)
        for difference in replay.differences:
            self.stderr.write(str(difference))
        verdict = "all of it the same" if replay.is_same else "NOT the same"
        self.stdout.write(
            f"{document}: {replay.lines} lines, {replay.charges} charges of {len(replay.runs)} runs, "
            f"{replay.readings} readings: {verdict}"
        )
        return replay.is_same
