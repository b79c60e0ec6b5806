from typing import Any

from django.core.management.base import BaseCommand

from accounts.actors import task_actor
from marketplace.catalogue.services import load_catalogue
from marketplace.clock import market_now


class Command(BaseCommand):
    help = "Bring zones, regions, accelerator models and performance profiles up to the shipped files"

    def handle(self, *args: Any, **options: Any) -> None:
        version = load_catalogue(actor=task_actor("catalogue.load"), now=market_now())
        self.stdout.write(f"performance profiles in force: version {version.number}, {version.method}")
