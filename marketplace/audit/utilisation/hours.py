"""One statement that says of fleets and hours what became of their cards.

It reads the book of the offers, the runs, the deliveries, the hours that readings add up to, and the charges,
and depends on nothing else, so the same facts give the same rows whenever it is asked. Which fleets and hours
it computes is in the temporary table ``utilisation_wanted``.

Why cards were not sold is what the last run of the open market before the hour says of their offer. Of what
it left over, the part for which it found a lower ask is lost to the price. Requests that the run refused for
anything but their limit or their budget wanted card-hours too (nP-hours count as those of the reference
card): these are spread over all that the run left, and lost to constraints. Nobody asked for the rest. An
offer that no run has seen has no reason yet.
"""

from __future__ import annotations

from billing.metering.models import Meter
from marketplace.audit.utilisation.models import REFERENCE_WORKLOAD

WANTED = """
    CREATE TEMP TABLE IF NOT EXISTS utilisation_wanted (
        fleet_id bigint NOT NULL, slot timestamptz NOT NULL, PRIMARY KEY (fleet_id, slot)
    ) ON COMMIT DROP
"""
PARAMETERS = {
    "allocated": Meter.ALLOCATED.value,
    "active": Meter.ACTIVE.value,
    "energy": Meter.ENERGY.value,
    "workload": REFERENCE_WORKLOAD.value,
}
# Refused for the price or the money, and not for what was required.
OF_MONEY = "('limit', 'budget')"

