"""Payments and payouts: finance of the party, operators of the exchange, and auditors who look."""

from __future__ import annotations

from billing.payments import balances, payouts, webhooks
from billing.payments.bank_accounts import Entered, propose
from billing.payments.models import BankAccount, BankLine, BankStatement, Hold, PayoutBatch
from billing.payments.statements import importing
from tests.cast import Cast
from tests.payments.scenes import (
    NOW,
    TESTER,
    bank_account,
    credit_owner,
    invoice_of,
    operator,
    paid_by_transfer,
    second_operator,
)
from tests.payments.statements_of_bank import Entry, camt
from tests.permissions.table import Row, everybody, only

Given = dict[str, object]


def an_open_invoice(cast: Cast) -> Given:
    return {"number": invoice_of(cast).number}


def a_payment(cast: Cast) -> Given:
    """Announced, and given up."""
    return {"operation": paid_by_transfer(cast).operation}


def a_method(cast: Cast) -> Given:
    return {"pk": cast.buyer.saved_methods.create(provider_id="pm", kind="card", label="x", added_at=NOW).pk}


def the_statement(cast: Cast) -> BankStatement:
    content = camt(Entry("12.00", "whatever"))
    account = bank_account(cast)
    return importing.upload(
        account=account, file_name="a.xml", content=content, viewer=operator(cast), now=NOW
    )


def a_statement(cast: Cast) -> Given:
    return {"pk": the_statement(cast).pk}


def a_line(cast: Cast) -> Given:
    importing.import_statement(the_statement(cast), viewer=operator(cast), now=NOW)
    return {"pk": BankLine.objects.get().pk}


def the_batch(cast: Cast) -> PayoutBatch:
    """Put together by the second operator."""
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    maker = cast.viewer_of(second_operator(cast))
    return payouts.make_batch(viewer=maker, rail="bank", currency="CNY", now=NOW)


def a_batch(cast: Cast) -> Given:
    return {"pk": the_batch(cast).pk}


def an_approved_batch(cast: Cast) -> PayoutBatch:
    return payouts.approve(the_batch(cast), viewer=operator(cast), now=NOW)


def a_file(cast: Cast) -> Given:
    return {"pk": an_approved_batch(cast).pk}


def a_payout(cast: Cast) -> Given:
    return {"operation": an_approved_batch(cast).payouts.get().operation}


def a_hold(cast: Cast) -> Given:
    facts = {"organisation": cast.owner, "currency": "CNY", "amount": 1, "cause": "c", "why": "w"}
    held: Hold = balances.hold(**facts, actor=TESTER, now=NOW)
    return {"pk": held.pk}


def an_account(cast: Cast) -> Given:
    account: BankAccount = propose(
        entered=Entered("CNY", "Blue River", iban="DE89370400440532013000"),
        organisation=cast.owner,
        viewer=cast.viewer_of(cast.owner_finance),
        now=NOW,
    )
    return {"pk": account.pk}


def an_event(cast: Cast) -> Given:
    event = webhooks.store({"id": "evt", "type": "odd", "data": {"object": {}}})
    return {"pk": event.pk if event else 0}


MONEY = only(200, "finance", "admin", "auditor", "operator", stranger=200, counterparty=200)
ONE_SIDE = only(200, "finance", "admin", "auditor", "operator", counterparty=404)
# Auditors and operators see the money of others, and move none.
FINANCE = only(200, "finance", "admin", counterparty=404)
# Pages of the own organisation: the stranger has one too, the exchange's people have none.
OWN = only(200, "finance", "admin", "stranger", auditor=404, operator=404)
LOOK = only(200, "auditor", "operator", refused=404, counterparty=404)


def change(status: int) -> dict[str, int]:
    """What operators do and auditors see."""
    return dict(only(status, "operator", refused=404, auditor=403, counterparty=404))


def by(status: int, row: dict[str, int]) -> dict[str, int]:
    """The same people, another answer."""
    return {who: status if answer == 200 else answer for who, answer in row.items()}


ROWS = [
    Row("payments:pay", FINANCE, of="buyer", given=an_open_invoice),
    Row("payments:pay", by(422, dict(FINANCE)), method="POST", of="buyer", given=an_open_invoice),
    Row("payments:pay_from_credit", by(409, dict(FINANCE)), method="POST", of="buyer", given=an_open_invoice),
    Row("payments:payments", MONEY, of="buyer"),
    Row("payments:payment", ONE_SIDE, of="buyer", given=a_payment),
    Row("payments:cancel", by(409, dict(FINANCE)), method="POST", of="buyer", given=a_payment),
    Row("payments:refresh", by(302, dict(ONE_SIDE)), method="POST", of="buyer", given=a_payment),
    Row("payments:methods", OWN | {"counterparty": 200}, of="buyer"),
    # Stripe is not set up in the tests.
    Row(
        "payments:methods",
        by(409, dict(OWN) | {"counterparty": 200}),
        method="POST",
        of="buyer",
        body={"currency": "CNY"},
    ),
    Row(
        "payments:remove_method",
        by(409, dict(FINANCE)) | {"viewer": 404, "trader": 404},
        method="POST",
        of="buyer",
        given=a_method,
    ),
    Row("payments:payouts", MONEY),
    Row("payments:new_account", OWN | {"counterparty": 403}),
    Row("payments:new_account", by(422, dict(OWN) | {"counterparty": 403}), method="POST"),
    Row("payments:sign_up", by(409, dict(OWN) | {"counterparty": 403}), method="POST"),
    Row("payments:bank", LOOK),
    Row("payments:bank", change(422), method="POST"),
    Row("payments:bank_statement", LOOK, given=a_statement),
    Row("payments:import_statement", change(302), method="POST", given=a_statement),
    Row("payments:discard_statement", change(302), method="POST", given=a_statement),
    Row("payments:decide_line", LOOK, given=a_line),
    Row("payments:decide_line", change(302), method="POST", given=a_line, body={"what": "fees"}),
    Row("payments:batches", LOOK),
    Row("payments:batches", change(422), method="POST"),
    Row("payments:batch", LOOK, given=a_batch),
    Row("payments:approve", change(302), method="POST", given=a_batch),
    Row("payments:reject", change(302), method="POST", given=a_batch),
    Row("payments:batch_file", LOOK, given=a_file),
    Row("payments:payout_failed", change(302), method="POST", given=a_payout, body={"why": "closed"}),
    Row("payments:hold", change(422), method="POST"),
    Row("payments:release", change(302), method="POST", given=a_hold),
    Row("payments:accounts", LOOK),
    Row("payments:accounts", change(422), method="POST"),
    Row("payments:confirm_account", change(302), method="POST", given=an_account),
    Row("payments:events", LOOK),
    Row("payments:retry_event", change(302), method="POST", given=an_event),
    # Stripe does not sign in: its signature is looked at, and this one has none.
    Row("payments:stripe_webhook", everybody(400), method="POST"),
]
