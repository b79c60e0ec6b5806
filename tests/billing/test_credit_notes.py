"""A credit note takes off what is there and no more, of the invoice, its lines, its tax, its statements."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.invoicing.credit_notes import CreditTooHigh, creditable
from billing.invoicing.models import Credited, Document, DocumentTax, Line
from billing.invoicing.receivables import standing_of, with_open_amounts
from billing.ledger.checks import check_ledger
from billing.ledger.models import Account
from billing.ledger.selectors import balance, open_amounts, trial_balance
from marketplace.errors import InvalidInput, NotAllowed
from tests.billing.builders import RATER, make_tax_rule, rate_at, refused
from tests.billing.scenes import APRIL, close, credit, invoiced, used
from tests.cast import Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(cast: Cast) -> Document:
    """¥100.00 and 6 % tax, of which the owner is credited ¥97.00 and its tax."""
    make_tax_rule("CN", "CN", "0.06")
    return invoiced(cast)


def _held() -> dict[str, int]:
    return {account.kind: balance(account) for account in Account.objects.all()}


def test_a_credit_that_the_owners_bear_reaches_everybody(cast: Cast, invoice: Document) -> None:
    note = credit(cast, invoice, 5_300)
    of_owner = Document.objects.get(kind="credit_note", credits__kind="statement")
    assert (note.number, note.net, note.tax, note.total) == ("CN-2026-000002", 5_000, 300, 5_300)
    assert (of_owner.net, of_owner.tax, of_owner.organisation) == (4_850, 291, cast.owner)
    assert note.journal is not None
    assert note.journal.corrects == invoice.journal
    assert _held() == {
        "receivable": 5_300, "payable": -5_141, "commission": -150, "tax_owed": -300, "tax_paid": 291,
    }  # fmt: skip
    assert open_amounts(Account.Kind.RECEIVABLE, [invoice.number]) == {invoice.number: 5_300}
    assert check_ledger(now=APRIL, actor=RATER).found == 0


def test_a_credit_that_the_exchange_bears_leaves_the_owner_alone(cast: Cast, invoice: Document) -> None:
    credit(cast, invoice, 1_060, borne_by="exchange")
    held = _held()
    assert (held["payable"], held["commission"], held["tax_owed"]) == (-10_282, 700, -540)
    assert Document.objects.filter(kind="credit_note").count() == 1


def test_all_of_it_leaves_nothing_anywhere(cast: Cast, invoice: Document) -> None:
    credit(cast, invoice, 3_333)
    credit(cast, invoice, 7_267)
    assert creditable(invoice) == 0
    assert set(_held().values()) == {0}
    found = with_open_amounts(Document.objects.filter(pk=invoice.pk)).get()
    assert standing_of(found, now=APRIL).state == "credited"
    assert trial_balance().balances


def test_more_than_is_left_is_refused_by_name(cast: Cast, invoice: Document) -> None:
    credit(cast, invoice, 600)
    with pytest.raises(
        CreditTooHigh, match=r"100.01 is more than the 100.00 that is left of INV-2026-000001"
    ):
        credit(cast, invoice, 10_001)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"amount": 0}, "amount"), ({"borne_by": "nobody"}, "borne_by")],
)
def test_what_makes_no_sense_is_named(
    cast: Cast, invoice: Document, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        credit(cast, invoice, **({"amount": 1} | change))
    assert list(caught.value.fields) == [field]
    with pytest.raises(InvalidInput):
        credit(cast, Document.objects.get(kind="statement"), 1)


def test_only_operators_credit(cast: Cast, invoice: Document) -> None:
    cast.operator = cast.auditor
    with pytest.raises(NotAllowed):
        credit(cast, invoice, 1)


@pytest.fixture
def people(cast: Cast) -> Cast:
    """Who is there before each example, and stays when it is rolled back."""
    assert cast.owner.pk
    assert cast.buyer.pk
    assert cast.operator.pk
    return cast


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    quantities=st.lists(st.integers(1, 28_800), min_size=1, max_size=3),
    cuts=st.lists(st.integers(1, 2_000), min_size=1, max_size=4),
    borne=st.sampled_from(["owners", "exchange"]),
)
def test_any_credits_stay_within_every_amount_and_the_last_one_takes_the_rest(
    people: Cast, quantities: list[int], cuts: list[int], borne: str
) -> None:
    with transaction.atomic():
        make_tax_rule("CN", "CN", "0.06")
        for quantity in quantities:
            used(people.owner, people.buyer, price="7.77", quantities=[quantity])
        rate_at()
        close()
        invoice = Document.objects.get(kind="invoice")
        for cut in cuts:
            if (amount := min(cut, creditable(invoice))) > 0:
                credit(people, invoice, amount, borne_by=borne)
        if (rest := creditable(invoice)) > 0:
            credit(people, invoice, rest, borne_by=borne)
        _nothing_is_left(invoice)
        held = _held()
        if borne == "owners":
            assert set(held.values()) <= {0}
        assert (held.get("receivable", 0), held.get("tax_owed", 0)) == (0, 0)
        assert check_ledger(now=APRIL, actor=RATER).found == 0
        transaction.set_rollback(True)


def _nothing_is_left(invoice: Document) -> None:
    notes = Document.objects.filter(credits=invoice)
    assert sum(note.total for note in notes) == invoice.total
    for line in invoice.lines.all():
        assert sum(off.amount for off in line.credited_by.all()) == line.amount
    taken = DocumentTax.objects.filter(document__credits=invoice)
    assert sum(tax.amount for tax in taken) == invoice.tax


class TestTheDatabase:
    """Past the service, straight into the tables."""

    def _raw(
        self, invoice: Document, *, net: int, tax: int, line: Line | None = None, sequence: int = 1
    ) -> None:
        from billing.invoicing.numbering import take_numbers  # noqa: PLC0415

        take_numbers("", "credit_note", year=2026, count=1)
        credited = line or invoice.lines.get()
        note = Document.objects.create(
            kind="credit_note",
            number=f"CN-{sequence}",
            sequence=sequence,
            credits=invoice,
            borne_by="exchange",
            reason="x",
            net=net,
            tax=tax,
            total=net + tax,
            line_count=1,
            **{name: getattr(invoice, name) for name in COPIED},
        )
        Line.objects.create(
            document=note,
            position=1,
            credits=credited,
            agreement=credited.agreement,
            period=credited.period,
            service_from=credited.service_from,
            service_until=credited.service_until,
            tax_rule=credited.tax_rule,
            quantity=0,
            charge_count=0,
            exact=0,
            amount=net,
        )
        DocumentTax.objects.create(document=note, rule=credited.tax_rule, base=net, amount=tax)

    def test_takes_a_credit_within_the_invoice(self, invoice: Document) -> None:
        with transaction.atomic():
            self._raw(invoice, net=10_000, tax=600)

    def test_refuses_one_above_the_invoice(self, invoice: Document) -> None:
        with refused("would take 10601 off a document of 10600"):
            self._raw(invoice, net=10_000, tax=601)

    def test_refuses_one_above_a_line_or_a_tax(self, invoice: Document) -> None:
        with refused("takes off more than there is"):
            self._raw(invoice, net=10_001, tax=0)
        with refused("takes off more than there is"):
            self._raw(invoice, net=1, tax=601)

    def test_refuses_one_from_another_documents_line(self, invoice: Document) -> None:
        statement_line = Line.objects.get(document__kind="statement")
        with refused("takes off more than there is"):
            self._raw(invoice, net=1, tax=0, line=statement_line)

    def test_refuses_two_that_are_too_much_together(self, cast: Cast, invoice: Document) -> None:
        credit(cast, invoice, 10_600, borne_by="exchange")
        with refused("would take 10601"):
            self._raw(invoice, net=1, tax=0, sequence=2)

    def test_counts_by_itself_what_was_credited(self, cast: Cast, invoice: Document) -> None:
        credit(cast, invoice, 100, borne_by="exchange")
        assert Credited.objects.get(document=invoice).amount == 100
        with refused("counted by the database"):
            Credited.objects.update(amount=0)


COPIED = (
    "issuer", "series", "year", "organisation", "party_name_en", "party_name_zh", "party_jurisdiction",
    "period", "currency", "finalised_at",
)  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_credit_notes_at_once_never_exceed_the_invoice(cast: Cast) -> None:
    make_tax_rule("CN", "CN", "0.06")
    invoice, operator = invoiced(cast), cast.operator
    assert operator.pk
    told = at_once(*[lambda: credit(cast, invoice, 4_000, borne_by="owners").total] * 4)
    results = [type(each).__name__ if isinstance(each, Exception) else each for each in told]
    assert sorted(map(str, results)) == ["4000", "4000", "CreditTooHigh", "CreditTooHigh"]
    assert sum(note.total for note in Document.objects.filter(credits=invoice)) == 8_000
