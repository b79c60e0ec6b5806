"""How long it takes to post invoices to the ledger, with every guard in place: ``make bench-ledger``.

A database of its own on the server that DATABASE_URL names, or on an embedded one; it is dropped afterwards.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg

from workbench import databases

if TYPE_CHECKING:
    from billing.ledger.services import Entry

FOLDER = Path(__file__).resolve().parent.parent.parent / ".data" / "benchmarks" / "ledger"
NAME = "bench_ledger"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
BUYERS, OWNERS = 5_000, 500
# Invoices of one transaction: what a closing finalises together.
TOGETHER = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with databases.running(FOLDER) as servers:
        for number in range(chosen.rounds):
            with _database(servers.database_url) as url:
                os.environ |= {"DATABASE_URL": url, "REDIS_URL": servers.redis_url, "SECRET_KEY": "benchmark"}
                _measure(chosen.invoices, seed=chosen.seed + number)


@contextmanager
def _database(server: str) -> Iterator[str]:
    """The address of a new database on the server."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME}")
        connection.execute(f"CREATE DATABASE {NAME}")
        yield urlunsplit(urlsplit(server)._replace(path=f"/{NAME}"))
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def _measure(invoices: int, *, seed: int) -> None:
    parties = _prepare()
    rng = random.Random(seed)  # noqa: S311 - the same movements again, not secrets
    entries = [_invoice(rng, number, *parties) for number in range(invoices)]
    legs = sum(len(entry.legs) for entry in entries)
    batches = [entries[start : start + TOGETHER] for start in range(0, invoices, TOGETHER)]
    seconds = _timed(lambda: _post_all(batches))
    _say(f"{invoices:,} invoices, {legs:,} legs", seconds, invoices)
    many = [_invoice(rng, number, *parties, owners=2) for number in range(invoices, invoices + 10_000)]
    _say_checked("40,000 legs in 10,000 journals", many)
    one = [_wide(rng, *parties)]
    _say_checked(f"{len(one[0].legs):,} legs in one journal", one)
    _say("the nightly check of the ledger's own rules", _timed(_check), invoices)
    _forget_connections()


def _prepare() -> tuple[list[int], list[int]]:
    """An empty schema, and the ids of buyers and owners."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    import django  # noqa: PLC0415 - settings read the environment that main completes

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    from accounts.models import Organisation  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    sides = []
    for kind, count in (("buyer", BUYERS), ("owner", OWNERS)):
        rows = [
            Organisation(kind=kind, name_en=f"{kind} {number}", name_zh=f"{kind} {number}", jurisdiction="CN")
            for number in range(count)
        ]
        sides.append([row.pk for row in Organisation.objects.bulk_create(rows)])
    return sides[0], sides[1]


def _invoice(
    rng: random.Random, number: int, buyers: list[int], sellers: list[int], *, owners: int | None = None
) -> Entry:
    """What a buyer owes to one to three owners, less the commission."""
    from billing.ledger.models import Account  # noqa: PLC0415
    from billing.ledger.services import Entry, Leg  # noqa: PLC0415

    credited = [
        (owner, rng.randrange(1, 10**7)) for owner in rng.sample(sellers, owners or rng.randint(1, 3))
    ]
    commission = sum(amount for _, amount in credited) // 32 + 1
    legs = [Leg(Account.Kind.PAYABLE, owner, "CNY", -amount, f"STM-{owner}") for owner, amount in credited]
    total = sum(amount for _, amount in credited) + commission
    legs.append(Leg(Account.Kind.RECEIVABLE, rng.choice(buyers), "CNY", total, f"INV-{number}"))
    legs.append(Leg(Account.Kind.COMMISSION, None, "CNY", -commission))
    return Entry(f"INV-{number}", f"Invoice {number}", tuple(legs))


def _wide(rng: random.Random, buyers: list[int], sellers: list[int]) -> Entry:
    """One movement on 40,000 places."""
    from billing.ledger.models import Account  # noqa: PLC0415
    from billing.ledger.services import Entry, Leg  # noqa: PLC0415

    amounts = [rng.randrange(1, 10**6) for _ in range(39_999)]
    legs = [
        Leg(Account.Kind.PAYABLE, sellers[number % len(sellers)], "CNY", -amount, f"STM-{number}")
        for number, amount in enumerate(amounts)
    ]
    return Entry(
        "wide", "One movement", (*legs, Leg(Account.Kind.RECEIVABLE, buyers[0], "CNY", sum(amounts), "WIDE"))
    )


def _post(entries: list[Entry]) -> None:
    from accounts.actors import task_actor  # noqa: PLC0415
    from billing.ledger.services import post_journals  # noqa: PLC0415

    post_journals(entries, booked_at=NOW, actor=task_actor("benchmark"))


def _post_all(batches: list[list[Entry]]) -> None:
    for batch in batches:
        _post(batch)


def _say_checked(what: str, entries: list[Entry]) -> None:
    """How long all of it takes, and the checks of the database that wait for the commit."""
    from django.db import connection, transaction  # noqa: PLC0415

    began = time.perf_counter()
    with transaction.atomic():
        _post(entries)
        check = _timed(lambda: connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE"))
    whole = time.perf_counter() - began
    print(f"{what}: {whole:.2f} s, of which {check:.2f} s are the checks at commit")


def _check() -> None:
    """The rules about journals alone: there are no documents here that they could be compared with."""
    from billing.ledger import checks  # noqa: PLC0415

    for rule in checks.RULES.values():
        if rule.__module__ == checks.__name__ and list(rule()):
            raise AssertionError("the ledger does not agree with itself")


def _forget_connections() -> None:
    from django.db import connection  # noqa: PLC0415

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined] # PostgreSQL's has one


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _say(what: str, seconds: float, things: int) -> None:
    print(f"{what}: {seconds:.2f} s ({things / seconds:,.0f} a second)")


if __name__ == "__main__":
    main()
