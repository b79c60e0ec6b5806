"""Budgets, choices and caps, written straight to the database."""

from __future__ import annotations

from decimal import Decimal

from accounts.models import Organisation
from marketplace.demand.models import Budget, Choice, OwnerCap
from tests.factories import ENTERED


def make_budget(organisation: Organisation, amount: str = "1000", currency: str = "CNY") -> Budget:
    return Budget.objects.create(
        organisation=organisation,
        name=f"Budget {Budget.objects.count() + 1}",
        currency=currency,
        amount=Decimal(amount),
        created_at=ENTERED,
    )


def make_choice(organisation: Organisation, most: int = 1) -> Choice:
    return Choice.objects.create(
        organisation=organisation,
        name=f"Choice {Choice.objects.count() + 1}",
        most=most,
        created_at=ENTERED,
    )


def make_cap(organisation: Organisation, card_hours: int) -> OwnerCap:
    return OwnerCap.objects.create(organisation=organisation, card_hours=card_hours, changed_at=ENTERED)
