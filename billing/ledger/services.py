"""Posting journals: balanced, once for each cause, never changed.

One journal or a hundred thousand go the same way: a batch takes three statements, whatever its size, and
the database checks each journal when the transaction commits.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts import audit
from accounts.actors import Actor
from billing.ledger.models import Account, Journal
from marketplace.errors import DomainError

AccountKey = tuple[str, int | None, str]
# A posting's place in its journal: the account and the item.
Place = tuple[AccountKey, str]
BATCH = 5_000


class JournalConflict(DomainError):
    code = "journal_conflict"
    title = "This movement was booked before with other amounts"


class JournalRefused(DomainError):
    code = "journal_refused"
    title = "The journal is not valid"


@dataclass(frozen=True, slots=True)
class Leg:
    """An amount in minor units on an account; debits are positive.

    ``item`` is the number of the document that it opens or settles, where there is one.
    """

    kind: Account.Kind
    organisation: int | None
    currency: str
    amount: int
    item: str = ""

    @property
    def account(self) -> AccountKey:
        return self.kind.value, self.organisation, self.currency


@dataclass(frozen=True, slots=True)
class Entry:
    """A journal to be posted. Without ``effective_at`` it counts from the time of its booking."""

    key: str
    description: str
    legs: Sequence[Leg]
    effective_at: datetime | None = None
    corrects: Journal | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """An entry whose legs are added up by account and item, and balance."""

    entry: Entry
    amounts: Mapping[Place, int]

    def body(self) -> list[Any]:
        """What a repetition must say again: the legs, what it corrects, and the date if one was given."""
        entry = self.entry
        return [
            [[*account, item, amount] for (account, item), amount in self.amounts.items()],
            entry.corrects.key if entry.corrects else None,
            entry.effective_at.isoformat() if entry.effective_at else None,
        ]


def post_journal(
    *,
    key: str,
    description: str,
    booked_at: datetime,
    legs: Iterable[Leg],
    actor: Actor,
    corrects: Journal | None = None,
    effective_at: datetime | None = None,
) -> Journal:
    """Book a movement; ``key`` is its cause, and a cause is booked once.

    The same key with the same legs returns the journal that is there, with other legs it is a
    ``JournalConflict`` that names it. Legs of one account and item are added up. ``JournalRefused`` when
    they do not sum to zero in each currency, when one of them is zero, when there are none, or when
    ``effective_at`` is later than ``booked_at``; the database refuses the same, at commit.
    """
    entry = Entry(key, description, tuple(legs), effective_at, corrects)
    return Journal.objects.get(pk=post_journals([entry], booked_at=booked_at, actor=actor)[key])


@transaction.atomic
def post_journals(entries: Sequence[Entry], *, booked_at: datetime, actor: Actor) -> dict[str, int]:
    """Book many movements, all of them or none; see ``post_journal``. The ids of their journals, by key."""
    checked = [_check(entry, booked_at) for entry in entries]
    keys = {each.entry.key for each in checked}
    if len(keys) < len(checked):
        raise JournalRefused("A journal is named twice in one batch.")
    # In the order of their keys, so that two batches that share some wait for each other in turn.
    ordered = sorted(checked, key=lambda each: each.entry.key)
    accounts = _accounts({account for each in ordered for account, _ in each.amounts})
    journals: dict[str, int] = {}
    for start in range(0, len(ordered), BATCH):
        journals |= _post(ordered[start : start + BATCH], accounts, booked_at=booked_at, actor=actor)
    return journals


def _check(entry: Entry, booked_at: datetime) -> _Checked:
    amounts: dict[Place, int] = defaultdict(int)
    totals: dict[str, int] = defaultdict(int)
    for leg in entry.legs:
        amounts[leg.account, leg.item] += leg.amount
        totals[leg.currency] += leg.amount
    wrong = {currency: total for currency, total in totals.items() if total}
    if wrong:
        raise JournalRefused(f"Journal {entry.key} does not balance: {wrong}. Its legs must sum to zero.")
    if not amounts or not all(amounts.values()):
        raise JournalRefused(f"Journal {entry.key} needs legs, and none of them zero.")
    if entry.effective_at is not None and entry.effective_at > booked_at:
        raise JournalRefused(
            f"Journal {entry.key} would count from {entry.effective_at.isoformat()}, which is later than its "
            f"booking at {booked_at.isoformat()}."
        )
    return _Checked(entry, dict(sorted(amounts.items(), key=str)))


def _post(
    batch: Sequence[_Checked], accounts: Mapping[AccountKey, int], *, booked_at: datetime, actor: Actor
) -> dict[str, int]:
    stored = _insert_journals(batch, booked_at)
    new = [each for each in batch if each.entry.key in stored]
    _insert_postings(new, stored, accounts)
    _record(new, stored, booked_at=booked_at, actor=actor)
    repeated = {each.entry.key: each for each in batch if each.entry.key not in stored}
    there = Journal.objects.in_bulk(list(repeated), field_name="key")
    for key, each in repeated.items():
        _compare(each, there[key], accounts)
    return stored | {key: journal.pk for key, journal in there.items()}


def _insert_journals(batch: Sequence[_Checked], booked_at: datetime) -> dict[str, int]:
    """The ids of the new ones, by key. Waits for whoever is just taking one of the keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger_journal (key, description, effective_at, booked_at, legs, corrects_id)
            SELECT key, description, effective_at, %s, legs, corrects_id
            FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::int[], %s::bigint[])
                WITH ORDINALITY AS new (key, description, effective_at, legs, corrects_id, position)
            ORDER BY position
            ON CONFLICT (key) DO NOTHING
            RETURNING key, id
            """,
            [
                booked_at,
                [each.entry.key for each in batch],
                [each.entry.description for each in batch],
                [each.entry.effective_at or booked_at for each in batch],
                [len(each.amounts) for each in batch],
                [each.entry.corrects.pk if each.entry.corrects else None for each in batch],
            ],
        )
        return dict(cursor.fetchall())


def _insert_postings(
    batch: Sequence[_Checked], journals: Mapping[str, int], accounts: Mapping[AccountKey, int]
) -> None:
    rows = [
        (journals[each.entry.key], accounts[account], item, amount)
        for each in batch
        for (account, item), amount in each.amounts.items()
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ledger_posting (journal_id, account_id, item, amount)
            SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
            """,
            [list(column) for column in zip(*rows, strict=True)],
        )


