"""Cards and bank accounts that buyers keep at Stripe. They are entered on Stripe's page, never on ours."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actors import Actor, Viewer
from accounts.models import Organisation
from billing.payments.intake import PaymentRefused, person_of
from billing.payments.models import Customer, SavedMethod
from billing.payments.rails.stripe_rail import Method, StripeRail, is_set_up


def address_to_add(*, viewer: Viewer, organisation: Organisation, currency: str, now: datetime) -> str:
    """Where the buyer enters a new method for invoices in a currency; then back to the list."""
    actor = person_of(viewer, organisation.pk)
    require_stripe()
    customer = _customer(organisation, actor=actor, now=now)
    return StripeRail().address_to_save_a_method(
        customer=customer.provider_id,
        currency=currency,
        return_url=settings.BASE_URL + reverse("payments:methods"),
    )


def require_stripe() -> None:
    if not is_set_up():
        raise PaymentRefused(_("This exchange takes bank transfers only: Stripe is not set up."))


def _customer(organisation: Organisation, *, actor: Actor, now: datetime) -> Customer:
    known = Customer.objects.filter(organisation=organisation).first()
    if known is not None:
        return known
    provider_id = StripeRail().new_customer(organisation=organisation.pk, name=organisation.name_en)
    with transaction.atomic():
        customer, is_new = Customer.objects.get_or_create(
            organisation=organisation, defaults={"provider_id": provider_id}
        )
        if is_new:
            audit.record(
                actor=actor,
                action="payments.customer_made",
                target=customer,
                organisation=organisation,
                now=now,
                data={"customer": provider_id},
            )
    return customer


@transaction.atomic
def learn(method: Method, *, organisation_id: int, actor: Actor, now: datetime) -> SavedMethod:
    """A method was saved or changed at Stripe: write down what it is called."""
    saved, is_new = SavedMethod.objects.update_or_create(
        provider_id=method.provider_id,
        defaults={"label": method.label, "expires": method.expires, "removed_at": None},
        create_defaults={
            "organisation_id": organisation_id,
            "kind": method.kind,
            "label": method.label,
            "expires": method.expires,
            "added_at": now,
        },
    )
    _record("added" if is_new else "changed", saved, actor=actor, now=now)
    return saved


def remove(saved: SavedMethod, *, viewer: Viewer, now: datetime) -> None:
    """Forget a method, at Stripe and here. Payments that were made with it keep naming it."""
    actor = person_of(viewer, saved.organisation_id)
    if saved.removed_at is not None:
        return
    require_stripe()
    StripeRail().remove_method(saved.provider_id)
    forget(saved, actor=actor, now=now)


@transaction.atomic
def forget(saved: SavedMethod, *, actor: Actor, now: datetime) -> None:
    if SavedMethod.objects.filter(pk=saved.pk, removed_at=None).update(removed_at=now):
        _record("removed", saved, actor=actor, now=now)


def _record(what: str, saved: SavedMethod, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"payments.method_{what}",
        target=saved,
        organisation=saved.organisation_id,
        now=now,
        data={"kind": saved.kind, "label": saved.label},
    )
