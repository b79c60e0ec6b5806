"""The pages of payments, walked as their people do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.urls import reverse

from accounts.models import User
from billing.payments import payouts, tasks
from billing.payments.due import due_on
from billing.payments.models import (
    BankAccount,
    BankLine,
    BankStatement,
    Hold,
    Payment,
    Payout,
    PayoutBatch,
    ProviderEvent,
)
from tests.cast import Cast
from tests.pages_trade.scenes import page, queries_of, rows_of_csv, signed_in, status
from tests.payments.fake_stripe import DECLINED, NEEDS_BANK, FakeStripe
from tests.payments.scenes import (
    NOW,
    bank_account,
    credit_owner,
    deliver,
    invoice_of,
    operator,
    saved_method,
    second_operator,
    start,
)
from tests.payments.statements_of_bank import Entry, as_csv, camt

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handled_at_once", "now")]


def post(user: User, name: str, *args: Any, **body: Any) -> HttpResponse:
    return signed_in(user).post(reverse(f"payments:{name}", args=args), body)


def followed(answer: HttpResponse) -> str:
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return answer.client.get(answer["Location"]).content.decode()  # type: ignore[attr-defined]


# --- buyers -------------------------------------------------------------------------------------------


def test_a_buyer_pays_an_invoice_by_card(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake)
    form = page(cast.buyer_finance, reverse("payments:pay", args=[invoice.number]))
    assert "visa •••• 4242" in form
    assert "is open on this invoice" in form
    answer = post(cast.buyer_finance, "pay", invoice.number, amount="100.00", method=method.pk)
    assert "It is paid." in followed(answer)
    assert due_on(invoice).open == invoice.total - 10_000


def test_the_form_says_what_cannot_be_paid(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake)
    for amount, problem in (("1000000", "up to"), ("1.001", "decimal"), ("0", "above zero"), ("x", "number")):
        answer = post(cast.buyer_finance, "pay", invoice.number, amount=amount, method=method.pk)
        assert answer.status_code == 422
        assert problem in answer.content.decode()
    answer = post(cast.buyer_finance, "pay", invoice.number, amount="1", method="999")
    assert answer.status_code == 422
    assert not Payment.objects.exists()


def test_another_buyers_method_is_no_choice(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake)
    method.organisation = cast.other_buyer
    method.save()
    answer = post(cast.buyer_finance, "pay", invoice.number, amount="1", method=method.pk)
    assert answer.status_code == 422


def test_three_d_secure_leads_to_the_bank_and_back(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake, NEEDS_BANK)
    answer = post(cast.buyer_finance, "pay", invoice.number, amount="100", method=method.pk)
    shown = followed(answer)
    assert 'href="https://hooks.stripe.example/' in shown
    fake.settle(fake.all("payment_intent")[0])
    # The buyer is back before the webhook is, and asks.
    answer = post(cast.buyer_finance, "refresh", Payment.objects.get().operation)
    assert "It is paid." in followed(answer)


def test_a_payment_that_waits_is_given_up_on_its_page(cast: Cast, fake: FakeStripe) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake, NEEDS_BANK))
    answer = post(cast.buyer_finance, "cancel", payment.operation)
    assert "It was given up." in followed(answer)


def test_a_declined_card_says_why_and_what_next(cast: Cast, fake: FakeStripe) -> None:
    invoice, method = invoice_of(cast), saved_method(cast, fake, DECLINED)
    answer = post(cast.buyer_finance, "pay", invoice.number, amount="100", method=method.pk)
    shown = followed(answer)
    assert "Your card was declined." in shown
    assert reverse("payments:pay", args=[invoice.number]) in shown


def test_a_transfer_is_announced_with_account_and_reference(cast: Cast) -> None:
    own = bank_account(cast)
    invoice = invoice_of(cast)
    answer = post(cast.buyer_finance, "pay", invoice.number, amount="100", method="bank")
    shown = followed(answer)
    assert own.iban in shown
    assert f"RF{invoice.number.replace('-', '')}"[2:] in shown.replace(" ", "")


def test_without_stripe_and_account_there_is_no_way_to_pay(cast: Cast) -> None:
    shown = page(cast.buyer_finance, reverse("payments:pay", args=[invoice_of(cast).number]))
    assert "There is no way to pay yet" in shown


def test_a_new_method_is_entered_at_stripe(cast: Cast, fake: FakeStripe) -> None:
    shown = post(cast.buyer_finance, "methods", currency="EUR").content.decode()
    assert 'href="https://checkout.stripe.example/cs"' in shown
    session = fake.all("checkout.session")[0]
    assert session["mode"] == "setup"
    new = fake.new_method("sepa_debit")
    setup = {"id": "seti", "customer": session["customer"], "payment_method": new["id"]}
    fake.tell("setup_intent.succeeded", setup)
    deliver(fake.deliveries()[-1])
    assert "A Bank •••• 3000" in page(cast.buyer_finance, reverse("payments:methods"))
    method = cast.buyer.saved_methods.get()
    answer = post(cast.buyer_finance, "remove_method", method.pk)
    assert "A Bank" not in followed(answer).split("<main")[1].split("toasts")[0]


def test_when_stripe_is_down_the_page_says_so(cast: Cast, fake: FakeStripe) -> None:
    fake.trouble = ["500 before"]
    answer = post(cast.buyer_finance, "methods", currency="EUR")
    assert answer.status_code == 503
    assert "Something went wrong." in answer.content.decode()


def test_the_history_is_of_one_party_and_downloadable(cast: Cast, fake: FakeStripe) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake))
    address = reverse("payments:payments")
    (row,) = rows_of_csv(cast.buyer_finance, address)
    assert (row["Operation"], row["State"]) == (str(payment.operation), "succeeded")
    assert rows_of_csv(cast.owner_finance, address) == []
    assert str(payment.operation) not in page(cast.stranger, address)
    assert status(cast.stranger, reverse("payments:payment", args=[payment.operation])) == 404
    assert rows_of_csv(cast.buyer_finance, f"{address}?state=failed") == []


def test_credit_is_used_by_a_button(cast: Cast, fake: FakeStripe) -> None:
    own = bank_account(cast)
    invoice = invoice_of(cast)
    line = as_csv(f"A,2026-05-19,50.00,CNY,{invoice.number} deposit,,", "B,2026-05-19,7.00,CNY,?,,")
    post_statement(cast, own, line, "a.csv")
    post(cast.operator, "import_statement", BankStatement.objects.get().pk)
    unmatched = BankLine.objects.get(state="unmatched")
    post(cast.operator, "decide_line", unmatched.pk, what="credit", buyer=cast.buyer.pk)
    shown = page(cast.buyer_finance, reverse("payments:pay", args=[invoice.number]))
    assert "You have credit" in shown
    answer = post(cast.buyer_finance, "pay_from_credit", invoice.number)
    assert "of your credit is used" in followed(answer)
    assert due_on(invoice).open == invoice.total - 5_700


# --- owners -------------------------------------------------------------------------------------------


def test_an_owner_sees_what_it_is_owed_and_says_where_it_goes(cast: Cast) -> None:
    credit_owner(cast, 10_000)
    shown = page(cast.owner_finance, reverse("payments:payouts"))
    assert "<strong>¥100.00</strong> can be paid" in shown
    body = {
        "currency": "CNY",
        "holder": "Blue River",
        "number": "62220202",
        "clearing_number": "102100099996",
    }
    answer = post(cast.owner_finance, "new_account", **body)
    assert "102100099996 62220202" in followed(answer)
    wrong = post(cast.owner_finance, "new_account", **body | {"clearing_number": "1"})
    assert wrong.status_code == 422
    assert "12 digits" in wrong.content.decode()
    answer = post(cast.operator, "confirm_account", BankAccount.objects.get().pk)
    assert "is confirmed" in followed(answer)


def test_an_owner_signs_up_at_stripe(cast: Cast, fake: FakeStripe) -> None:
    credit_owner(cast, 1)
    assert "Sign up at Stripe" in page(cast.owner_finance, reverse("payments:payouts"))
    shown = post(cast.owner_finance, "sign_up").content.decode()
    assert 'href="https://connect.stripe.example/acct_' in shown
    fake.enable(fake.all("account")[0], "cny")
    deliver(fake.deliveries()[-1])
    assert "Stripe knows you" in page(cast.owner_finance, reverse("payments:payouts"))


def test_owners_do_not_see_drafts(cast: Cast) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    address = reverse("payments:payouts")
    batch = payouts.make_batch(viewer=operator(cast), rail="bank", currency="CNY", now=NOW)
    assert rows_of_csv(cast.owner_finance, address) == []
    payouts.approve(batch, viewer=cast.viewer_of(second_operator(cast)), now=NOW)
    (row,) = rows_of_csv(cast.owner_finance, address)
    assert (row["Amount"], row["State"]) == ("100", "instructed")


# --- operators ----------------------------------------------------------------------------------------


def post_statement(cast: Cast, account: BankAccount, content: bytes, name: str) -> HttpResponse:
    return post(cast.operator, "bank", account=account.pk, file=SimpleUploadedFile(name, content))


def test_a_statement_is_looked_at_imported_and_what_is_left_decided(cast: Cast) -> None:
    own = bank_account(cast)
    invoice = invoice_of(cast)
    content = camt(Entry("10.00", invoice.number), Entry("3.00", "strange", "R2"))
    shown = followed(post_statement(cast, own, content, "may.xml"))
    assert invoice.number in shown
    assert "not recognised" in shown
    statement = BankStatement.objects.get()
    assert "2 lines are booked" in followed(post(cast.operator, "import_statement", statement.pk))
    line = BankLine.objects.get(state="unmatched")
    assert "was not recognised and waits for you" in page(cast.auditor, reverse("payments:bank"))
    unsaid = post(cast.operator, "decide_line", line.pk, what="invoice")
    assert "This is needed" in unsaid.content.decode()
    unknown = post(cast.operator, "decide_line", line.pk, what="invoice", invoice="INV-0")
    assert "There is none of that name" in unknown.content.decode()
    answer = post(cast.operator, "decide_line", line.pk, what="invoice", invoice=invoice.number)
    assert "Every line of the statements is recognised" in followed(answer)
    assert due_on(invoice).open == invoice.total - 1_300


def test_a_file_that_cannot_be_read_says_where(cast: Cast) -> None:
    answer = post_statement(cast, bank_account(cast), as_csv("A,19.5.,1,CNY,,,"), "x.csv")
    assert answer.status_code == 422
    assert "Line 2: 19.5. is no date" in answer.content.decode()


def test_a_batch_is_put_together_approved_by_another_and_downloaded(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    shown = followed(post(cast.operator, "batches", rail="bank", currency="CNY"))
    assert "somebody else must approve it" in shown
    batch = PayoutBatch.objects.get()
    assert post(cast.operator, "approve", batch.pk).status_code == 403
    other = second_operator(cast)
    assert "File for the bank" in followed(post(other, "approve", batch.pk))
    answer = signed_in(cast.operator).get(reverse("payments:batch_file", args=[batch.pk]))
    batch.refresh_from_db()
    assert answer.content == bytes(batch.file)
    assert answer["Content-Disposition"] == f'attachment; filename="cardhour-payouts-{batch.pk}.xml"'
    payout = Payout.objects.get()
    assert "closed" in followed(post(other, "payout_failed", payout.operation, why="closed"))


def test_an_approved_stripe_batch_asks_for_its_task(
    cast: Cast, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(tasks.send_payouts, "delay", asked.append)
    payouts.ConnectedAccount.objects.create(organisation=cast.owner, provider_id="acct", may_receive=True)
    credit_owner(cast, 10_000)
    batch = payouts.make_batch(viewer=operator(cast), rail="stripe", currency="CNY", now=NOW)
    post(second_operator(cast), "approve", batch.pk)
    assert asked == [batch.pk]


def test_an_amount_is_held_and_released(cast: Cast) -> None:
    credit_owner(cast, 10_000)
    post(cast.operator, "hold", organisation=cast.owner.pk, currency="CNY", amount="40", why="Disputed")
    shown = page(cast.owner_finance, reverse("payments:payouts"))
    assert "<strong>¥60.00</strong> can be paid" in shown
    assert "Disputed" in shown
    post(cast.operator, "release", Hold.objects.get().pk)
    assert "<strong>¥100.00</strong> can be paid" in page(cast.owner_finance, reverse("payments:payouts"))


def test_events_that_are_not_done_are_shown_and_tried_again(cast: Cast, fake: FakeStripe) -> None:
    fake.tell("refund.created", {"id": "re_1", "payment_intent": "pi_x", "amount": 1, "status": "succeeded"})
    deliver(fake.deliveries()[0])
    shown = page(cast.auditor, reverse("payments:events"))
    assert "<strong>1</strong> event is not done" in shown
    assert "no payment is known as pi_x" in shown
    event = ProviderEvent.objects.get()
    post(cast.operator, "retry_event", event.pk)
    event.refresh_from_db()
    assert (event.state, event.tries) == ("waiting", 2)


@pytest.mark.parametrize(
    "name",
    ["payments", "payment", "payouts", "bank", "bank_statement", "batches", "batch", "accounts", "events"],
)
def test_queries_do_not_grow_with_the_data(cast: Cast, fake: FakeStripe, now: datetime, name: str) -> None:
    own, method, invoice = bank_account(cast), saved_method(cast, fake), invoice_of(cast)
    bank_account(cast, of_owner=True)
    first = start(cast, invoice, method, amount=100)

    def more(count: int, offset: int) -> str:
        for number in range(offset, offset + count):
            start(cast, invoice, method, amount=100)
            credit_owner(cast, 1_000)
            post_statement(cast, own, as_csv(f"L{number},2026-05-19,1.00,CNY,?,,"), f"{number}.csv")
            post(cast.operator, "import_statement", BankStatement.objects.latest("pk").pk)
            batch = payouts.make_batch(viewer=operator(cast), rail="bank", currency="CNY", now=NOW)
            payouts.approve(batch, viewer=cast.viewer_of(second_operator(cast)), now=NOW)
        for each in fake.deliveries():
            deliver(each)
        args = {
            "payment": [first.operation],
            "bank_statement": [BankStatement.objects.latest("pk").pk],
            "batch": [PayoutBatch.objects.latest("pk").pk],
        }
        return reverse(f"payments:{name}", args=args.get(name, []))

    few = queries_of(cast.operator, more(1, 0))
    assert queries_of(cast.operator, more(3, 1)) == few
