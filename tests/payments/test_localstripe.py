"""Pay-in against localstripe, whose authors never saw this code. Its webhooks come over HTTP, signed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from billing.payments import intake, methods, sweeping
from billing.payments.due import due_on
from billing.payments.models import Payment, ProviderEvent, SavedMethod
from billing.payments.rails.stripe_rail import StripeRail
from demo.card_numbers import CARD, DECLINED, GOOD
from demo.cards import pay_by_card
from tests.cast import Cast
from tests.payments.localstripe_process import KEY, NEEDS_BANK, SECRET, LocalStripe, losing_line
from tests.payments.scenes import NOW, TESTER, finance, holds, invoice_of, start

REFUSED_AT_ONCE = "4000000000000002"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handled_at_once")]


@pytest.fixture(scope="module")
def process() -> Iterator[LocalStripe]:
    running = LocalStripe()
    yield running
    running.stop()


@pytest.fixture
def local(process: LocalStripe, settings: Any, live_server: Any) -> LocalStripe:
    """localstripe, empty, and our web server, to which it sends its webhooks."""
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = KEY, [SECRET]
    settings.STRIPE_API_BASE, settings.STRIPE_REDIRECTS = process.address, False
    process.forget_everything()
    process.send_webhooks_to(f"{live_server.url}/webhooks/stripe/")
    return process


def saved(cast: Cast, enter: Callable[[str], str]) -> SavedMethod:
    """What the buyer has entered on Stripe's page, as we learn of it."""
    customer = methods._customer(cast.buyer, actor=TESTER, now=NOW)
    method = StripeRail().method(enter(customer.provider_id))
    return methods.learn(method, organisation_id=cast.buyer.pk, actor=TESTER, now=NOW)


def card(cast: Cast, local: LocalStripe, number: str = GOOD) -> SavedMethod:
    return saved(cast, lambda customer: local.card_of(customer, number))


