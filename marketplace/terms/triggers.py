"""What the database refuses about term agreements, whatever the code does."""

import pgtrigger

# A proposal is closed once: accepted, declined or withdrawn. What it says never changes.
VERSION_IS_ONLY_CLOSED = pgtrigger.Trigger(
    name="only_closed",
    when=pgtrigger.Before,
    operation=pgtrigger.Update,
    func="""
        IF OLD.state <> 'open' OR NEW.state = 'open'
            OR (to_jsonb(NEW) - '{state,closed_at,closed_by_id}'::text[])
                IS DISTINCT FROM (to_jsonb(OLD) - '{state,closed_at,closed_by_id}'::text[])
        THEN
            RAISE EXCEPTION 'a version of terms is closed once, and does not change'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'version_only_closed';
        END IF;
        RETURN NEW;
    """,
)