# The last committed run of the open market that could sell an hour.
RUNS = f"""
    slots AS MATERIALIZED (SELECT DISTINCT slot FROM utilisation_wanted),
    explaining AS MATERIALIZED (
        SELECT slots.slot, run.id AS run_id, run.profile_version_id
        FROM slots LEFT JOIN LATERAL (
            SELECT id, profile_version_id FROM clearing_marketrun
            WHERE state = 'committed' AND term_id IS NULL AND horizon_start <= slots.slot
                AND horizon_start > slots.slot - interval '1 hour' * clearing_marketrun.slots
            ORDER BY horizon_start DESC, id DESC LIMIT 1
        ) AS run ON true
    ),
    asked AS (
        SELECT run_id, sum(card_hours) AS card_hours FROM (
            SELECT explanation.run_id, max(wanted.amount * wanted.hours) AS card_hours
            FROM clearing_explanation explanation
            JOIN demand_alternative wanted ON wanted.request_id = explanation.request_id
            WHERE explanation.run_id IN (SELECT run_id FROM explaining)
                AND explanation.outcome = 'unmatched' AND explanation.binding NOT IN {OF_MONEY}
            GROUP BY explanation.run_id, explanation.request_id
        ) AS refused GROUP BY run_id
    ),
    remains AS (
        SELECT run_id, sum(free - sold - coalesce(card_hours, 0)) AS card_hours
        FROM clearing_offeroutcome WHERE run_id IN (SELECT run_id FROM explaining) GROUP BY run_id
    ),
    refusals AS MATERIALIZED (
        SELECT run_id, least(1, coalesce(asked.card_hours, 0) / nullif(remains.card_hours, 0)) AS share
        FROM remains LEFT JOIN asked USING (run_id)
    )
"""  # noqa: S608 constants of this module
# A fleet that was resized had, before, what the first resizing after the hour says it had.
INSTALLED = """
    installed AS (
        SELECT wanted.fleet_id, wanted.slot, rate.np,
            (CASE WHEN fleet.cards_since > wanted.slot THEN coalesce(before.cards, fleet.cards)
                  ELSE fleet.cards END
             * extract(epoch FROM greatest(interval '0',
                   wanted.slot + interval '1 hour' - greatest(fleet.installed_at, wanted.slot))))::bigint
                AS card_seconds
        FROM utilisation_wanted wanted
        JOIN supply_fleet fleet ON fleet.id = wanted.fleet_id
        JOIN explaining USING (slot)
        LEFT JOIN LATERAL (
            SELECT (event.data->>'before')::bigint AS cards FROM accounts_auditevent event
            WHERE fleet.cards_since > wanted.slot AND event.object_type = 'supply.fleet'
                AND event.object_id = fleet.id::text AND event.action = 'fleet.resized'
                AND date_trunc('hour', event.occurred_at, 'UTC') > wanted.slot
            ORDER BY event.id LIMIT 1
        ) AS before ON true
        LEFT JOIN LATERAL (
            SELECT profile.rate AS np FROM catalogue_performanceprofile profile
            WHERE profile.version_id = explaining.profile_version_id AND profile.model_id = fleet.model_id
                AND profile.workload = %(workload)s
        ) AS rate ON true
    )
"""
OFFERED = """
    offers AS (
        SELECT wanted.fleet_id, wanted.slot, offer.id AS offer_id, offer.reserved_for_id,
            coalesce(hour.cards_sold, 0)::bigint * 3600 AS sold,
            greatest(coalesce(hour.cards_sold, 0)::bigint * 3600, (offer.cards * extract(epoch FROM greatest(
                interval '0',
                least(offer.ends_at, offer.withdrawn_at, wanted.slot + interval '1 hour')
                    - greatest(offer.starts_at, offer.entered_at, wanted.slot))))::bigint) AS offered
        FROM utilisation_wanted wanted
        JOIN supply_offer offer ON offer.fleet_id = wanted.fleet_id
            AND offer.starts_at < wanted.slot + interval '1 hour' AND offer.ends_at > wanted.slot
        LEFT JOIN supply_offerhour hour ON hour.offer_id = offer.id AND hour.slot = wanted.slot
    ),
    explained AS (
        SELECT offers.*, outcome.offer_id IS NOT NULL AS is_known,
            CASE WHEN outcome.free > outcome.sold THEN (offered - offers.sold)
                * coalesce(outcome.card_hours, 0) / (outcome.free - outcome.sold) ELSE 0 END AS price,
            coalesce(refusals.share, 0) AS share
        FROM offers JOIN explaining USING (slot)
        LEFT JOIN clearing_offeroutcome outcome
            ON outcome.run_id = explaining.run_id AND outcome.offer_id = offers.offer_id
        LEFT JOIN refusals ON refusals.run_id = explaining.run_id
    ),
    reasons AS (
        SELECT fleet_id, slot, sold, offered, reserved_for_id, is_known,
            CASE WHEN reserved_for_id IS NULL AND is_known THEN price ELSE 0 END AS price,
            CASE WHEN reserved_for_id IS NULL AND is_known
                 THEN floor((offered - sold - price) * share)::bigint ELSE 0 END AS constraints
        FROM explained
    ),
    listed AS (
        SELECT fleet_id, slot, sum(offered)::bigint AS offered,
            sum(CASE WHEN reserved_for_id IS NULL THEN sold ELSE offered END)::bigint AS sold,
            sum(price)::bigint AS unsold_price, sum(constraints)::bigint AS unsold_constraints,
            sum(CASE WHEN reserved_for_id IS NULL AND is_known THEN offered - sold - price - constraints
                     ELSE 0 END)::bigint AS unsold_unasked,
            sum(CASE WHEN reserved_for_id IS NULL AND NOT is_known THEN offered - sold ELSE 0 END)::bigint
                AS unsold_unknown,
            sum(CASE WHEN reserved_for_id IS NOT NULL THEN offered - sold ELSE 0 END)::bigint AS not_called
        FROM reasons GROUP BY fleet_id, slot
    )
"""
# What each sold hour of an allocation came to. Where it was not there, ``gone`` is what is missing for that.
DELIVERED = """
    sales AS (
        SELECT wanted.fleet_id, wanted.slot, agreement.id AS agreement_id, delivery.id AS delivery_id,
            allocation.cards, allocation.cards::bigint * 3600 AS sold, delivery.fault,
            delivery.active_until, delivery.starts_at,
            greatest(wanted.slot, delivery.active_from) AS here_from,
            least(wanted.slot + interval '1 hour', coalesce(delivery.active_until, delivery.ends_at))
                AS here_until,
            delivery.active_from IS NOT NULL AS began
        FROM utilisation_wanted wanted
        JOIN supply_offer offer ON offer.fleet_id = wanted.fleet_id
        JOIN clearing_allocation allocation ON allocation.offer_id = offer.id
            AND allocation.starts_at <= wanted.slot AND allocation.ends_at > wanted.slot
        LEFT JOIN agreements_agreement agreement ON agreement.allocation_id = allocation.id
        LEFT JOIN delivery_delivery delivery ON delivery.agreement_id = agreement.id
    ),
    present AS (
        SELECT sales.*, CASE WHEN began AND here_until > here_from
            THEN extract(epoch FROM here_until - here_from) - coalesce(away.seconds, 0) ELSE 0 END AS seconds
        FROM sales LEFT JOIN LATERAL (
            SELECT sum(extract(epoch FROM greatest(interval '0',
                least(suspension.ends_at, here_until) - greatest(suspension.starts_at, here_from)
            ))) AS seconds
            FROM delivery_suspension suspension WHERE suspension.delivery_id = sales.delivery_id
        ) AS away ON true
    ),
    metered AS (
        SELECT delivery_id, slot,
            sum(quantity) FILTER (WHERE meter = %(allocated)s) AS allocated,
            sum(quantity) FILTER (WHERE meter = %(active)s AND readings > 0) AS active,
            sum(quantity) FILTER (WHERE meter = %(energy)s AND readings > 0) AS energy,
            count(*) FILTER (WHERE meter IN (%(allocated)s, %(active)s) AND readings > 0) AS arrived
        FROM metering_meteredhour WHERE slot IN (SELECT slot FROM slots) GROUP BY delivery_id, slot
    ),
    charged AS (
        SELECT agreement_id, slot,
            sum(quantity) FILTER (WHERE kind = 'usage') AS card_seconds,
            coalesce(sum(amount) FILTER (WHERE kind = 'usage'), 0) AS amount,
            coalesce(sum(amount) FILTER (WHERE kind IN ('sla_credit', 'cover')), 0) AS credited
        FROM rating_charge
        WHERE slot >= (SELECT min(slot) FROM slots) AND slot <= (SELECT max(slot) FROM slots)
        GROUP BY agreement_id, slot
    ),
    outcomes AS (
        SELECT present.*, coalesce(metered.allocated, 0)::bigint AS allocated,
            metered.active::bigint AS active, metered.energy::bigint AS energy,
            coalesce(metered.arrived, 0) AS arrived,
            charged.card_seconds, charged.amount, charged.credited,
            greatest(0, present.sold - coalesce(metered.allocated, 0))::bigint AS missing,
            floor(present.sold - cards * seconds)::bigint AS absent
        FROM present
        LEFT JOIN metered ON metered.delivery_id = present.delivery_id AND metered.slot = present.slot
        LEFT JOIN charged ON charged.agreement_id = present.agreement_id AND charged.slot = present.slot
    ),
    used AS (
        SELECT fleet_id, slot, sum(allocated)::bigint AS allocated,
            coalesce(sum(active), 0)::bigint AS active,
            sum(CASE WHEN was_given_up THEN gone ELSE 0 END)::bigint AS given_up,
            sum(CASE WHEN was_given_up THEN 0 ELSE gone END)::bigint AS outage,
            sum(missing - gone)::bigint AS unreported,
            sum(greatest(0, allocated - sold))::bigint AS excess,
            coalesce(sum(allocated - active) FILTER (WHERE active IS NOT NULL), 0)::bigint AS idle,
            coalesce(sum(allocated) FILTER (WHERE active IS NULL), 0)::bigint AS activity_unknown,
            sum(energy)::bigint AS energy_wh,
            coalesce(sum(allocated) FILTER (WHERE energy IS NOT NULL), 0)::bigint AS energy_card_seconds,
            sum(CASE WHEN seconds > 0 THEN 2 ELSE 0 END) AS expected,
            sum(CASE WHEN seconds > 0 THEN arrived ELSE 0 END)::bigint AS arrived,
            coalesce(sum(card_seconds), 0)::bigint AS charged, coalesce(sum(amount), 0) AS amount,
            coalesce(sum(credited), 0) AS credited
        FROM (
            SELECT outcomes.*, least(missing, absent) AS gone,
                fault = 'buyer' AND slot + interval '1 hour' > coalesce(active_until, starts_at)
                    AS was_given_up
            FROM outcomes
        ) AS lost GROUP BY fleet_id, slot
    )
"""
# A row for each wanted fleet and hour, in the columns of FleetHour.
COMPUTED = f"""
    WITH {RUNS}, {INSTALLED}, {OFFERED}, {DELIVERED}
    SELECT installed.fleet_id, installed.slot AS starts_at,
        installed.card_seconds AS installed, coalesce(listed.offered, 0) AS offered,
        coalesce(listed.sold, 0) AS sold, coalesce(used.allocated, 0) AS allocated,
        coalesce(used.active, 0) AS active,
        np * installed.card_seconds AS np_installed, np * coalesce(listed.offered, 0) AS np_offered,
        np * coalesce(listed.sold, 0) AS np_sold, np * coalesce(used.allocated, 0) AS np_allocated,
        np * coalesce(used.active, 0) AS np_active,
        CASE WHEN np IS NULL THEN installed.card_seconds ELSE 0 END AS unrated,
        installed.card_seconds - coalesce(listed.offered, 0) AS not_offered,
        coalesce(unsold_price, 0) AS unsold_price, coalesce(unsold_constraints, 0) AS unsold_constraints,
        coalesce(unsold_unasked, 0) AS unsold_unasked, coalesce(unsold_unknown, 0) AS unsold_unknown,
        coalesce(not_called, 0) AS not_called, coalesce(outage, 0) AS outage,
        coalesce(given_up, 0) AS given_up,
        coalesce(unreported, 0) AS unreported, coalesce(excess, 0) AS excess, coalesce(idle, 0) AS idle,
        coalesce(activity_unknown, 0) AS activity_unknown, energy_wh,
        coalesce(energy_card_seconds, 0) AS energy_card_seconds, coalesce(expected, 0) AS expected,
        coalesce(arrived, 0) AS arrived, coalesce(charged, 0) AS charged, coalesce(amount, 0) AS amount,
        coalesce(credited, 0) AS credited
    FROM installed
    LEFT JOIN listed ON listed.fleet_id = installed.fleet_id AND listed.slot = installed.slot
    LEFT JOIN used ON used.fleet_id = installed.fleet_id AND used.slot = installed.slot
"""  # noqa: S608 constants of this module
