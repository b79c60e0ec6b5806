"""manage.py check_ledger: do the ledger, the documents and the payments agree?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from billing.ledger.checks import check_ledger
from billing.ledger.models import Difference
from marketplace.clock import market_now


class Command(BaseCommand):
    help = "Compare the ledger with itself, the documents and the payments; fails when two figures differ."

    def handle(self, *args: Any, **options: Any) -> None:
        run = check_ledger(now=market_now(), actor=task_actor("billing.check_ledger"))
        for one in Difference.objects.filter(resolved_by=None).order_by("pk"):
            self.stdout.write(f"{one.rule}: {one.subject}: expected {one.expected}, found {one.found}")
        if run.found:
            raise CommandError(f"{run.found} differences. Operators see them under Ledger → Checks.")
        self.stdout.write(f"{run.rules} rules, no difference.")
