"""Many at once: a webhook pays once, an invoice is paid once, an owner is paid once. Real transactions.

Where a lock keeps two apart, the same race is run without it too, to see that it happens and that the
database then refuses the second.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError

from billing.payments import allocating, intake, payouts, webhooks
from billing.payments.due import due_on
from billing.payments.models import Allocation, Payment, Payout, PayoutBatch, ProviderEvent
from tests import threads
from tests.cast import Cast
from tests.payments.fake_stripe import DEBIT, FakeStripe
from tests.payments.scenes import (
    NOW,
    bank_account,
    credit_owner,
    deliver,
    holds,
    invoice_of,
    operator,
    saved_method,
    second_operator,
    start,
)

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 50
at_once = partial(threads.at_once, ready=20, done=90)


def debit_that_cleared(cast: Cast, fake: FakeStripe) -> Payment:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake, DEBIT))
    fake.settle(fake.all("payment_intent")[0])
    return payment


def paid_once(payment: Payment) -> None:
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert holds("stripe") == payment.amount
    assert due_on(payment.invoice).open == 0
    assert Allocation.objects.get().amount == payment.amount


def test_fifty_deliveries_of_one_webhook_at_once_pay_once(
    cast: Cast, fake: FakeStripe, handled_at_once: None
) -> None:
    payment = debit_that_cleared(cast, fake)
    delivery = fake.deliveries(kinds="payment_intent.succeeded")[0]
    answers = at_once(*[lambda: deliver(delivery)] * MANY)
    assert answers == [200] * MANY
    assert ProviderEvent.objects.get().state == "done"
    paid_once(payment)


def test_fifty_workers_on_one_event_pay_once(cast: Cast, fake: FakeStripe) -> None:
    payment = debit_that_cleared(cast, fake)
    event = webhooks.store(fake.events[-1])
    assert at_once(*[lambda: webhooks.handle(event.pk, now=NOW)] * MANY) == [None] * MANY
    paid_once(payment)
    assert ProviderEvent.objects.get().tries == 1


def test_the_answer_the_look_up_and_the_webhook_at_once_pay_once(cast: Cast, fake: FakeStripe) -> None:
    payment = debit_that_cleared(cast, fake)
    event = webhooks.store(fake.events[-1])
    looks = [lambda: intake.look_up(Payment.objects.get(pk=payment.pk), now=NOW)] * 5
    results = at_once(*looks, *[lambda: webhooks.handle(event.pk, now=NOW)] * 5)
    assert not [each for each in results if isinstance(each, Exception)]
    paid_once(payment)


def test_without_the_locks_the_race_happens_and_the_database_refuses_the_second(
    cast: Cast, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = debit_that_cleared(cast, fake)
    event = webhooks.store(fake.events[-1])
    met, barrier = [], threading.Barrier(2)
    original = allocating.plan_of

    def plan_and_wait(*args: Any) -> Any:
        met.append(original(*args))
        barrier.wait(10)
        return met[-1]

    monkeypatch.setattr(webhooks, "_lock", lambda pk: ProviderEvent.objects.get(pk=pk))
    monkeypatch.setattr(intake, "lock_payment", lambda pk: Payment.objects.get(pk=pk))
    monkeypatch.setattr(allocating, "lock_invoices", list)
    monkeypatch.setattr(intake, "plan_of", plan_and_wait)
    at_once(*[lambda: webhooks.handle(event.pk, now=NOW)] * 2)
    assert len(met) == 2, "both were about to pay"
    paid_once(payment)


def test_two_clicks_pay_an_invoice_once(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake)
    results = at_once(*[lambda: start(cast, invoice, method)] * 8)
    assert sorted(type(each).__name__ for each in results) == ["InvalidInput"] * 7 + ["Payment"]
    assert len(fake.all("payment_intent")) == 1
    paid_once(Payment.objects.get())


def test_without_the_locks_the_database_refuses_the_second_payment(
    cast: Cast, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake)
    met, barrier = [], threading.Barrier(2)
    original = intake._check

    def check_and_wait(*args: Any, **options: Any) -> None:
        original(*args, **options)
        met.append(1)
        barrier.wait(10)

    monkeypatch.setattr(intake, "lock_party", lambda pk: pk)
    monkeypatch.setattr(intake, "lock_invoices", list)
    monkeypatch.setattr(intake, "_check", check_and_wait)
    results = at_once(*[lambda: start(cast, invoice, method)] * 2)
    assert len(met) == 2, "both were about to pay"
    (refused,) = [each for each in results if isinstance(each, DatabaseError)]
    assert "exceeds what is due" in str(refused)
    assert len(fake.all("payment_intent")) == 1


def test_two_operators_draft_one_payout(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    viewers = [operator(cast), cast.viewer_of(second_operator(cast))]
    makes = [
        lambda viewer=viewer: payouts.make_batch(viewer=viewer, rail="bank", currency="CNY", now=NOW)
        for viewer in viewers
    ]
    results = at_once(*makes)
    assert len([each for each in results if isinstance(each, PayoutBatch)]) == 1
    assert Payout.objects.get().amount == 10_000


def test_two_approvals_and_a_rejection_decide_once(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    batch = payouts.make_batch(viewer=operator(cast), rail="bank", currency="CNY", now=NOW)
    other = cast.viewer_of(second_operator(cast))
    results = at_once(
        lambda: payouts.approve(batch, viewer=other, now=NOW),
        lambda: payouts.approve(batch, viewer=other, now=NOW),
        lambda: payouts.reject(batch, viewer=other, now=NOW),
    )
    assert len([each for each in results if isinstance(each, Exception)]) == 2
    batch.refresh_from_db()
    assert (holds("in_transit") == -10_000) == (batch.state == "approved")


def test_two_workers_send_a_batch_once(cast: Cast, fake: FakeStripe) -> None:
    fake.objects["acct_1"] = {
        "id": "acct_1",
        "object": "account",
        "created": 1,
        "currencies": ["cny"],
        "capabilities": {"transfers": "active"},
    }
    payouts.ConnectedAccount.objects.create(organisation=cast.owner, provider_id="acct_1", may_receive=True)
    credit_owner(cast, 10_000)
    batch = payouts.make_batch(viewer=operator(cast), rail="stripe", currency="CNY", now=NOW)
    payouts.approve(batch, viewer=cast.viewer_of(second_operator(cast)), now=NOW)
    results = at_once(*[lambda: payouts.send_batch(batch.pk, now=NOW)] * 4)
    assert results == [None] * 4
    assert fake.calls.count("POST /v1/transfers") == 1
    assert holds("stripe") == -10_000
