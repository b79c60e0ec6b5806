"""manage.py load_billing: the shipped tax rules and dunning policy."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.actors import task_actor
from billing.invoicing.models import DunningPolicy, TaxRule
from billing.invoicing.reference import load_reference
from marketplace.clock import market_now


class Command(BaseCommand):
    help = (
        "Add the shipped tax rules and the standard dunning policy, where there are none. Repeat as you like."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        load_reference(actor=task_actor("billing.load"), now=market_now())
        self.stdout.write(
            f"{TaxRule.objects.count()} tax rules, {DunningPolicy.objects.count()} dunning policies."
        )
