"""What a run writes down about itself, so that anybody can compute it again and compare the bytes.

A charge is one line of text: its fields in a fixed order, quantities as integers, money with all of its
decimal places, times in UTC. A digest is the SHA-256 of the lines in the order of agreement, slot,
kind and sequence, each with a line feed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection

from billing.metering.storage import Cutoff
from billing.rating.models import OF_MONTHS, Charge, RatingRun

# The files that decide what a charge says.
DECISIVE = (
    "money.py",
    "metering/storage.py",
    "rating/availability.py",
    "rating/columns.py",
    "rating/covering.py",
    "rating/judgement.py",
    "rating/lump_sums.py",
    "rating/records.py",
    "rating/service_levels.py",
    "rating/settlement.py",
    "rating/settling.py",
    "rating/slots.py",
    "rating/usual.py",
    "rating/work.py",
    "rating/writing.py",
)
SUMMED = ("amount", "commission", "credit")
Totals = dict[str, dict[str, Any]]


@cache
def code_version() -> str:
    """SHA-256 of the source that computes charges."""
    folder = Path(__file__).parent.parent
    return _sha256(f"{name}\n{(folder / name).read_text()}" for name in DECISIVE)


def line_of(charge: Charge) -> str:
    """The charge in its canonical form. Its own id is no part of it: that is not computed from anything."""
    fields = (
        charge.kind,
        charge.agreement_id,
        _moment(charge.slot),
        charge.sequence,
        charge.corrects_id or "-",
        charge.quantity,
        charge.committed,
        f"{charge.price:.6f}",
        charge.currency,
        f"{charge.amount:.12f}",
        f"{charge.commission:.12f}",
        f"{charge.credit:.12f}",
        charge.last_reading,
    )
    return "\t".join(map(str, fields))


def in_order(charges: Iterable[Charge]) -> list[Charge]:
    return sorted(
        charges, key=lambda charge: (charge.agreement_id, charge.slot, charge.kind, charge.sequence)
    )


class Facts:
    """What a run says about the charges that it made; they are added in their order, some at a time."""

    def __init__(self) -> None:
        self._totals = no_totals()
        self._agreements: set[int] = set()
        self._digest = hashlib.sha256()

    def add(self, charges: Sequence[Charge]) -> None:
        add_to(self._totals, charges)
        for charge in charges:
            self._agreements.add(charge.agreement_id)
            self._digest.update(f"{line_of(charge)}\n".encode())

    def told(self) -> dict[str, Any]:
        return {
            "charges_made": sum(total["charges"] for total in self._totals.values()),
            "sums": told(self._totals),
            "price_basis": price_basis(self._agreements),
            "charges_digest": self._digest.hexdigest(),
        }


def no_totals() -> Totals:
    """By currency: how many charges, card-seconds of usage, and the exact sums."""
    return defaultdict(lambda: {"charges": 0, "quantity": 0, **dict.fromkeys(SUMMED, Decimal(0))})


def add_to(totals: Totals, charges: Iterable[Charge]) -> None:
    for charge in charges:
        total = totals[charge.currency]
        total["charges"] += 1
        total["quantity"] += charge.quantity if charge.kind not in OF_MONTHS else 0
        for name in SUMMED:
            total[name] += getattr(charge, name)


def told(totals: Totals) -> dict[str, dict[str, Any]]:
    """The sums as decimal strings."""
    return {
        currency: total | {name: f"{total[name]:.12f}" for name in SUMMED}
        for currency, total in sorted(totals.items())
    }


def price_basis(agreements: Iterable[int]) -> str:
    """SHA-256 of what these agreements say about money: the digest of their terms, currency and rate.

    The terms name the price of every hour, and each charge says at which one it was made.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, terms_digest, currency, commission_rate::numeric(7, 6)::text
            FROM agreements_agreement WHERE id = ANY(%s) ORDER BY id
            """,
            [list(agreements)],
        )
        return _sha256("\t".join(map(str, row)) + "\n" for row in cursor)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _sha256(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()


def make_run(
    charges: list[Charge],
    *,
    method: str,
    now: datetime,
    horizon: datetime,
    cutoff: Cutoff,
    parked_resolved: int = 0,
    decision: dict[str, Any] | None = None,
) -> RatingRun:
    """Store a run that parks nothing, with its charges, which name it from then on.

    ``cutoff`` is up to where readings were looked at, ``decision`` what a person decided.
    """
    made = Facts()
    made.add(in_order(charges))
    of_charges = made.told()
    digest = of_charges.pop("charges_digest")
    run = RatingRun.objects.create(
        code=code_version(),
        method=method,
        started_at=now,
        horizon=horizon,
        last_reading=cutoff.reading,
        stored_until=cutoff.stored_at,
        parked_made=0,
        parked_resolved=parked_resolved,
        decision=decision,
        **of_charges,
    )
    for charge in charges:
        charge.run = run
    Charge.objects.bulk_create(charges, batch_size=2_000)
    run.seal(digest)
    return run
