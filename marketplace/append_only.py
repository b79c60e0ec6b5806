"""Tables of which no row is ever deleted. Triggers on rows do not see a TRUNCATE; this one does."""

import pgtrigger

NEVER_TRUNCATED = pgtrigger.Trigger(
    name="never_truncated",
    level=pgtrigger.Statement,
    when=pgtrigger.Before,
    operation=pgtrigger.Truncate,
    func="RAISE EXCEPTION 'Cannot truncate %: its rows are kept for ever', TG_TABLE_NAME;",
)
