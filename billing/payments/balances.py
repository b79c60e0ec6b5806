"""What owners can be paid: what they are owed, less what is held and what is in drafts. In minor units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Min, QuerySet, Sum
from django.db.models.functions import Coalesce

from accounts import audit
from accounts.actors import Actor
from accounts.models import Organisation
from billing.ledger.models import Account, Posting
from billing.payments.models import Hold, Payout


@dataclass(frozen=True, slots=True)
class Balance:
    """Of one owner in one currency. ``owed`` is below zero where the owner owes the exchange."""

    organisation: Organisation
    currency: str
    owed: int
    held: int
    drafted: int

    @property
    def available(self) -> int:
        return max(self.owed - self.held - self.drafted, 0)


def balances_of(organisations: QuerySet[Organisation] | list[Organisation]) -> list[Balance]:
    """A balance for each account that the exchange owes them on, by currency and owner."""
    accounts = Account.objects.filter(kind=Account.Kind.PAYABLE, organisation__in=organisations)
    held = _sums(Hold.objects.filter(released_at=None))
    drafted = _sums(Payout.objects.filter(state=Payout.State.DRAFTED))
    found = []
    accounts = accounts.annotate(total=Coalesce(Sum("postings__amount"), 0))
    for account in accounts.select_related("organisation").order_by("currency", "organisation"):
        key = account.organisation_id, account.currency
        party = account.organisation
        if party is not None:
            owed = -account.total
            found.append(Balance(party, account.currency, owed, held.get(key, 0), drafted.get(key, 0)))
    return found


def balance_of(organisation: Organisation, currency: str) -> Balance:
    mine = [each for each in balances_of([organisation]) if each.currency == currency]
    return mine[0] if mine else Balance(organisation, currency, 0, 0, 0)


def statements_paid_by(amount: int, organisation: int, currency: str) -> list[tuple[str, int]]:
    """Which statements an amount pays, the oldest first: their numbers, and how much of each.

    What is owed without a statement (a payout that came back) has the number "".
    """
    rows = Posting.objects.filter(
        account__kind=Account.Kind.PAYABLE, account__organisation=organisation, account__currency=currency
    )
    items = rows.order_by().values("item").annotate(owed=-Sum("amount"), first=Min("pk")).order_by("first")
    parts = []
    rest = amount
    for item in items.filter(owed__gt=0):
        part = min(rest, item["owed"])
        parts.append((item["item"], part))
        rest -= part
    return [(item, part) for item, part in [*parts, ("", rest)] if part]


@transaction.atomic
def hold(
    *,
    organisation: Organisation,
    currency: str,
    amount: int,
    cause: str,
    why: str,
    actor: Actor,
    now: datetime,
) -> Hold:
    """Keep an amount from being paid out; the same cause holds once. What is under way goes on."""
    found, is_new = Hold.objects.get_or_create(
        cause=cause,
        defaults={
            "organisation": organisation,
            "currency": currency,
            "amount": amount,
            "why": why,
            "placed_at": now,
        },
    )
    if is_new:
        _record("payments.hold_placed", found, actor=actor, now=now)
    return found


@transaction.atomic
def release(held: Hold, *, actor: Actor, now: datetime) -> None:
    if Hold.objects.filter(pk=held.pk, released_at=None).update(released_at=now):
        _record("payments.hold_released", held, actor=actor, now=now)


def _sums(rows: QuerySet[Hold] | QuerySet[Payout]) -> dict[tuple[int | None, str], int]:
    grouped = rows.order_by().values("organisation", "currency").annotate(total=Sum("amount"))
    return {(row["organisation"], row["currency"]): row["total"] for row in grouped}


def _record(action: str, held: Hold, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=held,
        organisation=held.organisation_id,
        now=now,
        data={"cause": held.cause, "amount": held.amount, "currency": held.currency, "why": held.why},
    )
