"""A market of the size of a nation: 7,000 sites, 20,000 fleets, 100,000 requests, 100,000 agreements.

It is for measuring pages, so it is made inside the database, in minutes, by one statement a table. Each row
passes every constraint, and every trigger but the two of allocations: these would sell the hours one by one
for as long as all the rest takes, so the same hours are written at once, and the constraint that nothing is
sold twice looks at them all the same. What is dice elsewhere is a hash of the seed here, so the same seed
gives the same market.

What else is not as it would be: no engine cleared these runs. Their snapshots and results are a few bytes
that cannot be replayed, their explanations carry no details and their offers no outcomes; the digests of
terms and of the rating run are of nothing that anybody could compute again. There are no readings under the
hours and no documents over the charges. Utilisation is computed for the last whole UTC day; the days before
it repeat that day, so that there are as many rows as there would be, and do not agree with their charges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from accounts import audit
from accounts.actors import Actor
from accounts.models import Organisation
from billing.invoicing.reference import load_reference
from billing.metering.models import Meter
from marketplace.audit.utilisation.adding import COLUMNS, SUMS
from marketplace.audit.utilisation.services import load_day
from marketplace.catalogue.services import load_assumed_fx, load_catalogue
from marketplace.clock import floor_hour

BEHIND, AHEAD = timedelta(days=30), timedelta(days=7)
MODELS = 12


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each. Of the requests six in ten are matched, three in ten are open."""

    owners: int = 1_500
    buyers: int = 3_000
    sites: int = 7_000
    fleets: int = 20_000
    requests: int = 100_000
    agreements: int = 100_000


NATIONAL = Size()