def told(kind: str) -> ProviderEvent:
    """The event, once it came: localstripe sends them a second later."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        event = ProviderEvent.objects.filter(type=kind, state="done").first()
        if event is not None:
            return event
        time.sleep(0.1)
    raise AssertionError(f"{kind} did not come: {list(ProviderEvent.objects.values_list('type', 'state'))}")


def test_a_card_pays_and_its_webhook_changes_nothing_more(cast: Cast, local: LocalStripe) -> None:
    invoice, method = invoice_of(cast), card(cast, local)
    assert (method.label, method.expires) == ("visa •••• 4242", "2030-12")
    payment = start(cast, invoice, method)
    assert payment.state == "succeeded"
    assert told("payment_intent.succeeded").payload["data"]["object"]["id"] == payment.provider_id
    assert (due_on(invoice).open, holds("stripe")) == (0, invoice.total)


def test_a_card_that_is_declined(cast: Cast, local: LocalStripe) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, card(cast, local, DECLINED))
    assert (payment.state, payment.reason) == ("failed", "Your card was declined.")
    # The refusal does not name the intent; its webhook does, and finds the payment by our operation.
    told("payment_intent.payment_failed")
    payment.refresh_from_db()
    assert payment.provider_id.startswith("pi_")
    assert due_on(invoice).payable == invoice.total


def test_three_d_secure_succeeds(cast: Cast, local: LocalStripe) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, card(cast, local, NEEDS_BANK))
    assert (payment.state, due_on(invoice).payable) == ("requires_action", 0)
    local.authenticate(payment.provider_id, success=True)
    told("payment_intent.succeeded")
    payment.refresh_from_db()
    assert (payment.state, due_on(invoice).open) == ("succeeded", 0)


def test_three_d_secure_fails_and_is_found_out_by_looking(cast: Cast, local: LocalStripe) -> None:
    payment = start(cast, invoice_of(cast), card(cast, local, NEEDS_BANK))
    local.authenticate(payment.provider_id, success=False)
    payment = intake.look_up(payment, now=NOW)
    assert payment.state == "failed"
    assert "failed authentication" in payment.reason


def test_a_payment_that_waits_is_given_up(cast: Cast, local: LocalStripe) -> None:
    payment = start(cast, invoice_of(cast), card(cast, local, NEEDS_BANK))
    assert intake.cancel(payment, viewer=finance(cast), now=NOW).state == "cancelled"
    assert local.intents()[0]["status"] == "canceled"


@pytest.mark.parametrize(
    ("iban", "kind", "state"),
    [
        ("DE89370400440532013000", "payment_intent.succeeded", "succeeded"),
        ("DE62370400440532013001", "payment_intent.payment_failed", "failed"),
    ],
)
def test_a_debit_is_told_later(cast: Cast, local: LocalStripe, iban: str, kind: str, state: str) -> None:
    invoice = invoice_of(cast)
    method = saved(cast, lambda customer: local.debit_of(customer, iban))
    payment = start(cast, invoice, method)
    told(kind)
    payment.refresh_from_db()
    assert payment.state == state
    assert due_on(invoice).open == (0 if state == "succeeded" else invoice.total)


def test_a_lost_answer_is_looked_up_where_sending_again_would_charge_twice(
    cast: Cast, local: LocalStripe, settings: Any
) -> None:
    invoice, method = invoice_of(cast), card(cast, local)
    with losing_line(local) as line:
        settings.STRIPE_API_BASE = line.address
        line.lose = 1
        payment = start(cast, invoice, method)
        payment.refresh_from_db()
        assert payment.state in {"unknown", "succeeded"}
        Payment.objects.filter(pk=payment.pk).update(sent_at=datetime.now(UTC) - timedelta(minutes=5))
        sweeping.sweep(now=NOW)
    payment.refresh_from_db()
    assert (payment.state, len(local.intents())) == ("succeeded", 1)
    assert holds("stripe") == invoice.total


def test_without_looking_it_would_have_charged_twice(
    cast: Cast, local: LocalStripe, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """localstripe forgets idempotency keys at once, as Stripe does after some time."""
    local.ask("DELETE", "/_config/data")
    method = card(cast, local)
    monkeypatch.setattr(StripeRail, "find_pay_in", lambda _rail, _order: None)
    with losing_line(local) as line:
        settings.STRIPE_API_BASE = line.address
        line.lose = 1
        payment = start(cast, invoice_of(cast), method)
        intake.look_up(payment, now=NOW)
    assert len(local.intents()) == 2


def test_saved_methods_are_removed_there_too(cast: Cast, local: LocalStripe) -> None:
    method = card(cast, local)
    methods.remove(method, viewer=finance(cast), now=NOW)
    method.refresh_from_db()
    assert method.removed_at == NOW
    assert local.ask("GET", f"/v1/payment_methods/{method.provider_id}")["customer"] is None


def test_a_card_that_is_entered_on_its_page_is_learned_from_the_webhook(
    cast: Cast, local: LocalStripe
) -> None:
    viewer = finance(cast)
    page = methods.address_to_add(viewer=viewer, organisation=cast.buyer, currency="EUR", now=NOW)
    assert GOOD in httpx.get(page).text
    refused = httpx.post(page, data=CARD | {"number": REFUSED_AT_ONCE})
    assert "Your card was declined." in refused.text
    saved = httpx.post(page, data=CARD)
    assert saved.headers["location"].endswith("/payment-methods/")
    told("setup_intent.succeeded")
    method = SavedMethod.objects.get(organisation=cast.buyer)
    assert (method.label, method.expires) == ("visa •••• 4242", "2030-12")
    assert start(cast, invoice_of(cast), method).state == "succeeded"


def test_the_demos_buyer_enters_a_card_once_and_pays_with_it(cast: Cast, local: LocalStripe) -> None:
    invoice, viewer = invoice_of(cast), finance(cast)
    assert list(pay_by_card([invoice], viewer=viewer, now=NOW)) == [f"{cast.buyer} enters a card: 303"]
    told("setup_intent.succeeded")
    (said,) = pay_by_card([invoice], viewer=viewer, now=NOW)
    assert said.endswith("by visa •••• 4242: succeeded")
    assert due_on(invoice).open == 0
    assert list(pay_by_card([invoice], viewer=viewer, now=NOW)) == []
