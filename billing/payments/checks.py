"""What the nightly check asks of payments: do they and the ledger say the same?"""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from billing.ledger.checks import Mismatch, money, rule

# What each account of the exchange should hold, from our own rows, by currency.
AT_STRIPE = """
    SELECT payment.currency, payment.amount
    FROM payments_payment payment WHERE payment.rail = 'stripe' AND payment.state = 'succeeded'
    UNION ALL
    SELECT payment.currency, -refund.amount
    FROM payments_refund refund JOIN payments_payment payment ON payment.id = refund.payment_id
    WHERE refund.journal_id IS NOT NULL AND refund.undone_id IS NULL
    UNION ALL
    SELECT payment.currency, -dispute.amount
    FROM payments_dispute dispute JOIN payments_payment payment ON payment.id = dispute.payment_id
    WHERE dispute.withdrawn_id IS NOT NULL AND dispute.reinstated_id IS NULL
    UNION ALL
    SELECT payout.currency, payout.returned - payout.amount
    FROM payments_payout payout WHERE payout.connected_id IS NOT NULL AND payout.state = 'executed'
    UNION ALL
    SELECT account.currency, posting.amount
    FROM payments_bankline line JOIN ledger_posting posting ON posting.journal_id = line.allocation_journal_id
    JOIN ledger_account account ON account.id = posting.account_id AND account.kind = 'stripe'
"""
AT_THE_BANK = """
    SELECT account.currency, line.amount
    FROM payments_bankline line JOIN payments_bankaccount account ON account.id = line.account_id
"""
NOT_RECOGNISED = """
    SELECT account.currency, -line.amount
    FROM payments_bankline line JOIN payments_bankaccount account ON account.id = line.account_id
    WHERE line.state = 'unmatched'
"""
ON_ITS_WAY = """
    SELECT currency, -amount FROM payments_payout WHERE state IN ('instructed', 'unknown')
"""


def _compare(kind: str, rows: str) -> Iterator[Mismatch]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wanted AS (
                SELECT currency, sum(amount)::bigint AS total FROM ({rows}) AS rows (currency, amount)
                GROUP BY currency
            ), booked AS (
                SELECT account.currency, sum(posting.amount)::bigint AS total
                FROM ledger_posting posting JOIN ledger_account account ON account.id = posting.account_id
                WHERE account.kind = %s GROUP BY account.currency
            )
            SELECT currency, coalesce(wanted.total, 0), coalesce(booked.total, 0)
            FROM wanted FULL JOIN booked USING (currency)
            WHERE coalesce(wanted.total, 0) <> coalesce(booked.total, 0) ORDER BY currency
            """,  # noqa: S608 the rows are the constants above
            [kind],
        )
        for currency, wanted, booked in cursor.fetchall():
            yield Mismatch(currency, money(wanted, currency), money(booked, currency))


@rule("money at Stripe is what came and what went there")
def _stripe() -> Iterator[Mismatch]:
    return _compare("stripe", AT_STRIPE)


@rule("money at the bank is the lines of its statements")
def _bank() -> Iterator[Mismatch]:
    return _compare("bank", AT_THE_BANK)


@rule("money in suspense is the lines that nobody recognised")
def _suspense() -> Iterator[Mismatch]:
    return _compare("suspense", NOT_RECOGNISED)


@rule("money in transit is the payouts on their way")
def _in_transit() -> Iterator[Mismatch]:
    return _compare("in_transit", ON_ITS_WAY)


@rule("a payment is allocated in full, less what went back")
def _allocated() -> Iterator[Mismatch]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT payment.operation::text, payment.currency, wanted.total, allocated.total
            FROM payments_payment payment
            CROSS JOIN LATERAL (
                SELECT CASE payment.state WHEN 'succeeded' THEN payment.amount ELSE 0 END
                    - (SELECT coalesce(sum(amount), 0) FROM payments_refund
                        WHERE payment_id = payment.id AND journal_id IS NOT NULL AND undone_id IS NULL)
                    - (SELECT coalesce(sum(amount), 0) FROM payments_dispute
                        WHERE payment_id = payment.id AND withdrawn_id IS NOT NULL
                        AND reinstated_id IS NULL) AS total
            ) AS wanted
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount), 0) AS total FROM payments_allocation
                WHERE payment_id = payment.id
            ) AS allocated
            WHERE wanted.total <> allocated.total ORDER BY payment.id
            """
        )
        for operation, currency, wanted, allocated in cursor.fetchall():
            yield Mismatch(operation, money(int(wanted), currency), money(int(allocated), currency))
