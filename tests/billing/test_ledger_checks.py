"""The nightly check finds what no guard could refuse, tells operators, and takes it back when it is right."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import AuditEvent
from billing.invoicing.models import Document
from billing.ledger.checks import RULES, check_ledger
from billing.ledger.models import Account, Difference, LedgerCheck
from billing.ledger.selectors import differences_for
from billing.ledger.services import Leg, post_journal
from billing.ledger.tasks import check_ledger_task
from tests.billing.builders import RATER, make_tax_rule, refused
from tests.billing.scenes import APRIL, credit, invoiced
from tests.cast import Cast
from tests.triggers import without_triggers

pytestmark = pytest.mark.django_db


def _check() -> list[tuple[str, str, str]]:
    check_ledger(now=APRIL, actor=RATER)
    rows = Difference.objects.filter(resolved_by=None).order_by("subject")
    return [(row.subject, row.expected, row.found) for row in rows]


def _sql(statement: str, table: str = "ledger_posting") -> None:
    with without_triggers(table), connection.cursor() as cursor:
        cursor.execute(statement)


def _forget_references_to(table: str) -> None:
    """Whoever owns the tables can drop the keys between them."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE confrelid = %s::regclass",
            [table],
        )
        for child, key in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {child} DROP CONSTRAINT {key}")


def test_nothing_is_found_where_everything_agrees(cast: Cast) -> None:
    make_tax_rule("CN", "CN", "0.06")
    credit(cast, invoiced(cast), 1_000)
    assert _check() == []
    assert LedgerCheck.objects.get().rules == len(RULES) >= 6
    assert not AuditEvent.objects.filter(action="ledger.differences_changed").exists()


def test_an_altered_posting_is_found_twice_over(cast: Cast) -> None:
    """Its journal does not balance, and its invoice says something else."""
    invoice = invoiced(cast)
    _sql("UPDATE ledger_posting SET amount = amount + 1 WHERE amount > 0")
    assert _check() == [
        (invoice.number, "CNY 100.00", "CNY 100.01"),
        (f"{invoice.number} CNY", "CNY 0.00", "CNY 0.01"),
    ]


def test_a_removed_posting_is_found(cast: Cast) -> None:
    invoice = invoiced(cast)
    _sql("DELETE FROM ledger_posting WHERE item LIKE 'STM-%'")
    statement = Document.objects.get(kind="statement")
    assert (invoice.number, "3", "2") in _check()
    assert (statement.number, "CNY 97.00", "nothing") in _check()


def test_a_removed_document_leaves_a_gap_and_an_item_of_nothing(cast: Cast) -> None:
    """And the statement has lost the journal that credits it."""
    invoice = invoiced(cast)
    _forget_references_to("invoicing_document")
    _sql(f"DELETE FROM invoicing_document WHERE number = '{invoice.number}'", "invoicing_document")
    statement = Document.objects.get(kind="statement")
    assert sorted(_check()) == [
        (invoice.number, "a document", "nothing"),
        (statement.number, "CNY 97.00", "nothing"),
        ("invoice 2026", "1 numbers", "0 documents up to 0"),
    ]


def test_an_item_that_no_document_has_is_found_without_any_attack(cast: Cast) -> None:
    legs = [
        Leg(Account.Kind.FEES, None, "CNY", 5),
        Leg(Account.Kind.RECEIVABLE, cast.buyer.pk, "CNY", -5, "INV-1999-000001"),
    ]
    post_journal(key="k", description="x", booked_at=APRIL, legs=legs, actor=RATER)
    assert _check() == [("INV-1999-000001", "a document", "nothing")]


def test_a_difference_stays_until_a_later_check_finds_it_right(cast: Cast) -> None:
    invoiced(cast)
    _sql("UPDATE ledger_posting SET amount = amount + 1 WHERE amount > 0")
    first = _check()
    assert _check() == first
    assert Difference.objects.count() == 2
    assert differences_for(cast.viewer_of(cast.operator)).count() == 2
    assert not differences_for(cast.viewer_of(cast.buyer_finance))
    _sql("UPDATE ledger_posting SET amount = amount - 1 WHERE amount > 0")
    assert _check() == []
    assert Difference.objects.exclude(resolved_by=None).count() == 2
    assert AuditEvent.objects.filter(action="ledger.differences_changed").count() == 2
    with refused("closed once"):
        Difference.objects.update(resolved_by=None)
    with refused("Cannot update or delete"):
        Difference.objects.all().delete()


def test_the_command_fails_when_something_differs_and_the_task_writes_it_down(cast: Cast) -> None:
    invoiced(cast)
    call_command("check_ledger", stdout=(said := StringIO()))
    assert "no difference" in said.getvalue()
    _sql("UPDATE ledger_posting SET amount = amount + 1 WHERE amount > 0")
    check_ledger_task()
    with pytest.raises(CommandError, match="2 differences"):
        call_command("check_ledger", stdout=(said := StringIO()))
    assert "expected CNY 100.00, found CNY 100.01" in said.getvalue()
