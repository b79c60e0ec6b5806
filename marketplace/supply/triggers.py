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
        IF cardinality(NEW.asks) NOT IN (1, hours) OR 0 >= ANY (NEW.asks) THEN
            RAISE EXCEPTION 'an offer of % hours needs 1 or % positive asks', hours, hours
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

# The fleet's row is locked first, so that two offers of one fleet are checked one after the other.
OFFER_FITS_THE_FLEET = pgtrigger.Trigger(
    name="fits_the_fleet",
    when=pgtrigger.After,
    operation=pgtrigger.Insert | pgtrigger.Update,
    declare=[("installed", "integer"), ("listed", "bigint")],
    func="""
        SELECT cards INTO STRICT installed FROM supply_fleet WHERE id = NEW.fleet_id FOR NO KEY UPDATE;
        SELECT coalesce(max(total), 0) INTO listed FROM (
            SELECT sum(change) OVER (ORDER BY at, change) AS total FROM (
                SELECT starts_at AS at, cards AS change FROM supply_offer
                    WHERE fleet_id = NEW.fleet_id AND state = 'open'
                    AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at
                UNION ALL
                SELECT ends_at, -cards FROM supply_offer
                    WHERE fleet_id = NEW.fleet_id AND state = 'open'
                    AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at
            ) AS changes
        ) AS totals;
        IF listed > installed THEN
            RAISE EXCEPTION 'fleet % has % cards, its offers would list %', NEW.fleet_id, installed, listed
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offers_fit_the_fleet';
        END IF;
        RETURN NULL;
    """,
)

# What was sold stays sold: fleet and currency never change, the window never loses a sold hour, and
# the number of cards goes through the check of the sold hours.
OFFER_STAYS = pgtrigger.Trigger(
    name="stays",
    when=pgtrigger.After,
    operation=pgtrigger.Update,
    func="""
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

FLEET_KEEPS_WHAT_IT_OFFERS = pgtrigger.Trigger(
    name="keeps_what_it_offers",
    when=pgtrigger.Before,
    operation=pgtrigger.UpdateOf("cards"),
    declare=[("listed", "bigint")],
    func="""
        SELECT coalesce(max(total), 0) INTO listed FROM (
            SELECT sum(change) OVER (ORDER BY at, change) AS total FROM (
                SELECT starts_at AS at, cards AS change FROM supply_offer
                    WHERE fleet_id = NEW.id AND state = 'open'
                UNION ALL
                SELECT ends_at, -cards FROM supply_offer WHERE fleet_id = NEW.id AND state = 'open'
            ) AS changes
        ) AS totals;
        IF listed > NEW.cards THEN
            RAISE EXCEPTION 'fleet % lists % cards, it cannot shrink to %', NEW.id, listed, NEW.cards
                USING ERRCODE = 'check_violation', CONSTRAINT = 'offers_fit_the_fleet';
        END IF;
        RETURN NEW;
    """,
)
