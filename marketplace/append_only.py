"""Tables of which no row is ever deleted, and rows that change once."""

import pgtrigger

# Triggers on rows do not see a TRUNCATE; this one does.
NEVER_TRUNCATED = pgtrigger.Trigger(
    name="never_truncated",
    level=pgtrigger.Statement,
    when=pgtrigger.Before,
    operation=pgtrigger.Truncate,
    func="RAISE EXCEPTION 'Cannot truncate %: its rows are kept for ever', TG_TABLE_NAME;",
)


def changes_once(unless: str, *, only: str, problem: str, constraint: str) -> str:
    """The function of a trigger before updates: a row changes in the columns ``only``, and once.

    ``unless`` is the condition, of OLD and NEW, under which it is not that one change.
    """
    return f"""
        IF {unless}
            OR (to_jsonb(NEW) - {only})
                IS DISTINCT FROM (to_jsonb(OLD) - {only})
        THEN
            RAISE EXCEPTION '{problem}'
                USING ERRCODE = 'check_violation', CONSTRAINT = '{constraint}';
        END IF;
        RETURN NEW;
    """
