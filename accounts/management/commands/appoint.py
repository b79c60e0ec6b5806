"""``manage.py appoint <email> --role auditor``: whoever may run commands on the server appoints."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actors import task_actor
from accounts.appointments import appoint
from accounts.models import User
from marketplace.clock import market_now
from marketplace.errors import DomainError

ROLES = {"auditor": User.PlatformRole.AUDITOR, "operator": User.PlatformRole.OPERATOR, "none": ""}


class Command(BaseCommand):
    help = "Make somebody who has an account an auditor or an operator of the exchange, or neither."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--role", required=True, choices=ROLES)

    def handle(self, *args: Any, email: str, role: str, **options: Any) -> None:
        try:
            changed = appoint(
                email=email, role=ROLES[role], actor=task_actor("manage.py appoint"), now=market_now()
            )
        except DomainError as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(f"{email}: {role}{'' if changed else ', as before'}")
