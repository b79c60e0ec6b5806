"""What the database refuses about journals, whatever the code does.

A journal says at its birth how many postings it has (``legs``). So one deferred check for each journal is
enough: it counts and adds up, at commit or earlier; a posting beyond that number is refused at once,
whether it comes later in the same transaction or in another one. A number instead of the transaction's id,
because ids start again when a dump is loaded into a new server.
"""

import pgtrigger

from marketplace.guards import Guard

# The account is looked up posting by posting: a join would be planned once, while the tables are small, and
# then read every account for every journal.
JOURNAL_BALANCES = Guard(
    name="balances",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    timing=pgtrigger.Deferred,
    declare=[("booked", "bigint"), ("wrong", "text")],
    func="""
        SELECT coalesce(sum(legs), 0), string_agg(currency || ' ' || total, ', ' ORDER BY currency)
                FILTER (WHERE total <> 0)
            INTO booked, wrong
            FROM (
                SELECT currency, count(*) AS legs, sum(amount) AS total
                FROM (
                    SELECT amount, (SELECT currency FROM ledger_account WHERE id = account_id) AS currency
                    FROM ledger_posting WHERE journal_id = NEW.id
                ) AS postings
                GROUP BY currency
            ) AS totals;
        IF booked <> NEW.legs THEN
            RAISE EXCEPTION 'journal % has % postings, it announced %', NEW.key, booked, NEW.legs
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balances';
        END IF;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION 'journal % does not balance: %', NEW.key, wrong
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balances';
        END IF;
        RETURN NULL;
    """,
)

# When a journal was stored is the server's business: nobody books into the past behind its back.
JOURNAL_STORED_NOW = Guard(
    name="stored_now",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    func="""
        NEW.stored_at := now();
        RETURN NEW;
    """,
)

# Once a statement, whatever the number of its rows. A journal that is not there, or not visible to this
# transaction, has announced nothing.
POSTING_WAS_ANNOUNCED = Guard(
    name="was_announced",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
    declare=[("closed", "bigint")],
    func="""
        SELECT touched.journal_id INTO closed
            FROM (SELECT DISTINCT journal_id FROM added) AS touched
            LEFT JOIN ledger_journal journal ON journal.id = touched.journal_id
            WHERE (SELECT count(*) FROM ledger_posting posting WHERE posting.journal_id = touched.journal_id)
                > coalesce(journal.legs, 0)
            LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'journal % is closed: it takes no more postings', closed
                USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_closed';
        END IF;
        RETURN NULL;
    """,
)

DIFFERENCE_RESOLVED_ONCE = Guard(
    name="resolved_once",
    when=pgtrigger.Before,
    operation=pgtrigger.Update,
    func="""
        IF OLD.resolved_by_id IS NOT NULL OR NEW.resolved_by_id IS NULL
            OR (NEW.id, NEW.rule, NEW.subject, NEW.expected, NEW.found, NEW.first_seen_id)
                IS DISTINCT FROM (OLD.id, OLD.rule, OLD.subject, OLD.expected, OLD.found, OLD.first_seen_id)
        THEN
            RAISE EXCEPTION 'difference % is closed once, by a check, and does not change', OLD.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'difference_resolved_once';
        END IF;
        RETURN NEW;
    """,
)
