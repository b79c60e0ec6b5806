from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.actors import task_actor
from accounts.models import Membership, Organisation, Role, Scope
from demo.affiliates import load_affiliates
from demo.bank import load_accounts
from demo.energy import load_energy
from demo.enrolment import agents_to_run, appoint_administrators
from demo.load import is_loaded, load_market
from demo.people import LOGINS, create_people, create_tokens
from marketplace.clock import market_now


class Command(BaseCommand):
    help = "Load the demo market into an empty database; does nothing when it is loaded already"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data",
            type=Path,
            default=settings.BASE_DIR / ".data",
            help="the folder of logins",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["data"]
        if is_loaded():
            if not (folder / "demo-logins.json").exists():
                raise CommandError(
                    f"The demo market is loaded, but its logins are not in {folder}: demo-reset"
                )
            self.stdout.write("the demo market is loaded already")
        else:
            self._load(folder)
        # At each start, for codes do not live long.
        _write(folder / "demo-agents.json", agents_to_run(now=market_now(), wall_now=datetime.now(UTC)))

    def _load(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The files are written before the commit: a market without its logins would be half made.
        with transaction.atomic():
            market = load_market(actor=task_actor("demo.load"), now=market_now())
            logins = create_people()
            load_accounts(now=market_now())
            load_energy(now=market_now())
            _write(folder / "demo-logins.json", logins)
            appoint_administrators()
            feeder = {
                "start": market.start.isoformat(),
                "first_hour": 1,
                "tokens": create_tokens(Organisation.Kind.BUYER, [Scope.READ, Scope.TRADE]),
            }
            _write(folder / "demo-buyers.json", feeder)
            tokens = _trading_tokens()
            for file, parties in (("terms", _parties()), ("sham", load_affiliates(now=market_now()))):
                sides = {kind: tokens[party] for kind, party in parties.items()}
                _write(folder / f"demo-{file}.json", sides)
        self.stdout.write(
            f"loaded {len(market.sites)} sites, {len(market.fleets)} fleets, {len(market.offers)} offers"
        )


def _parties() -> dict[str, int]:
    """The owner and the buyer that the demo's people work for: they have a term agreement."""
    people = Membership.objects.filter(role=Role.ADMIN, user__email__in=[login[1] for login in LOGINS])
    return dict(people.values_list("organisation__kind", "organisation"))


def _trading_tokens() -> dict[object, dict[str, object]]:
    """Of every organisation, by its id."""
    return {
        row["organisation"]: row
        for kind in Organisation.Kind.values
        for row in create_tokens(kind, [Scope.READ, Scope.TRADE], name="term agreements")
    }


def _write(path: Path, content: object) -> None:
    """Replace a file that only we may read: it holds secrets."""
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    temporary.replace(path)
