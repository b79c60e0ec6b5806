"""What the database refuses about allocations, whatever the code does."""

import pgtrigger

# The offer's row is locked before its hours are counted, so that two transactions selling the same
# cards are checked one after the other. The check constraint of supply_offerhour refuses the second.
ALLOCATION_SELLS_HOURS = pgtrigger.Trigger(
    name="sells_hours",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    declare=[("offer", "supply_offer%ROWTYPE"), ("hours", "integer")],
    func="""
        SELECT * INTO STRICT offer FROM supply_offer WHERE id = NEW.offer_id FOR NO KEY UPDATE;
        hours := extract(epoch FROM NEW.ends_at - NEW.starts_at) / 3600;
        IF offer.state <> 'open' OR NEW.starts_at < offer.starts_at OR NEW.ends_at > offer.ends_at THEN
            RAISE EXCEPTION 'offer % is not open from % to %', NEW.offer_id, NEW.starts_at, NEW.ends_at
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_inside_offer';
        END IF;
        IF date_trunc('hour', NEW.starts_at, 'UTC') <> NEW.starts_at
            OR date_trunc('hour', NEW.ends_at, 'UTC') <> NEW.ends_at
            OR cardinality(NEW.prices) <> hours OR (0 >= ANY (NEW.prices)) IS NOT FALSE THEN
            RAISE EXCEPTION 'allocation of offer % needs whole UTC hours and one price for each', NEW.offer_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_well_formed';
        END IF;
        IF NEW.currency <> offer.currency OR NEW.cards % offer.lot <> 0 OR hours < offer.minimum_hours THEN
            RAISE EXCEPTION 'allocation of offer % breaks its currency, lot or minimum duration', NEW.offer_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_terms_of_offer';
        END IF;
        INSERT INTO supply_offerhour (offer_id, slot, cards_offered, cards_sold)
            SELECT NEW.offer_id, slot, offer.cards, NEW.cards
            FROM generate_series(NEW.starts_at, NEW.ends_at - interval '1 hour', interval '1 hour') AS slot
            ON CONFLICT (offer_id, slot)
            DO UPDATE SET cards_sold = supply_offerhour.cards_sold + EXCLUDED.cards_sold;
        RETURN NULL;
    """,
)

# What is reserved for a term agreement is sold to requests under it, and nothing else is.
ALLOCATION_STAYS_UNDER_ITS_AGREEMENT = pgtrigger.Trigger(
    name="stays_under_its_agreement",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    func="""
        PERFORM 1 FROM supply_offer offer, demand_computerequest request
            WHERE offer.id = NEW.offer_id AND request.id = NEW.request_id
                AND offer.reserved_for_id IS NOT DISTINCT FROM request.under_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'offer % is not for request %: one is under an agreement that the other is not',
                NEW.offer_id, NEW.request_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_under_its_agreement';
        END IF;
        RETURN NULL;
    """,
)
