"""The demo's bank: an invoice is paid, its owner is paid out, and the ledger agrees with both."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from accounts.models import Role, User
from billing.invoicing.models import Document
from billing.ledger.checks import check_ledger
from billing.ledger.models import Difference
from billing.payments.due import due_on
from billing.payments.models import BankAccount, BankLine, Payout, PayoutBatch
from billing.rating.models import Charge, Dispute
from demo import bank as demo_bank
from demo.bank import APPROVED_AFTER, Bank, load_accounts
from demo.people import FINANCE, OPERATOR, TREASURER
from tests.billing.builders import LONG_AFTER, RATER, make_billing_facts
from tests.cast import Cast
from tests.demo_actors.conftest import Hands
from tests.pages_trade.scenes import billed

NEXT = timedelta(minutes=40)


@pytest.fixture
def bank(cast: Cast, tmp_path: Path) -> Bank:
    for email in (OPERATOR, TREASURER):
        User.objects.create_user(email, "secret", platform_role="operator")
    cast.join(User.objects.create_user(FINANCE, "secret"), cast.buyer, Role.FINANCE)
    make_billing_facts("CN")
    return Bank.at(tmp_path)


def test_money_goes_from_the_buyer_to_the_owner(
    cast: Cast, bank: Bank, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_bank, "_paid_at", lambda invoice: invoice.finalised_at)
    invoice = billed(cast).invoice
    load_accounts(now=LONG_AFTER)
    said = bank.turn(LONG_AFTER)
    note = Document.objects.get(kind="credit_note", organisation=cast.buyer)
    assert due_on(invoice).open == 0
    assert BankLine.objects.get().amount == invoice.total - note.total
    dispute = Dispute.objects.get(state=Dispute.State.OPEN)
    assert said[:2] == [
        f"{note.number} credits {invoice.number}",
        f"dispute {dispute.pk} about {Charge.objects.latest('pk')}",
    ]
    assert bank.turn(LONG_AFTER + NEXT) == []

    (told,) = bank.turn(LONG_AFTER + APPROVED_AFTER)
    batch = PayoutBatch.objects.get()
    assert (batch.made_by.email, batch.decided_by and batch.decided_by.email) == (TREASURER, OPERATOR)
    assert told.startswith(f"pain.001-{batch.reference.hex}.xml")
    assert (bank.folder / f"pain.001-{batch.reference.hex}.xml").read_bytes() == bytes(batch.file or b"")

    bank.turn(LONG_AFTER + APPROVED_AFTER + NEXT)
    assert Payout.objects.get().state == Payout.State.EXECUTED
    assert BankLine.objects.filter(state=BankLine.State.UNMATCHED).count() == 0
    check_ledger(now=LONG_AFTER, actor=RATER)
    assert not Difference.objects.exists()


def test_some_invoices_wait_for_somebody_to_pay_them(cast: Cast, bank: Bank) -> None:
    billed(cast)
    moments = {
        demo_bank._paid_at(Document(number=f"INV-2026-{number:06}", finalised_at=LONG_AFTER)).year
        for number in range(40)
    }
    assert moments == {LONG_AFTER.year, 9999}


def test_owners_have_accounts_in_the_currencies_that_they_ask_in(cast: Cast, bank: Bank) -> None:
    billed(cast)
    load_accounts(now=LONG_AFTER)
    assert set(BankAccount.objects.values_list("organisation", "currency")) == {
        (None, "CNY"), (None, "USD"), (None, "EUR"), (cast.owner.pk, "CNY"),
    }  # fmt: skip
