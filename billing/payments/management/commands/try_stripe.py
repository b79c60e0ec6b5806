"""Try the pay-in rail against real Stripe with a test key: the one thing that our tests cannot do.

    STRIPE_SECRET_KEY=sk_test_… manage.py try_stripe

It uses Stripe's own test cards in test mode, touches no database, and says of each step what Stripe did.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing.payments.rails import Answer, Outcome, PayIn, PayOut
from billing.payments.rails.stripe_rail import API_VERSION, StripeRail

# Stripe's names for its test cards, and what each must lead to.
CARDS = {
    "pm_card_visa": Outcome.SUCCEEDED,
    "pm_card_authenticationRequired": Outcome.REQUIRES_ACTION,
    "pm_card_visa_chargeDeclined": Outcome.FAILED,
}
AMOUNT = 1_234


class Command(BaseCommand):
    help = "Try the Stripe rail against real Stripe, with a test key."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--currency", default="EUR", help="CNY, EUR or USD (default: %(default)s)")
        parser.add_argument("--connected", default="", help="an account acct_… that may receive transfers")

    def handle(self, *args: Any, currency: str, connected: str, **options: Any) -> None:
        if not settings.STRIPE_SECRET_KEY.startswith(("sk_test_", "rk_test_")):
            raise CommandError("STRIPE_SECRET_KEY must be a test key, sk_test_… or rk_test_…")
        self.stdout.write(f"{settings.STRIPE_API_BASE}, API version {API_VERSION}")
        failed = 0
        for step, is_right, answer in steps(StripeRail(), currency, connected):
            failed += not is_right
            self.stdout.write(f"{'ok   ' if is_right else 'WRONG'} {step}: {shown(answer)}")
        if failed:
            raise CommandError(f"{failed} steps did not go as our code expects")


def shown(answer: Answer | None) -> str:
    if answer is None:
        return "nothing found"
    return " ".join(filter(None, (answer.outcome, answer.provider_id, answer.reason, answer.action_url)))


def steps(rail: StripeRail, currency: str, connected: str) -> Iterator[tuple[str, bool, Answer | None]]:
    """What was done, whether it went as expected, and what was answered."""
    customer = rail.new_customer(organisation=uuid.uuid4().int % 10**9, name="Cardhour tries Stripe")
    for card, expected in CARDS.items():
        order = PayIn(
            operation=uuid.uuid4(),
            amount=AMOUNT,
            currency=currency,
            invoice="INV-TRY",
            customer=customer,
            method=card,
            return_url=settings.BASE_URL,
        )
        answer = rail.pay_in(order)
        yield f"pay with {card}", answer.outcome is expected, answer
        again = rail.pay_in(order)
        yield "the same again, under the same key", again.provider_id == answer.provider_id, again
        found = rail.find_pay_in(order)
        yield "look it up by our operation", found is not None and found.outcome is expected, found
        other = rail.pay_in(replace(order, amount=AMOUNT + 1))
        yield "another amount under the same key", other.outcome is Outcome.FAILED, other
    yield _given_up(rail, customer, currency)
    if connected:
        payout = PayOut(uuid.uuid4(), 100, currency, connected)
        sent = rail.pay_out(payout)
        yield "transfer to the connected account", sent.outcome is Outcome.SUCCEEDED, sent
        moved = rail.find_pay_out(payout)
        yield "look the transfer up by our operation", moved is not None, moved


def _given_up(rail: StripeRail, customer: str, currency: str) -> tuple[str, bool, Answer]:
    """A payment that waits for the buyer's bank can be given up."""
    order = PayIn(
        operation=uuid.uuid4(),
        amount=AMOUNT,
        currency=currency,
        invoice="INV-TRY",
        customer=customer,
        method="pm_card_authenticationRequired",
        return_url=settings.BASE_URL,
    )
    waiting = rail.pay_in(order)
    given_up = rail.cancel_pay_in(replace(order, provider_id=waiting.provider_id))
    return "give up what waits", given_up.outcome is Outcome.CANCELLED, given_up
