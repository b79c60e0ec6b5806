"""Whether the ledger agrees with itself, and with what was booked in it.

Each slice adds its rules to ``RULES`` when its app starts (``apps.ready``), so that the ledger need not know
who books in it. A rule yields two figures that should be equal and are not. They become ``Difference`` rows
that operators see until a later check finds them equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from accounts import audit
from accounts.actors import Actor
from billing.ledger.models import Difference, LedgerCheck
from billing.money import from_minor


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What the figures are about, what one of them says, and what the other does."""

    subject: str
    expected: str
    found: str


Rule = Callable[[], Iterator[Mismatch]]
RULES: dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Adds a rule under a name, which its differences carry."""

    def add(check: Rule) -> Rule:
        RULES[name] = check
        return check

    return add


def money(minor: int | None, currency: str) -> str:
    """An amount as differences show it."""
    return "nothing" if minor is None else f"{currency} {from_minor(minor, currency)}"


@transaction.atomic
def check_ledger(*, now: datetime, actor: Actor) -> LedgerCheck:
    """Ask every rule; open what is new and close what agrees again. Differences are never deleted."""
    found = {(name, one.subject): one for name, check in sorted(RULES.items()) for one in check()}
    run = LedgerCheck.objects.create(started_at=now, rules=len(RULES), found=len(found))
    known = {(row.rule, row.subject): row for row in Difference.objects.filter(resolved_by=None)}
    settled = [row.pk for key, row in known.items() if not _still(row, found.get(key))]
    Difference.objects.filter(pk__in=settled).update(resolved_by=run)
    new = [
        Difference(rule=name, subject=one.subject, expected=one.expected, found=one.found, first_seen=run)
        for (name, _), one in found.items()
        if (name, one.subject) not in known or known[name, one.subject].pk in settled
    ]
    Difference.objects.bulk_create(new)
    if new or settled:
        data = {"new": [str(one) for one in new], "settled": settled, "open": len(found)}
        audit.record(actor=actor, action="ledger.differences_changed", target=run, now=now, data=data)
    return run


def _still(known: Difference, found: Mismatch | None) -> bool:
    return found is not None and (known.expected, known.found) == (found.expected, found.found)


@rule("a journal balances in each currency")
def _journals_balance() -> Iterator[Mismatch]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT journal.key, account.currency, sum(posting.amount)::bigint
            FROM ledger_posting posting
            JOIN ledger_account account ON account.id = posting.account_id
            JOIN ledger_journal journal ON journal.id = posting.journal_id
            GROUP BY journal.key, account.currency HAVING sum(posting.amount) <> 0
            ORDER BY journal.key, account.currency
            """
        )
        for key, currency, total in cursor.fetchall():
            yield Mismatch(f"{key} {currency}", money(0, currency), money(total, currency))


@rule("a journal has the postings that it announced")
def _journals_are_whole() -> Iterator[Mismatch]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT journal.key, journal.legs, count(posting.id)
            FROM ledger_journal journal LEFT JOIN ledger_posting posting ON posting.journal_id = journal.id
            GROUP BY journal.id HAVING count(posting.id) <> journal.legs
            ORDER BY journal.key
            """
        )
        for key, legs, postings in cursor.fetchall():
            yield Mismatch(key, str(legs), str(postings))
