"""What the database refuses about groups of requests, whatever the code does."""

from __future__ import annotations

import pgtrigger

from marketplace.append_only import NEVER_TRUNCATED


def of_a_group() -> list[pgtrigger.Trigger]:
    """A group says for ever what it said at first; it is closed once, and never deleted."""
    return [
        pgtrigger.ReadOnly(name="fixed", exclude=["closed_at"]),
        pgtrigger.Protect(
            name="closed_once",
            operation=pgtrigger.Update,
            condition=pgtrigger.Q(old__closed_at__isnull=False),
        ),
        NEVER_TRUNCATED,
        pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
    ]


# The group's row is locked against its closing, and not against other requests that join it: whoever
# closes a group counts its open requests after it has the row.
REQUEST_JOINS_OPEN_GROUPS = pgtrigger.Trigger(
    name="joins_open_groups",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    func="""
        IF NEW.shared_budget_id IS NOT NULL THEN
            PERFORM 1 FROM demand_budget WHERE id = NEW.shared_budget_id AND closed_at IS NULL
                AND organisation_id = NEW.organisation_id AND currency = NEW.currency FOR SHARE;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'budget % is not an open one of organisation % in %',
                    NEW.shared_budget_id, NEW.organisation_id, NEW.currency
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'request_joins_open_groups';
            END IF;
        END IF;
        IF NEW.choice_id IS NOT NULL THEN
            PERFORM 1 FROM demand_choice WHERE id = NEW.choice_id AND closed_at IS NULL
                AND organisation_id = NEW.organisation_id FOR SHARE;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'choice % is not an open one of organisation %',
                    NEW.choice_id, NEW.organisation_id
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'request_joins_open_groups';
            END IF;
        END IF;
        RETURN NEW;
    """,
)

REQUEST_IS_UNDER_ITS_BUYERS_AGREEMENT = pgtrigger.Trigger(
    name="under_its_buyers_agreement",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Q(new__under__isnull=False),
    func="""
        PERFORM 1 FROM terms_termagreement WHERE id = NEW.under_id AND state = 'concluded'
            AND buyer_id = NEW.organisation_id AND currency = NEW.currency;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'term agreement % is not one of buyer % in %',
                NEW.under_id, NEW.organisation_id, NEW.currency
                USING ERRCODE = 'check_violation', CONSTRAINT = 'request_under_its_buyers_agreement';
        END IF;
        RETURN NEW;
    """,
)
