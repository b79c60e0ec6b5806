"""``manage.py load_policies``: the example policies that come with the exchange, where there are none yet."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.actors import task_actor
from marketplace.audit.compliance.services import load_examples
from marketplace.clock import market_now


class Command(BaseCommand):
    help = "Load the example policies. Those of which there is a version are left alone."

    def handle(self, *args: Any, **options: Any) -> None:
        loaded = load_examples(actor=task_actor("manage.py load_policies"), now=market_now())
        self.stdout.write(f"{len(loaded)} policies loaded")
