"""What the database refuses about journals, whatever the code does."""

import pgtrigger

# Checked once a journal, when the transaction commits.
JOURNAL_BALANCES = pgtrigger.Trigger(
    name="balances",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    timing=pgtrigger.Deferred,
    declare=[("wrong", "text")],
    func="""
        IF NOT EXISTS (SELECT 1 FROM ledger_posting WHERE journal_id = NEW.id) THEN
            RAISE EXCEPTION 'journal % has no postings', NEW.key
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balances';
        END IF;
        SELECT string_agg(currency || ' ' || total, ', ') INTO wrong FROM (
            SELECT account.currency, sum(posting.amount) AS total
            FROM ledger_posting posting JOIN ledger_account account ON account.id = posting.account_id
            WHERE posting.journal_id = NEW.id GROUP BY account.currency
        ) AS totals WHERE total <> 0;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'journal % does not balance: %', NEW.key, wrong
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balances';
        END IF;
        RETURN NULL;
    """,
)

# The journal's own check may already have run (SET CONSTRAINTS … IMMEDIATE) when another posting is
# added in the same transaction, so every posting asks again.
POSTING_BALANCES = pgtrigger.Trigger(
    name="balances",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    timing=pgtrigger.Deferred,
    declare=[("total", "numeric")],
    func="""
        SELECT sum(posting.amount) INTO total
            FROM ledger_posting posting JOIN ledger_account account ON account.id = posting.account_id
            WHERE posting.journal_id = NEW.journal_id
            AND account.currency = (SELECT currency FROM ledger_account WHERE id = NEW.account_id);
        IF total <> 0 THEN
            RAISE EXCEPTION 'journal % does not balance: %', NEW.journal_id, total
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balances';
        END IF;
        RETURN NULL;
    """,
)

# A journal remembers the transaction that wrote it: postings may only come from the same one.
POSTING_WITH_ITS_JOURNAL = pgtrigger.Trigger(
    name="with_its_journal",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    func="""
        IF NOT EXISTS (
            SELECT 1 FROM ledger_journal
            WHERE id = NEW.journal_id AND transaction = pg_current_xact_id()::text::bigint
        ) THEN
            RAISE EXCEPTION 'journal % is closed', NEW.journal_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_closed';
        END IF;
        RETURN NEW;
    """,
)
