"""Journals balance, happen once for each cause, and never change, whoever tries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import AuditEvent
from billing.ledger.models import Account, Journal, Posting
from billing.ledger.selectors import accounts_for, balance, journals_for, statement_of, trial_balance
from billing.ledger.services import JournalConflict, JournalRefused, Leg, post_journal
from tests.billing.builders import RATER, START, refused
from tests.cast import Cast

pytestmark = pytest.mark.django_db
Kind = Account.Kind


def _legs(cast: Cast, *, owed: int = 1000, credited: int = 970, currency: str = "CNY") -> list[Leg]:
    return [
        Leg(Kind.RECEIVABLE, cast.buyer.pk, currency, owed),
        Leg(Kind.PAYABLE, cast.owner.pk, currency, -credited),
        Leg(Kind.COMMISSION, None, currency, credited - owed),
    ]


def _post(legs: list[Leg], key: str = "invoice 1", **changes: Any) -> Journal:
    return post_journal(
        **{"key": key, "description": "A movement", "booked_at": START, "legs": legs, "actor": RATER}
        | changes
    )


def test_a_journal_moves_what_its_legs_say(cast: Cast) -> None:
    _post(_legs(cast))
    _post(_legs(cast, owed=1, credited=1)[:2], "invoice 2")
    held = {(account.kind, account.organisation): balance(account) for account in Account.objects.all()}
    assert held == {
        ("receivable", cast.buyer): 1001,
        ("payable", cast.owner): -971,
        ("commission", None): -30,
    }
    assert trial_balance().totals == {"CNY": 0}
    assert trial_balance().balances


def test_legs_of_one_account_are_one_posting(cast: Cast) -> None:
    journal = _post([*_legs(cast), *_legs(cast, owed=10, credited=9)])
    assert sorted(journal.postings.values_list("amount", flat=True)) == [-979, -31, 1010]


def test_the_same_cause_is_booked_once(cast: Cast) -> None:
    first = _post(_legs(cast))
    assert _post(list(reversed(_legs(cast)))) == first
    assert (Journal.objects.count(), Posting.objects.count()) == (1, 3)
    assert AuditEvent.objects.filter(action="ledger.journal_posted").count() == 1
    with pytest.raises(JournalConflict):
        _post(_legs(cast, owed=2000))


def test_a_correction_names_what_it_corrects(cast: Cast) -> None:
    wrong = _post(_legs(cast))
    back = [Leg(leg.kind, leg.organisation, leg.currency, -leg.amount) for leg in _legs(cast)]
    right = _post(back, "invoice 1, taken back", corrects=wrong)
    assert list(wrong.corrections.all()) == [right]
    assert all(account.balance == 0 for account in trial_balance().accounts)


@pytest.mark.parametrize(
    "legs",
    [
        lambda _: [],
        lambda cast: _legs(cast)[:2],
        lambda cast: [*_legs(cast), Leg(Kind.PAYABLE, cast.other_owner.pk, "CNY", 0)],
        lambda cast: [_legs(cast)[0], Leg(Kind.PAYABLE, cast.owner.pk, "USD", -1000)],
        lambda cast: [_legs(cast)[0], Leg(Kind.RECEIVABLE, cast.buyer.pk, "CNY", -1000)],
    ],
    ids=["no legs", "unbalanced", "a zero leg", "two currencies", "nothing but zero"],
)
def test_a_journal_that_is_not_valid_is_refused_before_the_database_sees_it(cast: Cast, legs: Any) -> None:
    with pytest.raises(JournalRefused):
        _post(legs(cast))
    assert not Journal.objects.exists()


def _raw_journal(cast: Cast, *amounts: tuple[str, int]) -> Journal:
    """Past the service, straight into the tables: an amount in a currency, each on an account of its own."""
    journal = Journal.objects.create(key=f"raw {Journal.objects.count()}", description="x", booked_at=START)
    for number, (currency, amount) in enumerate(amounts):
        organisation = cast.organisation("buyer", f"Raw {journal.pk}-{number}", f"生 {journal.pk}-{number}")
        account = Account.objects.create(kind="receivable", organisation=organisation, currency=currency)
        Posting.objects.create(journal=journal, account=account, amount=amount)
    return journal


def test_the_database_refuses_a_journal_that_does_not_balance(cast: Cast) -> None:
    with refused("does not balance"):
        _raw_journal(cast, ("CNY", 5), ("CNY", -4))
    with refused("does not balance"):
        _raw_journal(cast, ("CNY", 5), ("USD", -5))
    with refused("has no postings"):
        _raw_journal(cast)


def test_the_database_refuses_a_posting_of_zero(cast: Cast) -> None:
    with refused("posting_not_zero"):
        _raw_journal(cast, ("CNY", 5), ("CNY", -5), ("CNY", 0))


def test_checking_early_does_not_open_a_door(cast: Cast) -> None:
    """The journal's check may be run before its transaction ends; what is added then is checked too."""
    with refused("does not balance"):
        journal = _raw_journal(cast, ("CNY", 5), ("CNY", -5))
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
        connection.cursor().execute("SET CONSTRAINTS ALL DEFERRED")
        account = Account.objects.create(kind="payable", organisation=cast.owner, currency="CNY")
        Posting.objects.create(journal=journal, account=account, amount=7)


