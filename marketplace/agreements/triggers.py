"""What the database refuses about agreements, whatever the code does."""

import pgtrigger

# What is called off, and what the months owe, is between those who concluded the term agreement, and counted
# in its unit.
AGREEMENT_KEEPS_TO_ITS_TERM = pgtrigger.Trigger(
    name="keeps_to_its_term",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Q(new__term__isnull=False),
    func="""
        PERFORM 1 FROM terms_termagreement term
            WHERE term.id = NEW.term_id AND term.state = 'concluded' AND term.buyer_id = NEW.buyer_id
                AND term.owner_id = NEW.owner_id AND term.currency = NEW.currency
                AND (term.unit = 'nP-hours') = (NEW.np_hours IS NOT NULL OR NEW.np_per_card IS NOT NULL);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'term agreement % is not concluded between buyer % and owner % in %',
                NEW.term_id, NEW.buyer_id, NEW.owner_id, NEW.currency
                USING ERRCODE = 'check_violation', CONSTRAINT = 'agreement_keeps_to_its_term';
        END IF;
        RETURN NEW;
    """,
)
