"""What the database refuses about term agreements, whatever the code does."""

import pgtrigger

from marketplace.guards import changes_once

# A proposal is closed once: accepted, declined or withdrawn. What it says never changes.
VERSION_IS_ONLY_CLOSED = changes_once(
    "only_closed",
    unless="OLD.state <> 'open' OR NEW.state = 'open'",
    only="'{state,closed_at,closed_by_id}'::text[]",
    problem="a version of terms is closed once, and does not change",
    constraint="version_only_closed",
)

# Nothing is agreed by being written down: the other side accepts what was proposed before.
VERSION_BEGINS_OPEN = pgtrigger.Trigger(
    name="begins_open",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    condition=~pgtrigger.Q(new__state="open"),
    func="""
        RAISE EXCEPTION 'a version of terms begins as a proposal, not as %', NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'version_begins_open';
    """,
)

VERSION_KEEPS_THE_UNIT = pgtrigger.Trigger(
    name="keeps_the_unit",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    func="""
        PERFORM 1 FROM terms_termagreement
            WHERE id = NEW.agreement_id AND unit = NEW.terms ->> 'unit';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'agreement % is not in %', NEW.agreement_id, NEW.terms ->> 'unit'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'version_keeps_the_unit';
        END IF;
        RETURN NEW;
    """,
)

TERM_BEGINS_PROPOSED = pgtrigger.Trigger(
    name="begins_proposed",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    func="""
        IF NEW.state <> 'proposed' THEN
            RAISE EXCEPTION 'a term agreement begins as a proposal, not as %', NEW.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'term_begins_proposed';
        END IF;
        IF NEW.month_ends[cardinality(NEW.month_ends)] IS DISTINCT FROM NEW.ends_at THEN
            RAISE EXCEPTION 'a term agreement ends with its last month'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'term_ends_with_its_months';
        END IF;
        RETURN NEW;
    """,
)
