"""A database of its own, with one owner, one site and its deliveries, active for a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pgtrigger
from django.core.management import call_command
from django.db import connection, transaction

from accounts.models import Organisation
from benchmarks.metering.stream import CARDS, DELIVERIES, START
from marketplace.agent.identity import Identity, Key
from marketplace.agents.services import create_agent
from marketplace.agreements.models import Agreement
from marketplace.delivery.models import Delivery
from marketplace.supply.models import Site

END = START + timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Scene:
    site: int
    deliveries: list[int]
    token: int
    identity: Identity


def make() -> Scene:
    """Migrate and fill the database.

    Metering asks for the token, the site's owner, the delivery and the agreement's cards. No market run
    has sold them, so the keys that lead to one are dropped.
    """
    call_command("migrate", verbosity=0)
    _drop_keys()
    with transaction.atomic(), pgtrigger.ignore():
        owner = _organisation("owner")
        buyer = _organisation("buyer")
        site = Site.objects.create(
            owner=owner,
            region_id=1,
            name_en="Site",
            name_zh="Site",
            pue=1,
            renewable_share=0,
            bandwidth_mbps=1,
        )
        key = Key.new()
        enrolled = create_agent(site=site, public_key=key.public, now=START)
        deliveries = [_delivery(number, owner, buyer, site) for number in range(1, DELIVERIES + 1)]
    identity = Identity("http://127.0.0.1", key, enrolled.secret)
    return Scene(site.pk, deliveries, enrolled.agent.token_id, identity)


def _drop_keys() -> None:
    """Of agreements to allocations and profile versions, and of sites to regions."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT conrelid::regclass::text, conname FROM pg_constraint
            WHERE contype = 'f' AND (
                conrelid = 'agreements_agreement'::regclass
                AND confrelid IN ('clearing_allocation'::regclass, 'catalogue_profileversion'::regclass)
                OR conrelid = 'supply_site'::regclass AND confrelid = 'catalogue_region'::regclass
            )
        """)
        for table, key in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}")


def _organisation(kind: str) -> Organisation:
    return Organisation.objects.create(kind=kind, name_en=kind, name_zh=kind, jurisdiction="CN")


def _delivery(number: int, owner: Organisation, buyer: Organisation, site: Site) -> int:
    agreement = Agreement.objects.create(
        allocation_id=number,
        buyer=buyer,
        owner=owner,
        profile_version_id=1,
        currency="CNY",
        cards=CARDS,
        starts_at=START,
        ends_at=END,
        card_hours=CARDS * 744,
        value=1,
        commission_rate=Decimal("0.03"),
        terms={},
        terms_digest="0" * 64,
        concluded_at=START,
    )
    return Delivery.objects.create(
        agreement=agreement,
        site=site,
        state="active",
        starts_at=START,
        ends_at=END,
        active_from=START,
        acceptance={"passed": True},
    ).pk