# A number in [0, 1) for the n-th of something; ``what`` keeps the draws for one n apart.
DRAW = """
    CREATE FUNCTION pg_temp.draw(n bigint, what bigint) RETURNS double precision IMMUTABLE LANGUAGE sql AS
    $$ SELECT (hashint8extended(n * 64 + what, {seed}) & 1048575) / 1048576.0 $$;
"""
# The larger an organisation, the more of everything it has: the first of them has a few per cent.
PARTIES = """
    INSERT INTO accounts_organisation (kind, name_en, name_zh, jurisdiction, time_zone)
    SELECT 'owner', 'National Data Centre Company ' || n, '全国数据中心公司 ' || n, 'CN', 'Asia/Shanghai'
    FROM generate_series(1, %(owners)s) AS n
    UNION ALL
    SELECT 'buyer', 'National AI Company ' || n, '全国智能公司 ' || n, 'CN', 'Asia/Shanghai'
    FROM generate_series(1, %(buyers)s) AS n;

    CREATE TEMP TABLE party ON COMMIT DROP AS
        SELECT id, kind, row_number() OVER (PARTITION BY kind ORDER BY id) AS number
        FROM accounts_organisation;
    CREATE TEMP TABLE place ON COMMIT DROP AS
        SELECT region.id, zone.id AS zone, zone.currency, row_number() OVER (ORDER BY region.id) AS number
        FROM catalogue_region region JOIN catalogue_zone zone ON zone.id = region.zone_id
        WHERE region.country = 'CN' AND zone.currency = 'CNY';
    CREATE TEMP TABLE chip ON COMMIT DROP AS
        SELECT id, stack_id, row_number() OVER (ORDER BY id) AS number FROM catalogue_acceleratormodel
        WHERE memory_gb IS NOT NULL AND tdp_w IS NOT NULL ORDER BY id LIMIT %(models)s;
"""
SUPPLY = """
    INSERT INTO supply_site (owner_id, region_id, name_en, name_zh, pue, renewable_share, verification,
                             bandwidth_mbps)
    SELECT party.id, place.id, 'Hall ' || n || ' of ' || place.id, place.id || ' 区 ' || n || ' 号机房',
           1.1 + round(pg_temp.draw(n, 3)::numeric / 2, 3), round(pg_temp.draw(n, 4)::numeric, 6),
           floor(pg_temp.draw(n, 5) * 4), 1000 * (1 + floor(pg_temp.draw(n, 6) * 100))
    FROM generate_series(1, %(sites)s) AS n
    JOIN party ON party.kind = 'owner' AND party.number = 1 + floor(power(pg_temp.draw(n, 1), 2) * %(owners)s)
    JOIN place ON place.number = 1 + floor(pg_temp.draw(n, 2) * (SELECT count(*) FROM place));

    INSERT INTO supply_fleet (site_id, model_id, stack_id, cards, node_size, interconnect, installed_at)
    SELECT site.id, chip.id, chip.stack_id, 8 * (1 + floor(pg_temp.draw(n, 7) * 4)), 8,
           'InfiniBand NDR', %(since)s::timestamptz - interval '90 days'
    FROM generate_series(1, %(fleets)s) AS n
    JOIN (SELECT id, row_number() OVER (ORDER BY id) AS number FROM supply_site) AS site
        ON site.number = 1 + mod(n - 1, %(sites)s)
    JOIN chip ON chip.number = 1 + floor(pg_temp.draw(n, 8) * (SELECT count(*) FROM chip));

    INSERT INTO supply_offer (fleet_id, cards, starts_at, ends_at, asks, currency, lot, minimum_hours,
                              notice_minutes, state, entered_at)
    SELECT fleet.id, fleet.cards, %(since)s, %(until)s,
           ARRAY[round((1 + pg_temp.draw(fleet.id, 9) * 2)::numeric, 2)], 'CNY', 1, 1, 0, 'open', %(since)s
    FROM supply_fleet fleet ORDER BY fleet.id;
"""
DEMAND = """
    INSERT INTO demand_computerequest (organisation_id, title, currency, least_share, state, entered_at)
    SELECT party.id, (ARRAY['Fine-tuning', 'Training', 'Inference', 'Simulation'])[1 + mod(n, 4)] || ' ' || n,
           'CNY', 1,
           CASE WHEN n <= %(matched)s THEN 'matched' WHEN mod(n, 8) < 6 THEN 'open'
                WHEN mod(n, 8) = 6 THEN 'expired' ELSE 'withdrawn' END,
           %(since)s::timestamptz + pg_temp.draw(n, 11) * interval '29 days'
    FROM generate_series(1, %(requests)s) AS n
    JOIN party
        ON party.kind = 'buyer' AND party.number = 1 + floor(power(pg_temp.draw(n, 10), 3) * %(buyers)s)
    ORDER BY n;

    INSERT INTO demand_alternative
        (request_id, position, unit, amount, "limit", workload, careful, gangs, divisible, interruptible,
         precision, earliest_start, hours, deadline, jurisdictions)
    SELECT id, 0, 'cards', 1 + floor(pg_temp.draw(id, 12) * 8), 40,
           (ARRAY['training', 'fine_tuning', 'inference_decode', 'inference_prefill'])[1 + mod(id, 4)],
           false, 0, false, false, '', %(since)s, 1 + floor(pg_temp.draw(id, 13) * 15), %(until)s, '{}'
    FROM demand_computerequest ORDER BY id;
"""
RUNS = """
    INSERT INTO clearing_marketrun
        (state, opened_at, horizon_start, slots, base_currency, profile_version_id, attempts, snapshot,
         snapshot_digest, result, result_digest, engine, committed_at, requests_open, requests_matched,
         offers_open, card_hours_free, card_hours_sold, surplus, objective, bound, repriced,
         refused_in_money, foregone, snapshot_ms, clear_ms, verify_ms, failure)
    SELECT 'committed', hour, hour + interval '1 hour', 168, 'CNY', %(version)s, 1, 'none',
           encode(sha256(hour::text::bytea), 'hex'), 'none', encode(sha256(hour::text::bytea), 'hex'),
           'national', hour + interval '3 minutes', 30000, 140, %(fleets)s, 60000000, 9000, 1000000, 970,
           1000, 0, 0, 0, 4000, 170000, 9000, ''
    FROM generate_series(%(since)s::timestamptz, %(now)s, interval '1 hour') AS hour;
"""
# Five windows of an offer one after another, one agreement in each: no two share an hour.
AGREEMENTS = """
    CREATE TEMP TABLE sold (number bigint PRIMARY KEY, id bigint, cards integer, model bigint, zone bigint,
                            site bigint, owner bigint) ON COMMIT DROP;
    INSERT INTO sold
    SELECT row_number() OVER (ORDER BY offer.id), offer.id, offer.cards, fleet.model_id, place.zone, site.id,
           site.owner_id
    FROM supply_offer offer JOIN supply_fleet fleet ON fleet.id = offer.fleet_id
    JOIN supply_site site ON site.id = fleet.site_id JOIN place ON place.id = site.region_id;
    CREATE TEMP TABLE bought (number bigint PRIMARY KEY, id bigint, alternative bigint, buyer bigint,
                              cards integer, hours integer) ON COMMIT DROP;
    INSERT INTO bought
    SELECT row_number() OVER (ORDER BY request.id), request.id, wanted.id, request.organisation_id,
           wanted.amount, wanted.hours
    FROM demand_computerequest request JOIN demand_alternative wanted ON wanted.request_id = request.id;
    ANALYZE sold, bought;

    CREATE TEMP TABLE deal ON COMMIT DROP AS
    SELECT n, sold.id AS offer, least(sold.cards, bought.cards) AS cards, bought.id AS request, alternative,
           hours, model, zone, site, owner, buyer, start, start + hours * interval '1 hour' AS until,
           greatest(least(start - interval '2 hours', %(now)s), %(since)s) AS opened_at
    FROM generate_series(1, %(agreements)s) AS n
    JOIN sold ON sold.number = 1 + mod(n - 1, %(fleets)s)
    JOIN bought ON bought.number = 1 + mod(n - 1, %(matched)s)
    CROSS JOIN LATERAL (
        SELECT %(since)s::timestamptz + (
            (n - 1) / %(fleets)s * %(window)s + floor(pg_temp.draw(n, 14) * (%(window)s - 16))
        ) * interval '1 hour' AS start) AS begins;
    ALTER TABLE deal ADD run bigint;
    UPDATE deal SET run = id FROM clearing_marketrun run WHERE run.opened_at = deal.opened_at;
    ANALYZE deal;

    CREATE TEMP TABLE priced ON COMMIT DROP AS
    SELECT n, run, model, zone, slot, cards, round((
            4 + mod(model, 7) + 2 * pg_temp.draw(
                model * 100000000 + zone * 1000000 + extract(epoch FROM slot)::bigint / 3600, 15)
        )::numeric, 2) AS price
    FROM deal, generate_series(start, until - interval '1 hour', interval '1 hour') AS slot;

    ANALYZE priced;

    INSERT INTO clearing_clearingprice (run_id, model_id, zone_id, slot, currency, price, cards)
    SELECT run, model, zone, slot, 'CNY', price, sum(cards) FROM priced
    GROUP BY run, model, zone, slot, price;

    ALTER TABLE clearing_allocation DISABLE TRIGGER USER;
    INSERT INTO clearing_allocation (run_id, request_id, alternative_id, offer_id, cards, starts_at, ends_at,
                                     currency, prices, fx_rate)
    SELECT run, request, alternative, offer, deal.cards, start, until, 'CNY', paid.prices, 1
    FROM deal JOIN (SELECT n, array_agg(price ORDER BY slot) AS prices FROM priced GROUP BY n) AS paid
        USING (n)
    ORDER BY run, n;
    INSERT INTO supply_offerhour (offer_id, slot, cards_offered, cards_sold)
    SELECT deal.offer, slot, offer.cards, priced.cards
    FROM priced JOIN deal USING (n) JOIN supply_offer offer ON offer.id = deal.offer
    ORDER BY deal.offer, slot;
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE clearing_allocation ENABLE TRIGGER USER;
    ANALYZE clearing_allocation;

    INSERT INTO agreements_agreement
        (kind, allocation_id, buyer_id, owner_id, profile_version_id, currency, cards, starts_at, ends_at,
         card_hours, value, commission_rate, terms, terms_digest, concluded_at)
    SELECT 'spot', made.id, deal.buyer, deal.owner, %(version)s, 'CNY', made.cards, made.starts_at,
           made.ends_at, made.cards * deal.hours,
           made.cards * (SELECT sum(price) FROM unnest(made.prices) AS price), 0.03, terms,
           encode(sha256(terms::text::bytea), 'hex'), deal.opened_at + interval '3 minutes'
    FROM clearing_allocation made
    JOIN deal ON deal.request = made.request_id AND deal.offer = made.offer_id AND deal.start = made.starts_at
    CROSS JOIN LATERAL (SELECT jsonb_build_object(
        'format', 'spot/2', 'cards', made.cards, 'starts_at', made.starts_at, 'ends_at', made.ends_at,
        'currency', 'CNY', 'prices_per_card_hour', made.prices::text[], 'commission_rate', '0.03',
        'fx_rate_to_request', '1', 'profile_version', %(version)s, 'billed', 'delivered card-seconds',
        'dispute_days', 30) AS terms) AS written
    ORDER BY made.id;

    INSERT INTO clearing_explanation (run_id, request_id, outcome, binding, foregone, details)
    SELECT run_id, request_id, 'matched', '', 0, '{}' FROM clearing_allocation GROUP BY run_id, request_id;
    INSERT INTO clearing_explanation (run_id, request_id, outcome, binding, foregone, details)
    SELECT run.id, request.id, 'unmatched', 'limit', 0, '{}'
    FROM demand_computerequest request
    CROSS JOIN (SELECT id FROM clearing_marketrun ORDER BY id DESC LIMIT 2) AS run
    WHERE request.state = 'open' ORDER BY run.id, request.id;
"""
DELIVERIES = """
    INSERT INTO delivery_delivery (agreement_id, site_id, state, starts_at, ends_at, active_from,
                                   active_until, acceptance, failure, fault, retries, held)
    SELECT agreement.id, fleet.site_id, stands.state, agreement.starts_at, agreement.ends_at,
           CASE WHEN stands.state IN ('active', 'ended') THEN agreement.starts_at END,
           CASE WHEN stands.state = 'ended' THEN agreement.ends_at END,
           CASE WHEN stands.state IN ('active', 'ended') THEN '{"passed": true}'::jsonb END,
           CASE WHEN stands.state = 'failed' THEN 'A node did not come up.' ELSE '' END,
           CASE WHEN stands.state = 'failed' THEN 'owner' ELSE '' END, 0, false
    FROM agreements_agreement agreement
    JOIN clearing_allocation allocation ON allocation.id = agreement.allocation_id
    JOIN supply_offer offer ON offer.id = allocation.offer_id
    JOIN supply_fleet fleet ON fleet.id = offer.fleet_id
    CROSS JOIN LATERAL (SELECT CASE
        WHEN agreement.starts_at > %(now)s THEN 'scheduled'
        WHEN pg_temp.draw(agreement.id, 16) < 0.005 THEN 'failed'
        WHEN agreement.ends_at > %(now)s THEN 'active' ELSE 'ended' END AS state) AS stands
    ORDER BY agreement.id;

    INSERT INTO metering_meteredhour (delivery_id, slot, meter, quantity, weight, readings)
    SELECT delivery.id, slot, meter,
           floor(cards * 3600 * CASE WHEN meter = %(active)s THEN 0.3 + 0.6 * pg_temp.draw(delivery.id, 17)
                                     ELSE 1 END), 0, 60
    FROM delivery_delivery delivery JOIN agreements_agreement agreement ON agreement.id = agreement_id
    CROSS JOIN generate_series(delivery.starts_at, least(delivery.ends_at, %(now)s) - interval '1 hour',
                               interval '1 hour') AS slot
    CROSS JOIN (VALUES (%(allocated)s), (%(active)s)) AS meters (meter)
    WHERE delivery.state IN ('active', 'ended') ORDER BY slot, delivery.id;
"""
CHARGES = """
    SET CONSTRAINTS ALL DEFERRED;

    INSERT INTO rating_ratingrun (started_at, horizon, last_reading, stored_until, method, code, price_basis,
                                  charges_made, parked_made, parked_resolved, sums, charges_digest)
    VALUES (%(now)s, %(now)s, 0, %(now)s, 'national', repeat('0', 64), repeat('0', 64), 0, 0, 0, '{}', '');

    INSERT INTO rating_charge (kind, run_id, agreement_id, slot, sequence, quantity, committed, price,
                               currency, amount, commission, credit, last_reading)
    SELECT 'usage', (SELECT max(id) FROM rating_ratingrun), agreement.id, hour.slot, 0, hour.quantity,
           hour.quantity, price, 'CNY', amount, amount * 0.03, amount - amount * 0.03, 0
    FROM metering_meteredhour hour
    JOIN delivery_delivery delivery ON delivery.id = hour.delivery_id
    JOIN agreements_agreement agreement ON agreement.id = delivery.agreement_id
    JOIN clearing_allocation allocation ON allocation.id = agreement.allocation_id
    CROSS JOIN LATERAL (
        SELECT allocation.prices[1 + extract(epoch FROM hour.slot - allocation.starts_at)::integer / 3600]
            AS price) AS agreed
    CROSS JOIN LATERAL (SELECT hour.quantity / 3600 * price AS amount) AS owed
    WHERE hour.meter = %(allocated)s ORDER BY hour.slot, agreement.id;

    UPDATE rating_ratingrun SET charges_digest = repeat('0', 64) WHERE method = 'national';
"""
# Adding up a month of hours would take longer than all the rest: the days before the last repeat it.
DAYS_AGAIN = [
    f"""
    INSERT INTO {table} ({keys}, starts_at, {COLUMNS})
    SELECT {keys}, day, {COLUMNS} FROM {table}
    CROSS JOIN generate_series(%(first_day)s::timestamptz, %(today)s::timestamptz - interval '2 days',
                               interval '1 day') AS day
    """  # noqa: S608 names of tables and columns
    for table, keys in (
        ("utilisation_fleetday", "fleet_id"),
        ("utilisation_placeday", "region_id, model_id"),
    )
]
SUMMED_AGAIN = f"""
    TRUNCATE utilisation_fleetmonth;
    INSERT INTO utilisation_fleetmonth (fleet_id, starts_at, {COLUMNS})
    SELECT fleet_id, date_trunc('month', starts_at, 'UTC'), {SUMS} FROM utilisation_fleetday
    GROUP BY fleet_id, date_trunc('month', starts_at, 'UTC')
"""  # noqa: S608 names of columns
WRITTEN = """
    accounts_organisation, supply_site, supply_fleet, supply_offer, demand_computerequest, demand_alternative,
    clearing_marketrun, clearing_allocation, agreements_agreement, delivery_delivery, metering_meteredhour
"""
STEPS = {
    "organisations": PARTIES,
    "sites, fleets and offers": SUPPLY,
    "requests": DEMAND,
    "runs": RUNS,
    "agreements": AGREEMENTS,
    "deliveries and their hours": DELIVERIES,
    "charges": CHARGES,
}


