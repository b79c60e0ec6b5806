"""What the database refuses about finalised documents, whatever the code does."""

import pgtrigger

# Checked when the transaction commits: lines are inserted after their document.
DOCUMENT_IS_ITS_LINES = pgtrigger.Trigger(
    name="is_its_lines",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    timing=pgtrigger.Deferred,
    declare=[("lines", "numeric")],
    func="""
        SELECT sum(amount) INTO lines FROM invoicing_line WHERE document_id = NEW.id;
        IF lines IS DISTINCT FROM NEW.total THEN
            RAISE EXCEPTION 'document % has a total of %, its lines have %', NEW.number, NEW.total, lines
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_is_its_lines';
        END IF;
        RETURN NULL;
    """,
)

# A document remembers the transaction that made it: lines may only come from the same one.
LINE_WITH_ITS_DOCUMENT = pgtrigger.Trigger(
    name="with_its_document",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
    func="""
        IF EXISTS (
            SELECT 1 FROM added JOIN invoicing_document document ON document.id = added.document_id
            WHERE document.transaction <> pg_current_xact_id()::text::bigint
        ) THEN
            RAISE EXCEPTION 'a finalised document takes no more lines'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_closed';
        END IF;
        RETURN NULL;
    """,
)

CHARGE_WITH_ITS_DOCUMENT = pgtrigger.Trigger(
    name="with_its_document",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    referencing=pgtrigger.Referencing(new="added"),  # type: ignore[no-untyped-call]
    func="""
        IF EXISTS (
            SELECT 1 FROM added
            JOIN invoicing_line line ON line.id IN (added.invoice_line_id, added.statement_line_id)
            JOIN invoicing_document document ON document.id = line.document_id
            WHERE document.transaction <> pg_current_xact_id()::text::bigint
        ) THEN
            RAISE EXCEPTION 'a finalised document takes no more charges'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'document_closed';
        END IF;
        RETURN NULL;
    """,
)
