"""Who sees which payments: finance of the one party that they are of, and the exchange."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from django.http import Http404

from accounts.actors import Capability, Viewer
from billing.invoicing.selectors import needs_finance
from billing.payments.models import (
    BankAccount,
    BankLine,
    BankStatement,
    Hold,
    Payment,
    Payout,
    PayoutBatch,
    ProviderEvent,
    SavedMethod,
)


def payments_for(viewer: Viewer) -> QuerySet[Payment]:
    """Newest first."""
    rows = Payment.objects.select_related("organisation", "invoice", "method", "bank_line").order_by("-pk")
    return rows if viewer.sees_everything else rows.filter(organisation__in=_finance(viewer))


def payment_for(viewer: Viewer, operation: uuid.UUID) -> Payment:
    """The payment, for finance. A colleague is told why not; for a stranger there is none."""
    found = payments_for(viewer).filter(operation=operation).first()
    if found is not None:
        return found
    mine = viewer.organisations_with(Capability.READ)
    if Payment.objects.filter(operation=operation, organisation__in=mine).exists():
        raise needs_finance()
    raise Http404


def methods_for(viewer: Viewer) -> QuerySet[SavedMethod]:
    """The methods that can be paid with."""
    rows = SavedMethod.objects.filter(removed_at=None).select_related("organisation").order_by("-pk")
    return rows if viewer.sees_everything else rows.filter(organisation__in=_finance(viewer))


def payouts_for(viewer: Viewer) -> QuerySet[Payout]:
    """Newest first. Owners see what was approved; drafts are the exchange's own business."""
    rows = Payout.objects.select_related("organisation", "batch", "account", "connected").order_by("-pk")
    if viewer.sees_everything:
        return rows
    hidden = [Payout.State.DRAFTED, Payout.State.DROPPED]
    return rows.filter(organisation__in=_finance(viewer)).exclude(state__in=hidden)


def bank_accounts_for(viewer: Viewer) -> QuerySet[BankAccount]:
    """Those that are used or are to be, newest first."""
    rows = BankAccount.objects.exclude(state=BankAccount.State.RETIRED)
    rows = rows.select_related("organisation", "proposed_by", "confirmed_by").order_by("-pk")
    return rows if viewer.sees_everything else rows.filter(organisation__in=_finance(viewer))


def holds_for(viewer: Viewer) -> QuerySet[Hold]:
    """Those in force."""
    rows = Hold.objects.filter(released_at=None).select_related("organisation").order_by("-pk")
    return rows if viewer.sees_everything else rows.filter(organisation__in=_finance(viewer))


def batches_for(viewer: Viewer) -> QuerySet[PayoutBatch]:
    rows = PayoutBatch.objects.select_related("made_by", "decided_by", "account").order_by("-pk")
    return rows if viewer.sees_everything else rows.none()


def bank_statements_for(viewer: Viewer) -> QuerySet[BankStatement]:
    rows = BankStatement.objects.select_related("account", "uploaded_by").defer("content").order_by("-pk")
    return rows if viewer.sees_everything else rows.none()


def bank_lines_for(viewer: Viewer) -> QuerySet[BankLine]:
    rows = BankLine.objects.select_related("account", "statement", "payment__organisation").order_by("-pk")
    return rows if viewer.sees_everything else rows.none()


def provider_events_for(viewer: Viewer) -> QuerySet[ProviderEvent]:
    rows = ProviderEvent.objects.defer("payload").order_by("-pk")
    return rows if viewer.sees_everything else rows.none()


def _finance(viewer: Viewer) -> list[int]:
    return viewer.organisations_with(Capability.FINANCE)
