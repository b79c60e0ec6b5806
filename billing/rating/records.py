"""What a run writes down about itself, so that anybody can compute it again and compare the bytes.

A charge is one line of text: its fields in a fixed order, quantities as integers, money with all of its
decimal places, times in UTC. A digest is the SHA-256 of the lines in the order of agreement, slot,
kind and sequence, each with a line feed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from billing.rating.models import Charge, RatingRun
from marketplace.agreements.models import Agreement

# The files that decide what a charge says.
DECISIVE = (
    "money.py",
    "metering/storage.py",
    "rating/availability.py",
    "rating/judgement.py",
    "rating/records.py",
    "rating/service_levels.py",
    "rating/settlement.py",
    "rating/settling.py",
    "rating/slots.py",
)
SUMMED = ("amount", "commission", "credit")


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


def facts_of(charges: Iterable[Charge]) -> dict[str, Any]:
    """What a run says about the charges that it made."""
    ordered = in_order(charges)
    return {
        "charges_made": len(ordered),
        "sums": sums_of(ordered),
        "price_basis": price_basis({charge.agreement_id for charge in ordered}),
        "charges_digest": _sha256(f"{line_of(charge)}\n" for charge in ordered),
    }


def sums_of(charges: Iterable[Charge]) -> dict[str, dict[str, Any]]:
    """By currency: how many charges, card-seconds, and the exact sums as decimal strings."""
    sums: dict[str, dict[str, Any]] = {}
    for charge in charges:
        total = sums.setdefault(
            charge.currency, {"charges": 0, "quantity": 0, **dict.fromkeys(SUMMED, Decimal(0))}
        )
        total["charges"] += 1
        total["quantity"] += charge.quantity
        for name in SUMMED:
            total[name] += getattr(charge, name)
    return {currency: _told(total) for currency, total in sorted(sums.items())}


def price_basis(agreements: Iterable[int]) -> str:
    """SHA-256 of what these agreements say about money: the digest of their terms, rate and prices."""
    rows = Agreement.objects.filter(pk__in=set(agreements)).order_by("pk")
    facts = rows.values_list("pk", "terms_digest", "currency", "commission_rate", "allocation__prices")
    return _sha256(
        f"{pk}\t{digest}\t{currency}\t{rate:.6f}\t{','.join(f'{price:.6f}' for price in prices or ())}\n"
        for pk, digest, currency, rate, prices in facts
    )


def _told(total: Mapping[str, Any]) -> dict[str, Any]:
    return dict(total) | {name: f"{total[name]:.12f}" for name in SUMMED}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _sha256(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()


def make_run(charges: list[Charge], **facts: Any) -> RatingRun:
    """Store a run with its charges, which name it from then on."""
    run = RatingRun.objects.create(code=code_version(), **facts_of(charges), **facts)
    for charge in charges:
        charge.run = run
    Charge.objects.bulk_create(charges, batch_size=2_000)
    return run