def load_national(*, actor: Actor, now: datetime, seed: int, size: Size = NATIONAL) -> Iterator[str]:
    """Fill an empty database, in one transaction; yields what is written next.

    Raises ``ValueError`` where there are organisations already.
    """
    if Organisation.objects.exists():
        raise ValueError("the database is not empty: a national market fills one of its own")
    with transaction.atomic():
        version = load_catalogue(actor=actor, now=now)
        load_assumed_fx(actor=actor, now=floor_hour(now) - BEHIND)
        load_reference(actor=actor, now=now)
        facts = _facts(floor_hour(now), size) | {"version": version.pk}
        with connection.cursor() as cursor:
            # Compiling the queries of the triggers would take longer than answering them, row by row.
            cursor.execute("SET LOCAL jit = off")
            cursor.execute(DRAW.format(seed=seed))
            for name, statements in STEPS.items():
                yield name
                cursor.execute(statements, facts)
                cursor.execute(f"ANALYZE {WRITTEN}")
            yield "utilisation of the last day"
            load_day(since=facts["first_day"], until=facts["today"], now=now)
            yield "utilisation of the days before it"
            for statement in (*DAYS_AGAIN, SUMMED_AGAIN):
                cursor.execute(statement, facts)
            cursor.execute("ANALYZE")
        owner = Organisation.objects.earliest("pk")
        audit.record(actor=actor, action="national.loaded", target=owner, now=now, data={"seed": seed})


def _facts(now: datetime, size: Size) -> dict[str, Any]:
    window = int((BEHIND + AHEAD).total_seconds() // 3600) // -(-size.agreements // size.fleets)
    return {
        "owners": size.owners,
        "buyers": size.buyers,
        "sites": size.sites,
        "fleets": size.fleets,
        "requests": size.requests,
        "matched": size.requests * 6 // 10,
        "agreements": size.agreements,
        "models": MODELS,
        "since": now - BEHIND,
        "now": now,
        "until": now + AHEAD,
        "window": window,
        "first_day": (now - BEHIND).replace(hour=0),
        "today": now.replace(hour=0),
        "allocated": Meter.ALLOCATED.value,
        "active": Meter.ACTIVE.value,
    }
