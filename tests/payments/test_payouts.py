"""Owners are paid what they are owed, once, and never by one pair of eyes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from billing.payments import balances, connect, payouts, sweeping
from billing.payments.bank_accounts import Entered, confirm, propose
from billing.payments.models import BankAccount, ConnectedAccount, Payout, PayoutBatch
from billing.payments.payouts import MOST_TRIES, PayoutRefused
from marketplace.errors import InvalidInput, NotAllowed
from tests.cast import Cast
from tests.payments.fake_stripe import FakeStripe
from tests.payments.scenes import (
    NOW,
    TESTER,
    bank_account,
    credit_owner,
    deliver,
    holds,
    operator,
    second_operator,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handled_at_once")]


def draft(cast: Cast, rail: str = "bank", currency: str = "CNY") -> PayoutBatch:
    return payouts.make_batch(viewer=operator(cast), rail=rail, currency=currency, now=NOW)


def approve(cast: Cast, batch: PayoutBatch) -> PayoutBatch:
    return payouts.approve(batch, viewer=cast.viewer_of(second_operator(cast)), now=NOW)


def connected(cast: Cast, fake: FakeStripe, *currencies: str) -> ConnectedAccount:
    """The owner has an account at Stripe, which may receive these currencies."""
    connect.address_to_sign_up(viewer=cast.viewer_of(cast.owner_finance), organisation=cast.owner, now=NOW)
    account = fake.all("account")[0]
    fake.enable(account, *currencies)
    deliver(fake.deliveries(kinds="account")[-1])
    return ConnectedAccount.objects.get()


def sent(cast: Cast, fake: FakeStripe) -> Payout:
    """100 yuan, by Stripe, approved and sent."""
    connected(cast, fake, "cny")
    credit_owner(cast, 10_000)
    batch = approve(cast, draft(cast, "stripe"))
    payouts.send_batch(batch.pk, now=NOW)
    return Payout.objects.get()


def later(by: timedelta = timedelta(minutes=5)) -> None:
    Payout.objects.update(sent_at=datetime.now(UTC) - by)


def test_a_batch_pays_what_is_owed_less_what_is_held(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    balances.hold(
        organisation=cast.owner,
        currency="CNY",
        amount=1_500,
        cause="d1",
        why="A dispute",
        actor=TESTER,
        now=NOW,
    )
    payout = draft(cast).payouts.get()
    assert (payout.amount, payout.state, payout.journal) == (8_500, "drafted", None)
    assert balances.balance_of(cast.owner, "CNY").available == 0


def test_approval_books_and_makes_the_file(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 7_000)
    credit_owner(cast, 3_000)
    batch = approve(cast, draft(cast))
    payout = batch.payouts.get()
    assert payout.state == "instructed"
    assert holds("payable", cast.owner) == 0
    assert holds("in_transit") == -10_000
    # Each statement that the payout pays is settled by a leg of its own.
    items = payout.journal.postings.filter(account__kind="payable").values_list("amount", flat=True)
    assert sorted(items) == [3_000, 7_000]
    assert payout.operation.hex.encode() in bytes(batch.file)
    assert b"102100099996" in bytes(batch.file)


def test_nobody_approves_what_he_has_put_together(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    batch = draft(cast)
    with pytest.raises(NotAllowed):
        payouts.approve(batch, viewer=operator(cast), now=NOW)
    assert PayoutBatch.objects.get().state == "drafted"


def test_only_operators_pay_out(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    batch = draft(cast)
    for user in (cast.owner_admin, cast.auditor, cast.buyer_admin):
        with pytest.raises(NotAllowed):
            payouts.approve(batch, viewer=cast.viewer_of(user), now=NOW)
        with pytest.raises(NotAllowed):
            payouts.make_batch(viewer=cast.viewer_of(user), rail="bank", currency="CNY", now=NOW)


def test_the_database_insists_on_four_eyes(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    batch = draft(cast)
    me = batch.made_by_id
    approval = f"state = 'approved', decided_by_id = {me}, decided_at = now(), file = 'x'"
    other = second_operator(cast).pk
    for sql, refusal in (
        (f"UPDATE payments_payoutbatch SET {approval}", "payout_batch_four_eyes"),
        (f"UPDATE payments_payoutbatch SET made_by_id = {other}, {approval}", "Cannot update"),
        (
            "UPDATE payments_payoutbatch SET state = 'approved', file = 'x'",
            "payout_batch_decided_by_somebody",
        ),
        ("UPDATE payments_payout SET state = 'instructed'", "nobody approved"),
        ("UPDATE payments_payout SET amount = 1", "Cannot update"),
        ("DELETE FROM payments_payout", "kept for ever"),
        (f"UPDATE payments_bankaccount SET confirmed_by_id = {me}", "bank_account_four_eyes"),
        ("UPDATE payments_bankaccount SET iban = 'DE1'", "Cannot update"),
    ):
        with pytest.raises(DatabaseError, match=refusal), transaction.atomic():
            connection.cursor().execute("SET LOCAL pgtrigger.ignore = '{*}'; " + sql)


def test_an_approved_batch_does_not_change(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    batch = approve(cast, draft(cast))
    credit_owner(cast, 5_000)
    with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
        connection.cursor().execute("UPDATE payments_payoutbatch SET file = 'another'")
    with pytest.raises(DatabaseError, match="a draft itself"), transaction.atomic():
        Payout.objects.create(
            batch=batch,
            organisation=cast.other_owner,
            currency="CNY",
            amount=1,
            account=BankAccount.objects.get(organisation=cast.owner),
        )
    with pytest.raises(PayoutRefused):
        approve(cast, batch)
    with pytest.raises(PayoutRefused):
        payouts.reject(batch, viewer=operator(cast), now=NOW)


def test_the_database_refuses_to_pay_more_than_is_owed(cast: Cast) -> None:
    bank_account(cast)
    account = bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    batch = PayoutBatch.objects.create(
        rail="bank", currency="CNY", account=bank_of(cast), made_by=cast.operator, made_at=NOW
    )
    with pytest.raises(DatabaseError, match="exceeds what is owed"), transaction.atomic():
        Payout.objects.create(
            batch=batch, organisation=cast.owner, currency="CNY", amount=10_001, account=account
        )


def bank_of(cast: Cast) -> BankAccount:
    return BankAccount.objects.get(organisation=None)


def test_what_is_in_a_draft_is_not_drafted_twice(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    first = draft(cast)
    with pytest.raises(PayoutRefused):
        draft(cast)
    payouts.reject(first, viewer=operator(cast), now=NOW)
    assert draft(cast).payouts.get().amount == 10_000


def test_a_balance_that_fell_stops_the_approval(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    batch = draft(cast)
    balances.hold(
        organisation=cast.owner, currency="CNY", amount=1, cause="d2", why="Late", actor=TESTER, now=NOW
    )
    with pytest.raises(PayoutRefused, match="owed less"):
        approve(cast, batch)
    assert holds("in_transit") == 0


def test_a_payment_that_the_bank_refused_is_owed_again(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    payout = approve(cast, draft(cast)).payouts.get()
    payouts.fail_by_hand(payout, viewer=operator(cast), why="Account closed", now=NOW)
    payout.refresh_from_db()
    assert (payout.state, payout.reason) == ("failed", "Account closed")
    assert (holds("payable", cast.owner), holds("in_transit")) == (-10_000, 0)
    assert draft(cast).payouts.get().amount == 10_000


def test_without_a_confirmed_place_nothing_goes_out(cast: Cast) -> None:
    bank_account(cast)
    credit_owner(cast, 10_000)
    account = propose(
        entered=Entered("CNY", "Blue River", number="6222 0202 0011", clearing_number="102100099996"),
        organisation=cast.owner,
        viewer=cast.viewer_of(cast.owner_finance),
        now=NOW,
    )
    with pytest.raises(PayoutRefused):
        draft(cast)
    confirm(account, viewer=operator(cast), now=NOW)
    assert draft(cast).payouts.get().account == account


def test_a_new_account_takes_the_place_of_the_old_one(cast: Cast) -> None:
    old = bank_account(cast, of_owner=True)
    new = propose(
        entered=Entered("CNY", "Blue River", iban="DE89 3704 0044 0532 0130 00"),
        organisation=cast.owner,
        viewer=cast.viewer_of(cast.owner_finance),
        now=NOW,
    )
    confirm(new, viewer=operator(cast), now=NOW)
    old.refresh_from_db()
    assert (old.state, new.iban) == ("retired", "DE89370400440532013000")


def test_who_entered_an_account_of_the_exchange_does_not_confirm_it(cast: Cast) -> None:
    account = propose(
        entered=Entered("EUR", "Cardhour", iban="DE89370400440532013000"),
        organisation=None,
        viewer=operator(cast),
        now=NOW,
    )
    with pytest.raises(NotAllowed):
        confirm(account, viewer=operator(cast), now=NOW)
    assert confirm(account, viewer=cast.viewer_of(second_operator(cast)), now=NOW).state == "confirmed"


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"iban": "DE89370400440532013001"}, "iban"),
        ({"iban": "DE89370400440532013000", "bic": "NOTABIC"}, "bic"),
        ({"number": "1", "clearing_number": "12"}, "clearing_number"),
        ({"number": "1"}, "number"),
        ({}, "number"),
        ({"iban": "DE89370400440532013000", "number": "1", "clearing_number": "102100099996"}, "number"),
    ],
)
def test_what_cannot_be_an_account_is_named(cast: Cast, facts: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        propose(
            entered=Entered("CNY", "Blue River", **facts),
            organisation=cast.owner,
            viewer=cast.viewer_of(cast.owner_finance),
            now=NOW,
        )
    assert field in refusal.value.fields


# --- by Stripe ----------------------------------------------------------------------------------------


def test_a_transfer_pays_the_owner(cast: Cast, fake: FakeStripe) -> None:
    payout = sent(cast, fake)
    (transfer,) = fake.all("transfer")
    assert (transfer["amount"], transfer["transfer_group"]) == (10_000, str(payout.operation))
    assert (payout.state, payout.provider_id) == ("executed", transfer["id"])
    assert (holds("payable", cast.owner), holds("in_transit"), holds("stripe")) == (0, 0, -10_000)
    for each in fake.deliveries(copies=3, kinds="transfer"):
        deliver(each)
    assert holds("stripe") == -10_000


def test_sending_a_batch_twice_pays_once(cast: Cast, fake: FakeStripe) -> None:
    payout = sent(cast, fake)
    payouts.send_batch(payout.batch_id, now=NOW)
    assert len(fake.all("transfer")) == 1


def test_a_transfer_above_the_balance_is_refused_and_owed_again(cast: Cast, fake: FakeStripe) -> None:
    fake.balance["cny"] = 9_999
    payout = sent(cast, fake)
    assert payout.state == "failed"
    assert "insufficient available funds" in payout.reason
    assert (holds("payable", cast.owner), holds("in_transit"), holds("stripe")) == (-10_000, 0, 0)


def test_a_transfer_in_the_wrong_currency_is_refused(cast: Cast, fake: FakeStripe) -> None:
    fake.balance["usd"] = 1_000_000
    connected(cast, fake, "cny")
    credit_owner(cast, 10_000, "USD")
    batch = approve(cast, draft(cast, "stripe", "USD"))
    payouts.send_batch(batch.pk, now=NOW)
    assert Payout.objects.get().state == "failed"
    assert holds("payable", cast.owner, "USD") == -10_000


def test_the_same_key_with_another_amount_is_refused(cast: Cast, fake: FakeStripe) -> None:
    payout = sent(cast, fake)
    answer = payouts.rail_of("stripe").pay_out(
        payouts.PayOut(payout.operation, payout.amount + 1, "CNY", payout.connected.provider_id)
    )
    assert answer.outcome == "failed"
    assert "idempotent" in answer.reason
    assert len(fake.all("transfer")) == 1


@pytest.mark.parametrize("trouble", ["lost after", "500 after"])
def test_a_transfer_whose_answer_was_lost_is_looked_up(cast: Cast, fake: FakeStripe, trouble: str) -> None:
    connected(cast, fake, "cny")
    credit_owner(cast, 10_000)
    batch = approve(cast, draft(cast, "stripe"))
    fake.trouble = [trouble]
    payouts.send_batch(batch.pk, now=NOW)
    assert Payout.objects.get().state == "unknown"
    later()
    sweeping.sweep(now=NOW)
    assert Payout.objects.get().state == "executed"
    assert fake.calls.count("POST /v1/transfers") == 1
    assert holds("stripe") == -10_000


def test_a_transfer_that_never_arrived_is_sent_again_and_that_ends(cast: Cast, fake: FakeStripe) -> None:
    connected(cast, fake, "cny")
    credit_owner(cast, 10_000)
    batch = approve(cast, draft(cast, "stripe"))
    fake.trouble = ["lost before"]
    payouts.send_batch(batch.pk, now=NOW)
    later()
    sweeping.sweep(now=NOW)
    assert Payout.objects.get().state == "executed"
    assert len(fake.all("transfer")) == 1


def test_a_transfer_that_can_never_be_sent_is_given_up(cast: Cast, fake: FakeStripe) -> None:
    connected(cast, fake, "cny")
    credit_owner(cast, 10_000)
    batch = approve(cast, draft(cast, "stripe"))
    fake.trouble = ["lost before"] * 20
    payouts.send_batch(batch.pk, now=NOW)
    for _ in range(MOST_TRIES + 1):
        later()
        sweeping.sweep(now=NOW)
    payout = Payout.objects.get()
    assert (payout.state, payout.tries) == ("failed", MOST_TRIES)
    assert holds("payable", cast.owner) == -10_000


def test_a_batch_whose_task_was_lost_is_sent_by_the_beat(cast: Cast, fake: FakeStripe) -> None:
    connected(cast, fake, "cny")
    credit_owner(cast, 10_000)
    approve(cast, draft(cast, "stripe"))
    sweeping.sweep(now=NOW)
    assert Payout.objects.get().state == "executed"


def test_what_stripe_takes_back_is_owed_again_whatever_the_order(cast: Cast, fake: FakeStripe) -> None:
    payout = sent(cast, fake)
    transfer = fake.all("transfer")[0]
    fake.reverse(transfer, 3_000)
    fake.reverse(transfer, 2_000)
    for each in [*reversed(fake.deliveries(kinds="transfer")), *fake.deliveries(kinds="transfer")]:
        deliver(each)
    payout.refresh_from_db()
    assert (payout.returned, holds("payable", cast.owner), holds("stripe")) == (5_000, -5_000, -5_000)


def test_an_account_that_stripe_has_not_checked_is_not_paid(cast: Cast, fake: FakeStripe) -> None:
    credit_owner(cast, 10_000)
    connect.address_to_sign_up(viewer=cast.viewer_of(cast.owner_finance), organisation=cast.owner, now=NOW)
    with pytest.raises(PayoutRefused):
        draft(cast, "stripe")


def test_an_owner_signs_up_once(cast: Cast, fake: FakeStripe) -> None:
    viewer = cast.viewer_of(cast.owner_finance)
    for _ in range(2):
        address = connect.address_to_sign_up(viewer=viewer, organisation=cast.owner, now=NOW)
        assert address.startswith("https://connect.stripe.example/acct_")
    assert len(fake.all("account")) == ConnectedAccount.objects.count() == 1
