"""Journals balance, happen once for each cause, and never change, whoever tries."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import AuditEvent
from billing.ledger.models import Account, Journal, Posting
from billing.ledger.selectors import (
    accounts_for,
    balance,
    journals_for,
    open_amounts,
    statement_of,
    trial_balance,
)
from billing.ledger.services import (
    Entry,
    JournalConflict,
    JournalRefused,
    Leg,
    post_journal,
    post_journals,
)
from tests.billing.builders import HOUR, RATER, START, refused
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


def _raw_journal(cast: Cast, *amounts: tuple[str, int], legs: int | None = None) -> Journal:
    """Past the service, straight into the tables: an amount in a currency, each on an account of its own."""
    journal = Journal.objects.create(
        key=f"raw {Journal.objects.count()}",
        description="x",
        booked_at=START,
        effective_at=START,
        legs=max(len(amounts), 2) if legs is None else legs,
    )
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
    with refused("has 0 postings, it announced 2"):
        _raw_journal(cast)
    with refused("has 2 postings, it announced 3"):
        _raw_journal(cast, ("CNY", 5), ("CNY", -5), legs=3)
    with refused("is closed"):
        _raw_journal(cast, ("CNY", 5), ("CNY", -4), ("CNY", -1), legs=2)


def test_the_database_refuses_a_posting_of_zero(cast: Cast) -> None:
    with refused("posting_not_zero"):
        _raw_journal(cast, ("CNY", 5), ("CNY", -5), ("CNY", 0))


def test_checking_early_does_not_open_a_door(cast: Cast) -> None:
    """The journal's check may be run before its transaction ends; what is added then is checked too."""
    with refused("is closed"):
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
        "UPDATE ledger_journal SET legs = legs + 1",
        "UPDATE ledger_journal SET effective_at = now() - interval '1 year'",
        "UPDATE ledger_journal SET stored_at = now() - interval '1 year'",
        "UPDATE ledger_posting SET item = 'INV-2'",
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


class TestTime:
    """When a movement counts, when it was booked and when it was stored are three things."""

    def test_a_late_booking_counts_from_its_effective_date(self, cast: Cast) -> None:
        _post(_legs(cast), booked_at=START + 5 * HOUR, effective_at=START)
        _post(_legs(cast, owed=7, credited=6), "invoice 2", booked_at=START + 5 * HOUR)
        account = Account.objects.get(kind="receivable")
        assert [balance(account, at=START + hour * HOUR) for hour in (-1, 0, 5)] == [0, 1000, 1007]
        assert trial_balance(at=START).totals == {"CNY": 0}

    def test_nothing_counts_from_later_than_its_booking(self, cast: Cast) -> None:
        with pytest.raises(JournalRefused, match="later than its"):
            _post(_legs(cast), effective_at=START + HOUR)

    def test_the_same_key_with_another_date_is_a_conflict(self, cast: Cast) -> None:
        first = _post(_legs(cast), effective_at=START - HOUR)
        assert _post(_legs(cast), effective_at=START - HOUR) == first
        assert _post(_legs(cast), booked_at=START + HOUR) == first
        with pytest.raises(JournalConflict, match="invoice 1 was booked before"):
            _post(_legs(cast), effective_at=START)


class TestMany:
    """A batch is posted by the rules of one."""

    def _entries(self, cast: Cast, *keys: str, owed: int = 1000) -> list[Entry]:
        return [Entry(key, "A movement", tuple(_legs(cast, owed=owed, credited=970))) for key in keys]

    def _post(self, entries: list[Entry]) -> dict[str, int]:
        return post_journals(entries, booked_at=START, actor=RATER)

    def test_all_are_booked_with_one_event_that_names_them(self, cast: Cast) -> None:
        booked = self._post(self._entries(cast, "b", "a", "c"))
        assert booked == dict(Journal.objects.values_list("key", "pk"))
        event = AuditEvent.objects.get(action="ledger.journals_posted")
        assert (event.data["journals"], event.data["first"], event.data["last"]) == (3, "a", "c")

    def test_what_was_booked_before_is_left_alone(self, cast: Cast) -> None:
        self._post(self._entries(cast, "a", "b"))
        booked = self._post(self._entries(cast, "a", "b", "c"))
        assert sorted(booked) == ["a", "b", "c"]
        assert (Journal.objects.count(), Posting.objects.count()) == (3, 9)

    def test_one_that_is_wrong_takes_all_with_it(self, cast: Cast) -> None:
        self._post(self._entries(cast, "a"))
        for wrong in (
            self._entries(cast, "b") + self._entries(cast, "a", owed=2000),
            [*self._entries(cast, "b"), Entry("c", "x", tuple(_legs(cast)[:2]))],
            self._entries(cast, "b", "b"),
        ):
            with pytest.raises((JournalConflict, JournalRefused)):
                self._post(wrong)
        assert list(Journal.objects.values_list("key", flat=True)) == ["a"]

    def test_it_takes_as_many_queries_for_one_as_for_a_thousand(
        self, cast: Cast, django_assert_max_num_queries: Any
    ) -> None:
        entries = self._entries(cast, *map(str, range(1000)))
        with django_assert_max_num_queries(12):
            self._post(entries)
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert Posting.objects.count() == 3000


def test_what_is_open_on_a_document_is_the_sum_of_its_item(cast: Cast) -> None:
    def move(key: str, amount: int, item: str) -> None:
        receivable = Leg(Kind.RECEIVABLE, cast.buyer.pk, "CNY", amount, item)
        _post([receivable, Leg(Kind.BANK, None, "CNY", -amount)], key)

    for key, amount, item in (("1", 1000, "INV-1"), ("2", -400, "INV-1"), ("3", 70, "INV-2"), ("4", -9, "")):
        move(key, amount, item)
    assert open_amounts(Kind.RECEIVABLE, ["INV-1", "INV-2", "INV-3"]) == {"INV-1": 600, "INV-2": 70}
    assert open_amounts(Kind.PAYABLE, ["INV-1"]) == {}


amounts = st.lists(st.integers(-(10**6), 10**6).filter(bool), min_size=1, max_size=5)


@settings(
    max_examples=25, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(movements=st.lists(st.tuples(st.sampled_from(["CNY", "USD"]), amounts), min_size=1, max_size=6))
def test_balances_are_those_of_adding_up_by_hand(parties: list[int], movements: list[Any]) -> None:
    """Any movements among five parties, against a dictionary."""
    by_hand: dict[tuple[int, str], int] = defaultdict(int)
    with transaction.atomic():
        for number, (currency, moved) in enumerate(movements):
            legs = [
                Leg(Kind.RECEIVABLE, parties[place], currency, amount) for place, amount in enumerate(moved)
            ]
            rest = -sum(moved)
            if rest:
                legs.append(Leg(Kind.BANK, None, currency, rest))
            for place, amount in enumerate(moved):
                by_hand[parties[place], currency] += amount
            if len(legs) > 1:
                _post(legs, f"movement {number}")
            else:
                by_hand[parties[0], currency] -= moved[0]
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        found = {
            (account.organisation_id, account.currency): balance(account)
            for account in Account.objects.filter(kind="receivable")
        }
        assert {place: total for place, total in by_hand.items() if total} == {
            place: total for place, total in found.items() if total
        }
        assert trial_balance().balances
        transaction.set_rollback(True)


@pytest.fixture
def parties(cast: Cast) -> list[int]:
    return [cast.organisation("buyer", f"Party {number}", f"方 {number}").pk for number in range(5)]
