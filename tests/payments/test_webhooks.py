"""Stripe's webhooks: stored first, done once, whatever the order, the number and the time of deliveries."""

from __future__ import annotations

import json
import random
import time

import pytest
from kombu.exceptions import OperationalError

from billing.payments import tasks, webhooks
from billing.payments.due import due_on
from billing.payments.handlers import HANDLERS
from billing.payments.models import (
    Allocation,
    ConnectedAccount,
    Dispute,
    Payment,
    ProviderEvent,
    Refund,
    SavedMethod,
)
from billing.payments.rails.stripe_rail import SIGNATURE_SECONDS
from tests.cast import Cast
from tests.payments.fake_stripe import DEBIT, SECRET, FakeStripe, signed
from tests.payments.scenes import NOW, deliver, holds, invoice_of, saved_method, start

pytestmark = pytest.mark.django_db


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tasks that were asked for; nothing is handled."""
    asked: list[int] = []
    monkeypatch.setattr(tasks.handle_provider_event, "delay", asked.append)
    return asked


def event(kind: str = "customer.updated", **thing: object) -> dict[str, object]:
    return {"id": "evt_1", "type": kind, "created": 1, "data": {"object": {"id": "x", **thing}}}


def states() -> list[str]:
    return list(ProviderEvent.objects.order_by("pk").values_list("state", flat=True))


def test_an_event_is_stored_before_it_is_acted_on(fake: FakeStripe, quiet: list[int]) -> None:
    assert deliver(signed(event())) == 200
    stored = ProviderEvent.objects.get()
    assert (stored.state, stored.payload["data"]["object"]["id"]) == ("received", "x")
    assert quiet == [stored.pk]


def test_a_second_delivery_is_answered_and_changes_nothing(fake: FakeStripe, quiet: list[int]) -> None:
    assert [deliver(signed(event())) for _ in range(3)] == [200] * 3
    assert len(quiet) == ProviderEvent.objects.count() == 1


@pytest.mark.parametrize(
    "forge",
    [
        lambda body, header: (body.replace(b"evt_1", b"evt_2"), header),
        lambda body, header: (body + b" ", header),
        lambda body, header: (body, header.replace("v1=", "v0=")),
        lambda body, _header: (body, ""),
        lambda body, _header: (body, "t=x,v1=y"),
        lambda _body, header: (b"\xff\xfe", header),
        lambda body, _header: signed(json.loads(body), secret="whsec_of_somebody_else"),
        lambda body, _header: signed(json.loads(body), at=int(time.time()) - SIGNATURE_SECONDS - 5),
    ],
)
def test_what_stripe_did_not_sign_just_so_is_refused(
    fake: FakeStripe, quiet: list[int], forge: object
) -> None:
    assert deliver(forge(*signed(event()))) == 400  # type: ignore[operator]
    assert not ProviderEvent.objects.exists()


def test_without_a_secret_nothing_is_believed(fake: FakeStripe, settings: object, quiet: list[int]) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = []  # type: ignore[attr-defined]
    assert deliver(signed(event())) == 400
    settings.STRIPE_WEBHOOK_SECRETS = [""]  # type: ignore[attr-defined]
    assert deliver(signed(event(), secret="")) == 400


def test_a_signed_body_that_is_no_event_is_refused(fake: FakeStripe, quiet: list[int]) -> None:
    assert deliver(signed({"hello": 1})) == 400
    assert deliver(signed([1])) == 400  # type: ignore[arg-type]


def test_unknown_types_are_kept_and_ignored_visibly(fake: FakeStripe, handled_at_once: None) -> None:
    deliver(signed(event("invoice.upcoming")))
    stored = ProviderEvent.objects.get()
    assert stored.state == "ignored"
    assert "nothing here depends on" in stored.problem


def test_what_is_not_ours_is_ignored(fake: FakeStripe, handled_at_once: None) -> None:
    other = {"id": "pi_x", "amount": 1, "currency": "cny", "status": "succeeded", "metadata": {}}
    deliver(signed(event("payment_intent.succeeded", **other)))
    assert states() == ["ignored"]


def test_a_broker_that_is_down_loses_no_event(
    cast: Cast, fake: FakeStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pk: int) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks.handle_provider_event, "delay", refuse)
    start(cast, invoice_of(cast), saved_method(cast, fake, DEBIT))
    fake.settle(fake.all("payment_intent")[0])
    assert [deliver(each) for each in fake.deliveries()] == [200, 200]
    for pk in webhooks.open_events():
        webhooks.handle(pk, now=NOW)
    assert Payment.objects.get().state == "succeeded"


def test_a_failure_undoes_the_whole_event_and_is_tried_again(
    cast: Cast, fake: FakeStripe, handled_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake, DEBIT))
    fake.settle(fake.all("payment_intent")[0])
    with monkeypatch.context() as patched:
        patched.setattr("billing.payments.intake.allocate", lambda *_args, **_options: 1 / 0)
        deliver(fake.deliveries()[-1])
    stored = ProviderEvent.objects.get()
    assert (stored.state, stored.tries) == ("failed", 1)
    assert "ZeroDivisionError" in stored.problem
    payment.refresh_from_db()
    assert (payment.state, holds("stripe")) == ("processing", 0)
    for pk in webhooks.open_events():
        webhooks.handle(pk, now=NOW)
    payment.refresh_from_db()
    assert (payment.state, states()) == ("succeeded", ["done"])


def test_what_is_done_is_not_handled_again(
    cast: Cast, fake: FakeStripe, handled_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(cast, invoice_of(cast), saved_method(cast, fake))
    deliver(fake.deliveries()[0])
    monkeypatch.setitem(HANDLERS, "payment_intent.succeeded", lambda _event, _now: 1 / 0)
    webhooks.handle(ProviderEvent.objects.get().pk, now=NOW)
    assert (states(), ProviderEvent.objects.get().tries) == (["done"], 1)


def test_a_refund_opens_the_invoice_again(cast: Cast, fake: FakeStripe, handled_at_once: None) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake))
    fake.refund(fake.all("payment_intent")[0], 300)
    fake.refund(fake.all("payment_intent")[0], 200)
    for each in fake.deliveries(copies=2):
        deliver(each)
    assert due_on(invoice).open == 500
    assert holds("stripe") == payment.amount - 500
    assert sorted(Allocation.objects.filter(reason="refunded").values_list("amount", flat=True)) == [
        -300,
        -200,
    ]


@pytest.mark.parametrize("failed_first", [True, False])
def test_a_refund_that_fails_in_the_end_gives_nothing_back(
    cast: Cast, fake: FakeStripe, handled_at_once: None, *, failed_first: bool
) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake))
    refund = fake.refund(fake.all("payment_intent")[0], 300)
    refund["status"] = "failed"
    fake.tell("refund.failed", refund)
    deliveries = fake.deliveries(kinds="refund")
    for each in reversed(deliveries) if failed_first else deliveries:
        deliver(each)
    assert (due_on(invoice).open, holds("stripe")) == (0, payment.amount)
    assert Refund.objects.get().has_failed
    assert set(states()) == {"done"}


def test_a_pending_refund_moves_nothing_yet(cast: Cast, fake: FakeStripe, handled_at_once: None) -> None:
    invoice = invoice_of(cast)
    start(cast, invoice, saved_method(cast, fake))
    refund = fake.refund(fake.all("payment_intent")[0], 300, status="pending")
    deliver(fake.deliveries()[-1])
    assert due_on(invoice).open == 0
    refund["status"] = "succeeded"
    fake.tell("refund.updated", refund)
    deliver(fake.deliveries()[-1])
    assert due_on(invoice).open == 300


def test_a_refund_of_more_than_was_paid_is_not_believed(
    cast: Cast, fake: FakeStripe, handled_at_once: None
) -> None:
    payment = start(cast, invoice_of(cast), saved_method(cast, fake))
    fake.refund(fake.all("payment_intent")[0], payment.amount + 1)
    deliver(fake.deliveries()[-1])
    assert states()[-1] == "failed"
    assert holds("stripe") == payment.amount


@pytest.mark.parametrize("won", [True, False])
def test_a_disputed_charge_is_owed_again_until_it_is_won(
    cast: Cast, fake: FakeStripe, handled_at_once: None, *, won: bool
) -> None:
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake))
    dispute = fake.dispute(fake.all("payment_intent")[0])
    for each in fake.deliveries():
        deliver(each)
    assert (due_on(invoice).open, holds("stripe")) == (invoice.total, 0)
    if won:
        fake.win(dispute)
    else:
        dispute["status"] = "lost"
        fake.tell("charge.dispute.closed", dispute)
    for each in fake.deliveries():
        deliver(each)
    assert due_on(invoice).open == (0 if won else invoice.total)
    assert holds("stripe") == (payment.amount if won else 0)
    shown = Dispute.objects.get()
    assert (shown.status, shown.closed_at) == ("won" if won else "lost", NOW)


def test_what_comes_too_early_waits_for_its_payment(
    cast: Cast, fake: FakeStripe, handled_at_once: None
) -> None:
    invoice = invoice_of(cast)
    start(cast, invoice, saved_method(cast, fake, DEBIT))
    intent = fake.all("payment_intent")[0]
    fake.settle(intent)
    fake.refund(intent, 300)
    processing, succeeded, refunded = fake.deliveries()
    deliver(refunded)
    assert states() == ["waiting"]
    assert holds("stripe") == 0
    deliver(succeeded)
    assert states() == ["done", "done"]
    assert due_on(invoice).open == 300
    deliver(processing)
    assert Payment.objects.get().state == "succeeded"


@pytest.mark.parametrize("seed", range(12))
def test_any_order_and_number_of_deliveries_ends_the_same(
    cast: Cast, fake: FakeStripe, handled_at_once: None, seed: int
) -> None:
    """A debit clears, is refunded in part, disputed for the rest of it and won; told in every order."""
    invoice = invoice_of(cast)
    payment = start(cast, invoice, saved_method(cast, fake, DEBIT))
    intent = fake.all("payment_intent")[0]
    fake.settle(intent)
    first = fake.refund(intent, 300)
    fake.refund(intent, 200)
    first["status"] = "failed"
    fake.tell("refund.failed", first)
    dispute = fake.dispute(intent | {"amount": payment.amount - 500})
    fake.win(dispute)
    order = random.Random(seed)
    for each in fake.deliveries(copies=3, order=order):
        assert deliver(each) == 200
    for _ in range(3):
        for pk in webhooks.open_events():
            webhooks.handle(pk, now=NOW)
    assert set(states()) == {"done"}
    assert due_on(invoice).open == 200
    assert holds("stripe") == payment.amount - 200
    assert holds("receivable", cast.buyer, item=invoice.number) == 200


def test_methods_are_learnt_changed_and_forgotten(
    cast: Cast, fake: FakeStripe, handled_at_once: None
) -> None:
    saved_method(cast, fake)
    new = fake.new_method("sepa_debit")
    fake.tell("setup_intent.succeeded", {"id": "seti", "customer": "cus_1", "payment_method": new["id"]})
    deliver(fake.deliveries()[-1])
    learnt = SavedMethod.objects.get(provider_id=new["id"])
    assert (learnt.organisation, learnt.kind, learnt.label) == (cast.buyer, "sepa_debit", "A Bank •••• 3000")
    new["sepa_debit"]["last4"] = "9999"
    fake.tell("payment_method.updated", new)
    deliver(fake.deliveries()[-1])
    learnt.refresh_from_db()
    assert learnt.label.endswith("9999")
    fake.tell("payment_method.detached", new)
    deliver(fake.deliveries()[-1])
    learnt.refresh_from_db()
    assert learnt.removed_at == NOW


def test_what_stripe_said_earlier_about_an_account_does_not_overtake(
    cast: Cast, fake: FakeStripe, handled_at_once: None
) -> None:
    account = {"id": "acct_1", "capabilities": {"transfers": "inactive"}}
    ConnectedAccount.objects.create(organisation=cast.owner, provider_id="acct_1")
    fake.tell("account.updated", account, created=100)
    fake.tell("account.updated", account | {"capabilities": {"transfers": "active"}}, created=200)
    for each in reversed(fake.deliveries()):
        deliver(each)
    assert ConnectedAccount.objects.get().may_receive


def test_the_secret_that_is_being_replaced_still_signs(fake: FakeStripe, quiet: list[int]) -> None:
    assert deliver(signed(event(), secret="whsec_an_old_one")) == 200
    assert deliver(signed(event() | {"id": "evt_2"}, secret=SECRET)) == 200
