"""A market to rate: agreements of one length, delivered and metered hour by hour, nothing rated yet.

It is written with SQL in one go, as ingestion would leave it: readings, the hours that they add up to, and
the marks of the hours that changed. What sold the cards (orders, market runs) is left out, so the keys that
lead to it are dropped; the keys of events are left out too, for rating does not read them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction

from accounts.models import Organisation
from billing.invoicing.models import DunningPolicy, TaxRule
from billing.metering.partitions import make_missing, month_of
from marketplace.clock import HOUR
from marketplace.supply.models import Site

START = datetime(2026, 3, 1, tzinfo=UTC)
BUYERS, OWNERS = 2_000, 200
FILLED = ("clearing_allocation", "agreements_agreement", "delivery_delivery", "metering_reading",
          "metering_meteredhour", "metering_changedslot")  # fmt: skip
ORDERS = ("clearing_allocation", "catalogue_profileversion", "catalogue_region", "clearing_marketrun",
          "demand_computerequest", "demand_alternative", "supply_offer")  # fmt: skip

# Each agreement has 1 to 16 cards, and a price of its own in every hour. Digests take the place of dice.
AGREEMENTS = """
    INSERT INTO clearing_allocation
        (id, run_id, request_id, alternative_id, offer_id, cards, starts_at, ends_at, currency, prices,
         fx_rate)
    SELECT number, 1, number, number, number, 1 + (hashint8extended(number, %(seed)s) & 15),
           %(start)s, %(end)s, 'CNY',
           (SELECT array_agg((1000000 + (hashint8extended(number * 1000 + hour, %(seed)s) & 16777215)) / 1e6)
            FROM generate_series(1, %(hours)s) AS hour), 1
    FROM generate_series(1, %(agreements)s) AS number;

    INSERT INTO agreements_agreement
        (id, kind, allocation_id, buyer_id, owner_id, profile_version_id, currency, cards, starts_at, ends_at,
         card_hours, value, commission_rate, terms, terms_digest, concluded_at)
    SELECT id, 'spot', id, 1 + mod(id, %(buyers)s), 1 + %(buyers)s + mod(id, %(owners)s), 1, currency, cards,
           starts_at, ends_at, cards * %(hours)s, 1, 0.03, '{}', repeat('0', 64), starts_at
    FROM clearing_allocation;

    INSERT INTO delivery_delivery
        (id, agreement_id, site_id, state, starts_at, ends_at, active_from, acceptance, failure, fault,
         retries, held)
    SELECT id, id, 1, 'active', starts_at, ends_at, starts_at, '{"passed": true}', '', '', 0, false
    FROM agreements_agreement;
"""
# In the order in which sites report: hour by hour, all deliveries. A body is as long as a real one.
READINGS = """
    INSERT INTO metering_reading
        (delivery_id, token_id, slot, starts_at, ends_at, quantity, received_at, sign, meter, source,
         event_id, body)
    SELECT delivery.id, 1, slot, slot + part * %(length)s::interval, slot + (part + 1) * %(length)s::interval,
           (hashint8extended(delivery.id * 1000 + part, extract(epoch FROM slot)::bigint + %(seed)s)
               & 1048575) %% (1 + cards * 3600 / %(parts)s),
           slot, 1, 'card-seconds.allocated', 'urn:cardhour:site:1',
           delivery.id || '/' || extract(epoch FROM slot)::bigint || '/' || part, repeat('x', 290)
    FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 hour', '1 hour') AS slot
    CROSS JOIN delivery_delivery delivery JOIN agreements_agreement agreement ON agreement_id = agreement.id
    CROSS JOIN generate_series(0, %(parts)s - 1) AS part;
"""
SUMS = """
    INSERT INTO metering_meteredhour (delivery_id, slot, meter, quantity, weight, readings)
    SELECT delivery_id, slot, meter, sum(quantity), 0, count(*) FROM metering_reading
    GROUP BY delivery_id, slot, meter ORDER BY slot, delivery_id;

    INSERT INTO metering_changedslot (delivery_id, slot, reading)
    SELECT delivery_id, slot, max(id) FROM metering_reading
    GROUP BY delivery_id, slot ORDER BY slot, delivery_id;
"""
# The same hours and marks without readings: where there are more than the disk holds.
SUMS_ALONE = """
    INSERT INTO metering_meteredhour (delivery_id, slot, meter, quantity, weight, readings)
    SELECT delivery.id, slot, 'card-seconds.allocated',
           (hashint8extended(delivery.id * 1000, extract(epoch FROM slot)::bigint + %(seed)s) & 1048575)
               %% (1 + cards * 3600), 0, 1
    FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 hour', '1 hour') AS slot
    CROSS JOIN delivery_delivery delivery JOIN agreements_agreement agreement ON agreement_id = agreement.id;

    INSERT INTO metering_changedslot (delivery_id, slot, reading)
    SELECT delivery_id, slot, id FROM metering_meteredhour;

    SELECT setval('metering_reading_id_seq', max(id)) FROM metering_meteredhour;
"""


def make(*, agreements: int, hours: int, readings_an_hour: int, seed: int) -> datetime:
    """Migrate and fill the database; when the last hour ends.

    With 0 readings an hour there is the sum of one, and the reading itself is left out.
    """
    call_command("migrate", verbosity=0)
    end = START + hours * HOUR
    make_missing([month_of(START), month_of(end)])
    facts: dict[str, Any] = {
        "agreements": agreements,
        "hours": hours,
        "parts": readings_an_hour,
        "length": HOUR / max(readings_an_hour, 1),
        "seed": seed,
        "start": START,
        "end": end,
        "buyers": BUYERS,
        "owners": OWNERS,
    }
    with connection.cursor() as cursor:
        with transaction.atomic():
            _drop_keys()
            for table in FILLED:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            _make_parties()
            metered = f"{READINGS}{SUMS}" if readings_an_hour else SUMS_ALONE
            for statement in f"{AGREEMENTS}{metered}".split(";\n")[:-1]:
                cursor.execute(statement, facts)
        with transaction.atomic():
            for table in FILLED:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("VACUUM (ANALYZE)")
    return end


def _make_parties() -> None:
    Organisation.objects.bulk_create(
        Organisation(
            pk=number,
            kind="buyer" if number <= BUYERS else "owner",
            name_en=f"Party {number}",
            name_zh=f"Party {number}",
            jurisdiction="CN",
            time_zone="Asia/Shanghai",
        )
        for number in range(1, BUYERS + OWNERS + 1)
    )
    Site.objects.create(
        pk=1,
        owner_id=BUYERS + 1,
        region_id=1,
        name_en="Site",
        name_zh="Site",
        pue=1,
        renewable_share=0,
        bandwidth_mbps=1,
    )
    since = datetime(2000, 1, 1, tzinfo=UTC)
    DunningPolicy.objects.create(name="standard", valid_from=since, days_to_pay=30)
    TaxRule.objects.create(
        seller="CN",
        buyer="CN",
        treatment="standard",
        rate=Decimal("0.06"),
        valid_from=since.date(),
        source="a law",
    )


def _drop_keys() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conrelid::regclass::text, conname FROM pg_constraint
            WHERE contype = 'f' AND conrelid = ANY(%s::regclass[]) AND confrelid = ANY(%s::regclass[])
            """,
            [["clearing_allocation", "agreements_agreement", "supply_site"], list(ORDERS)],
        )
        for table, key in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