@pytest.mark.django_db(transaction=True)
def test_a_booked_journal_takes_no_more_postings(cast: Cast) -> None:
    journal = _post(_legs(cast))
    accounts = Account.objects.filter(kind__in=["receivable", "payable"])
    usd = [
        Account.objects.create(kind=one.kind, organisation=one.organisation, currency="USD")
        for one in accounts
    ]
    with refused("is closed"):
        for account, amount in zip(usd, (1, -1), strict=True):
            Posting.objects.create(journal=journal, account=account, amount=amount)


@pytest.mark.django_db(transaction=True)
def test_an_unbalanced_journal_is_refused_when_the_transaction_commits(cast: Cast) -> None:
    with pytest.raises(DatabaseError, match="does not balance"), transaction.atomic():
        _raw_journal(cast, ("CNY", 5), ("CNY", -4))
    assert not Journal.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_posting SET amount = amount * 2",
        "UPDATE ledger_journal SET booked_at = now()",
        "UPDATE ledger_journal SET transaction = pg_current_xact_id()::text::bigint",
        "UPDATE ledger_account SET currency = 'USD'",
        "DELETE FROM ledger_posting",
        "DELETE FROM ledger_journal",
        "DELETE FROM ledger_account",
    ],
)
def test_nothing_in_the_ledger_changes(cast: Cast, statement: str) -> None:
    _post(_legs(cast))
    with refused("Cannot update or delete"):
        connection.cursor().execute(statement)


def test_an_account_has_the_party_that_its_kind_needs(cast: Cast) -> None:
    for facts in (
        {"kind": "commission", "organisation": cast.owner},
        {"kind": "payable", "organisation": None},
    ):
        with refused("ledger_account_party"):
            Account.objects.create(currency="CNY", **facts)
    Account.objects.create(kind="commission", currency="CNY")
    with refused("ledger_account_once"):
        Account.objects.create(kind="commission", currency="CNY")


def test_finance_sees_its_own_legs_and_nobody_elses(cast: Cast) -> None:
    _post(_legs(cast))
    _post(_legs(cast, owed=5, credited=4, currency="USD"), "invoice 2")
    for user, kinds in (
        (cast.buyer_finance, {"receivable"}),
        (cast.owner_finance, {"payable"}),
        (cast.auditor, {"receivable", "payable", "commission"}),
    ):
        journals = journals_for(cast.viewer_of(user))
        assert len(journals) == 2
        assert {leg.account.kind for journal in journals for leg in journal.visible_postings} == kinds
        assert {account.kind for account in accounts_for(cast.viewer_of(user))} == kinds
    for user in (cast.buyer_trader, cast.owner_viewer, cast.stranger):
        assert not journals_for(cast.viewer_of(user))
        assert not accounts_for(cast.viewer_of(user))


def test_a_partys_statement_runs_up_to_its_balance(cast: Cast) -> None:
    for number, owed in enumerate((1000, 50, 7)):
        _post(_legs(cast, owed=owed, credited=owed - 1), f"invoice {number}")
    rows = statement_of(cast.viewer_of(cast.buyer_finance), cast.buyer, "CNY")
    assert [(row.amount, row.running) for row in rows] == [(1000, 1000), (50, 1050), (7, 1057)]
    assert not statement_of(cast.viewer_of(cast.stranger), cast.buyer, "CNY")
