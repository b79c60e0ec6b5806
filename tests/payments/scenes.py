"""What payments start from: an invoice to pay, a buyer with saved methods, an owner who is owed."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection
from django.db.models import Sum
from django.test import Client

from accounts.actors import Viewer, task_actor
from accounts.models import User
from billing.invoicing.credit_notes import issue_credit_note
from billing.invoicing.models import Document
from billing.ledger.models import Account, Posting
from billing.ledger.services import Leg, post_journal
from billing.payments.intake import Wish, pay
from billing.payments.models import BankAccount, Customer, Payment, SavedMethod
from tests.cast import Cast
from tests.pages_trade.scenes import billed
from tests.payments.fake_stripe import FakeStripe

NOW = datetime(2026, 5, 20, 9, 0, tzinfo=UTC)
KINDS = Account.Kind
TESTER = task_actor("test")


def invoice_of(cast: Cast) -> Document:
    """What a delivery of two hours cost."""
    return billed(cast).invoice


def credit_note(cast: Cast, invoice: Document, amount: int) -> Document:
    """At the cost of the exchange."""
    return issue_credit_note(
        viewer=operator(cast), invoice=invoice, amount=amount, borne_by="exchange", reason="Late", now=NOW
    )


def credit_owner(cast: Cast, amount: int, currency: str = "CNY") -> None:
    """The owner is owed an amount more, in minor units, as a statement would have it."""
    number = f"STM-{Posting.objects.count()}"
    legs = [
        Leg(KINDS.PAYABLE, cast.owner.pk, currency, -amount, item=number),
        Leg(KINDS.COMMISSION, None, currency, amount),
    ]
    post_journal(key=number, description="Owed", booked_at=NOW, legs=legs, actor=TESTER)


def finance(cast: Cast) -> Viewer:
    return cast.viewer_of(cast.buyer_finance)


def operator(cast: Cast) -> Viewer:
    return cast.viewer_of(cast.operator)


def second_operator(cast: Cast) -> User:
    found = User.objects.filter(email="second@example.com").first()
    return found or cast.person("second", platform_role="operator", is_staff=True, is_superuser=True)


def saved_method(cast: Cast, fake: FakeStripe, name: str = "pm_card", kind: str = "card") -> SavedMethod:
    Customer.objects.get_or_create(organisation=cast.buyer, defaults={"provider_id": "cus_1"})
    fake.new_method(kind, name)
    return SavedMethod.objects.create(
        organisation=cast.buyer, provider_id=name, kind=kind, label="visa •••• 4242", added_at=NOW
    )


def start(cast: Cast, invoice: Document, method: SavedMethod | None, amount: int | None = None) -> Payment:
    wish = Wish(invoice, amount or invoice.total, method)
    return pay(wish, viewer=finance(cast), now=NOW)


def paid_by_transfer(cast: Cast) -> Payment:
    """A transfer that the buyer announced, and gave up."""
    invoice = invoice_of(cast)
    return Payment.objects.create(
        rail="bank",
        organisation=cast.buyer,
        invoice=invoice,
        amount=invoice.total,
        currency=invoice.currency,
        state="cancelled",
        created_at=NOW,
    )


def bank_account(cast: Cast, *, of_owner: bool = False, currency: str = "CNY") -> BankAccount:
    """A confirmed account; the exchange's has an IBAN, the owner's a number and its bank's in CNAPS."""
    facts = (
        {"organisation": cast.owner, "holder": "Blue River", "number": "6222020200112233445",
         "clearing_number": "102100099996"}
        if of_owner
        else {"holder": "Cardhour Exchange", "iban": "DE75512108001245126199", "bic": "SOLADEST600"}
    )  # fmt: skip
    return BankAccount.objects.create(
        **facts,
        currency=currency,
        state="confirmed",
        proposed_by=cast.operator,
        proposed_at=NOW,
        confirmed_by=second_operator(cast),
    )


def holds(kind: str, organisation: object = None, currency: str = "CNY", item: str | None = None) -> int:
    """What accounts of a kind hold, in minor units; debits are positive."""
    rows = Posting.objects.filter(
        account__kind=kind, account__organisation=organisation, account__currency=currency
    )
    if item is not None:
        rows = rows.filter(item=item)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def deliver(delivery: tuple[bytes, str]) -> int:
    """What a webhook is answered."""
    body, signature = delivery
    answer = Client().post(
        "/webhooks/stripe/",
        data=body,
        content_type="application/json",
        headers={"Stripe-Signature": signature},
    )
    return answer.status_code


def checks_hold() -> None:
    """The deferred checks of the database, which run at commit, are content."""
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
