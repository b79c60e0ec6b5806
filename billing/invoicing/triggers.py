"""What the database refuses about finalised documents, whatever the code does.

A document says at its birth how many lines it has, a line how many charges: what is added beyond that, later
in the same transaction or in another one, is refused at once. The rest is checked when the transaction
commits.
"""

import pgtrigger

from marketplace.guards import Guard, changes_once, refers_to

# The sums of lines and taxes, the number of lines, the place in the series, and for a credit note that all
# credit notes together take off no more than there was: of the document, of each line and of each tax.
DOCUMENT_IS_ITS_LINES = Guard(
    name="is_its_lines",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    timing=pgtrigger.Deferred,
    declare=[("lines", "bigint"), ("net", "numeric"), ("base", "numeric"), ("tax", "numeric")],
    func="""
        SELECT count(*), coalesce(sum(amount), 0) INTO lines, net
            FROM invoicing_line WHERE document_id = NEW.id;
        SELECT coalesce(sum(documenttax.base), 0), coalesce(sum(amount), 0) INTO base, tax
            FROM invoicing_documenttax documenttax WHERE document_id = NEW.id;
        IF (lines, net, base, tax) IS DISTINCT FROM
            (NEW.line_count::bigint, NEW.net::numeric, NEW.net::numeric, NEW.tax::numeric)
        THEN
            RAISE EXCEPTION 'document % says % lines, net %, tax %; it has % lines of %, and tax of % on %',
                NEW.number, NEW.line_count, NEW.net, NEW.tax, lines, net, tax, base
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_is_its_lines';
        END IF;
        IF NOT EXISTS (
            SELECT 1 FROM invoicing_numberseries series
            WHERE series.issuer = NEW.series AND series.kind = NEW.kind AND series.year = NEW.year
                AND NEW.sequence BETWEEN 1 AND series.last
        ) THEN
            RAISE EXCEPTION 'document % has a number that its series did not give', NEW.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_number_of_its_series';
        END IF;
        IF NEW.credits_id IS NOT NULL AND (
            EXISTS (
                SELECT 1 FROM invoicing_line line
                LEFT JOIN invoicing_line credited ON credited.id = line.credits_id
                WHERE line.document_id = NEW.id AND (
                    credited.document_id IS DISTINCT FROM NEW.credits_id OR line.amount < 0
                    OR credited.amount < (
                        SELECT sum(other.amount) FROM invoicing_line other
                        WHERE other.credits_id = credited.id
                    )
                )
            ) OR EXISTS (
                SELECT 1 FROM invoicing_documenttax taken
                LEFT JOIN invoicing_documenttax credited
                    ON credited.document_id = NEW.credits_id AND credited.rule_id = taken.rule_id
                WHERE taken.document_id = NEW.id AND (
                    credited.id IS NULL OR taken.amount < 0 OR (
                        SELECT sum(other.amount) FROM invoicing_documenttax other
                        JOIN invoicing_document note ON note.id = other.document_id
                        WHERE note.credits_id = NEW.credits_id AND other.rule_id = taken.rule_id
                    ) > greatest(credited.amount, 0)
                )
            ) OR EXISTS (
                SELECT 1 FROM invoicing_document credited
                WHERE credited.id = NEW.credits_id AND (
                    credited.kind = 'credit_note' OR credited.organisation_id <> NEW.organisation_id
                    OR credited.currency <> NEW.currency OR credited.total < (
                        SELECT sum(note.total) FROM invoicing_document note
                        WHERE note.credits_id = NEW.credits_id
                    )
                )
            )
        ) THEN
            RAISE EXCEPTION 'credit note % takes off more than there is, or from something else', NEW.number
                USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_note_within_document';
        END IF;
        RETURN NULL;
    """,
)

# The row of ``Credited`` is written by one credit note at a time. Whoever waited sees the ones before it; a
# transaction whose snapshot is older fails instead. Payments lock the document: so do credit notes.
CREDIT_NOTES_TAKE_TURNS = Guard(
    name="take_turns",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Q(new__credits__isnull=False),
    func="""
        PERFORM 1 FROM invoicing_document WHERE id = NEW.credits_id FOR NO KEY UPDATE;
        INSERT INTO invoicing_credited AS so_far (document_id, amount) VALUES (NEW.credits_id, NEW.total)
            ON CONFLICT (document_id) DO UPDATE SET amount = so_far.amount + NEW.total;
        RETURN NEW;
    """,
)

CREDITED_IS_WRITTEN_BY_TRIGGERS = Guard(
    name="written_by_triggers",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[("most", "bigint")],
    func="""
        IF pg_trigger_depth() < 2 THEN
            RAISE EXCEPTION 'what was credited is counted by the database'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'credited_by_triggers';
        END IF;
        SELECT total INTO most FROM invoicing_document WHERE id = NEW.document_id;
        IF NEW.amount > most THEN
            RAISE EXCEPTION 'credit notes would take % off a document of %', NEW.amount, most
                USING ERRCODE = 'check_violation', CONSTRAINT = 'credit_note_within_document';
        END IF;
        RETURN NEW;
    """,
)

