"""Owners' accounts at Stripe, for being paid by transfer. Stripe asks them who they are; we do not."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts import audit
from accounts.actors import Actor, Viewer
from accounts.models import Organisation
from billing.payments.intake import person_of
from billing.payments.methods import require_stripe
from billing.payments.models import ConnectedAccount
from billing.payments.rails.stripe_rail import StripeRail


def address_to_sign_up(*, viewer: Viewer, organisation: Organisation, now: datetime) -> str:
    """Where the owner tells Stripe who it is and where its money goes; it comes back to its payouts."""
    actor = person_of(viewer, organisation.pk)
    require_stripe()
    account = _account(organisation, actor=actor, now=now)
    return StripeRail().address_to_sign_up(
        account=account.provider_id, return_url=settings.BASE_URL + reverse("payments:payouts")
    )


def _account(organisation: Organisation, *, actor: Actor, now: datetime) -> ConnectedAccount:
    known = ConnectedAccount.objects.filter(organisation=organisation).first()
    if known is not None:
        return known
    country = organisation.jurisdiction[:2].upper()
    provider_id = StripeRail().new_connected_account(organisation=organisation.pk, country=country)
    with transaction.atomic():
        account, is_new = ConnectedAccount.objects.get_or_create(
            organisation=organisation, defaults={"provider_id": provider_id}
        )
        if is_new:
            _record("payments.connected_account_made", account, actor=actor, now=now)
    return account


@transaction.atomic
def account_moved(
    provider_id: str, *, may_receive: bool, told_at: datetime, actor: Actor, now: datetime
) -> bool:
    """Stripe lets an account receive money, or no longer; false when it is none of ours.

    What was said earlier and arrives later changes nothing.
    """
    account = ConnectedAccount.objects.select_for_update(no_key=True).filter(provider_id=provider_id).first()
    if account is None:
        return False
    if account.told_at is not None and account.told_at > told_at:
        return True
    changes = account.may_receive != may_receive
    account.may_receive, account.told_at = may_receive, told_at
    account.save(update_fields=["may_receive", "told_at"])
    if changes:
        _record("payments.connected_account_changed", account, actor=actor, now=now)
    return True


def _record(action: str, account: ConnectedAccount, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=account,
        organisation=account.organisation_id,
        now=now,
        data={"account": account.provider_id, "may_receive": account.may_receive},
    )
