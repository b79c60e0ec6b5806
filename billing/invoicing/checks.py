"""What the nightly check asks: do documents agree with the ledger, and are their numbers whole?"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from billing.ledger.checks import Mismatch, money, rule


@rule("a document is booked as it stands, and what is open on it is not more than it says")
def _documents_are_booked() -> Iterator[Mismatch]:
    """An invoice's own journal debits its buyer with its total; a credit note's credits it with its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT document.number, document.currency,
                CASE document.kind WHEN 'invoice' THEN document.total ELSE -document.total END AS expected,
                sum(posting.amount)::bigint AS found
            FROM invoicing_document document
            LEFT JOIN invoicing_document credited ON credited.id = document.credits_id
            LEFT JOIN ledger_journal journal ON journal.key = document.number
            LEFT JOIN ledger_account account ON account.kind = 'receivable'
                AND account.organisation_id = document.organisation_id
                AND account.currency = document.currency
            LEFT JOIN ledger_posting posting ON posting.journal_id = journal.id
                AND posting.account_id = account.id
                AND posting.item = coalesce(credited.number, document.number)
            WHERE document.kind = 'invoice' OR credited.kind = 'invoice'
            GROUP BY document.id
            HAVING CASE document.kind WHEN 'invoice' THEN document.total ELSE -document.total END
                <> coalesce(sum(posting.amount), 0)
            ORDER BY document.number
            """
        )
        for number, currency, expected, found in cursor.fetchall():
            yield Mismatch(number, money(expected, currency), money(found, currency))


@rule("an owner is credited with what its statement says, less its credit notes")
def _statements_are_booked() -> Iterator[Mismatch]:
    """Over the journals of documents alone: payouts settle the item, and are the payments' business."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH noted AS (
                SELECT credits_id, sum(total) AS total FROM invoicing_document
                WHERE credits_id IS NOT NULL GROUP BY credits_id
            ), booked AS (
                SELECT posting.item, -sum(posting.amount) AS total
                FROM ledger_posting posting
                JOIN ledger_account account ON account.id = posting.account_id AND account.kind = 'payable'
                JOIN ledger_journal journal ON journal.id = posting.journal_id
                WHERE EXISTS (SELECT FROM invoicing_document made WHERE made.number = journal.key)
                GROUP BY posting.item
            )
            SELECT document.number, document.currency,
                (document.total - coalesce(noted.total, 0))::bigint, booked.total::bigint
            FROM invoicing_document document
            LEFT JOIN noted ON noted.credits_id = document.id
            LEFT JOIN booked ON booked.item = document.number
            WHERE document.kind = 'statement'
                AND document.total - coalesce(noted.total, 0) <> coalesce(booked.total, 0)
            ORDER BY document.number
            """
        )
        for number, currency, expected, found in cursor.fetchall():
            yield Mismatch(number, money(expected, currency), money(found, currency))


@rule("a journal that is named like a document belongs to one")
def _no_journal_without_its_document() -> Iterator[Mismatch]:
    """An item that is opened by a journal of its own name, and that no document has."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT posting.item FROM ledger_posting posting
            JOIN ledger_account account ON account.id = posting.account_id
            WHERE posting.item <> '' AND account.kind IN ('receivable', 'payable')
                AND NOT EXISTS (SELECT FROM invoicing_document made WHERE made.number = posting.item)
            ORDER BY posting.item
            """
        )
        for (item,) in cursor.fetchall():
            yield Mismatch(item, "a document", "nothing")


@rule("a series numbers its documents from 1 without a gap")
def _numbers_have_no_gaps() -> Iterator[Mismatch]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT concat_ws(' ', nullif(series.issuer, ''), series.kind, series.year), series.last,
                count(document.id), coalesce(max(document.sequence), 0)
            FROM invoicing_numberseries series
            LEFT JOIN invoicing_document document ON document.series = series.issuer
                AND document.kind = series.kind AND document.year = series.year
            GROUP BY series.id
            HAVING count(document.id) <> series.last OR max(document.sequence) IS DISTINCT FROM series.last
            ORDER BY 1
            """
        )
        for subject, last, count, highest in cursor.fetchall():
            yield Mismatch(subject, f"{last} numbers", f"{count} documents up to {highest}")
