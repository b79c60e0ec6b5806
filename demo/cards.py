"""A buyer of the demo that pays by card, where the demo has a stand-in for Stripe.

Its finance department enters a card once, on the page that the exchange sends it to, and hears of it from
the exchange; then it pays each invoice that is due. At an account of Stripe's own it enters nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from urllib.parse import urlsplit

import httpx
from django.conf import settings

from accounts.actors import Capability, Viewer
from accounts.models import Organisation
from billing.invoicing.models import Document
from billing.money import from_minor
from billing.payments import intake, methods
from billing.payments.due import dues_of
from billing.payments.intake import Wish
from billing.payments.models import SavedMethod
from demo.card_numbers import CARD
from marketplace.catalogue.models import CurrencyCode

LOOPBACK = "127.0.0.1"


def has_stand_in() -> bool:
    return urlsplit(settings.STRIPE_API_BASE).hostname == LOOPBACK


def pay_by_card(invoices: Iterable[Document], *, viewer: Viewer, now: datetime) -> Iterator[str]:
    """Pay what is due on invoices of one organisation; says what was done."""
    for organisation in Organisation.objects.filter(pk__in=viewer.organisations_with(Capability.FINANCE)):
        saved = SavedMethod.objects.filter(organisation=organisation)
        if not saved.exists():
            yield from _enter_card(organisation, viewer=viewer, now=now)
        elif (card := saved.filter(removed_at=None).first()) is not None:
            yield from _pay(invoices, card, viewer=viewer, now=now)


def _enter_card(organisation: Organisation, *, viewer: Viewer, now: datetime) -> Iterator[str]:
    page = methods.address_to_add(
        viewer=viewer, organisation=organisation, currency=CurrencyCode.EUR, now=now
    )
    answer = httpx.post(page, data=CARD, trust_env=False)
    yield f"{organisation} enters a card: {answer.status_code}"


def _pay(invoices: Iterable[Document], card: SavedMethod, *, viewer: Viewer, now: datetime) -> Iterator[str]:
    mine = [invoice for invoice in invoices if invoice.organisation_id == card.organisation_id]
    dues = dues_of(mine)
    for invoice in mine:
        amount = dues[invoice.pk].payable
        if amount:
            payment = intake.pay(Wish(invoice, amount, card), viewer=viewer, now=now)
            paid = f"{from_minor(amount, invoice.currency)} {invoice.currency}"
            yield f"{invoice.number}: {paid} by {card}: {payment.state}"