def _compare(each: _Checked, journal: Journal, accounts: Mapping[AccountKey, int]) -> None:
    """``JournalConflict`` unless the journal that has the key says the same."""
    wanted = {(accounts[account], item): amount for (account, item), amount in each.amounts.items()}
    booked = {
        (account, item): amount
        for account, item, amount in journal.postings.values_list("account", "item", "amount")
    }
    entry = each.entry
    same_date = entry.effective_at is None or entry.effective_at == journal.effective_at
    if booked == wanted and journal.corrects_id == (entry.corrects and entry.corrects.pk) and same_date:
        return
    raise JournalConflict(
        f"Journal {entry.key} was booked before with another body. Book a correction under a key of its own."
    )


def _record(
    batch: Sequence[_Checked], journals: Mapping[str, int], *, booked_at: datetime, actor: Actor
) -> None:
    """One event for one journal; for more of them one event that names them all by their hash."""
    if not batch:
        return
    first = batch[0].entry.key
    if len(batch) == 1:
        legs, corrects, _ = batch[0].body()
        action, data = "ledger.journal_posted", {"key": first, "corrects": corrects, "legs": legs}
    else:
        action, data = "ledger.journals_posted", _summary(batch)
    target = Journal(pk=journals[first], key=first)
    audit.record(actor=actor, action=action, target=target, now=booked_at, data=data)


def _summary(batch: Sequence[_Checked]) -> dict[str, Any]:
    bodies = [[each.entry.key, *each.body()] for each in batch]
    text = json.dumps(bodies, separators=(",", ":"), ensure_ascii=False)
    return {
        "journals": len(batch),
        "first": batch[0].entry.key,
        "last": batch[-1].entry.key,
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _accounts(wanted: set[AccountKey]) -> dict[AccountKey, int]:
    """The ids of the accounts, opened where they are missing; whoever opens one first wins."""
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


def _existing(wanted: Collection[AccountKey]) -> dict[AccountKey, int]:
    organisations = {organisation for _, organisation, _ in wanted if organisation is not None}
    rows = Account.objects.filter(organisation__in=organisations) | Account.objects.filter(organisation=None)
    accounts = {tuple(key): pk for pk, *key in rows.values_list("pk", "kind", "organisation", "currency")}
    return {key: accounts[key] for key in wanted if key in accounts}
