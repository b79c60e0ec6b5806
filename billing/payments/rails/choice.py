"""Which rail carries what."""

from __future__ import annotations

from billing.payments.models import RailName
from billing.payments.rails import PaymentRail
from billing.payments.rails.bank_transfer import BankTransferRail
from billing.payments.rails.stripe_rail import StripeRail


def rail_of(name: str) -> PaymentRail:
    return StripeRail() if name == RailName.STRIPE else BankTransferRail()
