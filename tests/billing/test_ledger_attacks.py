"""The ledger against raw SQL, from a role with every right of the application and no other.

It may select, insert, update, delete and truncate every table, make temporary ones, and set what any role may
set. It owns no table and is no superuser: docs/ledger.md says how production gets such a role.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from billing.ledger.models import Account, Journal
from billing.ledger.services import Leg, post_journal
from tests.billing.builders import RATER, START
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)
# `make test` has this role, as production has. A role that may not make others cannot do without it.
ROLE = "cardhour_app"


@pytest.fixture
def booked(cast: Cast) -> Journal:
    """A journal of two postings that is committed, and one in each other currency to aim at."""
    for currency in ("USD", "EUR"):
        _book(cast, f"invoice in {currency}", currency)
    return _book(cast, "invoice 1", "CNY")


def _book(cast: Cast, key: str, currency: str) -> Journal:
    legs = [
        Leg(Account.Kind.RECEIVABLE, cast.buyer.pk, currency, 1000, "INV-1"),
        Leg(Account.Kind.PAYABLE, cast.owner.pk, currency, -1000, "STM-1"),
    ]
    return post_journal(key=key, description="A movement", booked_at=START, legs=legs, actor=RATER)


@pytest.fixture
def attacker(db: None) -> Iterator[None]:
    """Every statement that follows is this role's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE])
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE {ROLE}")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
        cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}")
        cursor.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {ROLE}")
        cursor.execute(f"SET ROLE {ROLE}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE; RESET ALL")


def refused(sql: str, reason: str) -> None:
    """The statements run in one transaction, which must not commit."""
    with pytest.raises(DatabaseError, match=reason), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def _new(*legs: str, announced: int = 2, key: str = "theft") -> str:
    """A journal, and its legs as (currency, kind, amount)."""
    journal = f"""
        INSERT INTO ledger_journal (key, description, effective_at, booked_at, legs)
        VALUES ('{key}', 'x', '2026-03-02', '2026-03-02', {announced});
    """
    return journal + "".join(_leg(*leg.split(), key=key) for leg in legs)


def _leg(currency: str, kind: str, amount: str, key: str = "theft") -> str:
    return f"""
        INSERT INTO ledger_posting (journal_id, account_id, item, amount)
        SELECT journal.id, account.id, '', {amount} FROM ledger_journal journal, ledger_account account
        WHERE journal.key = '{key}' AND account.kind = '{kind}' AND account.currency = '{currency}';
    """


@pytest.mark.usefixtures("booked", "attacker")
class TestAttacks:
    def test_the_role_can_book_what_balances(self) -> None:
        """Or the refusals below would prove nothing."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_new("CNY receivable 5", "CNY payable -5"))
        assert Journal.objects.filter(key="theft").exists()

    def test_unbalanced(self) -> None:
        refused(_new("CNY receivable 5", "CNY payable -4"), "does not balance")

    def test_one_sided(self) -> None:
        refused(_new("CNY receivable 5", announced=1), "journal_has_two_legs")
        refused(_new("CNY receivable 5"), "has 1 postings, it announced 2")

    def test_cross_currency(self) -> None:
        refused(_new("CNY receivable 5", "USD payable -5"), "does not balance: CNY 5, USD -5")

    def test_an_account_of_another_currency(self) -> None:
        refused(
            "UPDATE ledger_account SET currency = 'EUR' WHERE currency = 'USD'", "Cannot update or delete"
        )

    def test_added_to_later(self) -> None:
        legs = _leg("USD", "receivable", "7", "invoice 1") + _leg("USD", "payable", "-7", "invoice 1")
        refused(legs, "is closed")

    def test_added_to_after_an_early_check(self) -> None:
        whole = _new("CNY receivable 5", "CNY payable -5")
        more = _leg("USD", "receivable", "7")
        refused(f"{whole} SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; {more}", "is closed")

    @pytest.mark.parametrize("table", ["ledger_journal", "ledger_posting", "ledger_account"])
    def test_deleted(self, table: str) -> None:
        refused(f"DELETE FROM {table}", "Cannot update or delete")

    @pytest.mark.parametrize("table", ["ledger_journal", "ledger_posting", "ledger_account"])
    def test_truncated(self, table: str) -> None:
        refused(f"TRUNCATE {table} CASCADE", "Cannot truncate")

    @pytest.mark.parametrize(
        "change",
        [
            "ledger_posting SET amount = -amount",
            "ledger_posting SET journal_id = (SELECT min(id) FROM ledger_journal)",
            "ledger_posting SET item = 'INV-2'",
            "ledger_journal SET description = 'y'",
            "ledger_journal SET corrects_id = id",
        ],
    )
    def test_edited(self, change: str) -> None:
        refused(f"UPDATE {change}", "Cannot update or delete")

    @pytest.mark.parametrize("column", ["effective_at", "booked_at", "stored_at"])
    def test_redated(self, column: str) -> None:
        refused(f"UPDATE ledger_journal SET {column} = '2025-12-31'", "Cannot update or delete")

    def test_dated_ahead(self) -> None:
        refused(_new().replace("'2026-03-02', 2", "'2026-03-01', 2"), "journal_not_booked_ahead")

    def test_stored_in_the_past(self) -> None:
        """The database's own clock overrules what the statement says."""
        stored = _new("CNY receivable 5", "CNY payable -5").replace(
            "booked_at, legs)", "booked_at, legs, stored_at)"
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(stored.replace("'2026-03-02', 2)", "'2026-03-02', 2, '2020-01-01')"))
            cursor.execute("SELECT stored_at = now() FROM ledger_journal WHERE key = 'theft'")
            assert cursor.fetchone() == (True,)

    def test_a_key_used_twice(self) -> None:
        refused(_new("CNY receivable 5", "CNY payable -5", key="invoice 1"), "duplicate key")

    def test_told_to_look_away(self) -> None:
        """What switches off the triggers of pgtrigger does not switch off these."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'pgtrigger%'")
            names = ",".join(name for (name,) in cursor.fetchall())
        ignore = f"SET LOCAL pgtrigger.ignore = '{{{names}}}';"
        refused(f"{ignore} UPDATE ledger_posting SET amount = -amount", "Cannot update or delete")
        refused(f"{ignore} TRUNCATE ledger_posting", "Cannot truncate")
        refused(ignore + _new("CNY receivable 5", "CNY payable -4"), "does not balance")

    def test_shown_other_tables(self) -> None:
        """Temporary tables come first on everybody's search path, but not on the guards'."""
        temporary = "CREATE TEMP TABLE ledger_posting (journal_id bigint, account_id bigint, amount bigint);"
        legs = _leg("CNY", "receivable", "5") + _leg("CNY", "payable", "-4")
        real = legs.replace("INTO ledger_posting", "INTO public.ledger_posting")
        refused(temporary + _new() + real, "does not balance")

    @pytest.mark.parametrize(
        "sql",
        [
            "SET session_replication_role = replica",
            "ALTER TABLE ledger_posting DISABLE TRIGGER ALL",
            "DROP TABLE ledger_posting",
        ],
    )
    def test_what_owners_may(self, sql: str) -> None:
        refused(sql, "permission denied|must be owner")

    def test_two_legs_on_one_place(self) -> None:
        refused(_new("CNY receivable 5", "CNY receivable -5"), "posting_once_an_account")

    def test_nothing_moved(self) -> None:
        refused(_new("CNY receivable 0", "CNY payable 0"), "posting_not_zero")
