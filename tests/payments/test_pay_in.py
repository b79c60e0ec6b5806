"""Paying an invoice: each attempt charges once, whatever is lost on the way, and the books say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import AuditEvent
from billing.payments import allocating, intake, sweeping
from billing.payments.allocating import NothingToAllocate, use_credit
from billing.payments.due import credit_of, due_on, overpaid
from billing.payments.intake import MOST_TRIES, PaymentRefused
from billing.payments.models import Allocation, Payment
from billing.payments.rails import Answer, Outcome
from billing.payments.rails.stripe_rail import StripeRail
from marketplace.errors import InvalidInput, NotAllowed
from tests.cast import Cast
from tests.payments.fake_stripe import DEBIT, DECLINED, NEEDS_BANK, FakeStripe
from tests.payments.scenes import (
    NOW,
    bank_account,
    credit_note,
    deliver,
    finance,
    holds,
    invoice_of,
    saved_method,
    start,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handled_at_once")]


def later(payment: Payment, by: timedelta = timedelta(minutes=5)) -> None:
    """The call was made some time ago."""
    Payment.objects.filter(pk=payment.pk).update(sent_at=datetime.now(UTC) - by)


def test_a_card_pays_at_once_and_is_booked(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake))
    assert (payment.state, payment.journal.key) == ("succeeded", f"payment:{payment.operation}")
    assert due_on(invoice).open == 0
    assert holds("stripe") == invoice.total
    assert holds("receivable", cast.buyer, item=invoice.number) == 0
    (intent,) = fake.all("payment_intent")
    assert (intent["amount"], intent["metadata"]["operation"]) == (invoice.total, str(payment.operation))


def test_the_operation_is_stored_before_the_call_and_is_its_key(
    cast: Cast, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = StripeRail.pay_in

    def pay_in(rail: StripeRail, order: intake.PayIn) -> Answer:
        seen.append(Payment.objects.get(operation=order.operation).state)
        return original(rail, order)

    monkeypatch.setattr(StripeRail, "pay_in", pay_in)
    payment = start(cast, invoice_of(cast), saved_method(cast, fake))
    assert seen == ["created"]
    assert list(fake.answers) == [str(payment.operation)]


def test_the_webhook_after_the_answer_changes_nothing(cast: Cast, fake: FakeStripe) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake))
    assert [deliver(each) for each in fake.deliveries(copies=3)] == [200] * 3
    assert Allocation.objects.get().payment == payment
    assert holds("stripe") == payment.amount


def test_a_declined_card_charges_nothing_and_says_why(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake, DECLINED))
    assert (payment.state, payment.reason) == ("failed", "Your card was declined.")
    assert due_on(invoice).payable == invoice.total
    assert holds("stripe") == 0
    # Its own webhook finds it by the intent that was made all the same.
    assert [deliver(each) for each in fake.deliveries()] == [200]
    assert Payment.objects.get().state == "failed"


def test_the_buyers_bank_is_asked_and_the_payment_waits(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake, NEEDS_BANK))
    (intent,) = fake.all("payment_intent")
    assert payment.state == "requires_action"
    assert payment.action_url == f"https://hooks.stripe.example/{intent['id']}"
    assert intent["next_action"]["redirect_to_url"]["return_url"].endswith(f"/payments/{payment.operation}/")
    assert due_on(invoice).payable == 0
    fake.settle(intent)
    for each in fake.deliveries():
        deliver(each)
    assert Payment.objects.get().state == "succeeded"
    assert due_on(invoice).open == 0


def test_a_bank_that_says_no_opens_the_invoice_again(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    start(cast, invoice, saved_method(cast, fake, NEEDS_BANK))
    fake.settle(fake.all("payment_intent")[0], succeeds=False)
    for each in fake.deliveries():
        deliver(each)
    payment = Payment.objects.get()
    assert (payment.state, payment.reason) == ("failed", "The bank refused.")
    assert due_on(invoice).payable == invoice.total


@pytest.mark.parametrize("clears", [True, False])
def test_a_debit_takes_days(cast: Cast, fake: FakeStripe, *, clears: bool) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake, DEBIT))
    assert (payment.state, holds("stripe"), due_on(invoice).payable) == ("processing", 0, 0)
    fake.settle(fake.all("payment_intent")[0], succeeds=clears)
    for each in reversed(fake.deliveries()):
        deliver(each)
    assert Payment.objects.get().state == ("succeeded" if clears else "failed")
    assert due_on(invoice).open == (0 if clears else invoice.total)


@pytest.mark.parametrize("trouble", ["lost after", "500 after"])
def test_an_answer_that_was_lost_is_looked_up_and_not_sent_again(
    cast: Cast, fake: FakeStripe, trouble: str
) -> None:
    invoice = invoice_of(cast)
    method = saved_method(cast, fake)
    fake.trouble = [trouble]
    payment = start(cast, invoice, method)
    assert (payment.state, due_on(invoice).payable) == ("unknown", 0)
    later(payment)
    sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "succeeded"
    assert len(fake.all("payment_intent")) == 1
    assert fake.calls.count("POST /v1/payment_intents") == 1
    assert holds("stripe") == invoice.total


@pytest.mark.parametrize("trouble", ["lost before", "500 before", "429"])
def test_a_call_that_never_arrived_is_sent_again_under_the_same_key(
    cast: Cast, fake: FakeStripe, trouble: str
) -> None:
    method = saved_method(cast, fake)
    fake.trouble = [trouble]
    payment = start(cast, invoice_of(cast), method)
    assert payment.state == "unknown"
    later(payment)
    sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "succeeded"
    assert list(fake.answers) == [str(payment.operation)]
    assert len(fake.all("payment_intent")) == 1


def test_a_process_that_died_before_the_call_loses_nothing(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    wish = intake.Wish(invoice, invoice.total, saved_method(cast, fake))
    payment = intake._store(wish, viewer=finance(cast), now=NOW)
    later(payment)
    sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "succeeded"
    assert list(fake.answers) == [str(payment.operation)]


def test_nothing_is_looked_for_while_it_may_still_be_sent(cast: Cast, fake: FakeStripe) -> None:
    method = saved_method(cast, fake)
    fake.trouble = ["lost before"]
    start(cast, invoice_of(cast), method)
    sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "unknown"


def test_sending_again_ends(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    method = saved_method(cast, fake)
    fake.trouble = ["lost before"] * 20
    payment = start(cast, invoice, method)
    for _ in range(MOST_TRIES + 2):
        later(payment)
        sweeping.sweep(now=NOW)
    payment.refresh_from_db()
    assert (payment.state, payment.tries) == ("failed", MOST_TRIES)
    assert due_on(invoice).payable == invoice.total


def test_what_stripe_has_forgotten_the_key_of_is_never_sent_again(cast: Cast, fake: FakeStripe) -> None:
    method = saved_method(cast, fake)
    fake.trouble = ["lost before"]
    payment = start(cast, invoice_of(cast), method)
    later(payment, timedelta(hours=24))
    sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "failed"
    assert fake.all("payment_intent") == []


def test_while_stripe_is_down_nothing_is_decided(
    cast: Cast, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = saved_method(cast, fake)
    fake.trouble = ["lost after"]
    payment = start(cast, invoice_of(cast), method)
    later(payment)
    down = Answer(Outcome.UNKNOWN)
    with monkeypatch.context() as patched:
        patched.setattr(StripeRail, "find_pay_in", lambda _rail, _order: down)
        sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "unknown"


def test_the_webhook_settles_what_is_not_known(cast: Cast, fake: FakeStripe) -> None:
    method = saved_method(cast, fake)
    fake.trouble = ["lost after"]
    start(cast, invoice_of(cast), method)
    assert Payment.objects.get().provider_id == ""
    deliver(fake.deliveries()[0])
    payment = Payment.objects.get()
    assert (payment.state, payment.provider_id) == ("succeeded", fake.all("payment_intent")[0]["id"])


def test_a_payment_that_waits_can_be_given_up(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake, NEEDS_BANK))
    given_up = intake.cancel(payment, viewer=finance(cast), now=NOW)
    assert given_up.state == "cancelled"
    assert fake.all("payment_intent")[0]["status"] == "canceled"
    assert due_on(invoice).payable == invoice.total
    with pytest.raises(PaymentRefused):
        intake.cancel(payment, viewer=finance(cast), now=NOW)


def test_what_was_paid_meanwhile_is_not_given_up(cast: Cast, fake: FakeStripe) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake, NEEDS_BANK))
    fake.settle(fake.all("payment_intent")[0])
    assert intake.cancel(payment, viewer=finance(cast), now=NOW).state == "succeeded"


def test_nobody_confirms_for_a_day_and_it_is_given_up(cast: Cast, fake: FakeStripe) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake, NEEDS_BANK))
    later(payment, timedelta(hours=25))
    sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "cancelled"


def test_an_invoice_is_paid_in_parts_and_never_beyond(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake)
    start(cast, invoice, method, amount=invoice.total - 100)
    assert due_on(invoice).open == 100
    for wrong in (101, 0, -5):
        with pytest.raises(InvalidInput) as refusal:
            intake.pay(intake.Wish(invoice, wrong, method), viewer=finance(cast), now=NOW)
        assert "amount" in refusal.value.fields
    start(cast, invoice, method, amount=100)
    assert due_on(invoice).open == 0


def test_what_is_under_way_cannot_be_paid_a_second_time(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    start(cast, invoice, saved_method(cast, fake, DEBIT))
    with pytest.raises(InvalidInput):
        start(cast, invoice, saved_method(cast, fake))
    # The database says the same to whoever does not ask first.
    with pytest.raises(DatabaseError, match="exceeds what is due"), transaction.atomic():
        Payment.objects.create(
            rail="stripe",
            organisation=cast.buyer,
            invoice=invoice,
            amount=1,
            currency="CNY",
            state="created",
            created_at=NOW,
        )


def test_a_provider_that_moved_another_amount_is_not_believed(cast: Cast, fake: FakeStripe) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake, NEEDS_BANK))
    intent = fake.all("payment_intent")[0]
    fake.settle(intent | {"amount": payment.amount - 1})
    deliver(fake.deliveries()[-1])
    assert Payment.objects.get().state == "requires_action"
    assert holds("stripe") == 0


def test_only_people_of_finance_pay(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake)
    wish = intake.Wish(invoice, 100, method)
    tokens = cast.viewer_of_token(cast.buyer, "read", "trade")
    for viewer in (tokens, *map(cast.viewer_of, (cast.buyer_trader, cast.owner_admin, cast.operator))):
        with pytest.raises(NotAllowed):
            intake.pay(wish, viewer=viewer, now=NOW)
    assert not Payment.objects.exists()


def test_each_step_leaves_an_audit_event(cast: Cast, fake: FakeStripe) -> None:
    start(cast, invoice_of(cast), saved_method(cast, fake))
    events = AuditEvent.objects.filter(action__startswith="payments.").order_by("pk")
    assert list(events.values_list("action", "user__email", "task")) == [
        ("payments.payment_started", cast.buyer_finance.email, ""),
        ("payments.payment_succeeded", None, "payments.rail"),
    ]


def test_an_announced_transfer_waits_for_the_statement(cast: Cast) -> None:
    bank_account(cast)
    payment = start(cast, invoice_of(cast), None)
    assert (payment.rail, payment.state) == ("bank", "requires_action")
    sweeping.sweep(now=NOW)
    assert Payment.objects.get().state == "requires_action"
    assert intake.cancel(payment, viewer=finance(cast), now=NOW).state == "cancelled"


def test_money_that_comes_twice_is_credit_and_pays_what_opens_again(cast: Cast, fake: FakeStripe) -> None:
    invoice, part = invoice_of(cast), 6_000
    late = start(cast, invoice, saved_method(cast, fake, DEBIT))
    # It was given up here, a part was paid by card, and the bank presented the debit all the same.
    Payment.objects.filter(pk=late.pk).update(state="cancelled")
    by_card = start(cast, invoice, saved_method(cast, fake), amount=part)
    fake.settle(fake.objects[late.provider_id])
    deliver(fake.deliveries()[-1])
    assert (due_on(invoice).open, credit_of(cast.buyer, "CNY")) == (0, part)
    actor = finance(cast).actor
    with pytest.raises(NothingToAllocate):
        use_credit(invoice=invoice, actor=actor, now=NOW)
    fake.refund(fake.objects[by_card.provider_id], part)
    deliver(fake.deliveries()[-1])
    assert due_on(invoice).open == part
    assert use_credit(invoice=invoice, actor=actor, now=NOW) == part
    assert (due_on(invoice).open, credit_of(cast.buyer, "CNY")) == (0, 0)
    # What was credit is found on the invoice now, and can go back from there.
    fake.refund(fake.objects[late.provider_id], late.amount)
    deliver(fake.deliveries()[-1])
    assert due_on(invoice).open == invoice.total
    assert holds("stripe") == 0


def test_what_a_credit_note_frees_is_credit(cast: Cast, fake: FakeStripe) -> None:
    invoice, part = invoice_of(cast), 6_000
    first = start(cast, invoice, saved_method(cast, fake), amount=part)
    start(cast, invoice, saved_method(cast, fake, "pm_2"), amount=invoice.total - part)
    fake.refund(fake.objects[first.provider_id], part)
    deliver(fake.deliveries()[-1])
    credit_note(cast, invoice, part + 500)
    assert (due_on(invoice).overpaid, overpaid(cast.buyer.pk, "CNY")) == (500, [invoice.number])
    # Nothing is open on it, so nothing more can be paid; what it has too much waits for another invoice.
    with pytest.raises(InvalidInput):
        start(cast, invoice, saved_method(cast, fake, "pm_3"), amount=1)
    with pytest.raises(NothingToAllocate):
        use_credit(invoice=invoice, actor=finance(cast).actor, now=NOW)
    assert [(source, free) for _, source, free in allocating._credits(invoice)] == [(invoice, 500)]


def test_a_credit_note_counts_before_a_payment_does(cast: Cast, fake: FakeStripe) -> None:
    invoice = invoice_of(cast)
    credit_note(cast, invoice, 1_000)
    with pytest.raises(InvalidInput):
        start(cast, invoice, saved_method(cast, fake))
    start(cast, invoice, saved_method(cast, fake, "pm_2"), amount=invoice.total - 1_000)
    assert due_on(invoice).open == 0


def test_the_database_keeps_the_life_of_a_payment(cast: Cast, fake: FakeStripe) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake))
    another = (
        "INSERT INTO payments_allocation (payment_id, invoice_id, amount, reason, journal_id, allocated_at)"
        f" VALUES ({payment.pk}, {payment.invoice_id}, 1, 'paid', {payment.journal_id}, now())"
    )
    for sql, refusal in (
        ("UPDATE payments_payment SET state = 'failed', journal_id = NULL", "Invalid transition"),
        ("UPDATE payments_payment SET amount = amount + 1", "Cannot update"),
        ("UPDATE payments_payment SET journal_id = NULL", "payment_booked_when_it_succeeds"),
        ("DELETE FROM payments_payment", "kept for ever"),
        ("UPDATE payments_allocation SET amount = 1", "kept as they are"),
        ("DELETE FROM payments_allocation", "kept as they are"),
        (another, "would be allocated|would bring"),
    ):
        with pytest.raises(DatabaseError, match=refusal), transaction.atomic():
            connection.cursor().execute("SET LOCAL pgtrigger.ignore = '{*}'; " + sql)
