"""What the database refuses about supply, whatever the code does."""

import pgtrigger

OFFER_IS_WELL_FORMED = pgtrigger.Trigger(
    name="well_formed",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[("hours", "integer"), ("zone_currency", "text")],
    func="""
        hours := extract(epoch FROM NEW.ends_at - NEW.starts_at) / 3600;
        IF date_trunc('hour', NEW.starts_at, 'UTC') <> NEW.starts_at
            OR date_trunc('hour', NEW.ends_at, 'UTC') <> NEW.ends_at THEN
            RAISE EXCEPTION 'offer window % to % is not made of whole UTC hours', NEW.starts_at, NEW.ends_at
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_window_whole_hours';
        END IF;
        IF cardinality(NEW.asks) NOT IN (0, 1, hours) OR 0 >= ANY (NEW.asks) OR 50000 < ANY (NEW.asks)
            OR array_position(NEW.asks, NULL) IS NOT NULL THEN
            RAISE EXCEPTION 'an offer of % hours needs 1 or % asks, above 0 and up to 50000', hours, hours
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_asks';
        END IF;
        SELECT zone.currency INTO STRICT zone_currency
            FROM supply_fleet fleet
            JOIN supply_site site ON site.id = fleet.site_id
            JOIN catalogue_region region ON region.id = site.region_id
            JOIN catalogue_zone zone ON zone.id = region.zone_id
            WHERE fleet.id = NEW.fleet_id;
        IF zone_currency <> NEW.currency THEN
            RAISE EXCEPTION 'offer in %, but its zone trades in %', NEW.currency, zone_currency
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_currency_of_zone';
        END IF;
        RETURN NEW;
    """,
)

# Changes of the number of cards that a fleet owes to its offers: all cards of open ones over their
# window, and of withdrawn ones the cards they sold, in the hours in which they sold them.
CHANGES_OF_LISTED_CARDS = """
    SELECT starts_at AS at, cards AS change FROM supply_offer
        WHERE fleet_id = {fleet} AND state = 'open' AND starts_at < {until} AND ends_at > {since}
    UNION ALL
    SELECT ends_at, -cards FROM supply_offer
        WHERE fleet_id = {fleet} AND state = 'open' AND starts_at < {until} AND ends_at > {since}
    UNION ALL
    SELECT hour.slot + step.after, hour.cards_sold * step.sign
        FROM supply_offer withdrawn
        JOIN supply_offerhour hour ON hour.offer_id = withdrawn.id
        CROSS JOIN (VALUES (interval '0', 1), (interval '1 hour', -1)) AS step (after, sign)
        WHERE withdrawn.fleet_id = {fleet} AND withdrawn.state = 'withdrawn'
        AND hour.slot >= {since} AND hour.slot < {until}
"""
MOST_LISTED_CARDS = f"""
    SELECT coalesce(max(total), 0) FROM (
        SELECT sum(change) OVER (ORDER BY at, change) AS total FROM ({CHANGES_OF_LISTED_CARDS}) AS changes
    ) AS totals
"""  # noqa: S608 (constants of this module)

LISTED_IN_WINDOW = MOST_LISTED_CARDS.format(fleet="NEW.fleet_id", since="since", until="NEW.ends_at")
LISTED_AHEAD = MOST_LISTED_CARDS.format(fleet="NEW.id", since="since", until="'infinity'")

# The fleet's row is locked first, so that two offers of one fleet are checked one after the other.
# Hours before the fleet had this number of cards are a matter of the past.
OFFER_FITS_THE_FLEET = pgtrigger.Trigger(
    name="fits_the_fleet",
    when=pgtrigger.After,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[("installed", "integer"), ("listed", "bigint"), ("since", "timestamptz")],
    func=f"""
        SELECT cards, greatest(NEW.starts_at, cards_since) INTO STRICT installed, since
            FROM supply_fleet WHERE id = NEW.fleet_id FOR NO KEY UPDATE;
        listed := ({LISTED_IN_WINDOW});
        IF listed > installed THEN
            RAISE EXCEPTION 'fleet % has % cards, its offers would list %', NEW.fleet_id, installed, listed
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offers_fit_the_fleet';
        END IF;
        RETURN NULL;
    """,  # noqa: S608 (constants of this module)
)

# What was sold stays sold: fleet and currency never change, the window never loses a sold hour, the
# number of cards goes through the check of the sold hours, and a withdrawn offer is not changed again.
OFFER_STAYS = pgtrigger.Trigger(
    name="stays",
    when=pgtrigger.After,
    operation=pgtrigger.Update,
    func="""
        IF OLD.state = 'withdrawn' THEN
            RAISE EXCEPTION 'offer % is withdrawn and cannot change', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_stays';
        END IF;
        IF NEW.fleet_id <> OLD.fleet_id OR NEW.currency <> OLD.currency THEN
            RAISE EXCEPTION 'the fleet and the currency of offer % cannot change', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_stays';
        END IF;
        IF EXISTS (SELECT 1 FROM supply_offerhour WHERE offer_id = NEW.id AND cards_sold > 0
                   AND (slot < NEW.starts_at OR slot >= NEW.ends_at)) THEN
            RAISE EXCEPTION 'offer % has sold hours outside its new window', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_stays';
        END IF;
        IF NEW.cards <> OLD.cards THEN
            UPDATE supply_offerhour SET cards_offered = NEW.cards WHERE offer_id = NEW.id;
        END IF;
        RETURN NULL;
    """,
)

# What is listed or sold from the hour on from which the new number of cards holds.
FLEET_KEEPS_WHAT_IT_OFFERS = pgtrigger.Trigger(
    name="keeps_what_it_offers",
    when=pgtrigger.Before,
    operation=pgtrigger.UpdateOf("cards", "cards_since"),  # type: ignore[no-untyped-call]
    declare=[("listed", "bigint"), ("since", "timestamptz")],
    func=f"""
        since := coalesce(NEW.cards_since, '-infinity');
        listed := ({LISTED_AHEAD});
        IF listed > NEW.cards THEN
            RAISE EXCEPTION 'fleet % lists % cards, it cannot shrink to %', NEW.id, listed, NEW.cards
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offers_fit_the_fleet';
        END IF;
        RETURN NEW;
    """,
)

OFFER_IS_RESERVED_BY_ITS_OWNER = pgtrigger.Trigger(
    name="reserved_by_its_owner",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert | pgtrigger.Update,
    condition=pgtrigger.Q(new__reserved_for__isnull=False),
    func="""
        PERFORM 1 FROM terms_termagreement term
            JOIN supply_fleet fleet ON fleet.id = NEW.fleet_id
            JOIN supply_site site ON site.id = fleet.site_id
            WHERE term.id = NEW.reserved_for_id AND term.state = 'concluded'
                AND term.owner_id = site.owner_id AND term.currency = NEW.currency
                AND (term.model_id = fleet.model_id OR term.model_id IS NULL)
                AND (term.unit = 'nP-hours') = (NEW.np_per_card IS NOT NULL)
                AND NEW.starts_at >= term.starts_at AND NEW.ends_at <= term.ends_at;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'term agreement % is not one of the owner for this model in % from % to %',
                NEW.reserved_for_id, NEW.currency, NEW.starts_at, NEW.ends_at
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offer_reserved_by_its_owner';
        END IF;
        RETURN NEW;
    """,
)
