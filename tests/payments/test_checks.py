"""The nightly check: what payments say and what the ledger says is the same, and a difference is seen."""

from __future__ import annotations

import pytest
from django.db import connection

from billing.ledger.checks import check_ledger
from billing.ledger.models import Difference
from billing.ledger.services import Leg, post_journal
from billing.payments import payouts
from billing.payments.statements import importing
from billing.payments.statements.by_hand import Decision, decide
from tests.cast import Cast
from tests.payments.fake_stripe import FakeStripe
from tests.payments.scenes import (
    KINDS,
    NOW,
    TESTER,
    bank_account,
    credit_owner,
    deliver,
    invoice_of,
    operator,
    saved_method,
    second_operator,
    start,
)
from tests.payments.statements_of_bank import Entry, camt
from tests.triggers import without_triggers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handled_at_once")]


def differences() -> list[tuple[str, str, str]]:
    check_ledger(now=NOW, actor=TESTER)
    rows = Difference.objects.filter(resolved_by=None).order_by("rule")
    ours = ("money ", "a payment is")
    return [row for row in rows.values_list("rule", "expected", "found") if row[0].startswith(ours)]


def everything_happens(cast: Cast, fake: FakeStripe) -> None:
    own = bank_account(cast)
    bank_account(cast, of_owner=True)
    payment = start(cast, invoice_of(cast), saved_method(cast, fake))
    fake.refund(fake.objects[payment.provider_id], 300)
    for each in fake.deliveries():
        deliver(each)
    credit_owner(cast, 10_000)
    batch = payouts.make_batch(viewer=operator(cast), rail="bank", currency="CNY", now=NOW)
    payouts.approve(batch, viewer=cast.viewer_of(second_operator(cast)), now=NOW)
    content = camt(Entry("12.00", "?"), Entry("30.00", "from stripe", "R2"))
    statement = importing.upload(account=own, file_name="x", content=content, viewer=operator(cast), now=NOW)
    lines = importing.import_statement(statement, viewer=operator(cast), now=NOW)
    decide(lines[1], Decision("stripe"), viewer=operator(cast), now=NOW)


def test_after_everything_all_of_them_agree(cast: Cast, fake: FakeStripe) -> None:
    everything_happens(cast, fake)
    assert differences() == []


@pytest.mark.parametrize("kind", ["stripe", "bank", "suspense", "in_transit"])
def test_money_that_no_payment_knows_of_is_found(cast: Cast, fake: FakeStripe, kind: str) -> None:
    everything_happens(cast, fake)
    legs = [Leg(KINDS(kind), None, "CNY", 1), Leg(KINDS.FEES, None, "CNY", -1)]
    post_journal(key="odd", description="Odd", booked_at=NOW, legs=legs, actor=TESTER)
    (difference,) = differences()
    assert kind.replace("_", " ").split()[-1] in difference[0].lower()


def test_a_payment_that_is_not_allocated_is_found(cast: Cast, fake: FakeStripe) -> None:
    everything_happens(cast, fake)
    with without_triggers("payments_allocation"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM payments_allocation WHERE reason = 'refunded'")
    ((rule, expected, found),) = differences()
    assert rule.startswith("a payment is allocated in full")
    assert expected != found
