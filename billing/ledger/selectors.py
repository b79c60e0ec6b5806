"""Reading the ledger: finance sees what touches its organisation's accounts, and only those legs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OrderBy, Prefetch, Q, QuerySet, Sum, Window
from django.db.models.functions import Coalesce

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from billing.ledger.models import Account, Difference, Journal, LedgerCheck, Posting


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """``accounts`` carry ``balance``; ``totals`` are by currency, and every one of them is zero."""

    accounts: list[Account]
    totals: dict[str, int]

    @property
    def balances(self) -> bool:
        return not any(self.totals.values())


def balance(account: Account, *, at: datetime | None = None) -> int:
    """What an account holds, in minor units; debits are positive. ``at``: what was effective by then."""
    rows = account.postings.all() if at is None else account.postings.filter(journal__effective_at__lte=at)
    total: int = rows.aggregate(total=Coalesce(Sum("amount"), 0))["total"]
    return total


def open_amounts(kind: Account.Kind, items: Collection[str]) -> dict[str, int]:
    """What is open on documents, by number, in minor units: the sum of their legs on accounts of the kind.

    Positive on a receivable is owed by the buyer, negative on a payable is owed to the owner. A number that
    nothing was booked under is absent.
    """
    rows = (
        Posting.objects.filter(account__kind=kind, item__in=items)
        .order_by("item")
        .values_list("item")
        .annotate(total=Sum("amount"))
    )
    return dict(rows)


def trial_balance(*, at: datetime | None = None) -> TrialBalance:
    """Every account with its balance, and the sum of all of them in each currency."""
    accounts = list(_with_balance(Account.objects.all(), at=at))
    totals: dict[str, int] = {}
    for account in accounts:
        totals[account.currency] = totals.get(account.currency, 0) + account.balance  # type: ignore[attr-defined]
    return TrialBalance(accounts, totals)


def checks_for(viewer: Viewer) -> QuerySet[LedgerCheck]:
    """Newest first, for operators and auditors."""
    rows = LedgerCheck.objects.order_by("-pk")
    return rows if viewer.sees_everything else rows.none()


def differences_for(viewer: Viewer) -> QuerySet[Difference]:
    """What checks found and no later one found equal, for operators and auditors."""
    rows = Difference.objects.filter(resolved_by=None).select_related("first_seen").order_by("pk")
    return rows if viewer.sees_everything else rows.none()


def accounts_for(viewer: Viewer) -> QuerySet[Account]:
    """The accounts that a viewer may see, each with its ``balance``."""
    return _with_balance(Account.objects.filter(_mine(viewer, "organisation")))


def journals_for(viewer: Viewer) -> QuerySet[Journal]:
    """Newest first. ``visible_postings`` of each are the legs on accounts that the viewer may see."""
    rows = Journal.objects.order_by("-pk").prefetch_related(
        Prefetch("postings", queryset=postings_for(viewer), to_attr="visible_postings")
    )
    if viewer.sees_everything:
        return rows
    return rows.filter(pk__in=postings_for(viewer).order_by().values("journal"))


def postings_for(viewer: Viewer) -> QuerySet[Posting]:
    """The legs on accounts that the viewer may see, debits first."""
    return (
        Posting.objects.filter(_mine(viewer, "account__organisation"))
        .select_related("account__organisation", "journal")
        .order_by("journal", "-amount", "pk")
    )


def statement_of(viewer: Viewer, organisation: Organisation, currency: str) -> QuerySet[Posting]:
    """The postings on a party's accounts, oldest first, with the ``running`` balance of each account."""
    return (
        postings_for(viewer)
        .filter(account__organisation=organisation, account__currency=currency)
        .annotate(
            running=Window(
                Sum("amount"), partition_by=[F("account")], order_by=[OrderBy(F("journal")), OrderBy(F("pk"))]
            )
        )
        .order_by("journal", "pk")
    )


def _mine(viewer: Viewer, path: str) -> Q:
    if viewer.sees_everything:
        return Q()
    conditions: dict[str, Any] = {f"{path}__in": viewer.organisations_with(Capability.FINANCE)}
    return Q(**conditions)


def _with_balance(accounts: QuerySet[Account], *, at: datetime | None = None) -> QuerySet[Account]:
    counted = Q() if at is None else Q(postings__journal__effective_at__lte=at)
    return (
        accounts.select_related("organisation")
        .annotate(balance=Coalesce(Sum("postings__amount", filter=counted), 0))
        .order_by("currency", "kind", "organisation")
    )