LINE_WAS_ANNOUNCED = Guard(
    name="was_announced",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
    func="""
        IF EXISTS (
            SELECT 1 FROM (SELECT DISTINCT document_id FROM added) AS touched
            LEFT JOIN invoicing_document document ON document.id = touched.document_id
            WHERE (SELECT count(*) FROM invoicing_line line WHERE line.document_id = touched.document_id)
                > coalesce(document.line_count, 0)
        ) THEN
            RAISE EXCEPTION 'a finalised document takes no more lines'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_closed';
        END IF;
        RETURN NULL;
    """,
)

# ``round`` of PostgreSQL's numeric rounds half away from zero, as ``billing.money.tax_on`` does. What is
# added after the document was checked has no lines of its rule, or its rule is there already.
TAX_IS_ON_ITS_LINES = Guard(
    name="is_on_its_lines",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
    func="""
        IF EXISTS (
            SELECT 1 FROM added
            WHERE NOT EXISTS (
                SELECT 1 FROM invoicing_line line
                WHERE line.document_id = added.document_id AND line.tax_rule_id = added.rule_id
            ) OR added.base <> (
                SELECT sum(line.amount) FROM invoicing_line line
                WHERE line.document_id = added.document_id AND line.tax_rule_id = added.rule_id
            ) OR EXISTS (
                SELECT 1 FROM invoicing_document document, invoicing_taxrule rule
                WHERE document.id = added.document_id AND rule.id = added.rule_id
                    AND document.credits_id IS NULL AND added.amount <> round(added.base * rule.rate)
            )
        ) THEN
            RAISE EXCEPTION 'a tax is its rule''s rate on the sum of the lines under it'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_tax_base';
        END IF;
        RETURN NULL;
    """,
)

CHARGES_AND_LINES_ARE_THERE = refers_to(
    {"charge_id": "rating_charge", "invoice_line_id": "invoicing_line", "statement_line_id": "invoicing_line"}
)

CHARGE_WAS_ANNOUNCED = Guard(
    name="was_announced",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
    func="""
        IF EXISTS (
            SELECT 1 FROM (
                SELECT DISTINCT invoice_line_id, statement_line_id FROM added
            ) AS touched
            JOIN invoicing_line invoice ON invoice.id = touched.invoice_line_id
            JOIN invoicing_line statement ON statement.id = touched.statement_line_id
            WHERE invoice.counterpart_id IS DISTINCT FROM statement.id
                OR (
                    SELECT count(*) FROM invoicing_invoicedcharge charge
                    WHERE charge.invoice_line_id = invoice.id
                ) > invoice.charge_count
                OR (
                    SELECT count(*) FROM invoicing_invoicedcharge charge
                    WHERE charge.statement_line_id = statement.id
                ) > statement.charge_count
        ) THEN
            RAISE EXCEPTION 'a finalised document takes no more charges'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_closed';
        END IF;
        RETURN NULL;
    """,
)

# Once a change of the series, at commit: every number up to the last one is on a document, and on one only.
SERIES_HAS_NO_GAPS = Guard(
    name="has_no_gaps",
    when=pgtrigger.After,
    operation=pgtrigger.Insert | pgtrigger.Update,
    timing=pgtrigger.Deferred,
    declare=[("given", "bigint")],
    func="""
        SELECT count(*) INTO given FROM invoicing_document
            WHERE series = NEW.issuer AND kind = NEW.kind AND year = NEW.year;
        IF given <> (
            SELECT last FROM invoicing_numberseries WHERE id = NEW.id
        ) THEN
            RAISE EXCEPTION 'series % % % has % documents and counts to %',
                NEW.issuer, NEW.kind, NEW.year, given, NEW.last
                USING ERRCODE = 'check_violation', CONSTRAINT = 'series_has_no_gaps';
        END IF;
        RETURN NULL;
    """,
)

TAX_RULE_IS_ONLY_ENDED = changes_once(
    "only_ended",
    unless="OLD.valid_until IS NOT NULL OR NEW.valid_until IS NULL",
    only="'valid_until'",
    problem="a tax rule is given an end once, and does not change",
    constraint="tax_rule_only_ended",
)

SUSPENSION_IS_ONLY_LIFTED = changes_once(
    "only_lifted",
    unless="OLD.lifted_at IS NOT NULL OR NEW.lifted_at IS NULL",
    only="'lifted_at'",
    problem="a suspension is lifted once, and does not change",
    constraint="suspension_only_lifted",
)
