"""Posting journals: balanced, once for each cause, never changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.actors import Actor
from billing.ledger.models import Account, Journal, Posting
from marketplace.errors import DomainError

AccountKey = tuple[str, int | None, str]


class JournalConflict(DomainError):
    code = "journal_conflict"
    title = "This movement was booked before with other amounts"


class JournalRefused(DomainError):
    code = "journal_refused"
    title = "The journal is not valid"


@dataclass(frozen=True, slots=True)
class Leg:
    """An amount in minor units on an account; debits are positive."""

    kind: Account.Kind
    organisation: int | None
    currency: str
    amount: int

    @property
    def account(self) -> AccountKey:
        return self.kind.value, self.organisation, self.currency


@transaction.atomic
def post_journal(
    *,
    key: str,
    description: str,
    booked_at: datetime,
    legs: Iterable[Leg],
    actor: Actor,
    corrects: Journal | None = None,
) -> Journal:
    """Book a movement; ``key`` is its cause, and a cause is booked once.

    The same key with the same legs returns the journal that is there, with other legs it is a
    ``JournalConflict``. Legs of one account are added up. ``JournalRefused`` when they do not sum to
    zero in each currency, when one of them is zero, or when there are none; the database refuses the
    same, at commit.
    """
    amounts = _amounts(key, legs)
    accounts = _accounts(amounts)
    wanted = {accounts[account]: amount for account, amount in amounts.items()}
    journal = _claim(Journal(key=key, description=description, booked_at=booked_at, corrects=corrects))
    if journal is None:
        return _same(key, wanted)
    Posting.objects.bulk_create(
        [Posting(journal=journal, account_id=account, amount=wanted[account]) for account in sorted(wanted)]
    )
    audit.record(
        actor=actor,
        action="ledger.journal_posted",
        target=journal,
        now=booked_at,
        data={
            "key": key,
            "corrects": corrects.key if corrects else None,
            "legs": [[*account, amount] for account, amount in amounts.items()],
        },
    )
    return journal


def _amounts(key: str, legs: Iterable[Leg]) -> dict[AccountKey, int]:
    amounts: dict[AccountKey, int] = defaultdict(int)
    totals: dict[str, int] = defaultdict(int)
    for leg in legs:
        amounts[leg.account] += leg.amount
        totals[leg.currency] += leg.amount
    wrong = {currency: total for currency, total in totals.items() if total}
    if wrong:
        raise JournalRefused(f"Journal {key} does not balance: {wrong}. Its legs must sum to zero.")
    if not amounts or not all(amounts.values()):
        raise JournalRefused(f"Journal {key} needs legs, and none of them zero.")
    return dict(sorted(amounts.items(), key=str))


def _accounts(keys: Iterable[AccountKey]) -> dict[AccountKey, int]:
    """The ids of the accounts, opened where they are missing; whoever opens one first wins."""
    wanted = set(keys)
    found = _existing(wanted)
    missing = sorted(wanted - found.keys(), key=str)
    if missing:
        Account.objects.bulk_create(
            [
                Account(kind=kind, organisation_id=organisation, currency=currency)
                for kind, organisation, currency in missing
            ],
            ignore_conflicts=True,
        )
        found = _existing(wanted)
    return found


def _existing(wanted: set[AccountKey]) -> dict[AccountKey, int]:
    rows = Account.objects.filter(currency__in={currency for _, _, currency in wanted})
    organisations = {organisation for _, organisation, _ in wanted if organisation is not None}
    parties = rows.filter(organisation__in=organisations) | rows.filter(organisation=None)
    accounts = {(row.kind, row.organisation_id, row.currency): row.pk for row in parties}
    return {key: accounts[key] for key in wanted if key in accounts}


def _claim(journal: Journal) -> Journal | None:
    """The journal, inserted; None when its key is taken. Waits for whoever is just taking it."""
    try:
        with transaction.atomic():
            journal.save(force_insert=True)
    except IntegrityError:
        if not Journal.objects.filter(key=journal.key).exists():
            raise
        return None
    return journal


def _same(key: str, wanted: Mapping[int, int]) -> Journal:
    journal = Journal.objects.get(key=key)
    booked = dict(journal.postings.values_list("account_id", "amount"))
    if booked != wanted:
        raise JournalConflict(
            f"Journal {key} was booked before with other legs. Book a correction under a key of its own."
        )
    return journal
