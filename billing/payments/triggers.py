"""What the database refuses about payments and payouts, whatever the code does.

Each check takes the row that it counts under first, so that two at once are counted one after the other:
the invoice for payments and allocations, the owner's account in the ledger for payouts.
"""

import pgtrigger

from marketplace.guards import Guard


class Life(Guard, pgtrigger.FSM):
    """The only ways from one state to another."""


class Fixed(Guard, pgtrigger.ReadOnly):
    """What never changes of a row that otherwise does."""


# Payments under way count as paid: two clicks, or a card and a debit, never pay an invoice twice.
PAYMENT_WITHIN_WHAT_IS_DUE = Guard(
    name="within_what_is_due",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Q(new__invoice__isnull=False) & ~pgtrigger.Q(new__state="succeeded"),
    declare=[("invoice_number", "text"), ("due", "bigint"), ("under_way", "bigint")],
    func="""
        SELECT number INTO invoice_number FROM invoicing_document
            WHERE id = NEW.invoice_id AND kind = 'invoice'
            AND organisation_id = NEW.organisation_id AND currency = NEW.currency
            FOR NO KEY UPDATE;
        SELECT coalesce(sum(posting.amount), 0) INTO due
            FROM ledger_posting posting JOIN ledger_account account ON account.id = posting.account_id
            WHERE account.kind = 'receivable' AND account.organisation_id = NEW.organisation_id
            AND account.currency = NEW.currency AND posting.item = invoice_number;
        SELECT coalesce(sum(amount), 0) INTO under_way FROM payments_payment
            WHERE invoice_id = NEW.invoice_id
            AND state IN ('created', 'unknown', 'requires_action', 'processing');
        IF invoice_number IS NULL OR NEW.amount + under_way > due THEN
            RAISE EXCEPTION 'payment of % exceeds what is due: %, % under way', NEW.amount, due, under_way
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_within_what_is_due';
        END IF;
        RETURN NEW;
    """,
)

# No invoice is paid beyond what is open on it, no credit balance falls below zero, and a payment is
# allocated once. Money that comes twice is a credit balance. The legs are booked before: what is open
# counts this allocation.
ALLOCATION_WITHIN_BOUNDS = Guard(
    name="within_bounds",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    declare=[("payment", "record"), ("invoice_number", "text"), ("total", "bigint"), ("due", "bigint")],
    func="""
        SELECT * INTO payment FROM payments_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
        due := 0;
        IF NEW.invoice_id IS NULL THEN
            PERFORM 1 FROM accounts_organisation WHERE id = payment.organisation_id FOR NO KEY UPDATE;
            SELECT NEW.amount + coalesce(sum(allocation.amount), 0) INTO total
                FROM payments_allocation allocation
                JOIN payments_payment of_party ON of_party.id = allocation.payment_id
                WHERE allocation.invoice_id IS NULL
                AND of_party.organisation_id = payment.organisation_id
                AND of_party.currency = payment.currency;
        ELSE
            SELECT number INTO invoice_number FROM invoicing_document
                WHERE id = NEW.invoice_id AND kind = 'invoice'
                AND organisation_id = payment.organisation_id AND currency = payment.currency
                FOR NO KEY UPDATE;
            SELECT NEW.amount + coalesce(sum(amount), 0) INTO total
                FROM payments_allocation WHERE invoice_id = NEW.invoice_id;
            SELECT coalesce(sum(posting.amount), 0) INTO due
                FROM ledger_posting posting JOIN ledger_account account ON account.id = posting.account_id
                WHERE account.kind = 'receivable' AND account.organisation_id = payment.organisation_id
                AND account.currency = payment.currency AND posting.item = invoice_number;
        END IF;
        IF NEW.invoice_id IS NOT NULL AND invoice_number IS NULL OR total < 0
            OR NEW.amount > 0 AND due < 0
        THEN
            RAISE EXCEPTION 'allocation of % would bring invoice % to % paid and % due',
                NEW.amount, NEW.invoice_id, total, due
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_within_invoice';
        END IF;
        SELECT NEW.amount + coalesce(sum(amount), 0) INTO total
            FROM payments_allocation WHERE payment_id = NEW.payment_id;
        IF total < 0 OR total > payment.amount OR payment.state <> 'succeeded' THEN
            RAISE EXCEPTION 'payment % of % would be allocated %', payment.operation, payment.amount, total
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_within_payment';
        END IF;
        RETURN NEW;
    """,
)

# What is owed to an owner, less what is held and what is in other drafts. Payouts that were instructed
# have left the account already. Payouts join a batch only before it is approved.
PAYOUT_WITHIN_BALANCE = Guard(
    name="within_balance",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    declare=[("account", "bigint"), ("owed", "numeric"), ("held", "numeric"), ("drafted", "numeric")],
    func="""
        PERFORM 1 FROM payments_payoutbatch
            WHERE id = NEW.batch_id AND state = 'drafted' AND currency = NEW.currency FOR NO KEY UPDATE;
        IF NOT FOUND OR NEW.state <> 'drafted' THEN
            RAISE EXCEPTION 'payouts are drafted in a batch of their currency that is a draft itself'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_in_a_draft';
        END IF;
        SELECT id INTO account FROM ledger_account
            WHERE kind = 'payable' AND organisation_id = NEW.organisation_id AND currency = NEW.currency
            FOR NO KEY UPDATE;
        SELECT coalesce(-sum(amount), 0) INTO owed FROM ledger_posting WHERE account_id = account;
        SELECT coalesce(sum(amount), 0) INTO held FROM payments_hold
            WHERE organisation_id = NEW.organisation_id AND currency = NEW.currency
            AND released_at IS NULL;
        SELECT coalesce(sum(amount), 0) INTO drafted FROM payments_payout
            WHERE organisation_id = NEW.organisation_id AND currency = NEW.currency AND state = 'drafted';
        IF NEW.amount > owed - held - drafted THEN
            RAISE EXCEPTION 'payout of % exceeds what is owed: % less % held and % drafted',
                NEW.amount, owed, held, drafted
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_within_balance';
        END IF;
        RETURN NEW;
    """,
)

PAYOUT_AFTER_APPROVAL = Guard(
    name="after_approval",
    when=pgtrigger.Before,
    operation=pgtrigger.Update,
    condition=pgtrigger.Q(old__state="drafted") & pgtrigger.Q(new__state="instructed"),
    func="""
        IF NOT EXISTS (SELECT 1 FROM payments_payoutbatch WHERE id = NEW.batch_id AND state = 'approved') THEN
            RAISE EXCEPTION 'payout % is in a batch that nobody approved', NEW.operation
                USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_after_approval';
        END IF;
        RETURN NEW;
    """,
)

BATCH_DECIDED_ONCE = Guard(
    name="decided_once",
    when=pgtrigger.Before,
    operation=pgtrigger.Update,
    condition=~pgtrigger.Q(old__state="drafted"),
    func="""
        RAISE EXCEPTION 'payout batch % was decided and does not change', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'payout_batch_decided_once';
    """,
)
